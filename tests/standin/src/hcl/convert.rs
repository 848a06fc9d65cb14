//! HCL bodies to JSON, the way a plugin gets to see them.

use anyhow::{Context, Result, bail};
use hcl::eval::Evaluate;
use serde_json::{Map, Number, Value};

/// Converts a body: attributes as they are, nested blocks by type, labels under `_labels`.
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
    for block in body.blocks() {
        let nested = nested(block)?;
        insert_block(&mut out, block.identifier(), nested, body)?;
    }
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

/// The second block of a type turns the first into an array.
fn insert_block(
    out: &mut Map<String, Value>,
    key: &str,
    block: Value,
    body: &hcl::Body,
) -> Result<()> {
    if body.attributes().any(|attribute| attribute.key() == key) {
        bail!("{key}: written both as an attribute and as a block");
    }
    match out.get_mut(key) {
        None => {
            out.insert(key.to_owned(), block);
        }
        Some(Value::Array(blocks)) => blocks.push(block),
        Some(first) => *first = Value::Array(vec![first.take(), block]),
    }
    Ok(())
}

/// Evaluates an expression that must not refer to anything.
pub(super) fn literal(expression: &hcl::Expression) -> Result<Value> {
    let value = expression
        .evaluate(&hcl::eval::Context::new())
        .map_err(|error| anyhow::anyhow!("only literal values are allowed: {error}"))?;
    Ok(canonical(serde_json::to_value(value)?))
}

/// Spells whole numbers without a fraction, at any depth.
pub fn canonical(value: Value) -> Value {
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
        Value::Number(number) => Value::from(number.to_string()),
        other => other,
    }
}
