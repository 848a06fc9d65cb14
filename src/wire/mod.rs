//! The controller's JSON, field for field.

pub(crate) mod action;
pub(crate) mod envelope;
pub(crate) mod expand_request;
pub(crate) mod manifest;
