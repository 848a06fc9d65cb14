//! Runs the binary with nothing of this machine in its environment, and reads its answer.

pub(crate) mod actors;
pub(crate) mod golden;
pub(crate) mod hcl;
pub(crate) mod pods;
pub(crate) mod world;

use std::fmt;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value, json};

pub(crate) const CLUSTER_ID: &str = "0123456789abcdef0123456789abcdef";

/// What came back.
#[derive(PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The plugin, ready to be given arguments and input.
pub(crate) fn plugin() -> assert_cmd::Command {
    let mut command = cargo_bin_cmd!("voodu-postgres");
    command.env_clear();
    command
}

/// Runs a prepared command.
pub(crate) fn run(command: &mut assert_cmd::Command) -> Answer {
    let output = command.output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Expands the bytes of a request.
pub(crate) fn expand_bytes(request: impl Into<Vec<u8>>) -> Answer {
    run(plugin().arg("expand").write_stdin(request))
}

/// Expands a request.
pub(crate) fn expand(request: &Value) -> Answer {
    expand_bytes(request.to_string())
}

/// Expands a block of a cluster that exists.
pub(crate) fn expand_spec(spec: &Value) -> Answer {
    expand(&request(spec, &config()))
}

/// What the controller sends for `postgres "clowk-lp" "db"`.
pub(crate) fn request(spec: &Value, config: &Value) -> Value {
    json!({"kind": "postgres", "scope": "clowk-lp", "name": "db", "spec": spec, "config": config})
}

/// The bucket after the first apply.
pub(crate) fn config() -> Value {
    json!({
        "POSTGRES_PASSWORD": "hunter2",
        "POSTGRES_REPLICATION_PASSWORD": "hunter3",
        "PG_CLUSTER_ID": CLUSTER_ID,
        "PG_PRIMARY_ORDINAL": "0",
        "BACKUP_KEEP": "30",
    })
}

/// `config()` with other values; `null` takes a key away.
pub(crate) fn config_with(changes: &Value) -> Value {
    let mut config = config();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => config.as_object_mut().unwrap().remove(key),
            value => config
                .as_object_mut()
                .unwrap()
                .insert(key.clone(), value.clone()),
        };
    }
    config
}

/// The refusal of a block: it starts with the field, names a way out and says nothing secret.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, field: &str) {
    let error = answer.error();
    assert!(error.starts_with(field), "expected {field}, got {error}");
    assert!(error.contains("; "), "no next step: {error}");
    assert!(
        error.ends_with("vd delete clowk-lp/db works without the file"),
        "{error}"
    );
    assert!(
        !error.contains(char::is_control) && error.len() < 600,
        "{error}"
    );
    assert!(!error.contains("hunter"), "{error}");
    assert_eq!(answer.stderr, "");
}

/// Cut, because a reply holds whole scripts.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stdout: String = self.stdout.chars().take(800).collect();
        write!(f, "exit code {}\n{stdout}\n{}", self.code, self.stderr)
    }
}

impl Answer {
    /// The one document on standard output.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        let document = self.document();
        assert_eq!(
            (self.code, &document["status"]),
            (0, &json!("ok")),
            "{self:?}"
        );
        document["data"].clone()
    }

    /// The error of a refusal.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let document = self.document();
        assert_eq!(
            (self.code, &document["status"]),
            (1, &json!("error")),
            "{self:?}"
        );
        assert_eq!(document.as_object().unwrap().len(), 2, "{document}");
        document["error"].as_str().unwrap().to_owned()
    }

    /// The spec of the manifest of that kind.
    #[track_caller]
    pub(crate) fn spec(&self, kind: &str) -> Value {
        let data = self.data();
        let manifests = data["manifests"].as_array().unwrap();
        let found = manifests.iter().find(|manifest| manifest["kind"] == kind);
        found.unwrap()["spec"].clone()
    }

    /// The pods.
    #[track_caller]
    pub(crate) fn statefulset(&self) -> Value {
        self.spec("statefulset")
    }

    /// One of the files that the pods mount.
    #[track_caller]
    pub(crate) fn file(&self, key: &str) -> String {
        self.spec("asset")["files"][key]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What the controller is asked to store in the bucket.
    #[track_caller]
    pub(crate) fn actions(&self) -> Vec<Value> {
        self.data()["actions"].as_array().unwrap().clone()
    }
}
