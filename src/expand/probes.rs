//! Liveness and readiness: the operator's, whole, or ours.

use serde_json::{Map, Value, json};

use crate::expand::checks::{duration, mount_path};
use crate::expand::shape::{ANYTHING, Field, Shape, block};
use crate::model::cluster_spec::ClusterSpec;
use crate::model::excerpt::excerpt;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape }
}

static PROBES: &[Field] = &[
    field("liveness", Shape::Block(PROBE)),
    field("readiness", Shape::Block(PROBE)),
    field("startup", Shape::Block(PROBE)),
];

static PROBE: &[Field] = &[
    field("exec", Shape::Block(EXEC)),
    field("failure_threshold", COUNT),
    field("http_get", Shape::Block(HTTP_GET)),
    field("initial_delay", Shape::Text(duration)),
    field("period", Shape::Text(duration)),
    field("success_threshold", COUNT),
    field("tcp_socket", Shape::Block(TCP_SOCKET)),
    field("timeout", Shape::Text(duration)),
];

static EXEC: &[Field] = &[field("command", Shape::Texts(ANYTHING))];

static HTTP_GET: &[Field] = &[
    field("http_headers", Shape::TextMap(ANYTHING)),
    field("path", Shape::Text(mount_path)),
    field("port", PORT),
    field("scheme", Shape::Text(ANYTHING)),
];

static TCP_SOCKET: &[Field] = &[field("port", PORT)];

const COUNT: Shape = Shape::Whole(1, i64::MAX);
const PORT: Shape = Shape::Whole(1, 65_535);

/// What a probe does: exactly one of these, with the field that it cannot do without.
const ACTIONS: [(&str, &str); 3] = [
    ("exec", "command"),
    ("http_get", "port"),
    ("tcp_socket", "port"),
];

/// The operator's probes replace ours whole; an empty block switches them off.
pub(super) fn probes(operators: &Map<String, Value>, spec: &ClusterSpec) -> Result<Value> {
    let Some(value) = field::present(operators, "probes") else {
        return Ok(ours(spec));
    };
    let probes = block("probes", field::object("probes", value)?, PROBES)?;
    for (name, probe) in &probes {
        check_action(&format!("probes.{name}"), probe)?;
    }
    Ok(Value::Object(probes))
}

/// The platform checks this for its own blocks only; a probe without an action always fails.
fn check_action(path: &str, probe: &Value) -> Result<()> {
    let mut actions = ACTIONS
        .iter()
        .filter(|(action, _)| probe.get(action).is_some());
    let (Some((action, needs)), None) = (actions.next(), actions.next()) else {
        return Err(Refusal::new(
            format!(
                "{}: a probe does exactly one thing",
                excerpt(path).trim_matches('"')
            ),
            "write one of tcp_socket, exec and http_get into it",
        ));
    };
    match &probe[action][needs] {
        Value::Null => {}
        Value::Array(command) if command.is_empty() => {}
        _ => return Ok(()),
    }
    Err(Refusal::new(
        format!("{path}.{action}.{needs}: missing"),
        format!("write {needs} into {action}"),
    ))
}

/// Liveness is the cheapest sign of a process; readiness asks postgres itself.
fn ours(spec: &ClusterSpec) -> Value {
    let (user, database) = (spec.user.as_str(), spec.database.as_str());
    let port = spec.port;
    json!({
        "liveness": {
            "tcp_socket": {"port": port},
            "initial_delay": "20s",
            "period": "10s",
            "failure_threshold": 3,
        },
        "readiness": {
            "exec": {"command": ["pg_isready", "-U", user, "-d", database, "-p", port.to_string()]},
            "period": "5s",
            "failure_threshold": 1,
            "success_threshold": 2,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes_of(block: &Value) -> Result<Value> {
        let block = block.as_object().unwrap();
        probes(block, &ClusterSpec::parse(block)?)
    }

    #[test]
    fn ours_ask_for_the_blocks_user_database_and_port() {
        let block = json!({"user": "appuser", "database": "appdata", "port": 5433});
        let probes = probes_of(&block).unwrap();
        assert_eq!(probes["liveness"]["tcp_socket"]["port"], 5433);
        assert_eq!(
            probes["readiness"]["exec"]["command"],
            json!(["pg_isready", "-U", "appuser", "-d", "appdata", "-p", "5433"])
        );
    }

    #[test]
    fn the_operators_replace_ours_whole() {
        assert_eq!(probes_of(&json!({"probes": {}})).unwrap(), json!({}));
        let given = json!({"probes": {"liveness": {"tcp_socket": {"port": "5432"}, "failure_threshold": "5"}}});
        assert_eq!(
            probes_of(&given).unwrap(),
            json!({"liveness": {"tcp_socket": {"port": 5432}, "failure_threshold": 5}})
        );
    }

    #[test]
    fn what_the_platform_would_silently_misread_is_refused() {
        for probe in [
            json!({}),
            json!({"exec": {"command": ["true"]}, "tcp_socket": {"port": 1}}),
            json!({"exec": {}}),
            json!({"exec": {"command": []}}),
            json!({"exec": {"command": "true"}}),
            json!({"tcp_socket": {"port": 0}}),
            json!({"tcp_socket": [{"port": 1}, {"port": 2}]}),
            json!({"tcp_socket": {"port": 1}, "period": 10}),
            json!({"tcp_socket": {"port": 1}, "period": "often"}),
            json!({"tcp_socket": {"port": 1}, "failure_threshold": 0}),
            json!({"tcp_socket": {"port": 1}, "perid": "1s"}),
            json!({"http_get": {"path": "x", "port": 1}}),
            json!([{}, {}]),
        ] {
            let refusal = probes_of(&json!({"probes": {"liveness": probe}})).unwrap_err();
            assert!(
                refusal.to_string().starts_with("probes.liveness"),
                "{refusal}"
            );
        }
        assert!(probes_of(&json!({"probes": [{}, {}]})).is_err());
        assert!(probes_of(&json!({"probes": {"livenes": {}}})).is_err());
    }
}
