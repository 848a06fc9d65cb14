//! The replication role's password, under standbys that stream.

use super::Rotated;
use crate::cluster::Cluster;
use crate::cluster::passfile::{Passfiles, Trouble};
use crate::cluster::rotation::{NewPassword, rotate};
use crate::cluster::survey::{PodReport, State as PodState, Survey};
use crate::context::Context;
use crate::controller::Controller;
use crate::docker::invocation::UNATTENDED;
use crate::model::bucket::keys;
use crate::model::refusal::{Refusal, Result};
use crate::postgres::psql::Psql;

/// The pods first: until the role changes, one that needs the older password finds it in its
/// environment, and from then on each has what it needs, whatever becomes of this process.
pub(super) fn rotate_role(
    cluster: &Cluster,
    context: &Context<'_>,
    controller: &dyn Controller,
    new: &NewPassword,
) -> anyhow::Result<Rotated> {
    let docker = context.docker().patient(UNATTENDED);
    let topology = cluster.recorded_topology()?;
    let primary = topology.primary();
    cluster.running(docker, primary)?;
    let survey = Survey::take(cluster, docker)?;
    check_pods(cluster, &survey)?;
    let files = Passfiles {
        cluster,
        docker,
        survey: &survey,
    };
    let take_back = || {
        // What a pod has in its environment counts beside it, so this is for the rest of them.
        cluster
            .bucket
            .replication_password
            .as_ref()
            .map(|old| files.write(old))
    };
    if let Some((pod, reason)) = files.write(&new.secret).into_iter().next() {
        take_back();
        return Err(Refusal::new(
            format!(
                "{pod}: the new password could not be left there for its next connection: {reason}"
            ),
            "nothing was changed; mend that, or delete the pod, and run the command again",
        )
        .into());
    }
    let mut unproved = Vec::new();
    let container = cluster.reference.container(primary);
    let psql = Psql::new(docker, &container, cluster.login());
    let rotated = rotate(psql, &cluster.deployed.replication_user, new, || {
        unproved = files.prove(primary);
        match unproved.first() {
            Some((_, reason)) if unproved.len() == files.running() => Err(reason.clone()),
            _ => Ok(()),
        }
    });
    if rotated.is_err() {
        take_back();
    }
    rotated?;
    let password = new.secret.expose().to_owned();
    let kept = vec![(keys::REPLICATION_PASSWORD, password)];
    // The role has it now, so it goes into the config even when that cannot be read again.
    let keep = match Cluster::load(controller, &cluster.reference) {
        Ok(today) => today.bookkeeping(kept),
        Err(_) => cluster.bookkeeping(kept),
    };
    let message = replication_message(cluster, &survey, &unproved);
    Ok((message, keep.into_iter().collect()))
}

fn check_pods(cluster: &Cluster, survey: &Survey) -> Result<()> {
    let recorded = cluster.recorded_primary();
    survey.check_scripts()?;
    let primary = survey.pod(recorded).and_then(PodReport::server);
    if primary.is_some_and(|server| !server.in_recovery) {
        return Ok(());
    }
    let reference = &cluster.reference;
    Err(Refusal::new(
        format!("pod {recorded}, the primary, does not accept writes"),
        format!("nothing was changed; vd pg:info {reference} says what is wrong"),
    ))
}

fn replication_message(cluster: &Cluster, survey: &Survey, unproved: &[Trouble]) -> String {
    let (reference, role) = (&cluster.reference, &cluster.deployed.replication_user);
    let mut lines = vec![
        format!(
            "{reference}: the role {role} has a new password, and fresh logins with it work; nothing was restarted"
        ),
        "  the next vd apply replaces the pods once, because their environment carries it"
            .to_owned(),
        "  until then a pod that loses its volume cannot copy the primary".to_owned(),
    ];
    lines.extend(unproved.iter().map(|(pod, reason)| {
        format!("  {pod} has the new password and could not log in with it: {reason}")
    }));
    let stopped = survey
        .pods
        .iter()
        .filter(|pod| pod.state != PodState::Running);
    lines.extend(stopped.map(|pod| match pod.state {
        PodState::Absent => format!(
            "  {} does not exist; where it left a volume, the new password is in there",
            pod.container
        ),
        _ => format!(
            "  {} is {}; the new password is in its volume for its return",
            pod.container, pod.state
        ),
    }));
    lines.join("\n")
}
