//! What is wrong with what is stored: the record, the config, the data's order.

use super::{Check, Problem};
use crate::cluster::condition::RecordSeen;
use crate::cluster::exposure::Exposure;
use crate::cluster::record_file;
use crate::model::age::Age;
use crate::model::bucket::keys;
use crate::postgres::fresh_login::FreshLogin;

impl Check<'_> {
    pub(super) fn database(&self) -> Option<Problem> {
        let databases = self.condition.inventory()?.databases.as_ref()?;
        let (reference, own) = (self.reference(), &self.condition.cluster.deployed.database);
        let there = databases
            .iter()
            .any(|database| database.name == own.as_str());
        (!there).then(|| {
            Problem::new(
                format!("the server has no database {own}, which the block names"),
                format!("make it with vd pg:psql {reference} -- --dbname=postgres -c 'CREATE DATABASE \"{own}\"', and restore a backup"),
            )
        })
    }

    pub(super) fn collations(&self) -> Option<Problem> {
        let (reference, inventory) = (self.reference(), self.condition.inventory()?);
        let (databases, collations) = (&inventory.old_databases, &inventory.old_collations);
        let what = match (&databases[..], &collations[..]) {
            ([], []) => return None,
            ([], collations) => format!("the collations {}", collations.join(", ")),
            (databases, _) => format!("the databases {}", databases.join(", ")),
        };
        Some(Problem::new(
            format!(
                "the image sorts text in another way than {what} were made with, so indexes can miss rows"
            ),
            format!(
                "vd pg:psql {reference}, then REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION"
            ),
        ))
    }

    pub(super) fn record(&self) -> Option<Problem> {
        let (condition, reference) = (self.condition, self.reference());
        let cluster = condition.cluster;
        match condition.record {
            RecordSeen::Ours | RecordSeen::OutOfReach => {
                let refusal = cluster.topology().err()?;
                Some(Problem::new(refusal.to_string(), refusal.next()))
            }
            RecordSeen::Unreadable => {
                let refusal = cluster.unreadable.as_ref()?;
                Some(Problem::new(refusal.to_string(), refusal.next()))
            }
            RecordSeen::Missing => {
                let writer = condition.writer().map(|pod| pod.container.clone());
                let primary = || cluster.reference.container(condition.recorded_primary());
                Some(Problem::new(
                    format!("{reference}: there is no record of who is primary yet"),
                    format!(
                        "the pods write it when they run: docker logs {}",
                        writer.unwrap_or_else(primary)
                    ),
                ))
            }
            RecordSeen::Foreign => {
                let directory = cluster.deployed.backups_dir()?.display();
                Some(Problem::new(
                    format!("{reference}: the record of who is primary is of another cluster"),
                    format!(
                        "remove {directory}/.topology if it was copied there: the pods write their own within 10 s"
                    ),
                ))
            }
        }
    }

    /// Where the config says something else than the record or the pods.
    pub(super) fn config(&self) -> Vec<Problem> {
        let (condition, cluster) = (self.condition, self.condition.cluster);
        let reference = &cluster.reference;
        if let Err(refusal) = cluster.check_config() {
            return vec![Problem::new(refusal.to_string(), refusal.next())];
        }
        let mut problems = Vec::new();
        let recorded = condition.record().map(|record| record.primary);
        let mirror = cluster
            .bucket
            .primary
            .filter(|mirror| recorded != Some(*mirror));
        if let (Some(primary), Some(mirror)) = (recorded, mirror) {
            let key = keys::PRIMARY_ORDINAL;
            problems.push(Problem::new(
                format!("{key} in the config says pod {mirror}, and pod {primary} is the primary"),
                format!("put it right with vd pg:promote {reference} --replica {primary}"),
            ));
        }
        if cluster.bucket.cluster_id.as_ref() != Some(&cluster.deployed.cluster_id) {
            problems.push(Problem::new(
                format!(
                    "{} in the config is not the one of the pods",
                    keys::CLUSTER_ID
                ),
                format!(
                    "put it back with vd config {reference} set {}={}",
                    keys::CLUSTER_ID,
                    cluster.deployed.cluster_id
                ),
            ));
        }
        // The block's own ports can publish the database without the flag.
        if cluster.bucket.exposed && Exposure::of(cluster) == Exposure::Loopback {
            problems.push(Problem::new(
                format!(
                    "{} is set in the config, and the pods are not exposed",
                    keys::EXPOSE_PUBLIC
                ),
                format!("run vd pg:expose {reference} or vd pg:unexpose {reference} again (ports in the block win over the key)"),
            ));
        }
        problems.extend(self.password());
        problems.extend(self.replication_password());
        problems
    }

    /// Nobody can tell how old a record is whose time has not come yet.
    pub(super) fn clock(&self) -> Option<Problem> {
        let ahead = Age(self.condition.record_ahead?);
        let directory = self.condition.cluster.deployed.backups_dir()?;
        let path = directory.join(record_file::NAME);
        let path = path.display();
        Some(Problem::new(
            format!(
                "the topology record {path} is dated {ahead} in the future, so it is not known since when it says what it says"
            ),
            format!("see that the host's clock is right (timedatectl), then touch {path}"),
        ))
    }

    /// The standbys that stream know the right one; a pod that is made anew knows this one only.
    fn replication_password(&self) -> Option<Problem> {
        let reference = self.reference();
        (self.condition.replication_login == Some(FreshLogin::WrongPassword)).then(|| {
            Problem::new(
                format!(
                    "{} in the config is not the one that the server takes, and a new pod could not copy the primary",
                    keys::REPLICATION_PASSWORD
                ),
                format!("set a new one with vd pg:new-password {reference} --replication"),
            )
        })
    }

    fn password(&self) -> Option<Problem> {
        let reference = self.reference();
        let what = match &self.condition.login {
            None => "is missing in the config",
            Some(FreshLogin::WrongPassword) => "in the config is not the one that the server takes",
            Some(FreshLogin::Accepted | FreshLogin::InRecovery | FreshLogin::Unanswered(_)) => {
                return None;
            }
        };
        Some(Problem::new(
            format!("{} {what}", keys::PASSWORD),
            format!("set a new one with vd pg:new-password {reference}"),
        ))
    }
}
