//! Typed reading of one field of a block: the type that came, or a refusal that names the field,
//! what was expected and what came. A refusal never repeats the value itself.

use serde_json::{Map, Number, Value};

use crate::model::refusal::{Refusal, Result};

/// A field that is present: `null` counts as absent.
pub(crate) fn present<'a>(block: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    block.get(name).filter(|value| !value.is_null())
}

/// Reads a string.
pub(crate) fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str> {
    value
        .as_str()
        .ok_or_else(|| wrong_type(name, "a string", value))
}

/// Reads a whole number; `3.0` is one.
pub(crate) fn whole(name: &str, value: &Value) -> Result<i64> {
    value
        .as_number()
        .and_then(as_whole)
        .ok_or_else(|| wrong_type(name, "a whole number", value))
}

/// Reads an object, which a block or a map in braces gives.
pub(crate) fn object<'a>(name: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    match value {
        Value::Object(object) if object.contains_key("_labels") => Err(Refusal::new(
            format!("{name}: this block takes no label"),
            format!("write {name} {{ … }} without one"),
        )),
        Value::Object(object) => Ok(object),
        Value::Array(blocks) if !blocks.is_empty() && blocks.iter().all(Value::is_object) => {
            Err(Refusal::new(
                format!("{name}: written twice, and only one such block is read"),
                format!("put everything into one {name} block"),
            ))
        }
        other => Err(wrong_type(name, "a block or a map", other)),
    }
}

/// Reads a list.
pub(crate) fn list<'a>(name: &str, value: &'a Value) -> Result<&'a Vec<Value>> {
    value
        .as_array()
        .ok_or_else(|| wrong_type(name, "a list", value))
}

/// The refusal of a value of another type.
pub(crate) fn wrong_type(name: &str, expected: &str, value: &Value) -> Refusal {
    Refusal::new(
        format!("{name}: expected {expected}, got {}", type_of(value)),
        format!("write {expected} or leave {name} out"),
    )
}

/// The type of a value, in an operator's words.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if as_whole(number).is_some() => "a whole number",
        Value::Number(_) => "a number with a fraction",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// A number as plain decimal digits, never with an exponent: `1e-07` is `0.0000001`.
pub(crate) fn decimal(number: &Number) -> String {
    if number.is_f64() {
        let float = number.as_f64().unwrap_or_default();
        // Adding zero turns a negative zero into a plain one.
        (float + 0.0).to_string()
    } else {
        number.to_string()
    }
}

/// The number when it is whole and fits.
fn as_whole(number: &Number) -> Option<i64> {
    decimal(number).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn number(text: &str) -> String {
        decimal(&serde_json::from_str::<Number>(text).unwrap())
    }

    #[test]
    fn numbers_are_plain_digits() {
        assert_eq!(number("1e-07"), "0.0000001");
        assert_eq!(number("3.0"), "3");
        assert_eq!(number("-0.0"), "0");
        assert_eq!(number("1.5"), "1.5");
        assert_eq!(number("1e21"), "1000000000000000000000");
        assert_eq!(number("18446744073709551615"), "18446744073709551615");
    }

    #[test]
    fn whole_floats_are_whole() {
        assert_eq!(whole("replicas", &json!(3.0)), Ok(3));
        assert!(whole("replicas", &json!(3.5)).is_err());
        assert!(whole("replicas", &json!("3")).is_err());
        assert!(whole("replicas", &json!(1e30)).is_err());
    }

    #[test]
    fn a_repeated_block_is_named_as_such() {
        let refusal = object("probes", &json!([{}, {}])).unwrap_err();
        assert!(refusal.to_string().contains("written twice"));
    }

    #[test]
    fn a_label_where_none_belongs_is_refused() {
        assert!(object("probes", &json!({"_labels": ["x"]})).is_err());
    }
}
