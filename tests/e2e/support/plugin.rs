//! The plugin as the controller finds it.

use std::fs;
use std::path::{Path, PathBuf};

/// A plugin directory with the binary under test.
pub fn install_plugin(root: &Path) -> PathBuf {
    let directory = root.join("plugins/postgres");
    fs::create_dir_all(directory.join("bin")).expect("make the plugin directory");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin.yml");
    fs::copy(manifest, directory.join("plugin.yml")).expect("copy plugin.yml");
    fs::copy(
        env!("CARGO_BIN_EXE_voodu-postgres"),
        directory.join("bin/voodu-postgres"),
    )
    .expect("copy the binary");
    directory
}
