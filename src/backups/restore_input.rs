//! Where the dump of a restore is, and what the job sees of the host for it.

use std::path::{Path, PathBuf};

use crate::backups::run::Mount;
use crate::model::backup_file::BackupFile;
use crate::model::dump_url::DumpUrl;
use crate::model::refusal::{Refusal, Result};

/// Where the job finds what it is given beside the backups.
const BINARY: &str = "/job/voodu-postgres";
const TRUSTED: &str = "/job/trusted.pem";
const DUMP: &str = "/job/dump";
const CHECKSUM: &str = "/job/dump.sha256";

/// Where systems keep the certificates that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where the dump is, as far as that was found out.
#[derive(Debug)]
pub(crate) enum Input {
    Backup(BackupFile),
    Url(DumpUrl),
    File(PathBuf),
}

/// What of the host a restore needs.
pub(crate) struct Host<'a> {
    /// The plugin itself.
    pub(crate) binary: &'a Path,
    /// The certificates that somebody named, else the host's.
    pub(crate) trusted: Option<PathBuf>,
}

impl Input {
    /// In messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Backup(file) => file.to_string(),
            Self::Url(url) => url.to_string(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// What tells the job where the dump is, and what it sees of the host for that.
    pub(super) fn given(&self, host: &Host<'_>) -> Result<(Vec<String>, Vec<Mount>)> {
        // Every dump is tried with it.
        let mut mounts = vec![Mount::read_only(host.binary, BINARY)];
        let arguments = match self {
            Self::Backup(file) => vec![
                format!("file=/backups/{file}"),
                format!("checksum=/backups/{}", file.checksum()),
            ],
            Self::File(path) => {
                mounts.push(Mount::read_only(path, DUMP));
                let mut arguments = vec![format!("file={DUMP}")];
                let checksum = beside(path);
                if checksum.is_file() {
                    mounts.push(Mount::read_only(checksum, CHECKSUM));
                    arguments.push(format!("checksum={CHECKSUM}"));
                }
                arguments
            }
            Self::Url(url) => {
                let mut arguments = Vec::new();
                // Where it is not encrypted it may be redirected to where it is.
                let trusted = match host.trusted() {
                    Err(refusal) if url.is_encrypted() => return Err(refusal),
                    trusted => trusted.ok(),
                };
                if let Some(bundle) = trusted {
                    mounts.push(Mount::read_only(bundle, TRUSTED));
                    arguments.push(format!("trusted={TRUSTED}"));
                }
                arguments
            }
        };
        Ok((arguments, mounts))
    }
}

impl Host<'_> {
    fn trusted(&self) -> Result<PathBuf> {
        let there = |path: &PathBuf| path.is_file();
        let bundles = BUNDLES.map(PathBuf::from);
        let mut known = self.trusted.iter().chain(&bundles);
        known.find(|path| there(path)).cloned().ok_or_else(|| {
            Refusal::new(
                "this host has no list of the certificates that it trusts, so it cannot know who answers at an https address",
                "install one (apt-get install -y ca-certificates), or name one with SSL_CERT_FILE in the controller's environment",
            )
        })
    }
}

/// `db.dump.sha256` of `db.dump`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(input: &Input, trusted: &Path) -> Result<(String, Vec<PathBuf>)> {
        let host = Host {
            binary: Path::new("/p/voodu-postgres"),
            trusted: Some(trusted.to_owned()),
        };
        let (arguments, mounts) = input.given(&host)?;
        let sources = mounts.into_iter().map(|mount| mount.source);
        Ok((arguments.join(" "), sources.collect()))
    }

    #[test]
    fn what_the_job_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let pem = folder.path().join("pem");
        std::fs::write(&pem, "").unwrap();
        let (file, _) = BackupFile::parse("b007-20260504T020000Z.dump").unwrap();
        let own = given(&Input::Backup(file), &pem).unwrap();
        let name = format!("/backups/{file}");
        assert_eq!(own.0, format!("file={name} checksum={name}.sha256"));
        let binary = PathBuf::from("/p/voodu-postgres");
        assert_eq!(own.1, std::slice::from_ref(&binary));

        let url = |text: &str| given(&Input::Url(text.parse().unwrap()), &pem).unwrap();
        // It may be redirected to an encrypted address.
        let plain = url("http://h/x");
        assert_eq!(plain.0, "trusted=/job/trusted.pem");
        assert_eq!(plain.1, [binary.clone(), pem.clone()]);
        let encrypted = url("https://h/x?hunter2");
        assert_eq!(encrypted.0, "trusted=/job/trusted.pem");
        assert_eq!(encrypted.1, [binary.clone(), pem.clone()]);

        let dump = folder.path().join("db.dump");
        let file = Input::File(dump.clone());
        assert_eq!(given(&file, &pem).unwrap().1.len(), 2);
        let checksum = folder.path().join("db.dump.sha256");
        std::fs::write(&checksum, "").unwrap();
        let (arguments, sources) = given(&file, &pem).unwrap();
        assert_eq!(arguments, "file=/job/dump checksum=/job/dump.sha256");
        assert_eq!(sources, [binary, dump, checksum]);
    }
}
