//! A platform on the memory engine, and a plugin that says what it is told to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use voodu_standin::engine::MemoryEngine;
use voodu_standin::{Builder, EngineChoice, Event, Manifest, Platform, Vars};

const PLUGIN_YML: &str = "name: fake\nversion: 1.2.3\naliases: [fk]\nentrypoint: bin/fake\n\
                          commands:\n  - name: expand\n  - name: help\n  - name: run\n  - name: a:b\n";

/// Prints the prepared answer of its command; keeps what it was given.
const PLUGIN: &str = r#"#!/bin/bash
cat > "seen.$1"
printf '%s\n' "$@" > "argv.$1"
env > "env.$1"
if [ -e "sleep.$1" ]; then exec sleep "$(cat "sleep.$1")"; fi
if [ -e "call.$1" ]; then
  url=$(sed 's|.*"controller_url":"http://\([^"]*\)".*|\1|' "seen.$1")
  exec 3<>"/dev/tcp/${url%:*}/${url#*:}"
  printf '%s HTTP/1.0\r\n\r\n' "$(cat "call.$1")" >&3
  cat <&3 > "reply.$1"
fi
if [ -e "stderr.$1" ]; then cat "stderr.$1" >&2; fi
if [ -e "stdout.$1" ]; then cat "stdout.$1"; fi
if [ -e "exit.$1" ]; then exit "$(cat "exit.$1")"; fi
"#;

pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) memory: Arc<MemoryEngine>,
    plugin: PathBuf,
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugin = directory.path().join("plugins/fake");
        fs::create_dir_all(plugin.join("bin")).unwrap();
        fs::write(plugin.join("plugin.yml"), PLUGIN_YML).unwrap();
        fs::write(plugin.join("bin/fake"), PLUGIN).unwrap();
        fs::set_permissions(plugin.join("bin/fake"), fs::Permissions::from_mode(0o755)).unwrap();
        let memory = Arc::new(MemoryEngine::default());
        let builder = Platform::builder()
            .root(directory.path().join("root"))
            .plugin_dir(directory.path().join("plugins"))
            .engine(EngineChoice::Memory(Arc::clone(&memory)))
            .probes(false)
            .pause(Duration::ZERO);
        Self {
            platform: change(builder).start().unwrap(),
            memory,
            plugin,
            directory,
        }
    }

    /// Another process on the same root.
    pub(crate) fn reopened(&self) -> Platform {
        Platform::builder()
            .root(self.directory.path().join("root"))
            .plugin_dir(self.directory.path().join("plugins"))
            .engine(EngineChoice::Memory(Arc::clone(&self.memory)))
            .pause(Duration::ZERO)
            .start()
            .unwrap()
    }

    /// Prepares what the plugin does: `stdout`, `stderr`, `exit` or `sleep` of a command, or
    /// the request it sends to the controller first (`call`).
    pub(crate) fn prepare(&self, what: &str, command: &str, text: &str) {
        fs::write(self.plugin.join(format!("{what}.{command}")), text).unwrap();
    }

    /// Prepares an answer with actions.
    pub(crate) fn answer(&self, command: &str, actions: &Value) {
        let data = json!({"message": "done", "actions": actions});
        let envelope = json!({"status": "ok", "data": data});
        self.prepare("stdout", command, &envelope.to_string());
    }

    /// Prepares the manifests and actions of an expand.
    pub(crate) fn expands_to(&self, manifests: &Value, actions: &Value) {
        let data = json!({"manifests": manifests, "actions": actions});
        let envelope = json!({"status": "ok", "data": data});
        self.prepare("stdout", "expand", &envelope.to_string());
    }

    /// What the plugin was given: `seen`, `argv` or `env` of a command, or the `reply` to its
    /// call.
    pub(crate) fn given(&self, what: &str, command: &str) -> String {
        fs::read_to_string(self.plugin.join(format!("{what}.{command}"))).unwrap()
    }

    /// Whether a command has been called at all.
    pub(crate) fn was_given(&self, what: &str, command: &str) -> bool {
        self.plugin.join(format!("{what}.{command}")).exists()
    }

    /// Applies one statefulset called `s/db`.
    pub(crate) fn apply_statefulset(&self, spec: Value) {
        let report = self
            .platform
            .apply(
                vec![manifest("statefulset", "s", "db", spec)],
                voodu_standin::ApplyOptions::default(),
            )
            .unwrap();
        assert_eq!(report.changes.errors, Vec::<String>::new());
    }

    /// The docker commands since the last call, each as one line.
    pub(crate) fn commands(&self) -> Vec<String> {
        let lines = self.memory.commands();
        self.memory.clear_commands();
        lines.iter().map(|words| words.join(" ")).collect()
    }

    /// The same, without labels and options: `run s-db.0`, `stop s-db.0`, …
    pub(crate) fn steps(&self) -> Vec<String> {
        let step = |line: &String| {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["run", "-d", "--name", name, ..] => format!("run {name}"),
                ["volume", verb, .., name] => format!("volume {verb} {name}"),
                _ => line.clone(),
            }
        };
        self.commands().iter().map(step).collect()
    }

    /// The resources that were re-stored for a config change.
    pub(crate) fn fanned_out(&self) -> Vec<String> {
        let line = |event| match event {
            Event::FanOut { kind, scope, name } => Some(format!("{kind}/{scope}/{name}")),
            _ => None,
        };
        self.platform
            .events()
            .into_iter()
            .filter_map(line)
            .collect()
    }

    /// Sends a request; answers the status and the document.
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.platform.url()))
            .body(body.to_owned())
            .unwrap();
        let mut reply = agent.run(request).unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        let document = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (reply.status().as_u16(), document)
    }
}

pub(crate) fn manifest(kind: &str, scope: &str, name: &str, spec: Value) -> Manifest {
    Manifest {
        kind: kind.to_owned(),
        scope: scope.to_owned(),
        name: name.to_owned(),
        spec,
        metadata: None,
    }
}

pub(crate) fn vars(pairs: &[(&str, &str)]) -> Vars {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
