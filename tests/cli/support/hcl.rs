//! Turns a block into the JSON that the controller sends for it (platform contract, HCL to JSON).

use hcl::{Body, Structure};
use serde_json::{Map, Value, json};

/// The fields of the first block in a file.
#[track_caller]
pub(crate) fn spec(text: &str) -> Value {
    let body: Body = hcl::parse(text).unwrap();
    let block = body.into_iter().find_map(|structure| match structure {
        Structure::Block(block) => Some(block),
        Structure::Attribute(_) => None,
    });
    fields(block.unwrap().body)
}

fn fields(body: Body) -> Value {
    let mut fields = Map::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let value = hcl::from_str::<Value>(&format!("v = {}", attribute.expr)).unwrap();
                fields.insert(attribute.key.to_string(), value["v"].clone());
            }
            Structure::Block(block) => {
                let name = block.identifier.to_string();
                let labels: Vec<_> = block
                    .labels
                    .iter()
                    .map(|label| label.as_str().to_owned())
                    .collect();
                let mut value = self::fields(block.body);
                if !labels.is_empty() {
                    value["_labels"] = json!(labels);
                }
                insert_block(&mut fields, name, value);
            }
        }
    }
    Value::Object(fields)
}

/// A block that comes again makes a list of all of them.
fn insert_block(fields: &mut Map<String, Value>, name: String, value: Value) {
    let before = fields.remove(&name);
    let value = match before {
        None => value,
        Some(Value::Array(mut all)) => {
            all.push(value);
            Value::Array(all)
        }
        Some(one) => json!([one, value]),
    };
    fields.insert(name, value);
}
