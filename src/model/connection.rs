//! How an application reaches a cluster: the URLs that `link` hands out, and how to recognise one.

use std::fmt;
use std::num::NonZeroU16;

use crate::model::consumers::Reads;
use crate::model::identifier::PgIdentifier;
use crate::model::percent;
use crate::model::resource_ref::ResourceRef;
use crate::model::secret::Secret;
use crate::model::topology::Topology;

/// The variables that `link` sets.
pub(crate) const WRITE_URL: &str = "DATABASE_URL";
pub(crate) const READ_URL: &str = "DATABASE_READ_URL";

const SCHEME: &str = "postgres://";
const ANY: &str = "target_session_attrs=any";
/// libpq before 16 refuses a whole URL that has it.
const BALANCED: &str = "target_session_attrs=any&load_balance_hosts=random";

/// What every URL of a cluster has in common.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    pub(crate) user: &'a PgIdentifier,
    pub(crate) password: &'a Secret,
    pub(crate) database: &'a PgIdentifier,
    pub(crate) port: NonZeroU16,
}

/// A URL with a password in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(String);

/// The URLs of one application.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) write: Url,
    /// Only when it was asked for and there is a standby.
    pub(crate) read: Option<Url>,
}

impl Url {
    /// The URL itself, for the bucket.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(…)")
    }
}

impl Connection<'_> {
    /// The URLs of an application that asked for those reads.
    pub(crate) fn urls(&self, topology: &Topology, reads: Reads) -> Urls {
        let cluster = topology.cluster();
        let standbys: Vec<_> = topology.standbys().map(|pod| cluster.host(pod)).collect();
        let query = match reads {
            Reads::No => None,
            Reads::InOrder => Some(ANY),
            Reads::Balanced => Some(BALANCED),
        };
        Urls {
            write: self.url(&[cluster.host(topology.primary())], None),
            read: query
                .filter(|_| !standbys.is_empty())
                .map(|query| self.url(&standbys, Some(query))),
        }
    }

    fn url(&self, hosts: &[String], query: Option<&str>) -> Url {
        let hosts: Vec<_> = hosts.iter().map(|host| self.address(host)).collect();
        let mut url = format!(
            "{SCHEME}{}:{}@{}/{}",
            percent::encode(self.user.as_str()),
            percent::encode(self.password.expose()),
            hosts.join(","),
            percent::encode(self.database.as_str()),
        );
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
        }
        Url(url)
    }

    fn address(&self, host: &str) -> String {
        format!("{}:{}", percent::encode(host), self.port)
    }
}

/// Whether a URL of `link`'s lets each connection draw its standby.
pub(crate) fn is_balanced(url: &str) -> bool {
    url.ends_with(BALANCED)
}

/// Whether `link` could have set that URL for a cluster with that superuser and database, with
/// today's password and port or earlier ones, and whoever was primary then.
pub(crate) fn is_from_link(
    cluster: &ResourceRef,
    user: &PgIdentifier,
    database: &PgIdentifier,
    url: &str,
) -> bool {
    let parts = || {
        let (login, place) = url.strip_prefix(SCHEME)?.split_once('@')?;
        let (user, _) = login.split_once(':')?;
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        let (hosts, database) = place.split_once('/')?;
        Some((user, hosts, database, query))
    };
    let Some((found, hosts, place, query)) = parts() else {
        return false;
    };
    found == percent::encode(user.as_str())
        && place == percent::encode(database.as_str())
        && matches!(query, "" | ANY | BALANCED)
        && hosts.split(',').all(|host| is_pod(cluster, host))
}

/// `db-1.clowk-lp.voodu:5432`, with any ordinal and any port.
fn is_pod(cluster: &ResourceRef, address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let rest = host.strip_prefix(&format!("{}-", cluster.name().to_lowercase()));
    let ordinal = rest.and_then(|rest| rest.split('.').next());
    ordinal
        .and_then(|ordinal| ordinal.parse().ok())
        .is_some_and(|pod| host == percent::encode(&cluster.host(pod)))
        && port.parse::<NonZeroU16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with<T>(password: &str, act: impl FnOnce(&Connection<'_>, &ResourceRef) -> T) -> T {
        let connection = Connection {
            user: &PgIdentifier::role("user", "appuser").unwrap(),
            password: &Secret::chosen("password", password).unwrap(),
            database: &PgIdentifier::database("database", "appdata").unwrap(),
            port: NonZeroU16::new(5433).unwrap(),
        };
        act(&connection, &ResourceRef::new("Clowk-LP", "db").unwrap())
    }

    fn ours(connection: &Connection<'_>, cluster: &ResourceRef, url: &str) -> bool {
        is_from_link(cluster, connection.user, connection.database, url)
    }

    fn topology(cluster: &ResourceRef, replicas: u16, primary: &str) -> Topology {
        Topology::new(cluster.clone(), replicas, primary.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_urls_follow_the_primary() {
        with("p@s/s w+rd", |connection, cluster| {
            let urls = connection.urls(&topology(cluster, 3, "1"), Reads::InOrder);
            assert_eq!(
                urls.write.expose(),
                "postgres://appuser:p%40s%2Fs%20w%2Brd@db-1.clowk-lp.voodu:5433/appdata"
            );
            assert_eq!(
                urls.read.unwrap().expose(),
                "postgres://appuser:p%40s%2Fs%20w%2Brd@db-0.clowk-lp.voodu:5433,db-2.clowk-lp.voodu:5433/appdata?target_session_attrs=any"
            );
        });
    }

    #[test]
    fn load_balancing_only_when_asked_for_and_no_reads_without_standbys() {
        with("x", |connection, cluster| {
            let read = connection
                .urls(&topology(cluster, 2, "0"), Reads::Balanced)
                .read;
            assert!(
                read.unwrap()
                    .expose()
                    .ends_with("=any&load_balance_hosts=random")
            );
            for reads in [Reads::InOrder, Reads::Balanced] {
                assert_eq!(
                    connection.urls(&topology(cluster, 1, "0"), reads).read,
                    None
                );
            }
            assert_eq!(
                connection.urls(&topology(cluster, 3, "0"), Reads::No).read,
                None
            );
        });
    }

    #[test]
    fn somebody_elses_url_is_not_ours() {
        with("x", |connection, cluster| {
            for url in [
                "",
                "mysql://appuser:x@db-0.clowk-lp.voodu:5433/appdata",
                "postgres://other:x@db-0.clowk-lp.voodu:5433/appdata",
                "postgres://appuser:x@db-0.clowk-lp.voodu:5433/other",
                "postgres://appuser:x@db-0.clowk-lp.voodu:70000/appdata",
                "postgres://appuser:x@db-0.clowk-lp.voodu/appdata",
                "postgres://appuser:x@db-0.clowk-lp.voodu:5433/appdata?sslmode=require",
                "postgres://appuser:x@db-0.other.voodu:5433/appdata",
                "postgres://appuser:x@db-x.clowk-lp.voodu:5433/appdata",
                "postgres://appuser:x@db-0.clowk-lp.voodu:5433,example.org:5433/appdata",
            ] {
                assert!(!ours(connection, cluster, url), "{url}");
            }
        });
    }

    #[test]
    fn a_url_from_before_the_port_was_changed_is_ours() {
        with("x", |connection, cluster| {
            let old = "postgres://appuser:x@db-0.clowk-lp.voodu:5432,db-1.clowk-lp.voodu:5432/appdata?target_session_attrs=any";
            assert!(ours(connection, cluster, old));
        });
    }

    #[test]
    fn no_url_shows_itself() {
        with("hunter2", |connection, cluster| {
            let urls = connection.urls(&topology(cluster, 3, "0"), Reads::InOrder);
            assert!(!format!("{urls:?} {connection:?}").contains("hunter2"));
        });
    }

    proptest! {
        #[test]
        fn every_name_is_in_a_url_as_it_is(name in "[A-Za-z_][A-Za-z0-9_]{0,62}") {
            prop_assert_eq!(percent::encode(&name), name);
        }

        #[test]
        fn every_url_is_recognised_after_a_rotation_and_a_promotion(
            old in "[!-~]{1,20}", primary in 0..3u8, balanced: bool
        ) {
            let reads = if balanced { Reads::Balanced } else { Reads::InOrder };
            let Ok(_) = Secret::chosen("password", &old) else { return Ok(()) };
            let urls = with(&old, |connection, cluster| {
                connection.urls(&topology(cluster, 3, &primary.to_string()), reads)
            });
            with("new", |connection, cluster| {
                for url in [&urls.write, urls.read.as_ref().unwrap()] {
                    prop_assert!(ours(connection, cluster, url.expose()));
                }
                Ok(())
            })?;
        }
    }
}
