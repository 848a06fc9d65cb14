//! Repeatable blocks. In a plugin's block they arrive under their HCL name with their label beside
//! the fields; the platform wants a list under another name and ignores the raw form.

use serde_json::{Map, Value};

use crate::model::excerpt::excerpt;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};

/// The blocks `singular "name" { … }` and the entries of the list `plural`, each with its `name`
/// and what to call it in a message. Names are unique.
pub(super) fn labelled(
    operators: &Map<String, Value>,
    singular: &str,
    plural: &str,
) -> Result<Vec<(String, Map<String, Value>)>> {
    let mut all: Vec<(String, Map<String, Value>)> = Vec::new();
    for field in [plural, singular] {
        for entry in entries(operators, field)? {
            let (path, entry) = named(field, entry)?;
            if all.iter().any(|(_, other)| other["name"] == entry["name"]) {
                return Err(Refusal::new(
                    format!("{path}: written twice"),
                    format!("put everything into one {path} block"),
                ));
            }
            all.push((path, entry));
        }
    }
    Ok(all)
}

/// One block arrives as an object, several as a list of them.
fn entries<'a>(
    operators: &'a Map<String, Value>,
    name: &str,
) -> Result<Vec<&'a Map<String, Value>>> {
    match field::present(operators, name) {
        None => Ok(Vec::new()),
        Some(Value::Object(one)) => Ok(vec![one]),
        Some(Value::Array(many)) => many
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                entry.as_object().ok_or_else(|| {
                    field::wrong_type(&format!("{name}[{index}]"), "a block or a map", entry)
                })
            })
            .collect(),
        Some(other) => Err(field::wrong_type(name, "a block or a list of maps", other)),
    }
}

fn named(field: &str, entry: &Map<String, Value>) -> Result<(String, Map<String, Value>)> {
    let mut entry = entry.clone();
    let label = match entry.remove("_labels") {
        Some(Value::Array(labels)) if labels.len() == 1 => labels.into_iter().next(),
        None => None,
        Some(_) => {
            return Err(Refusal::new(
                format!("{field}: takes one label"),
                format!("write {field} \"name\" {{ … }}"),
            ));
        }
    };
    let given = entry.get("name").filter(|name| !name.is_null()).cloned();
    let name = match (label, given) {
        (Some(label), Some(given)) if label != given => {
            return Err(Refusal::new(
                format!("{field}: its label and its name field differ"),
                "keep the label",
            ));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => {
            return Err(Refusal::new(
                format!("{field}: missing its name"),
                format!("write {field} \"name\" {{ … }}"),
            ));
        }
    };
    let text = field::text(&format!("{field}.name"), &name)?;
    let path = format!("{field} {}", excerpt(text));
    if text.is_empty() {
        return Err(Refusal::new(
            format!("{field}: its name is empty"),
            format!("write {field} \"name\" {{ … }}"),
        ));
    }
    entry.insert("name".to_owned(), name);
    Ok((path, entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(operators: &Value) -> Result<Vec<Value>> {
        let all = labelled(operators.as_object().unwrap(), "init", "inits")?;
        Ok(all
            .into_iter()
            .map(|(_, entry)| Value::Object(entry))
            .collect())
    }

    #[test]
    fn a_label_becomes_the_name() {
        let one = read(&json!({"init": {"_labels": ["a"], "image": "x"}})).unwrap();
        assert_eq!(one, [json!({"name": "a", "image": "x"})]);
        let both = json!({"init": [{"_labels": ["a"]}, {"name": "b"}], "inits": [{"name": "c"}]});
        let names: Vec<_> = read(&both)
            .unwrap()
            .iter()
            .map(|entry| entry["name"].clone())
            .collect();
        assert_eq!(names, ["c", "a", "b"]);
    }

    #[test]
    fn what_has_no_single_name_is_refused() {
        for operators in [
            json!({"init": {}}),
            json!({"init": {"_labels": ["a", "b"]}}),
            json!({"init": {"_labels": "a"}}),
            json!({"init": {"_labels": ["a"], "name": "b"}}),
            json!({"init": {"name": ""}}),
            json!({"init": {"name": 5}}),
            json!({"init": "x"}),
            json!({"inits": ["x"]}),
            json!({"inits": [{"name": "a"}], "init": {"_labels": ["a"]}}),
        ] {
            assert!(read(&operators).is_err(), "{operators}");
        }
    }
}
