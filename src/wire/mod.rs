//! The controller's JSON, field for field.

pub(crate) mod action;
pub(crate) mod deployed_spec;
pub(crate) mod dispatch;
pub(crate) mod envelope;
pub(crate) mod expand_request;
pub(crate) mod manifest;
