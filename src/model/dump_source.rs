//! Where a dump comes from that is to be restored.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::backup_name::BackupName;
use crate::model::dump_url::DumpUrl;
use crate::model::refusal::Refusal;

/// What an operator named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DumpSource {
    /// One of the cluster's own backups.
    Backup(BackupName),
    Url(DumpUrl),
    /// A file of the host.
    File(PathBuf),
}

impl FromStr for DumpSource {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if DumpUrl::is_meant(text) {
            return text.parse().map(Self::Url);
        }
        if text.starts_with('/') {
            return host_file(text).map(Self::File);
        }
        text.parse().map(Self::Backup).map_err(|refusal: Refusal| {
            refusal
                .or("a dump elsewhere is named by its http(s) URL or its absolute path on the host")
        })
    }
}

/// A path that docker can be asked to mount.
pub(crate) fn host_file(text: &str) -> Result<PathBuf, Refusal> {
    let path = Path::new(text);
    if !path.is_absolute() || path.file_name().is_none() || text.contains(char::is_control) {
        return Err(Refusal::new(
            "the file must be named by its absolute path on the host",
            "write a path such as /srv/backups/db.dump",
        ));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_a_url_or_a_path() {
        assert!(matches!("b7".parse(), Ok(DumpSource::Backup(_))));
        assert!(matches!(
            "b007-20260504T020000Z.dump".parse(),
            Ok(DumpSource::Backup(_))
        ));
        assert!(matches!("https://h/x".parse(), Ok(DumpSource::Url(_))));
        assert_eq!(
            "/srv/x.dump".parse(),
            Ok(DumpSource::File("/srv/x.dump".into()))
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "x.dump", "./x", "/", "/srv/..", "/a\nb", "ftp://h/x"] {
            let refused: Result<DumpSource, _> = text.parse();
            assert!(refused.is_err(), "{text:?}");
        }
    }
}
