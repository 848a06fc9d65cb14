//! A server without a free connection: who holds them all.

use std::fmt;

use serde::Deserialize;

/// Answers one JSON object in a session that came in as a WAL sender, because no connection was left
/// for it, and nothing in any other.
pub(crate) const CROWD: &str = "
SELECT jsonb_build_object('crowd', jsonb_build_object(
  'most', current_setting('max_connections')::int,
  'holders', (SELECT coalesce(jsonb_agg(to_jsonb(h) ORDER BY h.held DESC), '[]') FROM (
    SELECT count(*) AS held, usename AS user, application_name AS application, host(client_addr) AS address
    FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 2, 3, 4) AS h)))
FROM pg_stat_activity AS own WHERE own.pid = pg_backend_pid() AND own.backend_type = 'walsender';
";

/// Those who hold the connections, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Crowd {
    /// `max_connections`
    most: u32,
    /// The one with the most first.
    holders: Vec<Holder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Holder {
    held: u32,
    user: Option<String>,
    application: Option<String>,
    /// None for a session through the socket.
    address: Option<String>,
}

/// As many as fit on a line.
const NAMED: usize = 3;

/// `all 100 connections are taken, 97 by appuser (web) from 172.18.0.5, …`
impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} connections are taken", self.most)?;
        for holder in self.holders.iter().take(NAMED) {
            let user = holder.user.as_deref().unwrap_or("an unknown role");
            write!(f, ", {} by {}", holder.held, shown(user))?;
            if let Some(application) = holder.application.as_deref().filter(|it| !it.is_empty()) {
                write!(f, " ({})", shown(application))?;
            }
            if let Some(address) = &holder.address {
                write!(f, " from {address}")?;
            }
        }
        let others = self.holders.iter().skip(NAMED);
        match others.map(|holder| holder.held).sum::<u32>() {
            0 => Ok(()),
            others => write!(f, ", {others} by others"),
        }
    }
}

impl Crowd {
    /// How somebody else gets in again: `psql` opens psql there.
    pub(crate) fn next(&self, psql: &str) -> String {
        let first = self.holders.first();
        let user = plain(first.and_then(|first| first.user.as_deref()));
        let application = plain(first.and_then(|first| first.application.as_deref()));
        format!(
            "end some of them ({psql} -c \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}' AND application_name = '{application}'\"), give the application a smaller pool, or raise max_connections in the block's pg_config"
        )
    }
}

/// A name that can stand in a command that somebody types: an application gives itself its own.
fn plain(name: Option<&str>) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
    name.filter(|name| name.chars().all(plain)).unwrap_or("…")
}

/// What a terminal shows of a name.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn those_with_the_most_are_named() {
        let holder = |held: u32, application: &str, address: Option<&str>| json!({"held": held, "user": "appuser", "application": application, "address": address});
        let crowd = |holders: Vec<serde_json::Value>| {
            let crowd: Crowd =
                serde_json::from_value(json!({"most": 100, "holders": holders})).unwrap();
            crowd.to_string()
        };
        assert_eq!(
            crowd(vec![
                holder(97, "web", Some("172.18.0.5")),
                holder(3, "", None)
            ]),
            "all 100 connections are taken, 97 by appuser (web) from 172.18.0.5, 3 by appuser"
        );
        let hostile = json!({"most": 1, "holders": [holder(1, "x\u{1b}[2J'; $(id)", None)]});
        let hostile: Crowd = serde_json::from_value(hostile).unwrap();
        assert_eq!(
            hostile.to_string(),
            "all 1 connections are taken, 1 by appuser (x[2J'; $(id))"
        );
        let next = hostile.next("vd pg:psql s/db");
        assert!(
            next.contains("usename = 'appuser' AND application_name = '…'\""),
            "{next}"
        );
        let many = (0..5).map(|_| holder(20, "web", None)).collect();
        let many = crowd(many);
        assert!(
            many.ends_with("20 by appuser (web), 40 by others"),
            "{many}"
        );
    }
}
