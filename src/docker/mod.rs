//! The seam to docker: argv as values, one place that starts processes, typed verbs over both.

pub(crate) mod container;
pub(crate) mod engine;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod follow;
pub(crate) mod invocation;
mod lifecycle;
pub(crate) mod published;
pub(crate) mod runner;
