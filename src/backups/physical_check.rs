//! Whether a tar is a whole physical backup: read to its end, every file in it held against the
//! checksum in its manifest.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::backups::tar::Tar;

/// What a whole one is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The version that its data are of.
    pub(crate) major: u32,
    /// Whether there is a checksum of every file.
    pub(crate) sums: bool,
}

/// The parts, and what of them counts.
#[derive(Default)]
struct Found {
    base: Option<Base>,
    wal: Option<u64>,
    manifest: Option<Vec<u8>>,
    others: Vec<String>,
}

#[derive(Default)]
struct Base {
    sums: BTreeMap<String, String>,
    version: String,
    tablespaces: bool,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "Files")]
    files: Vec<ManifestFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestFile {
    path: Option<String>,
    #[serde(rename = "Checksum-Algorithm")]
    algorithm: Option<String>,
    checksum: Option<String>,
}

/// Reads it to its end.
pub(crate) fn check(reader: impl Read) -> anyhow::Result<Checked> {
    let mut tar = Tar::new(reader);
    let found = parts(&mut tar)?;
    let others = found.others.join(", ");
    let (Some(base), Some(wal)) = (found.base, found.wal) else {
        bail!("it is not a physical backup, which holds base.tar and pg_wal.tar, but {others}");
    };
    if wal == 0 {
        bail!("there is no WAL in its pg_wal.tar");
    }
    for name in ["PG_VERSION", "global/pg_control", "backup_label"] {
        if !base.sums.contains_key(name) {
            bail!("it is not whole: {name} is missing in its base.tar");
        }
    }
    if base.tablespaces {
        bail!("it holds tablespaces outside the data directory, and a pod has no place for them");
    }
    let major = base.version.trim().parse();
    Ok(Checked {
        major: major.context("its PG_VERSION says nothing")?,
        sums: match found.manifest {
            Some(text) => compare(&base.sums, &text)?,
            None => false,
        },
    })
}

fn parts(tar: &mut Tar<impl Read>) -> anyhow::Result<Found> {
    let mut found = Found::default();
    while let Some(member) = tar.next().map_err(|error| whole(&error))? {
        match &member.name[..] {
            "base.tar" => found.base = Some(base(&mut *tar).map_err(|error| whole(&error))?),
            "pg_wal.tar" => found.wal = Some(count(&mut *tar).map_err(|error| whole(&error))?),
            "backup_manifest" => {
                found.manifest = Some(tar.content().map_err(|error| whole(&error))?);
            }
            _ if found.others.len() < 5 => found.others.push(member.name),
            _ => {}
        }
    }
    Ok(found)
}

fn whole(error: &io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => anyhow!("it is cut off"),
        ErrorKind::InvalidData => anyhow!("it is damaged, or no tar"),
        _ => anyhow!("it cannot be read: {error}"),
    }
}

fn base(reader: impl Read) -> io::Result<Base> {
    let mut tar = Tar::new(reader);
    let mut base = Base::default();
    while let Some(member) = tar.next()? {
        let mut sum = Sha256::new();
        match &member.name[..] {
            "PG_VERSION" => {
                let content = tar.content()?;
                sum.update(&content);
                base.version = String::from_utf8_lossy(&content).into_owned();
            }
            name => {
                base.tablespaces |= name == "tablespace_map" && member.size > 0;
                hash(&mut tar, &mut sum)?;
            }
        }
        base.sums.insert(member.name, hex::encode(sum.finalize()));
    }
    Ok(base)
}

fn hash(reader: &mut impl Read, sum: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            count => sum.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

fn count(reader: impl Read) -> io::Result<u64> {
    let mut tar = Tar::new(reader);
    let mut count = 0;
    while tar.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Whether all files have such a sum. One that is missing or another is damage.
fn compare(sums: &BTreeMap<String, String>, manifest: &[u8]) -> anyhow::Result<bool> {
    let manifest: Manifest =
        serde_json::from_slice(manifest).context("it is damaged: its manifest is none")?;
    let mut all = true;
    for file in &manifest.files {
        let (Some(path), Some("SHA256")) = (&file.path, file.algorithm.as_deref()) else {
            all = false;
            continue;
        };
        if sums.get(path) != file.checksum.as_ref() {
            bail!("it is damaged: {path} is not as its manifest says");
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    fn packed(folder: &Path, files: &[&str]) -> Vec<u8> {
        let mut tar = Command::new("tar");
        let output = tar.arg("-C").arg(folder).args(["-cf", "-"]).args(files);
        output.output().unwrap().stdout
    }

    /// A backup whose parts can be changed.
    fn backup(change: impl Fn(&Path)) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for part in ["base/global", "wal"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        for (name, text) in [
            ("base/PG_VERSION", "17\n"),
            ("base/global/pg_control", "control"),
            ("base/backup_label", "label"),
            ("base/tablespace_map", ""),
            ("wal/000000010000000000000002", "wal"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let sum = hex::encode(Sha256::digest("control"));
        let manifest = format!(
            r#"{{"Files": [{{"Path": "global/pg_control", "Checksum-Algorithm": "SHA256", "Checksum": "{sum}"}}]}}"#
        );
        fs::write(folder.join("backup_manifest"), manifest).unwrap();
        change(folder);
        for (from, to) in [("base", "base.tar"), ("wal", "pg_wal.tar")] {
            if folder.join(from).exists() {
                fs::write(folder.join(to), packed(&folder.join(from), &["."])).unwrap();
            }
        }
        let names = ["base.tar", "pg_wal.tar", "backup_manifest", "other"];
        let there = names.into_iter().filter(|name| folder.join(name).exists());
        packed(folder, &there.collect::<Vec<_>>())
    }

    fn remove(name: &str) -> impl Fn(&Path) {
        let name = name.to_owned();
        move |folder| {
            let path = folder.join(&name);
            fs::remove_file(&path)
                .or_else(|_| fs::remove_dir_all(&path))
                .unwrap();
        }
    }

    fn write(name: &'static str, text: &'static str) -> impl Fn(&Path) {
        move |folder| fs::write(folder.join(name), text).unwrap()
    }

    #[test]
    fn a_whole_one() {
        let all = Checked {
            major: 17,
            sums: true,
        };
        assert_eq!(check(&backup(|_| ())[..]).unwrap(), all);
        let plain = check(&backup(remove("backup_manifest"))[..]).unwrap();
        assert!(!plain.sums);
        let crc = r#"{"Files": [{"Path": "x", "Checksum-Algorithm": "CRC32C", "Checksum": "00"}]}"#;
        assert!(
            !check(&backup(write("backup_manifest", crc))[..])
                .unwrap()
                .sums
        );
    }

    #[track_caller]
    fn refused(bytes: &[u8], expected: &str) {
        let error = check(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected}, got {error}");
    }

    #[test]
    fn what_is_none_or_not_whole() {
        refused(b"", "it is cut off");
        refused(&b"hello".repeat(1000), "it is damaged, or no tar");
        let whole = backup(|_| ());
        for length in (0..whole.len() / 2).step_by(700) {
            refused(&whole[..length], "cut off");
        }
        refused(
            &backup(write("base/global/pg_control", "other")),
            "global/pg_control is not as",
        );
        refused(
            &backup(write("backup_manifest", "{")),
            "its manifest is none",
        );
        refused(
            &backup(remove("base/backup_label")),
            "backup_label is missing",
        );
        refused(
            &backup(write("base/tablespace_map", "16385 /x")),
            "holds tablespaces",
        );
        refused(
            &backup(write("base/PG_VERSION", "x")),
            "its PG_VERSION says nothing",
        );
        refused(
            &backup(remove("wal/000000010000000000000002")),
            "there is no WAL",
        );
        let other = backup(|folder| {
            remove("base")(folder);
            write("other", "x")(folder);
        });
        refused(&other, "base.tar and pg_wal.tar, but other");
    }
}
