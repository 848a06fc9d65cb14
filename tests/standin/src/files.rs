//! Files that must never be seen half written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes beside the target and renames.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.new"));
    fs::write(&temporary, content).with_context(|| format!("write {}", temporary.display()))?;
    fs::set_permissions(&temporary, Permissions::from_mode(mode))?;
    fs::rename(&temporary, path).with_context(|| format!("rename to {}", path.display()))
}
