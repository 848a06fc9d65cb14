//! What every end-to-end test needs.

pub mod application;
mod cluster;
mod docker;
mod leftovers;
mod load;
mod misfortune;
mod plugin;
mod record;
mod slot;

use std::time::{Duration, Instant};

pub use cluster::{Cluster, Plan};
pub use docker::{docker, docker_ok};
pub use load::{Load, Seen};

/// Tries `probe` until it gives something, or fails after `seconds` with what it last said.
#[track_caller]
pub fn eventually<T>(seconds: u64, what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match probe() {
            Ok(value) => return value,
            Err(reason) if Instant::now() > deadline => {
                panic!("{what} did not happen in {seconds} s: {reason}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Turns a condition into something for [`eventually`].
pub fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(otherwise()) }
}
