//! Plugin blocks become core manifests. Actions are applied before manifests are checked, and
//! on a dry run as well.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::action::Action;
use crate::controller::Controller;
use crate::manifest::{Kind, Manifest};
use crate::plugin::{Invocation, Output, Plugin};
use crate::refusal::Refusal;
use crate::wire::wire;

/// Which manifests a block became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expansion {
    /// `kind/scope/name` of the block.
    pub from: String,
    /// `kind/scope/name` of each manifest.
    pub to: Vec<String>,
}

wire! {
    /// The answer's third form; a null among the manifests is noticed later.
    Combined { manifests: Vec<Option<Manifest>>, actions: Vec<Action>, }
}

impl Controller {
    /// Replaces every plugin block by what its plugin makes of it.
    pub(crate) fn expand_blocks(
        self: &Arc<Self>,
        blocks: Vec<Manifest>,
    ) -> Result<(Vec<Manifest>, Vec<Expansion>), Refusal> {
        let (mut manifests, mut expansions) = (Vec::new(), Vec::new());
        for block in blocks {
            if Kind::exact(&block.kind).is_some() {
                manifests.push(block);
                continue;
            }
            let expanded = self.expand(&block).map_err(|refusal| {
                Refusal::bad_request(refusal.message)
                    .within(format!("expand {}/{}", block.kind, block.name))
            })?;
            expansions.push(Expansion {
                from: block.reference(),
                to: expanded.iter().map(Manifest::reference).collect(),
            });
            manifests.extend(expanded);
        }
        Ok((manifests, expansions))
    }

    fn expand(self: &Arc<Self>, block: &Manifest) -> Result<Vec<Manifest>, Refusal> {
        let (spec, pinned) = without_plugin_block(block.spec.clone());
        let plugin = self.plugin_for(block, pinned.as_deref())?;
        let output = plugin
            .run(&Invocation {
                command: "expand",
                arguments: &[],
                stdin: self.expand_request(block, &spec),
                env: &self.plugin_environment(),
                limit: self.plugin_limit,
                hang_ups: &self.hang_ups,
            })
            .map_err(|failure| Refusal::bad_request(failure.to_string()))?;
        let name = &plugin.name;
        let data = answer(&plugin, &output)?;
        let refuse = |what: String| Refusal::bad_request(format!("plugin {name:?} expand{what}"));
        let combined = decode(data).map_err(|error| refuse(format!(": {error}")))?;
        for (at, action) in combined.actions.iter().enumerate() {
            self.apply_action(action).map_err(|refusal| {
                refuse(format!(" action {at} ({}): {refusal}", action.r#type))
            })?;
        }
        let mut manifests =
            check(combined.manifests).map_err(|error| refuse(format!(": {error}")))?;
        splice_on_probe(&spec, &mut manifests);
        Ok(manifests)
    }

    fn plugin_for(&self, block: &Manifest, pinned: Option<&str>) -> Result<Plugin, Refusal> {
        let found = self.plugins.find(&block.kind).ok();
        let Some(plugin) = found.filter(|plugin| plugin.declares("expand")) else {
            return Err(Refusal::bad_request(format!(
                "no plugin for {:?} blocks is installed, and the stand-in installs none",
                block.kind
            )));
        };
        match pinned {
            Some(version) if version != "latest" && version != plugin.version => {
                Err(Refusal::bad_request(format!(
                    "the block pins version {version} of {:?}, {} is installed",
                    plugin.name, plugin.version
                )))
            }
            _ => Ok(plugin),
        }
    }

    fn expand_request(&self, block: &Manifest, spec: &Value) -> Vec<u8> {
        let mut request = json!({"kind": block.kind, "name": block.name});
        if !block.scope.is_empty() {
            request["scope"] = Value::from(block.scope.as_str());
        }
        if !spec.is_null() {
            request["spec"] = spec.clone();
        }
        let config = self.store.bucket(&block.id());
        if !config.is_empty() {
            request["config"] = json!(config);
        }
        request.to_string().into_bytes()
    }
}

/// Takes the reserved `plugin {}` block out; two of them are an array and stay.
fn without_plugin_block(mut spec: Value) -> (Value, Option<String>) {
    let Some(fields) = spec.as_object_mut() else {
        return (spec, None);
    };
    if !fields.get("plugin").is_some_and(Value::is_object) {
        return (spec, None);
    }
    let removed = fields.remove("plugin").unwrap_or_default();
    let version = removed["version"].as_str().map(str::trim);
    let version = version.filter(|version| !version.is_empty());
    let version = version.map(ToOwned::to_owned);
    (spec, version)
}

fn answer(plugin: &Plugin, output: &Output) -> Result<Value, Refusal> {
    let name = &plugin.name;
    if output.status != 0 {
        return Err(Refusal::bad_request(format!(
            "plugin {name:?} expand exited {}: {}",
            output.status,
            output.detail()
        )));
    }
    let Some(envelope) = output.envelope() else {
        return Err(Refusal::bad_request(format!(
            "plugin {name:?} expand returned no JSON envelope (got: {})",
            output.excerpt()
        )));
    };
    if envelope.status == "error" {
        return Err(Refusal::bad_request(format!(
            "plugin {name:?} expand: {}",
            envelope.error
        )));
    }
    Ok(envelope.data)
}

/// One manifest, a list of them, or manifests with actions.
fn decode(data: Value) -> Result<Combined, String> {
    let combined = match data {
        Value::Null => return Err("envelope.data is empty".to_owned()),
        Value::Array(_) => json!({ "manifests": data }),
        Value::Object(ref map) if map.contains_key("manifests") => data,
        single => json!({ "manifests": [single] }),
    };
    serde_json::from_value(combined).map_err(|error| format!("decode the answer: {error}"))
}

fn check(manifests: Vec<Option<Manifest>>) -> Result<Vec<Manifest>, String> {
    let mut checked = Vec::new();
    for manifest in manifests {
        let Some(manifest) = manifest else {
            return Err("returned a nil manifest".to_owned());
        };
        if Kind::exact(&manifest.kind).is_none() {
            return Err(format!(
                "returned non-core kind {:?} (plugins must expand to core kinds)",
                manifest.kind
            ));
        }
        if manifest.name.is_empty() {
            return Err("returned manifest with empty name".to_owned());
        }
        checked.push(manifest);
    }
    Ok(checked)
}

/// The operator's `on_probe` replaces whatever the plugin emitted, verbatim.
fn splice_on_probe(spec: &Value, manifests: &mut [Manifest]) {
    let Some(on_probe) = spec.get("on_probe") else {
        return;
    };
    for manifest in manifests {
        if matches!(manifest.kind.as_str(), "deployment" | "statefulset") {
            if manifest.spec.is_null() {
                manifest.spec = Value::Object(Map::new());
            }
            if let Some(fields) = manifest.spec.as_object_mut() {
                fields.insert("on_probe".to_owned(), on_probe.clone());
            }
        }
    }
}
