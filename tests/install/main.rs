//! The install and uninstall hooks, against a server of releases in this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod download;
mod hooks;
mod machine;
mod releases;
