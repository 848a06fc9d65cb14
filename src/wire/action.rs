//! What a plugin asks the controller to do besides storing manifests.

use std::collections::BTreeMap;

use serde::Serialize;

/// One action on the resource `scope/name`.
#[derive(Debug, Serialize)]
pub(crate) struct Action {
    #[serde(flatten)]
    verb: Verb,
    scope: String,
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Verb {
    /// Merges into the bucket.
    ConfigSet { kv: BTreeMap<&'static str, String> },
}

impl Action {
    /// Stores values in the bucket of `scope/name`.
    pub(crate) fn config_set(
        scope: &str,
        name: &str,
        kv: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        Self {
            verb: Verb::ConfigSet {
                kv: kv.into_iter().collect(),
            },
            scope: scope.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_fields_of_a_config_set() {
        let action = Action::config_set("clowk-lp", "db", [("A", "1".to_owned())]);
        assert_eq!(
            serde_json::to_value(action).unwrap(),
            json!({"type": "config_set", "scope": "clowk-lp", "name": "db", "kv": {"A": "1"}})
        );
    }
}
