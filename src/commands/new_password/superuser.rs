//! The superuser's password, and with it every application's.

use super::{Args, Rotated};
use crate::cluster::Cluster;
use crate::cluster::carriers::Carriers;
use crate::cluster::relink::{Relinked, relink};
use crate::cluster::rotation::{NewPassword, rotate};
use crate::cluster::unstored::Unstored;
use crate::cluster::wiring::Wiring;
use crate::context::Context;
use crate::controller::Controller;
use crate::docker::invocation::UNATTENDED;
use crate::model::bucket::keys;
use crate::model::connection::Connection;
use crate::model::consumers::Consumers;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology::Topology;
use crate::postgres::fresh_login::FreshLogin;
use crate::postgres::psql::Psql;
use crate::wire::action::{Action, Restart};
use crate::wire::manifest::Manifest;

impl Args {
    /// What is to be published is known before the role changes: whatever could fail on the way
    /// there has failed by then. What it is made of is read again afterwards.
    pub(super) fn rotate_superuser(
        &self,
        cluster: &Cluster,
        context: &Context<'_>,
        controller: &dyn Controller,
        new: &NewPassword,
    ) -> anyhow::Result<Rotated> {
        let docker = context.docker().patient(UNATTENDED);
        let topology = cluster.recorded_topology()?;
        let primary = cluster.running(docker, topology.primary())?.container;
        let (deployed, tracked) = (&cluster.deployed, cluster.consumers()?);
        let carriers = Carriers::find(controller, cluster, &tracked);
        let consumers = carriers.with(&tracked);
        let wiring = wiring(cluster, topology, new);
        let relinked = relink(controller, &consumers, &wiring, Restart::Rolling);
        check_all_read(&self.cluster, &relinked)?;
        let unstored = Unstored::of(cluster, &context.own_dirs());
        let login = unstored.login(docker, &primary, cluster.login());
        unstored.keep(&new.secret)?;
        rotate(
            Psql::new(docker, &primary, login),
            &deployed.user,
            new,
            || match FreshLogin::attempt(docker, &primary, login, &new.secret) {
                FreshLogin::Accepted | FreshLogin::InRecovery => Ok(()),
                FreshLogin::WrongPassword => Err("the server refuses it".to_owned()),
                FreshLogin::Unanswered(words) => Err(words),
            },
        )?;
        let mut rotation = Rotation {
            consumers,
            relinked,
            pods: Pods::Later,
        };
        let today = Cluster::load(controller, &self.cluster);
        let changed = today
            .as_ref()
            .ok()
            .and_then(|today| {
                Some((
                    today.recorded_topology().ok()?,
                    carriers.with(&today.consumers().ok()?),
                ))
            })
            .filter(|(topology, consumers)| {
                *topology != wiring.topology || *consumers != rotation.consumers
            });
        if let (Ok(today), Some((topology, consumers))) = (&today, changed) {
            let wiring = self::wiring(today, topology, new);
            rotation.relinked = relink(controller, &consumers, &wiring, Restart::Rolling);
            rotation.consumers = consumers;
        }
        rotation.pods = match (&today, self.no_restart) {
            (_, true) => Pods::Later,
            (Ok(today), false) => Pods::Now(today),
            (Err(_), false) => Pods::Unread,
        };
        let base = today.as_ref().unwrap_or(cluster);
        let mut lines = self.lines(base, &rotation);
        lines.splice(
            2..2,
            carriers.notes().into_iter().map(|note| format!("  {note}")),
        );
        Ok((lines.join("\n"), rotation.actions(base, new)))
    }

    fn lines(&self, cluster: &Cluster, rotation: &Rotation<'_>) -> Vec<String> {
        let (reference, user) = (&self.cluster, &cluster.deployed.user);
        let mut lines = vec![
            format!(
                "{reference}: the role {user} has a new password, and a fresh login with it works"
            ),
            format!("  vd config {reference} get {} shows it", keys::PASSWORD),
        ];
        let notes = rotation.relinked.notes.iter();
        lines.extend(notes.map(|note| format!("  {note}")));
        lines.push(
            match rotation.pods {
                Pods::Later => "  the pods were not restarted: the next vd apply replaces them once, and nothing needs it before",
                Pods::Now(_) => "  the pods restart once, one after the other, so that their environment agrees",
                Pods::Unread => "  the pods were not restarted, because the controller did not tell their manifest again: the next vd apply replaces them once, and nothing needs it before",
            }
            .to_owned(),
        );
        lines
    }
}

/// A role that has a new password, and what follows from that.
struct Rotation<'a> {
    consumers: Consumers,
    relinked: Relinked,
    pods: Pods<'a>,
}

/// When the pods' environment has the new password.
enum Pods<'a> {
    Later,
    /// With the manifest that is stored now: one that was read before the role changed would take an
    /// apply back that came in between.
    Now(&'a Cluster),
    Unread,
}

impl Rotation<'_> {
    /// The pods come last: the platform does one thing after the other, and the applications need
    /// the new URLs now.
    fn actions(self, cluster: &Cluster, new: &NewPassword) -> Vec<Action> {
        let password = new.secret.expose();
        let mut kept = vec![(keys::PASSWORD, password.to_owned())];
        kept.extend(self.consumers.kv());
        let pods = match self.pods {
            Pods::Later | Pods::Unread => None,
            Pods::Now(today) => {
                let reference = &today.reference;
                let spec = today.deployed.with_env(keys::PASSWORD, password);
                let manifest = Manifest::statefulset(reference.scope(), reference.name(), spec);
                Some(Action::apply_manifest(reference, manifest))
            }
        };
        let keep = cluster.bookkeeping(kept);
        keep.into_iter()
            .chain(self.relinked.actions)
            .chain(pods)
            .collect()
    }
}

fn wiring<'a>(cluster: &'a Cluster, topology: Topology, new: &'a NewPassword) -> Wiring<'a> {
    let deployed = &cluster.deployed;
    let connection = Connection {
        user: &deployed.user,
        password: &new.secret,
        database: &deployed.database,
        port: deployed.port,
    };
    Wiring {
        connection,
        topology,
    }
}

/// An application that cannot be read would be left with a password that is not valid any more.
fn check_all_read(reference: &ResourceRef, relinked: &Relinked) -> Result<()> {
    let Some(unread) = relinked.unread.first() else {
        return Ok(());
    };
    Err(Refusal::new(
        format!(
            "{reference}: the controller does not tell the config of {unread}, which is linked and would be left with the old password"
        ),
        "nothing was changed; look at the controller's log and run the command again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Kind;
    use crate::controller::fake::FakeController;
    use crate::docker::fake::FakeRunner;
    use clap::{Args as _, FromArgMatches as _};
    use serde_json::json;
    use std::time::SystemTime;

    #[test]
    fn an_application_that_cannot_be_read_stops_it_before_the_role_is_touched() {
        let spec = json!({
            "image": "postgres:17", "replicas": 1, "volumes": ["vault:/backups"],
            "env": {
                "PG_CLUSTER_ID": "ab".repeat(16), "PG_PORT": "5432", "PG_PRIMARY_ORDINAL": "0",
                "PG_REPLICATION_USER": "replicator", "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
            },
        });
        let controller = FakeController::default()
            .with_spec(Kind::Statefulset, "s/db", spec)
            .with_config("s/db", json!({"POSTGRES_LINKED_CONSUMERS": "s/web"}))
            .broken("s/web");
        let runner = FakeRunner::default().prints("docker ps", "s-db.0\trunning\t0\n");
        let context = Context {
            env: &|_| None,
            stdin: &|| Ok(None),
            random: &|_| Ok(()),
            now: &SystemTime::now,
            binary: &|| Ok("/voodu-postgres".into()),
            connect: &|_| unreachable!("the session is there"),
            progress: &|_| {},
            runner: &runner,
        };
        let cluster = Cluster::load(&controller, &"s/db".parse().unwrap()).unwrap();
        let new = NewPassword::generate(context.random).unwrap();
        let line = Args::augment_args(clap::Command::new("new-password"));
        let args =
            Args::from_arg_matches(&line.get_matches_from(["new-password", "s/db"])).unwrap();
        let error = args
            .rotate_superuser(&cluster, &context, &controller, &new)
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("does not tell the config of s/web"),
            "{error}"
        );
        assert_eq!(runner.calls().len(), 1, "nothing but docker ps");
    }
}
