//! `on_probe`, which voodu copies from the block over ours after expand: what it cannot decode
//! can only be refused here, not mended.

use serde_json::{Map, Value};

use crate::model::excerpt::key;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};

/// Checks the lists of hooks that voodu decodes.
pub(super) fn check(operators: &Map<String, Value>) -> Result<()> {
    let Some(value) = field::present(operators, "on_probe") else {
        return Ok(());
    };
    let on_probe = field::object("on_probe", value)?;
    for name in ["failure", "recovery"] {
        if let Some(hooks) = field::present(on_probe, name) {
            check_hooks(&format!("on_probe.{name}"), name, hooks)?;
        }
    }
    Ok(())
}

fn check_hooks(path: &str, name: &str, hooks: &Value) -> Result<()> {
    // One block arrives as a map, where voodu decodes a list.
    if hooks.is_object() {
        return Err(Refusal::new(
            format!("{path}: voodu decodes a list, and one block arrives as a map"),
            format!("write {name} = [{{ … }}]"),
        ));
    }
    for (index, hook) in field::list(path, hooks)?.iter().enumerate() {
        let path = format!("{path}[{index}]");
        for (name, value) in field::object(&path, hook)? {
            check_field(&format!("{path}.{}", key(name)), name, value)?;
        }
    }
    Ok(())
}

fn check_field(path: &str, name: &str, value: &Value) -> Result<()> {
    match name {
        "url" | "method" => field::text(path, value).map(|_| ()),
        "headers" => {
            for (name, value) in field::object(path, value)? {
                field::text(&format!("{path}.{}", key(name)), value)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(on_probe: &Value) -> Result<()> {
        check(json!({"on_probe": on_probe}).as_object().unwrap())
    }

    #[test]
    fn lists_of_hooks_pass() {
        let hook = json!({"url": "https://x", "method": "POST", "headers": {"A": "b"}, "later": 1});
        assert!(checked(&json!({"failure": [hook], "recovery": [], "later": {}})).is_ok());
        assert!(checked(&json!(null)).is_ok());
    }

    #[test]
    fn what_voodu_cannot_decode_is_refused() {
        for (on_probe, path) in [
            (json!("x"), "on_probe:"),
            (json!({"failure": {"url": "x"}}), "on_probe.failure:"),
            (json!({"recovery": "x"}), "on_probe.recovery:"),
            (json!({"failure": ["x"]}), "on_probe.failure[0]:"),
            (json!({"failure": [{"url": 1}]}), "on_probe.failure[0].url:"),
            (
                json!({"failure": [{"headers": {"A": 1}}]}),
                "on_probe.failure[0].headers.A:",
            ),
        ] {
            let refusal = checked(&on_probe).unwrap_err().to_string();
            assert!(refusal.starts_with(path), "{refusal}");
        }
        let refusal = checked(&json!({"failure": {"url": "x"}})).unwrap_err();
        assert_eq!(refusal.next(), "write failure = [{ … }]");
    }
}
