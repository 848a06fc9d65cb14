//! The stored statefulset of a cluster, read back from the controller.

use std::fmt;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::model::cluster_id::ClusterId;
use crate::model::field;
use crate::model::identifier::PgIdentifier;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;

const CLUSTER_ID: &str = "PG_CLUSTER_ID";
/// Every version of the plugin sets it.
const PORT: &str = "PG_PORT";
const BACKUPS: &str = "/backups";

/// What the pods of a cluster were told.
pub(crate) struct DeployedSpec {
    pub(crate) replicas: u16,
    pub(crate) image: String,
    pub(crate) cluster_id: ClusterId,
    pub(crate) user: PgIdentifier,
    pub(crate) database: PgIdentifier,
    pub(crate) replication_user: PgIdentifier,
    pub(crate) port: NonZeroU16,
    /// Who is primary while there is no record.
    pub(crate) initial_primary: Ordinal,
    pub(crate) backups: Backups,
    pub(crate) ports: Vec<String>,
    raw: Map<String, Value>,
}

/// What lies behind `/backups`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Backups {
    /// A directory of the host.
    Host(PathBuf),
    /// A docker volume, into which the plugin cannot look.
    Volume(String),
}

impl DeployedSpec {
    /// Reads a statefulset, which may be anybody's.
    pub(crate) fn read(cluster: &ResourceRef, raw: Map<String, Value>) -> Result<Self> {
        let env = Env::of(&raw, cluster);
        env.check_owner()?;
        Ok(Self {
            replicas: replicas(&raw, cluster)?,
            image: text(&raw, "image").to_owned(),
            cluster_id: env.parsed(CLUSTER_ID)?,
            user: PgIdentifier::role("POSTGRES_USER", env.text("POSTGRES_USER"))?,
            database: PgIdentifier::database("POSTGRES_DB", env.text("POSTGRES_DB"))?,
            replication_user: PgIdentifier::role(
                "PG_REPLICATION_USER",
                env.text("PG_REPLICATION_USER"),
            )?,
            port: env.parsed(PORT)?,
            initial_primary: env.parsed("PG_PRIMARY_ORDINAL")?,
            backups: backups(&raw).ok_or_else(|| unreadable(cluster, "volumes"))?,
            ports: strings(&raw, "ports").map(str::to_owned).collect(),
            raw,
        })
    }

    /// The same statefulset, whole as it is stored, with other ports.
    pub(crate) fn with_ports(&self, ports: Vec<String>) -> Value {
        let mut raw = self.raw.clone();
        raw.insert("ports".to_owned(), ports.into());
        Value::Object(raw)
    }

    /// The same statefulset with another value of a variable in its env.
    pub(crate) fn with_env(&self, name: &str, value: &str) -> Value {
        let mut raw = self.raw.clone();
        if let Some(Value::Object(env)) = raw.get_mut("env") {
            env.insert(name.to_owned(), value.into());
        }
        Value::Object(raw)
    }

    /// The host directory behind `/backups`.
    pub(crate) fn backups_dir(&self) -> Option<&Path> {
        match &self.backups {
            Backups::Host(path) => Some(path),
            Backups::Volume(_) => None,
        }
    }
}

/// The environment holds passwords.
impl fmt::Debug for DeployedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeployedSpec").finish_non_exhaustive()
    }
}

/// Whether a statefulset is a postgres cluster of any version of the plugin.
pub(crate) fn is_cluster(spec: &Map<String, Value>) -> bool {
    let env = spec.get("env").and_then(Value::as_object);
    env.is_some_and(|env| env.contains_key(PORT) && env.contains_key("POSTGRES_USER"))
}

struct Env<'a> {
    spec: &'a Map<String, Value>,
    cluster: &'a ResourceRef,
}

impl<'a> Env<'a> {
    fn of(spec: &'a Map<String, Value>, cluster: &'a ResourceRef) -> Self {
        Self { spec, cluster }
    }

    fn text(&self, name: &str) -> &'a str {
        let env = self.spec.get("env").and_then(Value::as_object);
        env.map_or("", |env| text(env, name))
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Result<T> {
        let value = self.text(name).parse();
        value.map_err(|_| unreadable(self.cluster, &format!("env.{name}")))
    }

    fn check_owner(&self) -> Result<()> {
        let cluster = self.cluster;
        if !is_cluster(self.spec) {
            return Err(Refusal::new(
                format!("{cluster}: a statefulset, but not a postgres cluster of this plugin"),
                "name the cluster as its block does: postgres \"scope\" \"name\"",
            ));
        }
        if self.text(CLUSTER_ID).is_empty() {
            return Err(Refusal::new(
                format!("{cluster}: was applied by an older version of the plugin"),
                "apply its block once with this one: vd apply -f <file>",
            ));
        }
        Ok(())
    }
}

fn unreadable(cluster: &ResourceRef, field: &str) -> Refusal {
    Refusal::new(
        format!("{cluster}: {field} of the stored statefulset is not what the plugin wrote there"),
        "apply its block again: vd apply -f <file>",
    )
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn strings<'a>(object: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a str> {
    let list = object.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// Less than one counts as one, as it does for the platform.
fn replicas(spec: &Map<String, Value>, cluster: &ResourceRef) -> Result<u16> {
    let Some(value) = field::present(spec, "replicas") else {
        return Ok(1);
    };
    let count = field::whole("replicas", value).map(|count| count.max(1));
    let count = count.ok().and_then(|count| u16::try_from(count).ok());
    count.ok_or_else(|| unreadable(cluster, "replicas"))
}

fn backups(spec: &Map<String, Value>) -> Option<Backups> {
    strings(spec, "volumes").find_map(|volume| {
        let mut parts = volume.split(':');
        let (source, destination) = (parts.next()?, parts.next()?);
        // Equal by components: `/backups/` and `//backups` are the same place.
        if Path::new(destination) != Path::new(BACKUPS) {
            return None;
        }
        Some(if source.starts_with('/') {
            Backups::Host(source.into())
        } else {
            Backups::Volume(source.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(changes: &Value) -> Value {
        let mut spec = json!({
            "image": "postgres:17", "replicas": 3, "ports": ["5433"],
            "volumes": ["${asset.s.db.entrypoint}:/usr/local/bin/x:ro", "/srv/b/s/db:/backups/:rw"],
            "env": {
                "PG_CLUSTER_ID": "ab".repeat(16), "PG_PORT": "5433", "PG_PRIMARY_ORDINAL": "0",
                "PG_REPLICATION_USER": "repl", "POSTGRES_DB": "appdata", "POSTGRES_USER": "appuser",
                "POSTGRES_PASSWORD": "hunter2",
            },
            "_asset_digests": {"s.db.entrypoint": "00"},
        });
        for (pointer, value) in changes.as_object().unwrap() {
            *spec.pointer_mut(pointer).unwrap() = value.clone();
        }
        spec
    }

    fn read(changes: &Value) -> Result<DeployedSpec> {
        let cluster = ResourceRef::new("s", "db")?;
        DeployedSpec::read(&cluster, spec(changes).as_object().unwrap().clone())
    }

    #[test]
    fn everything_is_read_back() {
        let deployed = read(&json!({})).unwrap();
        assert_eq!((deployed.replicas, deployed.port.get()), (3, 5433));
        assert_eq!(
            (deployed.user.as_str(), deployed.database.as_str()),
            ("appuser", "appdata")
        );
        assert_eq!(deployed.backups_dir(), Some(Path::new("/srv/b/s/db")));
        assert!(!format!("{deployed:?}").contains("hunter2"));
    }

    #[test]
    fn other_ports_and_nothing_else() {
        let with_ports = read(&json!({})).unwrap().with_ports(vec!["1".to_owned()]);
        assert_eq!(with_ports, spec(&json!({"/ports": ["1"]})));
    }

    #[test]
    fn another_password_and_nothing_else() {
        let changed = read(&json!({}))
            .unwrap()
            .with_env("POSTGRES_PASSWORD", "new");
        assert_eq!(changed, spec(&json!({"/env/POSTGRES_PASSWORD": "new"})));
    }

    #[test]
    fn a_named_volume_has_no_directory() {
        let deployed = read(&json!({"/volumes": ["vault:/backups"]})).unwrap();
        assert_eq!(deployed.backups, Backups::Volume("vault".to_owned()));
    }

    #[test]
    fn whose_it_is_and_what_is_wrong_with_it_is_said() {
        for (changes, expected) in [
            (json!({"/env": {"A": "1"}}), "s/db: a statefulset, but not"),
            (
                json!({"/env/PG_CLUSTER_ID": ""}),
                "s/db: was applied by an older version",
            ),
            (json!({"/env/PG_PORT": "0"}), "s/db: env.PG_PORT of"),
            (
                json!({"/env/PG_PRIMARY_ORDINAL": "x"}),
                "s/db: env.PG_PRIMARY_ORDINAL of",
            ),
            (json!({"/replicas": "3"}), "s/db: replicas of"),
            (json!({"/volumes": []}), "s/db: volumes of"),
        ] {
            let refusal = read(&changes).unwrap_err().to_string();
            assert!(refusal.starts_with(expected), "{refusal}");
            assert!(!refusal.contains("hunter2"));
        }
    }
}
