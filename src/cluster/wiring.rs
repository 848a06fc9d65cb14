//! The variables that connect an application to a cluster, and which of those it has come from
//! `link`. An operator's own are never taken away.

use serde_json::{Map, Value};

use crate::cluster::Cluster;
use crate::model::connection::{Connection, READ_URL, WRITE_URL, is_from_link};
use crate::model::consumers::Reads;
use crate::model::identifier::PgIdentifier;
use crate::model::refusal::Result;
use crate::model::resource_ref::ResourceRef;
use crate::model::topology::Topology;

/// How applications reach a cluster right now.
pub(crate) struct Wiring<'a> {
    pub(crate) connection: Connection<'a>,
    pub(crate) topology: Topology,
}

/// What an application has in one of the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing.
    Absent,
    /// A URL that `link` set for this cluster, today or earlier.
    Link,
    /// Anything else.
    Operator,
}

/// How a value that `link` set for a cluster is recognised.
pub(crate) struct Marks<'a> {
    pub(crate) cluster: &'a ResourceRef,
    pub(crate) user: &'a PgIdentifier,
    pub(crate) database: &'a PgIdentifier,
}

impl<'a> Marks<'a> {
    /// Those of a cluster.
    pub(crate) fn of(cluster: &'a Cluster) -> Self {
        Self {
            cluster: &cluster.reference,
            user: &cluster.deployed.user,
            database: &cluster.deployed.database,
        }
    }

    /// Where the value of a variable in an application's own bucket comes from.
    pub(crate) fn origin(&self, own: &Map<String, Value>, variable: &str) -> Origin {
        match own.get(variable).and_then(Value::as_str) {
            None | Some("") => Origin::Absent,
            Some(url) if is_from_link(self.cluster, self.user, self.database, url) => Origin::Link,
            Some(_) => Origin::Operator,
        }
    }

    /// The variables of an application's own bucket that have that origin.
    pub(crate) fn with(&self, origin: Origin, own: &Map<String, Value>) -> Vec<&'static str> {
        let is_so = |variable: &&str| self.origin(own, variable) == origin;
        [WRITE_URL, READ_URL].into_iter().filter(is_so).collect()
    }
}

impl<'a> Wiring<'a> {
    /// By the record's primary and the bucket's password.
    pub(crate) fn of(cluster: &'a Cluster) -> Result<Self> {
        Ok(Self {
            connection: cluster.connection()?,
            topology: cluster.topology()?,
        })
    }

    /// Where the value of a variable in an application's own bucket comes from.
    pub(crate) fn origin(&self, own: &Map<String, Value>, variable: &str) -> Origin {
        let marks = Marks {
            cluster: self.topology.cluster(),
            user: self.connection.user,
            database: self.connection.database,
        };
        marks.origin(own, variable)
    }

    /// What has to change in an application's own bucket so that it has what it asked for. An
    /// empty value deletes its key.
    pub(crate) fn changes(
        &self,
        own: &Map<String, Value>,
        reads: Reads,
    ) -> Vec<(&'static str, String)> {
        let urls = self.connection.urls(&self.topology, reads);
        let mut wanted = vec![(WRITE_URL, urls.write.expose().to_owned())];
        match urls.read {
            Some(read) => wanted.push((READ_URL, read.expose().to_owned())),
            None if self.origin(own, READ_URL) == Origin::Link => {
                wanted.push((READ_URL, String::new()));
            }
            None => {}
        }
        wanted.retain(|(key, value)| own.get(*key).and_then(Value::as_str) != Some(value));
        wanted
    }
}
