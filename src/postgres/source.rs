//! What has to be known of a server before it is dumped.

use crate::docker::runner::Failure;
use crate::postgres::crowd::{CROWD, Crowd};
use crate::postgres::psql::Psql;

/// A server that a dump can be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) major: u32,
    pub(crate) in_recovery: bool,
    /// The server's other databases, which a dump does not hold.
    pub(crate) others: Vec<String>,
    /// What the database takes on the disk; unknown when it takes too long to find out.
    pub(crate) size: Option<u64>,
    /// Who holds the connections, when none is left.
    pub(crate) crowd: Option<Crowd>,
    /// Whether a neighbour is let in without a password.
    pub(crate) trusts: bool,
}

/// One row each, so that a slow last one costs its own answer only.
const QUESTIONS: &str = "
SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),
  (SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database
   WHERE NOT datistemplate AND datname <> current_database());
";

impl Source {
    /// Asks as the dump will connect, and over the socket where that takes a password.
    pub(crate) fn ask(psql: Psql<'_>) -> Result<Self, Failure> {
        let psql = psql.in_the_database();
        let size = "SELECT pg_database_size(current_database());";
        let questions = format!("{QUESTIONS}{CROWD}{size}");
        match psql.as_neighbour().read(&questions, read) {
            Ok(source) => Ok(Self {
                trusts: true,
                ..source
            }),
            Err(hangs) if hangs.timed_out() => Err(hangs),
            Err(_) => psql.read(&questions, read),
        }
    }
}

fn read(printed: &str) -> Option<Source> {
    let mut lines = printed.lines();
    let mut fields = lines.next()?.splitn(3, '|');
    let mut field = || fields.next();
    Some(Source {
        major: field()?.parse().ok()?,
        in_recovery: field()? == "t",
        others: serde_json::from_str(field()?).ok()?,
        crowd: lines.clone().find_map(crowd),
        size: lines.find_map(|line| line.parse().ok()),
        trusts: false,
    })
}

fn crowd(line: &str) -> Option<Crowd> {
    let mut answer: serde_json::Map<_, _> = serde_json::from_str(line).ok()?;
    serde_json::from_value(answer.remove("crowd")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_other_databases() {
        let source = read("17|f|[\"a|b\", \"c\\nd\"]\n7654321\n").unwrap();
        assert_eq!((source.major, source.in_recovery), (17, false));
        assert_eq!(source.others, ["a|b", "c\nd"]);
        assert_eq!(source.size, Some(7_654_321));
        let standby = read("15|t|[]\n").unwrap();
        assert!(standby.in_recovery && standby.size.is_none());
        let crowd = "{\"crowd\": {\"most\": 6, \"holders\": []}}";
        let crowded = read(&format!("17|f|[]\n{crowd}\n5\n")).unwrap();
        assert_eq!((crowded.size, crowded.crowd.is_some()), (Some(5), true));
        assert_eq!(read("psql: hello"), None);
    }
}
