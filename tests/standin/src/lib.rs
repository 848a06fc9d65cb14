//! A stand-in for the voodu controller and its CLI: reads `.voodu` files, calls plugins the
//! way the platform does, and runs what they ask for on docker or in memory.
//!
//! [`Platform`] is the whole of it in one process, with an HTTP listener that plugins can talk
//! to. `hcl` reads files, `plugin` runs binaries, `expand`, `action` and `dispatch` are what a
//! plugin's answers mean, `reconcile` and `jobs` are what follows from stored manifests,
//! `engine` is what runs containers. `http` and `cli` are the two ways in.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let platform = voodu_standin::Platform::builder()
//!     .root("/tmp/voodu")
//!     .plugin_dir(".")
//!     .start()?;
//! let report = platform.apply_file("tests/samples/cluster.voodu")?;
//! assert_eq!(report.changes.created.len(), 3);
//! print!("{}", platform.vd(["pg:help"]).stdout);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod action;
mod apply;
mod assets;
mod builder;
pub mod cli;
mod clock;
mod controller;
mod delete;
mod dispatch;
pub mod engine;
mod env;
mod event;
mod expand;
mod files;
pub mod hcl;
mod http;
mod jobs;
mod manifest;
mod platform;
mod plugin;
mod probes;
mod reconcile;
mod refusal;
mod store;
mod wire;

pub use apply::{ApplyOptions, ApplyReport, Changes};
pub use builder::{Builder, EngineChoice};
pub use event::Event;
pub use expand::Expansion;
pub use http::Fault;
pub use manifest::{Kind, Manifest, Metadata, ResourceId};
pub use platform::Platform;
pub use refusal::Refusal;
pub use store::Vars;
