//! HCL bodies to JSON, the way a plugin gets to see them.

use anyhow::{Context, Result};
use hcl::eval::Evaluate;
use serde_json::{Map, Number, Value};

/// Converts a body: attributes as they are, nested blocks by type (an array when there are
/// several), labels under `_labels`.
pub(super) fn body(body: &hcl::Body) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    for attribute in body.attributes() {
        let key = attribute.key();
        let value = literal(attribute.expr()).with_context(|| key.to_owned())?;
        let value = if key == "env" {
            stringify(value)
        } else {
            value
        };
        out.insert(key.to_owned(), value);
    }
    let mut blocks = Map::new();
    for block in body.blocks() {
        let nested = nested(block)?;
        let key = block.identifier().to_owned();
        match blocks.get_mut(&key) {
            None => {
                blocks.insert(key, nested);
            }
            Some(Value::Array(several)) => several.push(nested),
            Some(first) => *first = Value::Array(vec![first.take(), nested]),
        }
    }
    // A block wins over an attribute of the same name.
    out.extend(blocks);
    Ok(out)
}

fn nested(block: &hcl::Block) -> Result<Value> {
    let mut nested = body(block.body()).with_context(|| block.identifier().to_owned())?;
    if !block.labels().is_empty() {
        let labels = block
            .labels()
            .iter()
            .map(|label| Value::from(label.as_str()))
            .collect();
        nested.insert("_labels".to_owned(), Value::Array(labels));
    }
    Ok(Value::Object(nested))
}

/// Evaluates an expression that must not refer to anything.
pub(super) fn literal(expression: &hcl::Expression) -> Result<Value> {
    let value = expression
        .evaluate(&hcl::eval::Context::new())
        .map_err(|error| anyhow::anyhow!("only literal values are allowed: {error}"))?;
    Ok(canonical(serde_json::to_value(value)?))
}

/// Spells whole numbers without a fraction, at any depth.
pub(crate) fn canonical(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(canonical_number(number)),
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, canonical(value)))
            .collect(),
        other => other,
    }
}

fn canonical_number(number: Number) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "a whole number below 2^53 is exact"
        )]
        Some(float) if float.fract() == 0.0 && float.abs() <= EXACT => Number::from(float as i64),
        Some(float) => Number::from_f64(float).unwrap_or(number),
        None => number,
    }
}

fn stringify(value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    map.into_iter()
        .map(|(key, value)| (key, scalar_text(value)))
        .collect()
}

/// A scalar as a string; lists and objects stay what they are.
pub(super) fn scalar_text(value: Value) -> Value {
    match value {
        Value::Null => Value::from(""),
        Value::Bool(flag) => Value::from(flag.to_string()),
        Value::Number(number) => Value::from(number_text(&number)),
        other => other,
    }
}

/// The controller writes exponents with two digits at least.
fn number_text(number: &Number) -> String {
    let text = number.to_string();
    match text.split_once("e-") {
        Some((digits, exponent)) if exponent.len() == 1 => format!("{digits}e-0{exponent}"),
        _ => text,
    }
}
