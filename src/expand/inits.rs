//! Containers that run before each pod.

use serde_json::{Map, Value};

use crate::expand::blocks::labelled;
use crate::expand::checks::{docker_name, duration, ulimit};
use crate::expand::docker_options;
use crate::expand::passthrough::RESOURCES;
use crate::expand::shape::{ANYTHING, Field, Shape, block};
use crate::model::refusal::Result;

static INIT: &[Field] = &[
    Field {
        name: "command",
        shape: Shape::Texts(ANYTHING),
    },
    Field {
        name: "docker_options",
        shape: Shape::Texts(ANYTHING),
    },
    Field {
        name: "image",
        shape: Shape::Text(ANYTHING),
    },
    Field {
        name: "name",
        shape: Shape::Text(docker_name),
    },
    Field {
        name: "resources",
        shape: Shape::Block(RESOURCES),
    },
    Field {
        name: "retries",
        shape: Shape::Whole(0, i64::MAX),
    },
    Field {
        name: "timeout",
        shape: Shape::Text(duration),
    },
    Field {
        name: "ulimits",
        shape: Shape::TextMap(ulimit),
    },
];

/// The blocks `init "name" { … }` as the platform's list.
pub(super) fn inits(operators: &Map<String, Value>) -> Result<Vec<Value>> {
    let mut inits = Vec::new();
    for (path, init) in labelled(operators, "init", "inits")? {
        let init = block(&path, &init, INIT)?;
        if let Some(options) = init.get("docker_options") {
            docker_options::read(&format!("{path}.docker_options"), options)?;
        }
        inits.push(Value::Object(init));
    }
    Ok(inits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_init_block_becomes_an_entry() {
        let block = json!({"init": {
            "_labels": ["fix"], "image": "busybox", "command": ["true"], "retries": "2", "timeout": "1m",
            "resources": {"limits": {"cpu": 1}}, "ulimits": {"nofile": 64},
        }});
        let expected = json!({
            "name": "fix", "image": "busybox", "command": ["true"], "retries": 2, "timeout": "1m",
            "resources": {"limits": {"cpu": "1"}}, "ulimits": {"nofile": "64"},
        });
        assert_eq!(inits(block.as_object().unwrap()).unwrap(), [expected]);
    }

    #[test]
    fn its_fields_are_checked() {
        for fields in [
            json!({"retries": -1}),
            json!({"timeout": "soon"}),
            json!({"comand": ["x"]}),
            json!({"docker_options": ["x"]}),
        ] {
            let mut init = fields.as_object().unwrap().clone();
            init.insert("name".into(), "fix".into());
            let block = json!({"inits": [init]});
            assert!(inits(block.as_object().unwrap()).is_err(), "{fields}");
        }
    }
}
