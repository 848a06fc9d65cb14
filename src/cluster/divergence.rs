//! What only one pod has: the WAL in its volume beyond the place where the primary's history
//! branched off. It is looked at in a container of its own, and never guessed.

use std::fmt;

use crate::cluster::beside::look_into;
use crate::cluster::members::Members;
use crate::model::byte_size::ByteSize;
use crate::model::excerpt::excerpt;
use crate::model::ordinal::Ordinal;

const SCRIPT: &str = concat!(
    include_str!("../../templates/entrypoint/wal.sh"),
    include_str!("../../templates/volume.sh"),
    include_str!("../../templates/divergence.sh"),
);
const DATA: &str = "/var/lib/postgresql/data/pgdata";

/// The timelines that the primary went through, each with the location where it left it; then its
/// own with the end of its WAL.
const HISTORY: &str = "
SELECT regexp_replace(line, '^\\s*(\\d+)\\s+([0-9A-F]+/[0-9A-F]+).*$', '\\1 \\2')
  FROM (SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline) AS t,
       regexp_split_to_table(coalesce(pg_read_file('pg_wal/' || timeline || '.history', 0, 100000, true), ''), '\\n') WITH ORDINALITY AS lines (line, number)
 WHERE line ~ '^\\s*\\d+\\s+[0-9A-F]+/[0-9A-F]+' ORDER BY number;
SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int, pg_current_wal_lsn();
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
        let history = history.split([' ', '|', '\n']);
        let history = history.filter(|word| !word.is_empty());
        let words: Vec<_> = [SCRIPT, "bash", DATA].into_iter().chain(history).collect();
        let printed = look_into(members, pod, &words)?.ok_or("its volume does not exist")?;
        let mut lines = printed.lines();
        let found = lines.next().and_then(Self::read);
        let found = found.ok_or_else(|| format!("{} was printed", excerpt(&printed)))?;
        match lines.next() {
            None => Ok(found),
            Some(line) => {
                let sample = Sample::read(line);
                let sample = sample.ok_or_else(|| format!("{} was printed", excerpt(line)))?;
                found.proven(sample.is_of(members, primary)?)
            }
        }
    }

    fn read(printed: &str) -> Option<Self> {
        let (bytes, commits) = printed.trim().split_once(' ')?;
        Some(Self {
            bytes: bytes.parse().ok()?,
            commits: commits.parse().ok()?,
        })
    }

    /// What remains of it, given whether the primary has the same WAL where both histories are said
    /// to be one. That a pod has nothing of its own holds only when that is known.
    fn proven(self, is_same: Option<bool>) -> Result<Self, String> {
        match is_same {
            Some(true) => Ok(self),
            Some(false) => Err(
                "its WAL differs from the primary's on a timeline that has the same number"
                    .to_owned(),
            ),
            None if self.commits > 0 => Ok(self),
            None => Err("the primary no longer has the WAL to compare it with".to_owned()),
        }
    }
}

/// A piece of a pod's WAL that the primary must have as well.
#[derive(Debug, PartialEq, Eq)]
struct Sample<'a> {
    /// A file of `pg_wal`.
    file: &'a str,
    /// In bytes.
    offset: u32,
    length: u32,
    md5: &'a str,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let &[file, offset, length, md5] = &words[..] else {
            return None;
        };
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (file.len() == 24 && is_hex(file) && md5.len() == 32 && is_hex(md5)).then_some(Self {
            file,
            offset: offset.parse().ok()?,
            length: length.parse().ok()?,
            md5,
        })
    }

    /// Whether the primary has the same bytes there; none when it does not have the segment any
    /// more. After a promotion the segment's beginning stands in a file of the next timeline too.
    fn is_of(&self, members: Members<'_>, primary: Ordinal) -> Result<Option<bool>, String> {
        let Self {
            file,
            offset,
            length,
            md5,
        } = self;
        let segment = &file[8..];
        let question = format!(
            "SELECT bool_or(md5(pg_read_binary_file('pg_wal/' || name, {offset}, {length}, true)) = '{md5}') \
             FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$' AND substr(name, 9) = '{segment}' AND name >= '{file}' \
             AND substr(name, 1, 8) <= substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
        );
        let answer = members.ask(primary, &question);
        match &answer.map_err(|failure| failure.to_string())?[..] {
            "t" => Ok(Some(true)),
            "f" => Ok(Some(false)),
            _ => Ok(None),
        }
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

    #[test]
    fn nothing_of_its_own_has_to_be_proven() {
        let none = Divergence {
            bytes: 0,
            commits: 0,
        };
        let some = Divergence {
            bytes: 120,
            commits: 1,
        };
        assert_eq!(none.proven(Some(true)), Ok(none));
        assert_eq!(some.proven(None), Ok(some));
        let unknown = none.proven(None).unwrap_err();
        assert!(unknown.contains("no longer has the WAL"), "{unknown}");
        for found in [none, some] {
            let other = found.proven(Some(false)).unwrap_err();
            assert!(other.contains("the same number"), "{other}");
        }
    }

    #[test]
    fn a_sample_is_read_strictly() {
        let line = "000000020000000000000003 8192 144 0123456789abcdef0123456789abcdef";
        let sample = Sample::read(line).unwrap();
        assert_eq!((sample.offset, sample.length), (8192, 144));
        for bad in [
            "",
            "000000020000000000000003 8192 144",
            "000000020000000000000003 -1 144 0123456789abcdef0123456789abcdef",
            "00000002000000000000000' 8192 144 0123456789abcdef0123456789abcdef",
            "000000020000000000000003 8192 144 0123456789abcdef0123456789abcde'",
        ] {
            assert_eq!(Sample::read(bad), None, "{bad}");
        }
    }
}
