//! The templates, each with the one struct that fills it: a field that a template lacks or misses
//! is an error in the tests, never a blank.

use std::collections::BTreeMap;

use serde::Serialize;
use tera::{Context, Tera};

use crate::model::conf_setting::{ConfKey, ConfValue};
use crate::model::defaults;

/// The init script, which takes everything from its environment.
pub(super) const CREATE_REPLICATION: &str = include_str!("../../templates/create_replication.sh");

/// The entrypoint's parts in the order in which bash reads them. They are values of the template
/// and not part of it: bash's `${#x}` would open a comment of the template language.
#[derive(Serialize)]
struct Entrypoint {
    parts: &'static [&'static str],
}

const PARTS: &[&str] = &[
    include_str!("../../templates/entrypoint/preamble.sh"),
    include_str!("../../templates/entrypoint/session.sh"),
    include_str!("../../templates/entrypoint/record.sh"),
    include_str!("../../templates/entrypoint/data.sh"),
    include_str!("../../templates/entrypoint/timeline.sh"),
    include_str!("../../templates/entrypoint/wal.sh"),
    include_str!("../../templates/entrypoint/config.sh"),
    include_str!("../../templates/entrypoint/peers.sh"),
    include_str!("../../templates/entrypoint/bootstrap.sh"),
    include_str!("../../templates/entrypoint/clone.sh"),
    include_str!("../../templates/entrypoint/heal.sh"),
    include_str!("../../templates/entrypoint/rejoin.sh"),
    include_str!("../../templates/entrypoint/handover.sh"),
    include_str!("../../templates/entrypoint/restore.sh"),
    include_str!("../../templates/entrypoint/decide.sh"),
    include_str!("../../templates/entrypoint/supervise.sh"),
    include_str!("../../templates/entrypoint/heartbeat.sh"),
    include_str!("../../templates/entrypoint/main.sh"),
];

#[derive(Serialize)]
struct Streaming {
    max_wal_senders: u16,
}

#[derive(Serialize)]
struct Overrides {
    settings: Vec<Line>,
}

/// `key = value`, the value already quoted.
#[derive(Serialize)]
struct Line {
    key: String,
    value: String,
}

/// The script that every pod runs; the same text for every cluster.
pub(super) fn entrypoint() -> tera::Result<String> {
    let template = include_str!("../../templates/entrypoint.sh.tera");
    render("entrypoint.sh", template, &Entrypoint { parts: PARTS })
}

/// The settings that replication needs.
pub(super) fn streaming() -> tera::Result<String> {
    let template = include_str!("../../templates/streaming.conf.tera");
    let max_wal_senders = defaults::MAX_WAL_SENDERS;
    render("streaming.conf", template, &Streaming { max_wal_senders })
}

/// The operator's `pg_config`, sorted.
pub(super) fn overrides(settings: &BTreeMap<ConfKey, ConfValue>) -> tera::Result<String> {
    let line = |(key, value): (&'_ ConfKey, &ConfValue)| Line {
        key: key.as_str().to_owned(),
        value: value.to_string(),
    };
    let settings = settings.iter().map(line).collect();
    let template = include_str!("../../templates/overrides.conf.tera");
    render("overrides.conf", template, &Overrides { settings })
}

#[derive(Serialize)]
struct Defaults {
    image: &'static str,
    replicas: u16,
    database: &'static str,
    user: &'static str,
    port: u16,
    replication_user: &'static str,
    initdb_locale: &'static str,
    initdb_encoding: &'static str,
    max_wal_senders: u16,
}

/// The complete block, with what each field means.
pub(crate) fn defaults_text() -> anyhow::Result<String> {
    let values = Defaults {
        image: defaults::IMAGE,
        replicas: defaults::REPLICAS,
        database: defaults::DATABASE,
        user: defaults::USER,
        port: defaults::PORT,
        replication_user: defaults::REPLICATION_USER,
        initdb_locale: defaults::INITDB_LOCALE,
        initdb_encoding: defaults::INITDB_ENCODING,
        max_wal_senders: defaults::MAX_WAL_SENDERS,
    };
    let template = include_str!("../../templates/defaults.hcl.tera");
    Ok(render("defaults.hcl", template, &values)?)
}

/// Renders one template. The names do not end in `.html`, so nothing is escaped.
fn render(name: &str, template: &str, values: &impl Serialize) -> tera::Result<String> {
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::new());
    tera.add_raw_template(name, template)?;
    tera.render(name, &Context::from_serialize(values)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_part_is_in_the_entrypoint_once() {
        let whole = entrypoint().unwrap();
        let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/entrypoint");
        for part in fs::read_dir(parts).unwrap() {
            let part = part.unwrap().path();
            let text = fs::read_to_string(&part).unwrap();
            assert_eq!(
                whole.matches(text.trim_end()).count(),
                1,
                "{}",
                part.display()
            );
        }
    }

    #[test]
    fn settings_stand_on_lines_of_their_own() {
        let setting = |key, value| (ConfKey::new(key).unwrap(), value);
        let settings = BTreeMap::from([
            setting("work_mem", ConfValue::Text("a'b&<".into())),
            setting("fsync", ConfValue::Switch(true)),
        ]);
        let text = overrides(&settings).unwrap();
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        assert_eq!(lines, ["fsync = on", "work_mem = 'a''b&<'"]);
        assert!(text.ends_with('\n'));
        assert!(!overrides(&BTreeMap::new()).unwrap().contains(" = "));
    }
}
