//! A directory of the plugin's own on this host, which nobody else may read or write: for what no
//! pod needs to see, and for clusters whose backups directory the plugin cannot reach.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::model::resource_ref::ResourceRef;

/// Where a file of a cluster lies in the first of the places that can be had.
pub(crate) fn own_file(
    places: &[PathBuf],
    cluster: &ResourceRef,
    suffix: &str,
) -> io::Result<PathBuf> {
    let name = format!("{}.{}{suffix}", cluster.scope(), cluster.name());
    Ok(first_usable(places)?.join(name))
}

/// The first of the places that can be had, made if it is missing.
fn first_usable(places: &[PathBuf]) -> io::Result<&Path> {
    let mut refused = None;
    for place in places {
        match prepare(place) {
            Ok(()) => return Ok(place),
            Err(error) => {
                let named = format!("{}: {error}", place.display());
                refused.get_or_insert(io::Error::new(error.kind(), named));
            }
        }
    }
    Err(refused.unwrap_or_else(|| ErrorKind::NotFound.into()))
}

/// Neither a link nor a directory of somebody else, who could exchange what lies in it.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(path)?;
    let is_own = found.uid() == fs::metadata("/proc/self")?.uid();
    if !found.is_dir() || !is_own || found.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "it is not a directory of mode 0700 that belongs to the user who runs the plugin",
        ));
    }
    Ok(access(path, Access::WRITE_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    #[test]
    fn it_is_made_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("backups/.own");
        let places = [own.clone(), dir.path().join("other")];
        for _ in 0..2 {
            assert_eq!(first_usable(&places).unwrap(), own);
        }
        assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
        assert!(!places[1].exists());
    }

    #[test]
    fn what_others_could_exchange_is_passed_over_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let (own, other) = (dir.path().join("own"), dir.path().join("other"));
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let plant: [&dyn Fn(); 4] = [
            &|| symlink(&elsewhere, &own).unwrap(),
            &|| fs::write(&own, "").unwrap(),
            &|| {
                fs::create_dir(&own).unwrap();
                fs::set_permissions(&own, fs::Permissions::from_mode(0o770)).unwrap();
            },
            &|| {
                fs::create_dir(&own).unwrap();
                fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).unwrap();
                // Only root can give a directory away.
                if chown(&own, Some(12345), None).is_err() {
                    fs::remove_dir(&own).unwrap();
                    fs::write(&own, "").unwrap();
                }
            },
        ];
        for plant in plant {
            plant();
            let places = [own.clone(), other.clone()];
            assert_eq!(first_usable(&places).unwrap(), other);
            let error = first_usable(&places[..1]).unwrap_err().to_string();
            assert!(error.contains(&own.display().to_string()), "{error}");
            let is_directory = fs::symlink_metadata(&own).unwrap().is_dir();
            if is_directory {
                fs::remove_dir(&own)
            } else {
                fs::remove_file(&own)
            }
            .unwrap();
        }
        assert!(fs::read_dir(&elsewhere).unwrap().next().is_none());
        assert!(first_usable(&[]).is_err());
    }
}
