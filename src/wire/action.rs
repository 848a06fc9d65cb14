//! What a plugin asks the controller to do, and to hand to the operator's CLI.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::model::resource_ref::ResourceRef;
use crate::wire::manifest::Manifest;

/// One action on the resource `scope/name`.
#[derive(Debug, Serialize)]
pub(crate) struct Action {
    #[serde(flatten)]
    verb: Verb,
    scope: String,
    name: String,
    /// The line that the operator sees instead of the controller's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Verb {
    /// Merges into the bucket; an empty value deletes its key.
    ConfigSet {
        kv: BTreeMap<&'static str, String>,
        #[serde(rename = "skip_restart", skip_serializing_if = "is_rolling")]
        restart: Restart,
    },
    /// Stores a manifest as it is, without another expand.
    ApplyManifest { manifest: Manifest },
    /// Runs on the operator's side of the CLI.
    ExecLocal { command: Vec<String> },
    /// Copied by the CLI to the operator's side, never over another file.
    FetchFile {
        remote_path: String,
        dest_path: String,
        size_bytes: u64,
    },
}

/// What the controller stores for an action, by which it can be seen to have done so.
#[derive(Debug, PartialEq)]
pub(crate) enum Trace<'a> {
    /// A key of a bucket; an empty value is none.
    Value {
        scope: &'a str,
        name: &'a str,
        key: &'a str,
        value: &'a str,
    },
    Manifest {
        scope: &'a str,
        name: &'a str,
        spec: &'a Value,
    },
}

/// What a changed bucket does to the pods of its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Replaces those whose environment changes.
    Rolling,
    /// Nothing now. A key that the manifest's own env does not shadow waits for the next apply.
    Skip,
}

impl Serialize for Restart {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self == Self::Skip)
    }
}

/// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_rolling(restart: &Restart) -> bool {
    *restart == Restart::Rolling
}

impl Action {
    /// Stores values in the bucket of `scope/name`.
    pub(crate) fn config_set(
        scope: &str,
        name: &str,
        kv: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let target = (scope.to_owned(), name.to_owned());
        Self::new(target, set(kv, Restart::Rolling))
    }

    /// Stores values in the bucket of a resource.
    pub(crate) fn set(
        target: &ResourceRef,
        kv: impl IntoIterator<Item = (&'static str, String)>,
        restart: Restart,
    ) -> Self {
        Self::new(owned(target), set(kv, restart))
    }

    /// Stores the manifest of a resource.
    pub(crate) fn apply_manifest(target: &ResourceRef, manifest: Manifest) -> Self {
        Self::new(owned(target), Verb::ApplyManifest { manifest })
    }

    /// Lets the operator's CLI run a command.
    pub(crate) fn exec_local(target: &ResourceRef, command: Vec<String>) -> Self {
        Self::new(owned(target), Verb::ExecLocal { command })
    }

    /// Lets the operator's CLI copy a file of this host.
    pub(crate) fn fetch_file(target: &ResourceRef, from: String, to: String, size: u64) -> Self {
        let verb = Verb::FetchFile {
            remote_path: from,
            dest_path: to,
            size_bytes: size,
        };
        Self::new(owned(target), verb)
    }

    fn new((scope, name): (String, String), verb: Verb) -> Self {
        Self {
            verb,
            scope,
            name,
            summary: None,
        }
    }

    /// What the controller stores for it. The keys of one action are stored together, so one of them
    /// stands for all.
    pub(crate) fn trace(&self) -> Option<Trace<'_>> {
        let (scope, name) = (&self.scope[..], &self.name[..]);
        match &self.verb {
            Verb::ConfigSet { kv, .. } => kv.first_key_value().map(|(key, value)| Trace::Value {
                scope,
                name,
                key,
                value,
            }),
            Verb::ApplyManifest { manifest } => Some(Trace::Manifest {
                scope,
                name,
                spec: manifest.spec(),
            }),
            Verb::ExecLocal { .. } | Verb::FetchFile { .. } => None,
        }
    }

    /// The same action with a line of its own for the operator.
    pub(crate) fn summary(mut self, line: impl Into<String>) -> Self {
        self.summary = Some(line.into());
        self
    }
}

fn owned(target: &ResourceRef) -> (String, String) {
    (target.scope().to_owned(), target.name().to_owned())
}

fn set(kv: impl IntoIterator<Item = (&'static str, String)>, restart: Restart) -> Verb {
    Verb::ConfigSet {
        kv: kv.into_iter().collect(),
        restart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn db() -> ResourceRef {
        ResourceRef::new("clowk-lp", "db").unwrap()
    }

    #[track_caller]
    fn case(action: Action, expected: &Value) {
        assert_eq!(&serde_json::to_value(action).unwrap(), expected);
    }

    #[test]
    fn the_fields_of_a_config_set() {
        case(
            Action::config_set("clowk-lp", "db", [("A", "1".to_owned())]),
            &json!({"type": "config_set", "scope": "clowk-lp", "name": "db", "kv": {"A": "1"}}),
        );
        case(
            Action::set(&db(), [("A", String::new())], Restart::Skip).summary("forgot A"),
            &json!({"type": "config_set", "scope": "clowk-lp", "name": "db", "kv": {"A": ""},
                "skip_restart": true, "summary": "forgot A"}),
        );
    }

    #[test]
    fn what_the_controller_stores() {
        let set = Action::set(
            &db(),
            [("B", "2".to_owned()), ("A", String::new())],
            Restart::Skip,
        );
        let expected = Trace::Value {
            scope: "clowk-lp",
            name: "db",
            key: "A",
            value: "",
        };
        assert_eq!(set.trace(), Some(expected));
        assert_eq!(Action::exec_local(&db(), Vec::new()).trace(), None);
    }

    #[test]
    fn the_fields_of_the_others() {
        let manifest = Manifest::statefulset("clowk-lp", "db", json!({"replicas": 1}));
        case(
            Action::apply_manifest(&db(), manifest),
            &json!({"type": "apply_manifest", "scope": "clowk-lp", "name": "db", "manifest":
                {"kind": "statefulset", "scope": "clowk-lp", "name": "db", "spec": {"replicas": 1}}}),
        );
        case(
            Action::exec_local(&db(), vec!["true".to_owned()]),
            &json!({"type": "exec_local", "scope": "clowk-lp", "name": "db", "command": ["true"]}),
        );
        case(
            Action::fetch_file(&db(), "/srv/a".to_owned(), "b".to_owned(), 10),
            &json!({"type": "fetch_file", "scope": "clowk-lp", "name": "db",
                "remote_path": "/srv/a", "dest_path": "b", "size_bytes": 10}),
        );
    }
}
