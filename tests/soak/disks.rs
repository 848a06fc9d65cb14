//! Small disks, each in memory, for the backups and for each pod's data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::found::Checked;
use crate::support::{Cluster, docker_ok};

const DATA_MEGABYTES: u32 = 800;
const BACKUPS_MEGABYTES: u32 = 500;

/// Mounts that are gone when this is dropped.
pub struct Disks {
    backups: PathBuf,
    data: Vec<PathBuf>,
}

impl Disks {
    pub fn mount(cluster: &Cluster) -> Checked<Self> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&cluster.scope);
        let mut disks = Self {
            backups: cluster.backups(),
            data: Vec::new(),
        };
        mount(&disks.backups, BACKUPS_MEGABYTES)?;
        for pod in 0..cluster.plan.replicas {
            let disk = root.join(format!("disk-{pod}"));
            mount(&disk, DATA_MEGABYTES)?;
            let (device, scope) = (
                format!("device={}", disk.display()),
                format!("voodu.scope={}", cluster.scope),
            );
            let volume = format!("voodu-{}-db-data-{pod}", cluster.scope);
            docker_ok(&[
                "volume",
                "create",
                "--label",
                "createdby=voodu",
                "--label",
                &scope,
                "--opt",
                "type=none",
                "--opt",
                "o=bind",
                "--opt",
                &device,
                &volume,
            ]);
            disks.data.push(disk);
        }
        Ok(disks)
    }

    /// Leaves no room on the disk of a pod's data.
    pub fn fill_data(&self, pod: u16) -> Checked {
        let disk = self.data.get(usize::from(pod));
        disk.map_or(Ok(()), |disk| fill(disk))
    }

    /// Leaves no room where the backups and the record are.
    pub fn fill_backups(&self) -> Checked {
        fill(&self.backups)
    }

    /// Gives all room back.
    pub fn free(&self) {
        for disk in self.all() {
            let _ = fs::remove_file(disk.join(FILLER));
        }
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.data.iter().chain([&self.backups])
    }
}

const FILLER: &str = ".soak-filler";

fn fill(disk: &Path) -> Checked {
    // What dd could not write any more is what there was room for.
    let filler = format!("of={}", disk.join(FILLER).display());
    let dd = Command::new("dd")
        .args([
            "if=/dev/zero",
            &filler,
            "bs=64k",
            "oflag=append",
            "conv=notrunc",
        ])
        .output();
    dd.map(drop).map_err(|error| format!("dd: {error}"))
}

fn mount(place: &Path, megabytes: u32) -> Checked {
    fs::create_dir_all(place).map_err(|error| format!("{}: {error}", place.display()))?;
    let options = format!("size={megabytes}m");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
        .arg(place)
        .output()
        .map_err(|error| format!("mount: {error}"))?;
    if mount.status.success() {
        return Ok(());
    }
    Err(format!(
        "mount {}: {}",
        place.display(),
        String::from_utf8_lossy(&mount.stderr)
    ))
}

impl Drop for Disks {
    fn drop(&mut self) {
        for disk in self.all() {
            let _ = Command::new("umount").arg("-l").arg(disk).output();
        }
    }
}
