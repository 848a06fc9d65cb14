//! Brings a field into the type that the platform decodes, or refuses it. The platform itself
//! reports a wrong type only after a successful apply.

use serde_json::{Map, Value};

use crate::model::excerpt::{excerpt, key};
use crate::model::field::{self, wrong_type};
use crate::model::refusal::{Refusal, Result};

/// Says what was expected when a text does not fit.
pub(super) type Check = fn(&str) -> std::result::Result<(), &'static str>;

/// The type of a field.
pub(super) enum Shape {
    /// A string; a number or a boolean becomes one.
    Text(Check),
    /// A whole number in a range; a string of digits becomes one.
    Whole(i64, i64),
    /// A list of strings.
    Texts(Check),
    /// A map to strings; `null` drops a key.
    TextMap(Check),
    /// A block that comes once.
    Block(&'static [Field]),
    /// Not decoded by the platform.
    Any,
}

/// A field and its type.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// The kernel's limit for one argument of `docker run` (`MAX_ARG_STRLEN`).
const LONGEST: usize = 131_071;

/// Accepts every text.
pub(super) const ANYTHING: Check = |_| Ok(());

/// Converts a value; `null` becomes `None`.
pub(super) fn convert(path: &str, value: &Value, shape: &Shape) -> Result<Option<Value>> {
    if value.is_null() {
        return Ok(None);
    }
    let converted = match shape {
        Shape::Text(check) => text(path, value, *check)?.into(),
        Shape::Whole(least, most) => whole(path, value, *least, *most)?.into(),
        Shape::Texts(check) => texts(path, value, *check)?.into(),
        Shape::TextMap(check) => text_map(path, value, *check)?,
        Shape::Block(fields) => Value::Object(block(path, field::object(path, value)?, fields)?),
        Shape::Any => value.clone(),
    };
    Ok(Some(converted))
}

/// Reads a string; a number or a boolean becomes one.
pub(super) fn text(path: &str, value: &Value, check: Check) -> Result<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => field::decimal(number),
        Value::Bool(switch) => switch.to_string(),
        other => return Err(wrong_type(path, "a string", other)),
    };
    if text.contains('\0') || text.len() > LONGEST {
        return Err(Refusal::new(
            format!("{path}: a NUL or more than 128 KiB cannot be an argument of docker run"),
            "shorten the value",
        ));
    }
    match check(&text) {
        Err(expected) if !text.is_empty() => Err(Refusal::new(
            format!("{path}: expected {expected}, got {}", excerpt(&text)),
            format!("write {expected} or leave it out"),
        )),
        _ => Ok(text),
    }
}

/// Reads a list of strings.
pub(super) fn texts(path: &str, value: &Value, check: Check) -> Result<Vec<String>> {
    let list = value
        .as_array()
        .ok_or_else(|| wrong_type(path, "a list of strings", value))?;
    let read = |(index, item): (usize, &Value)| text(&format!("{path}[{index}]"), item, check);
    list.iter().enumerate().map(read).collect()
}

/// Converts the fields of a block. Unknown ones pass, the platform may have grown them, unless
/// they look like a mistyped known one.
pub(super) fn block(
    path: &str,
    object: &Map<String, Value>,
    fields: &'static [Field],
) -> Result<Map<String, Value>> {
    let mut converted = Map::new();
    for (name, value) in object {
        let path = format!("{path}.{}", key(name));
        let known = fields.iter().find(|field| field.name == name);
        if known.is_none() {
            refuse_near_miss(&path, name, fields.iter().map(|field| field.name))?;
        }
        let shape = known.map_or(&Shape::Any, |field| &field.shape);
        let value = convert(&path, value, shape)?;
        if let Some(value) = value {
            converted.insert(name.clone(), value);
        }
    }
    Ok(converted)
}

/// Refuses an unknown name within two edits of a known one.
pub(super) fn refuse_near_miss<'a>(
    path: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Result<()> {
    // A difference in length is a lower bound, and spares comparing megabytes.
    let nearest = known
        .filter(|known| known.len().abs_diff(name.len()) <= 2)
        .map(|known| (strsim::osa_distance(known, name), known))
        .min();
    match nearest {
        Some((..=2, known)) => Err(Refusal::new(
            format!("{path}: no such field; did you mean {known}?"),
            format!("write {known}"),
        )),
        _ => Ok(()),
    }
}

fn whole(path: &str, value: &Value, least: i64, most: i64) -> Result<i64> {
    let number = match value {
        Value::String(text) => text
            .parse()
            .map_err(|_| wrong_type(path, "a whole number", value))?,
        other => field::whole(path, other)?,
    };
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    let range = match most {
        i64::MAX => format!("{least} or more"),
        _ => format!("{least} to {most}"),
    };
    Err(Refusal::new(
        format!("{path}: {number} is out of range"),
        format!("use {range}"),
    ))
}

fn text_map(path: &str, value: &Value, check: Check) -> Result<Value> {
    let mut converted = Map::new();
    for (name, value) in field::object(path, value)? {
        if !value.is_null() {
            let text = text(&format!("{path}.{}", key(name)), value, check)?;
            converted.insert(name.clone(), text.into());
        }
    }
    Ok(Value::Object(converted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static FIELDS: &[Field] = &[
        Field {
            name: "cpu",
            shape: Shape::Text(ANYTHING),
        },
        Field {
            name: "count",
            shape: Shape::Whole(1, 9),
        },
    ];

    #[test]
    fn scalars_become_strings() {
        assert_eq!(text("x", &json!(2), ANYTHING).unwrap(), "2");
        assert_eq!(text("x", &json!(0.5), ANYTHING).unwrap(), "0.5");
        assert_eq!(text("x", &json!(true), ANYTHING).unwrap(), "true");
        assert!(text("x", &json!([]), ANYTHING).is_err());
        assert!(text("x", &json!("a\0"), ANYTHING).is_err());
        assert!(text("x", &json!("a".repeat(LONGEST + 1)), ANYTHING).is_err());
    }

    #[test]
    fn a_block_is_converted_field_by_field() {
        let given = json!({"cpu": 2, "count": "3", "later": [1], "gone": null});
        let block = block("limits", given.as_object().unwrap(), FIELDS).unwrap();
        assert_eq!(
            Value::Object(block),
            json!({"cpu": "2", "count": 3, "later": [1]})
        );
    }

    #[test]
    fn a_refusal_names_the_whole_path() {
        for (given, path) in [
            (json!({"cpu": []}), "limits.cpu:"),
            (json!({"count": 10}), "limits.count:"),
            (json!({"count": "x"}), "limits.count:"),
            (
                json!({"cpus": 1}),
                "limits.cpus: no such field; did you mean cpu?",
            ),
        ] {
            let refusal = block("limits", given.as_object().unwrap(), FIELDS).unwrap_err();
            assert!(refusal.to_string().starts_with(path), "{refusal}");
        }
    }

    #[test]
    fn a_map_drops_null() {
        let map = text_map("m", &json!({"A": 1, "B": null}), ANYTHING).unwrap();
        assert_eq!(map, json!({"A": "1"}));
    }
}
