//! plugin.yml, the README and the help texts are held against the code. `BLESS=1 cargo test`
//! rewrites what is generated.

mod lines;
mod tables;

use std::path::{Path, PathBuf};

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
