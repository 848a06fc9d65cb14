//! The sign of life that each pod's script leaves in the backups directory (`heartbeat.sh`). The
//! directory is writable by the database's superuser, so a heartbeat is read strictly and proves
//! nothing against somebody who forges it.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::cluster::record_file;
use crate::model::cluster_id::ClusterId;
use crate::model::ordinal::Ordinal;

/// What a pod's script says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    pub(crate) cluster: ClusterId,
    pub(crate) ordinal: Ordinal,
    /// The boot of the host that the uptime counts from (`random(4)`, `boot_id`).
    boot: String,
    uptime: Duration,
    /// The epoch of the record that it acts on; 0 before it has seen one.
    pub(crate) epoch: u64,
    pub(crate) role: Role,
}

/// What its server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Standby,
    /// No server runs.
    None,
}

/// The host's clock that nobody sets. Containers see the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostClock {
    boot: String,
    uptime: Duration,
}

/// A heartbeat counts in whole seconds, and is written a moment after the clock was read.
const ROUNDING: Duration = Duration::from_secs(2);

/// The text is not a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAHeartbeat;

impl HostClock {
    /// Reads it; nothing where `/proc` hides it.
    pub(crate) fn read() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let seconds = uptime.split(' ').next()?.parse().ok()?;
        Some(Self {
            boot: boot.trim_end().to_owned(),
            uptime: Duration::try_from_secs_f64(seconds).ok()?,
        })
    }
}

impl Heartbeat {
    /// A pod's own; nothing when there is none that can be read as one.
    pub(crate) fn read(backups_dir: &Path, cluster: &ClusterId, ordinal: Ordinal) -> Option<Self> {
        let file = record_file::open(&backups_dir.join(format!(".pod-{ordinal}"))).ok()?;
        let read: Self = record_file::text(file).ok()?.parse().ok()?;
        (read.cluster == *cluster && read.ordinal == ordinal).then_some(read)
    }

    /// How long ago it was left; nothing for one of an earlier boot of the host, or of a later time.
    pub(crate) fn age(&self, now: &HostClock) -> Option<Duration> {
        if self.boot != now.boot || self.uptime > now.uptime + ROUNDING {
            return None;
        }
        Some(now.uptime.saturating_sub(self.uptime))
    }
}

impl FromStr for Heartbeat {
    type Err = NotAHeartbeat;

    /// Every key once, in this order, each on a whole line.
    fn from_str(text: &str) -> Result<Self, NotAHeartbeat> {
        let mut lines = text.strip_suffix('\n').ok_or(NotAHeartbeat)?.split('\n');
        let mut value = |key: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(key));
            line.and_then(|rest| rest.strip_prefix('='))
                .ok_or(NotAHeartbeat)
        };
        if value("format")? != "1" {
            return Err(NotAHeartbeat);
        }
        let read = Self {
            cluster: value("cluster")?.parse().map_err(|_| NotAHeartbeat)?,
            ordinal: value("ordinal")?.parse().map_err(|_| NotAHeartbeat)?,
            boot: boot(value("boot")?)?,
            uptime: Duration::from_secs(number(value("uptime")?)?),
            epoch: number(value("epoch")?)?,
            role: value("role")?.parse()?,
        };
        match lines.next() {
            None => Ok(read),
            Some(_) => Err(NotAHeartbeat),
        }
    }
}

fn boot(text: &str) -> Result<String, NotAHeartbeat> {
    let inner = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    let is_uuid = text.len() == 36 && text.bytes().all(inner);
    is_uuid.then(|| text.to_owned()).ok_or(NotAHeartbeat)
}

fn number(text: &str) -> Result<u64, NotAHeartbeat> {
    let digits = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or(NotAHeartbeat)
}

impl FromStr for Role {
    type Err = NotAHeartbeat;

    fn from_str(text: &str) -> Result<Self, NotAHeartbeat> {
        match text {
            "primary" => Ok(Self::Primary),
            "standby" => Ok(Self::Standby),
            "none" => Ok(Self::None),
            _ => Err(NotAHeartbeat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    const ID: &str = "00112233445566778899aabbccddeeff";
    const BOOT: &str = "a8b2c3d4-0000-1111-2222-333344445555";

    fn text() -> String {
        format!(
            "format=1\ncluster={ID}\nordinal=2\nboot={BOOT}\nuptime=100\nepoch=7\nrole=standby\n"
        )
    }

    fn clock(boot: &str, seconds: u64) -> HostClock {
        HostClock {
            boot: boot.to_owned(),
            uptime: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn its_age_counts_in_the_hosts_uptime() {
        let beat: Heartbeat = text().parse().unwrap();
        assert_eq!((beat.epoch, beat.role), (7, Role::Standby));
        let age = |boot, seconds| beat.age(&clock(boot, seconds)).map(|age| age.as_secs());
        assert_eq!(age(BOOT, 175), Some(75));
        assert_eq!(age(BOOT, 99), Some(0));
        assert_eq!(age(BOOT, 90), None, "from a later time");
        assert_eq!(age("another", 175), None, "from an earlier boot");
        let now = HostClock::read().unwrap();
        assert_eq!(now.boot.len(), 36);
        assert!(!now.uptime.is_zero());
    }

    #[test]
    fn anything_else_is_no_heartbeat() {
        let good = text();
        for bad in [
            String::new(),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good}more=1\n"),
            format!("\n{good}"),
            good.replace("format=1", "format=2"),
            good.replace("ordinal=2", "ordinal=02"),
            good.replace("ordinal=2\n", ""),
            good.replace("uptime=100", "uptime=-1"),
            good.replace("uptime=100", "uptime=9999999999999999999"),
            good.replace("uptime=100", "uptime=1.5"),
            good.replace("epoch=7", "epoch="),
            good.replace("role=standby", "role=Primary"),
            good.replace(BOOT, "x"),
            good.replace(ID, &ID.to_uppercase()),
            good.replace('\n', "\r\n"),
            format!("{}{good}", &good[..9]),
        ] {
            assert_eq!(bad.parse::<Heartbeat>(), Err(NotAHeartbeat), "{bad}");
        }
    }

    #[test]
    fn only_a_plain_file_of_that_pod_and_cluster_is_read() {
        let (id, pod) = (ID.parse().unwrap(), "2".parse().unwrap());
        let plant = |what: &str, path: &Path| match what {
            "absent" => {}
            "good" => fs::write(path, text()).unwrap(),
            "another pod" => fs::write(path, text().replace("ordinal=2", "ordinal=1")).unwrap(),
            "another cluster" => fs::write(path, text().replace("0011", "ffff")).unwrap(),
            "huge" => fs::write(path, "#".repeat(1_000_000)).unwrap(),
            "binary" => fs::write(path, b"\xff\0").unwrap(),
            "directory" => fs::create_dir(path).unwrap(),
            "link" => {
                fs::write(path.with_extension("real"), text()).unwrap();
                symlink(path.with_extension("real"), path).unwrap();
            }
            _ => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        };
        for what in [
            "absent",
            "good",
            "another pod",
            "another cluster",
            "huge",
            "binary",
            "directory",
            "link",
            "pipe",
        ] {
            let dir = tempfile::tempdir().unwrap();
            plant(what, &dir.path().join(".pod-2"));
            let read = Heartbeat::read(dir.path(), &id, pod);
            assert_eq!(read.is_some(), what == "good", "{what}");
        }
    }
}
