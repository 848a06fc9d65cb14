//! `on_probe`, which voodu copies from the block over ours after expand.

use serde_json::{Map, Value};

use crate::model::excerpt::key;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};

/// Refuses the one spelling that the statefulset cannot be stored with: a block written once
/// arrives as a map where the platform decodes a list, and nothing here can mend it.
pub(super) fn check(operators: &Map<String, Value>) -> Result<()> {
    let Some(value) = field::present(operators, "on_probe") else {
        return Ok(());
    };
    for (name, hook) in field::object("on_probe", value)? {
        if hook.is_object() {
            let name = key(name);
            return Err(Refusal::new(
                format!("on_probe.{name}: voodu decodes a list, and one block arrives as a map"),
                format!("write {name} = [{{ … }}]"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_list_of_hooks_passes() {
        let checked = |on_probe| check(json!({"on_probe": on_probe}).as_object().unwrap());
        assert!(checked(json!({"failure": [{"url": "x"}]})).is_ok());
        assert!(checked(json!(null)).is_ok());
        assert!(checked(json!({"failure": {"url": "x"}})).is_err());
        assert!(checked(json!("x")).is_err());
    }
}
