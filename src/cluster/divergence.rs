//! What only one pod has: the WAL in its volume beyond the place where the primary's history
//! branched off. It is looked at in a container of its own, and never guessed.

use std::fmt;
use std::time::Duration;

use crate::cluster::members::Members;
use crate::docker::invocation::Invocation;
use crate::model::byte_size::ByteSize;
use crate::model::excerpt::excerpt;
use crate::model::ordinal::Ordinal;

const SCRIPT: &str = include_str!("../../templates/divergence.sh");
const DATA: &str = "/var/lib/postgresql/data/pgdata";
/// Reading 50 MB of WAL takes a second.
const LIMIT: Duration = Duration::from_secs(8);

/// The script's exit code when it says why it cannot know; docker's own are above 100.
const UNKNOWN: i32 = 1;

/// The primary's timeline, and where it left each earlier one.
const HISTORY: &str = "
SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int;
SELECT regexp_replace(line, '^\\s*(\\d+)\\s+([0-9A-F]+/[0-9A-F]+).*$', '\\1 \\2')
  FROM (SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline) AS t,
       regexp_split_to_table(coalesce(pg_read_file('pg_wal/' || timeline || '.history', 0, 100000, true), ''), '\\n') AS line
 WHERE line ~ '^\\s*\\d+\\s+[0-9A-F]+/[0-9A-F]+';
";

/// What nobody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Divergence {
    pub(crate) bytes: u64,
    /// Transactions that were committed, and acknowledged unless a client did not wait.
    pub(crate) commits: u64,
}

impl Divergence {
    /// Looks into a pod's volume. An error says why it cannot be known.
    pub(crate) fn of(members: Members<'_>, pod: Ordinal, primary: Ordinal) -> Result<Self, String> {
        let history = members
            .ask(primary, HISTORY)
            .map_err(|failure| failure.to_string())?;
        let container = members.container(pod);
        let volumes = format!("{container}:ro");
        let image = members
            .docker
            .image_of(&container)
            .map_err(|failure| failure.to_string())?;
        let run = [
            "run",
            "--rm",
            "--network",
            "none",
            "--user",
            "postgres",
            "--entrypoint",
            "bash",
            "--volumes-from",
            &volumes,
            &image,
            "-c",
            SCRIPT,
            "bash",
            DATA,
        ];
        let invocation = Invocation::docker(run.into_iter().chain(history.split_whitespace()));
        let invocation = invocation.limit(LIMIT);
        let output = members.docker.capture(&invocation);
        let output = output.map_err(|failure| failure.to_string())?;
        if output.code == UNKNOWN {
            let why = output.stderr.trim_end().lines().last().unwrap_or_default();
            return Err(why.to_owned());
        }
        let printed = output.succeeded(&invocation);
        let printed = printed.map_err(|failure| failure.to_string())?;
        Self::read(&printed).ok_or_else(|| format!("{} was printed", excerpt(&printed)))
    }

    fn read(printed: &str) -> Option<Self> {
        let (bytes, commits) = printed.trim().split_once(' ')?;
        Some(Self {
            bytes: bytes.parse().ok()?,
            commits: commits.parse().ok()?,
        })
    }
}

/// `3 transactions in 1.2 kB of WAL`
impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = ByteSize(self.bytes);
        match self.commits {
            0 => write!(f, "no transactions"),
            1 => write!(f, "1 transaction in {size} of WAL"),
            many => write!(f, "{many} transactions in {size} of WAL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints() {
        let read = |text| Divergence::read(text).map(|found| found.to_string());
        assert_eq!(read("0 0\n").unwrap(), "no transactions");
        assert_eq!(read("120 1\n").unwrap(), "1 transaction in 120 B of WAL");
        assert_eq!(read("2048 3\n").unwrap(), "3 transactions in 2.0 kB of WAL");
        for text in ["", "x", "1", "-1 0", "1 2 3"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
