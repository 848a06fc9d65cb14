//! The image that every pod runs.

use serde_json::{Map, Value};

use crate::expand::checks::docker_name;
use crate::model::cluster_spec::non_empty;
use crate::model::defaults;
use crate::model::excerpt::excerpt;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;

/// With one of these and no image, voodu is expected to build it.
const BUILD_FIELDS: [&str; 4] = ["workdir", "dockerfile", "path", "lang"];

/// The operator's image, the one that voodu builds, or the default.
pub(super) fn image(block: &Map<String, Value>, cluster: &ResourceRef) -> Result<String> {
    if let Some(image) = non_empty(block, "image")? {
        return check(image).map(|()| image.to_owned());
    }
    let builds = BUILD_FIELDS
        .iter()
        .any(|name| field::present(block, name).is_some());
    if !builds {
        return Ok(defaults::IMAGE.to_owned());
    }
    let image = cluster.built_image();
    check(&image).map(|()| image)
}

/// Docker refuses a malformed reference only after the old container is gone, and takes one with a
/// leading dash for an option.
fn check(image: &str) -> Result<()> {
    if image.starts_with("${asset.") || is_reference(image) {
        return Ok(());
    }
    Err(Refusal::new(
        format!(
            "image: {} is not an image that docker can run",
            excerpt(image)
        ),
        "write it as in \"postgres:17\" or \"registry.example.com/team/postgres:17\", the name in lower case",
    ))
}

/// `[host[:port]/]name[/name…][:tag][@digest]`.
fn is_reference(image: &str) -> bool {
    let (rest, digest) = image
        .split_once('@')
        .map_or((image, None), |(a, b)| (a, Some(b)));
    let (rest, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (Some(host), path)
        }
        _ => (None, rest),
    };
    host.is_none_or(is_host)
        && path.split('/').all(is_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

fn is_host(host: &str) -> bool {
    let (name, port) = host
        .split_once(':')
        .map_or((host, None), |(a, b)| (a, Some(b)));
    docker_name(name).is_ok() && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Lower-case words, joined by a dot, one or two underscores, or dashes.
fn is_component(component: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joiners = component.split(word).filter(|joiner| !joiner.is_empty());
    let joined = joiners
        .clone()
        .all(|joiner| matches!(joiner, "." | "_" | "__") || joiner.bytes().all(|b| b == b'-'));
    component.starts_with(word) && component.ends_with(word) && joined
}

fn is_tag(tag: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !tag.is_empty() && tag.len() <= 128 && tag.chars().all(inner) && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(name, hex)| {
        docker_name(name).is_ok() && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn image_of(block: &Value) -> Result<String> {
        let cluster = ResourceRef::new("clowk-lp", "db")?;
        image(block.as_object().unwrap(), &cluster)
    }

    #[test]
    fn the_default_gives_way_to_a_build() {
        assert_eq!(image_of(&json!({})).unwrap(), "postgres:latest");
        assert_eq!(image_of(&json!({"image": ""})).unwrap(), "postgres:latest");
        for field in BUILD_FIELDS {
            assert_eq!(image_of(&json!({field: {}})).unwrap(), "clowk-lp-db:latest");
        }
        let both = json!({"image": "mine:1", "workdir": "x"});
        assert_eq!(image_of(&both).unwrap(), "mine:1");
    }

    #[test]
    fn a_build_of_a_name_in_upper_case_has_no_image() {
        let cluster = ResourceRef::new("Clowk", "db").unwrap();
        let block = json!({"workdir": "x"});
        assert!(image(block.as_object().unwrap(), &cluster).is_err());
    }

    #[test]
    fn references_are_docker_s() {
        for good in [
            "postgres",
            "postgres:17-Alpine",
            "ghcr.io/clowk/pg16-pgvector:1.2.0",
            "localhost:5000/a/b__c.d--e",
            "Registry.example.com:5000/pg",
            &format!("postgres@sha256:{}", "ab".repeat(32)),
            &format!("postgres:17@sha256:{}", "ab".repeat(32)),
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in [
            "-v",
            "--privileged",
            "Postgres",
            "postgres:",
            "postgres:17 x",
            "a//b",
            "a:b:c",
            "a/",
            "postgres:$(id)",
            "postgres\n",
            "a@sha256:x",
            "_a",
            "a___b",
            "",
        ] {
            assert!(!is_reference(bad), "{bad:?}");
        }
    }
}
