//! The superuser's passwords that a role may have and the config has not yet. A plugin that is killed
//! between the role and the config leaves one behind, and where the server asks for it on the socket
//! too, nobody could set another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::cluster::Cluster;
use crate::cluster::own_dir::own_file;
use crate::docker::engine::Docker;
use crate::model::refusal::{Refusal, Result};
use crate::model::secret::Secret;
use crate::postgres::psql::Psql;
use crate::postgres::session::Login;

const NAME: &str = ".password";

/// Each of several killed runs left one. More than these are not tried.
const MOST: usize = 4;

/// What earlier runs left, the newest first.
pub(crate) struct Unstored {
    path: io::Result<PathBuf>,
    passwords: Vec<Secret>,
}

impl Unstored {
    /// Looks for it in the plugin's own directory.
    pub(crate) fn of(cluster: &Cluster, own_dirs: &[PathBuf]) -> Self {
        let path = own_file(own_dirs, &cluster.reference, NAME);
        let text = path
            .as_ref()
            .ok()
            .and_then(|path| fs::read_to_string(path).ok());
        let text = text.unwrap_or_default();
        // One that was cut off is none.
        let whole = |line: &&str| line.len() == 64;
        let lines = text.lines().rev().filter(whole).take(MOST);
        let passwords = lines.filter_map(|line| Secret::chosen(NAME, line).ok());
        Self {
            path,
            passwords: passwords.collect(),
        }
    }

    /// The login that lets the plugin in: the config's, or else one with a password that was left.
    pub(crate) fn login<'a>(
        &'a self,
        docker: Docker<'_>,
        container: &str,
        config: Login<'a>,
    ) -> Login<'a> {
        let left = self.passwords.iter().map(|password| Login {
            password: Some(password),
            ..config
        });
        for login in std::iter::once(config).chain(left) {
            if self.passwords.is_empty() {
                break;
            }
            match Psql::new(docker, container, login).ask("SELECT 1") {
                Ok(_) => return login,
                Err(failure) if failure.timed_out() => break,
                Err(_) => {}
            }
        }
        config
    }

    /// Leaves a password before a role gets it, on disk and for nobody else to read.
    pub(crate) fn keep(&self, password: &Secret) -> Result<()> {
        let lost = |error: &io::Error| {
            Refusal::new(
                format!(
                    "the new password cannot be kept until the config has it: {}{error}",
                    self.place()
                ),
                "nothing was changed; see that its disk has room and that the controller's user can write there, and run the command again",
            )
        };
        let path = self.path.as_ref().map_err(lost)?;
        let kept = || {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(path)?;
            // A line of its own, also after one that was cut off.
            file.write_all(format!("\n{}\n", password.expose()).as_bytes())?;
            file.sync_all()?;
            path.parent()
                .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        };
        kept().map_err(|error| lost(&error))
    }

    /// Takes it away once the config has the newest: no role has an older one then.
    pub(crate) fn forget_stored(&self, cluster: &Cluster) -> io::Result<()> {
        let (Ok(path), Some(newest)) = (&self.path, self.passwords.first()) else {
            return Ok(());
        };
        if cluster.bucket.password.as_ref() != Some(newest) {
            return Ok(());
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn place(&self) -> String {
        let path = self.path.as_ref().ok();
        path.map_or(String::new(), |path| format!("{}: ", path.display()))
    }
}
