//! `vd plugin:command`: run the plugin once, interpret what it printed, apply its actions.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::action::{Action, Deferred};
use crate::controller::Controller;
use crate::http::{Fault, NOWHERE};
use crate::plugin::{Invocation, Plugin};
use crate::refusal::Refusal;
use crate::store::Vars;
use crate::wire::wire;

/// The node's name in every invocation.
pub(crate) const NODE: &str = "voodu-0";

const ETCD: &str = "http://127.0.0.1:2379";

wire! {
    /// The `data` of a plugin's answer.
    Answer { message: String, actions: Vec<Action>, }
}

impl Controller {
    /// What the controller adds to a plugin's environment.
    pub(crate) fn plugin_environment(&self) -> Vars {
        let mut env = self.plugin_env.clone();
        for (key, value) in [
            ("VOODU_ROOT", self.plugins.root().to_string_lossy().as_ref()),
            ("VOODU_NODE", NODE),
            ("VOODU_ETCD_CLIENT", ETCD),
        ] {
            env.insert(key.to_owned(), value.to_owned());
        }
        let docker = self.root.join("docker");
        if docker.is_dir() {
            env.entry("DOCKER_CONFIG".to_owned())
                .or_insert_with(|| docker.to_string_lossy().into_owned());
        }
        env
    }

    /// Answers the `data` of the reply.
    pub(crate) fn dispatch(
        self: &Arc<Self>,
        name: &str,
        command: &str,
        arguments: &[String],
    ) -> Result<Value, Refusal> {
        let plugin = self
            .plugins
            .find(name)
            .map_err(|error| Refusal::bad_request(format!("plugin {name:?}: {error:#}")))?;
        if !plugin.declares(command) {
            return Err(Refusal::bad_request(format!(
                "plugin {name:?} has no command {command:?} (available: {})",
                plugin.available()
            )));
        }
        let output = plugin
            .run(&Invocation {
                command,
                arguments,
                stdin: self.context(name, command, &plugin),
                env: &self.plugin_environment(),
                limit: self.plugin_limit,
                hang_ups: &self.hang_ups,
            })
            .map_err(|failure| Refusal::internal(format!("invoke plugin: {failure}")))?;
        if output.status != 0 {
            return Err(Refusal::bad_request(format!(
                "plugin {name:?} {command} exited {}: {}",
                output.status,
                output.detail()
            )));
        }
        let Some(envelope) = output.envelope() else {
            return Ok(json!({"message": output.message(), "applied": []}));
        };
        if envelope.status == "error" {
            return Err(Refusal::bad_request(format!(
                "plugin {name:?} {command}: {}",
                envelope.error
            )));
        }
        let answer = match envelope.data {
            Value::Null => Answer::default(),
            data @ Value::Object(_) => serde_json::from_value(data).map_err(|error| {
                Refusal::bad_request(format!("decode plugin response: {error}"))
            })?,
            _ => {
                return Err(Refusal::bad_request(
                    "decode plugin response: data is not an object",
                ));
            }
        };
        self.carry_out(&answer)
    }

    fn context(&self, name: &str, command: &str, plugin: &Plugin) -> Vec<u8> {
        let url = match self.traffic.fault() {
            Some(Fault::Down) => Some(NOWHERE),
            _ => self.url.get().map(String::as_str),
        };
        let context = json!({
            "plugin": name, "command": command, "controller_url": url,
            "plugin_dir": plugin.directory().to_string_lossy(), "node_name": NODE,
        });
        context.to_string().into_bytes()
    }

    /// In order; the first failure loses the message and everything collected so far, but not
    /// what was already applied.
    fn carry_out(self: &Arc<Self>, answer: &Answer) -> Result<Value, Refusal> {
        let mut deferred = Deferred::default();
        let mut applied = Vec::new();
        for (at, action) in answer.actions.iter().enumerate() {
            let outcome = match action.defer(&mut deferred) {
                Some(outcome) => outcome,
                None => self.apply_with_fan_out(action),
            };
            let line = outcome.map_err(|refusal| {
                refusal.within(format!("apply action {at} ({})", action.r#type))
            })?;
            applied.push(action.report(line));
        }
        let mut data = json!({"message": answer.message, "applied": applied});
        if !deferred.exec_local.is_empty() {
            data["exec_local"] = Value::Array(deferred.exec_local);
        }
        if !deferred.fetch_file.is_empty() {
            data["fetch_file"] = Value::Array(deferred.fetch_file);
        }
        Ok(data)
    }
}
