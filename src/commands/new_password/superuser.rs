//! The superuser's password, and with it every application's.

use super::Args;
use crate::cluster::Cluster;
use crate::cluster::relink::{Relinked, relink};
use crate::cluster::rotation::{NewPassword, rotate};
use crate::cluster::wiring::Wiring;
use crate::context::{Context, Session};
use crate::model::bucket::keys;
use crate::model::connection::Connection;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;
use crate::postgres::fresh_login::FreshLogin;
use crate::postgres::psql::{Login, Psql};
use crate::wire::action::{Action, Restart};
use crate::wire::manifest::Manifest;

impl Args {
    /// What is to be published is known before the role changes: whatever could fail on the way
    /// there has failed by then.
    pub(super) fn rotate_superuser(
        &self,
        cluster: &Cluster,
        context: &Context<'_>,
        session: &Session,
        new: &NewPassword,
    ) -> anyhow::Result<Reply> {
        let (docker, topology) = (context.docker(), cluster.topology()?);
        let primary = cluster.running(docker, topology.primary())?.container;
        let deployed = &cluster.deployed;
        let connection = Connection {
            user: &deployed.user,
            password: &new.secret,
            database: &deployed.database,
            port: deployed.port,
        };
        let wiring = Wiring {
            connection,
            topology,
        };
        let relinked = relink(
            &*session.controller,
            &cluster.consumers()?,
            &wiring,
            Restart::Rolling,
        );
        check_all_read(&self.cluster, &relinked)?;
        let login = Login::to(deployed);
        rotate(
            Psql::new(docker, &primary, login),
            &deployed.user,
            new,
            || match FreshLogin::attempt(docker, &primary, login, &new.secret) {
                FreshLogin::Accepted => Ok(()),
                FreshLogin::WrongPassword => Err("the server refuses it".to_owned()),
                FreshLogin::Unanswered(words) => Err(words),
            },
        )?;
        let password = new.secret.expose().to_owned();
        let keep = cluster.bookkeeping(vec![(keys::PASSWORD, password)]);
        let pods = (!self.no_restart).then(|| {
            let spec = deployed.with_env(keys::PASSWORD, new.secret.expose());
            let manifest = Manifest::statefulset(self.cluster.scope(), self.cluster.name(), spec);
            Action::apply_manifest(&self.cluster, manifest)
        });
        let message = self.message(cluster, &relinked);
        // The pods come last: the platform does one thing after the other, and the applications
        // need the new URLs now.
        Reply::dispatch(
            message,
            keep.into_iter().chain(relinked.actions).chain(pods),
        )
    }

    fn message(&self, cluster: &Cluster, relinked: &Relinked) -> String {
        let (reference, user) = (&self.cluster, &cluster.deployed.user);
        let mut lines = vec![
            format!(
                "{reference}: the role {user} has a new password, and a fresh login with it works"
            ),
            format!("  vd config {reference} get {} shows it", keys::PASSWORD),
        ];
        lines.extend(relinked.notes.iter().map(|note| format!("  {note}")));
        lines.push(if self.no_restart {
            "  the pods were not restarted: the next vd apply replaces them once, and nothing needs it before".to_owned()
        } else {
            "  the pods restart once, one after the other, so that their environment agrees".to_owned()
        });
        lines.join("\n")
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
    use crate::context::Caller;
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
        let session = Session {
            controller: Box::new(controller),
            caller: Caller::Controller,
        };
        let new = NewPassword::generate(context.random).unwrap();
        let line = Args::augment_args(clap::Command::new("new-password"));
        let args =
            Args::from_arg_matches(&line.get_matches_from(["new-password", "s/db"])).unwrap();
        let error = args
            .rotate_superuser(&cluster, &context, &session, &new)
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
