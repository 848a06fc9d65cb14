//! What a running server says about its role: one statement, one line of JSON.

use serde::{Deserialize, Deserializer};

use crate::model::lsn::Lsn;
use crate::model::ordinal::Ordinal;

/// Answers one JSON object, on every version from 13 on, in recovery or not.
pub(crate) const ROLE: &str = "
SELECT jsonb_build_object(
  'in_recovery', r.recovering,
  'timeline', coalesce(
    CASE WHEN NOT r.recovering THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
    (SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming'),
    greatest(c.timeline_id, (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
      (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'))),
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'written', CASE WHEN NOT r.recovering THEN pg_current_wal_lsn() END,
  'received', CASE WHEN r.recovering THEN pg_last_wal_receive_lsn() END,
  'replayed', CASE WHEN r.recovering THEN pg_last_wal_replay_lsn() END,
  'replay_paused', CASE WHEN r.recovering THEN pg_is_wal_replay_paused() ELSE false END,
  'replay_delay', extract(epoch FROM current_setting('recovery_min_apply_delay')::interval),
  'receiver', (SELECT jsonb_build_object('state', status, 'host', sender_host) FROM pg_stat_wal_receiver),
  'standbys', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'name', application_name, 'state', state, 'sync', sync_state, 'pid', pid,
      'since', extract(epoch FROM backend_start)::bigint, 'address', host(client_addr),
      'sent', sent_lsn, 'flushed', flush_lsn, 'replayed', replay_lsn,
      'lag_bytes', greatest(0, pg_wal_lsn_diff(r.here, replay_lsn)),
      'lag_seconds', extract(epoch FROM replay_lag), 'reply_seconds', extract(epoch FROM clock_timestamp() - reply_time)
    ) ORDER BY application_name), '[]') FROM pg_stat_replication WHERE pid <> pg_backend_pid()))
FROM pg_control_checkpoint() AS c, LATERAL (
  SELECT s.recovering, CASE WHEN s.recovering THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS here
  FROM (SELECT pg_is_in_recovery() AS recovering) AS s) AS r;
";

/// What the name of a standby's connection starts with; its ordinal follows.
pub(crate) const STANDBY: &str = "voodu-postgres-standby-";

/// A server's role, and how far it is.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct Server {
    pub(crate) in_recovery: bool,
    pub(crate) timeline: u32,
    /// The database's own identity, which a copy shares.
    pub(crate) system: String,
    /// The end of what a primary has written; none in recovery.
    #[serde(deserialize_with = "position")]
    pub(crate) written: Option<Lsn>,
    /// What a standby has streamed since it started; none on a primary.
    #[serde(deserialize_with = "position")]
    pub(crate) received: Option<Lsn>,
    #[serde(deserialize_with = "position")]
    pub(crate) replayed: Option<Lsn>,
    pub(crate) replay_paused: bool,
    /// How many seconds late commits are replayed: `recovery_min_apply_delay` (postgres manual,
    /// "Standby Servers").
    pub(crate) replay_delay: f64,
    pub(crate) receiver: Option<Receiver>,
    /// Who streams from it.
    pub(crate) standbys: Vec<Follower>,
}

/// A standby's connection to its primary.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Receiver {
    /// `streaming` when all is well.
    pub(crate) state: String,
    pub(crate) host: Option<String>,
}

/// A row of `pg_stat_replication`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(crate) struct Follower {
    /// `application_name`
    pub(crate) name: String,
    /// `streaming` when all is well.
    pub(crate) state: String,
    pub(crate) sync: String,
    pub(crate) pid: i32,
    /// When the connection was made, in seconds since 1970.
    pub(crate) since: i64,
    pub(crate) address: Option<String>,
    #[serde(deserialize_with = "position")]
    pub(crate) sent: Option<Lsn>,
    #[serde(deserialize_with = "position")]
    pub(crate) flushed: Option<Lsn>,
    #[serde(deserialize_with = "position")]
    pub(crate) replayed: Option<Lsn>,
    /// Written and not replayed there; unknown until its first reply.
    pub(crate) lag_bytes: Option<u64>,
    /// None while there is nothing to replay.
    pub(crate) lag_seconds: Option<f64>,
    /// How old its last reply is.
    pub(crate) reply_seconds: Option<f64>,
}

impl Follower {
    /// The pod, when it is one of the cluster's standbys.
    pub(crate) fn ordinal(&self) -> Option<Ordinal> {
        self.name.strip_prefix(STANDBY)?.parse().ok()
    }

    /// Whether it holds WAL that this primary never sent: `flush_lsn` beyond `sent_lsn` once it has
    /// caught up. Its history is another one, even where the timeline's number is the same, and what
    /// it is sent on top of that does not belong there.
    pub(crate) fn is_beyond(&self) -> bool {
        self.is_streaming() && self.flushed > self.sent
    }

    /// Whether it receives what the primary writes, as it is written.
    pub(crate) fn is_streaming(&self) -> bool {
        self.state == "streaming"
    }
}

impl Server {
    /// The connection of a pod that streams from this server, however well.
    pub(crate) fn follower(&self, pod: Ordinal) -> Option<&Follower> {
        // A connection that just broke off can be in the list beside the new one.
        let mut own = self
            .standbys
            .iter()
            .filter(|follower| follower.ordinal() == Some(pod));
        let first = own.clone().next();
        own.find(|follower| follower.is_streaming()).or(first)
    }

    /// How far a standby is, with what it has and has not replayed yet; how far a primary is.
    pub(crate) fn reached(&self) -> Option<Lsn> {
        self.written.or(self.received.max(self.replayed))
    }

    /// Whether a standby receives what its primary writes.
    pub(crate) fn is_receiving(&self) -> bool {
        self.receiver
            .as_ref()
            .is_some_and(|receiver| receiver.state == "streaming")
    }
}

fn position<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lsn>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = r#"{"in_recovery" : false, "timeline" : 1, "system" : "7", "written" : "0/5000148",
        "received" : null, "replayed" : null, "replay_paused" : false, "replay_delay" : 0, "receiver" : null, "standbys" : [
        {"name" : "voodu-postgres-standby-1", "state" : "startup", "sync" : "async", "pid" : 70, "since" : 1, "address" : null,
         "sent" : null, "flushed" : null, "replayed" : null, "lag_bytes" : null, "lag_seconds" : null, "reply_seconds" : null},
        {"name" : "voodu-postgres-standby-1", "state" : "streaming", "sync" : "async", "pid" : 71, "since" : 2, "address" : "172.18.0.4",
         "sent" : "0/5000148", "flushed" : "0/5000148", "replayed" : "0/5000100", "lag_bytes" : 72, "lag_seconds" : 0.000411, "reply_seconds" : 0.9},
        {"name" : "pg_receivewal", "state" : "streaming", "sync" : "async", "pid" : 72, "since" : 2, "address" : null,
         "sent" : null, "flushed" : null, "replayed" : null, "lag_bytes" : null, "lag_seconds" : null, "reply_seconds" : null}]}"#;

    #[test]
    fn a_primary_with_its_standbys() {
        let server: Server = serde_json::from_str(PRIMARY).unwrap();
        let one = server.follower("1".parse().unwrap()).unwrap();
        assert_eq!((one.pid, one.lag_bytes), (71, Some(72)));
        assert_eq!(server.follower("2".parse().unwrap()), None);
        assert_eq!(server.reached().unwrap().to_string(), "0/5000148");
    }

    #[test]
    fn a_standby_has_what_it_received_or_replayed_from_its_own_disk() {
        let lsn = |text: &str| text.parse().ok();
        let mut server = Server {
            in_recovery: true,
            replayed: lsn("0/2"),
            ..Server::default()
        };
        assert_eq!(server.reached(), lsn("0/2"));
        server.received = lsn("0/3");
        assert_eq!(server.reached(), lsn("0/3"));
        assert!(!server.is_receiving());
    }
}
