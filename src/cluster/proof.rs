//! Whether the password in the config may be published: it is what the applications' URLs are made
//! of, and one that does not log in locks every application out.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::docker::engine::Docker;
use crate::model::bucket::keys;
use crate::model::refusal::Refusal;
use crate::postgres::fresh_login::FreshLogin;

/// A config that was changed by hand, or by a rotation on another way, is there by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(500);

/// What a fresh login with the config's password showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Accepted,
    /// The primary's server did not get as far as the password. The config's is the best that is
    /// known then, and whoever publishes it says that nothing proved it.
    Unanswered(String),
}

/// Logs in to the recorded primary over TCP with the config's password. While the server refuses it, or
/// is a standby, config and record are read again; what stays wrong is refused.
pub(crate) fn prove(
    cluster: &mut Cluster,
    controller: &dyn Controller,
    docker: Docker<'_>,
    patience: Duration,
) -> anyhow::Result<Proof> {
    let deadline = Instant::now() + patience;
    loop {
        match attempt(cluster, docker)? {
            FreshLogin::Accepted => return Ok(Proof::Accepted),
            FreshLogin::WrongPassword if Instant::now() >= deadline => {
                return Err(wrong(cluster)?.into());
            }
            FreshLogin::InRecovery if Instant::now() >= deadline => {
                return Err(no_primary(cluster)?.into());
            }
            FreshLogin::WrongPassword | FreshLogin::InRecovery => thread::sleep(PAUSE),
            FreshLogin::Unanswered(words) => return Ok(Proof::Unanswered(words)),
        }
        *cluster = Cluster::load(controller, &cluster.reference)?;
    }
}

fn attempt(cluster: &Cluster, docker: Docker<'_>) -> anyhow::Result<FreshLogin> {
    let primary = cluster.recorded_topology()?.primary();
    let container = cluster.reference.container(primary);
    let (login, connection) = (cluster.login(), cluster.connection()?);
    Ok(FreshLogin::attempt(
        docker,
        &container,
        login,
        connection.password,
    ))
}

fn wrong(cluster: &Cluster) -> anyhow::Result<Refusal> {
    let (reference, key) = (&cluster.reference, keys::PASSWORD);
    let primary = cluster.topology()?.primary();
    Ok(Refusal::new(
        format!(
            "{key} in the config of {reference} does not log in to pod {primary} as {}, so no application was given a URL with it",
            cluster.deployed.user
        ),
        format!(
            "vd pg:new-password {reference} sets a new password in the role, the config and every application"
        ),
    ))
}

fn no_primary(cluster: &Cluster) -> anyhow::Result<Refusal> {
    let reference = &cluster.reference;
    let primary = cluster.topology()?.primary();
    Ok(Refusal::new(
        format!(
            "pod {primary} of {reference} is the primary in the record and still in recovery, so no application was given its URL"
        ),
        format!("run it again when it accepts writes, which vd pg:info {reference} shows"),
    ))
}

impl Proof {
    /// What is said beside what was published.
    pub(crate) fn note(&self, cluster: &Cluster) -> Option<String> {
        let Self::Unanswered(words) = self else {
            return None;
        };
        Some(format!(
            "the password in the URLs was not tried: the primary of {} did not let a login in: {words}",
            cluster.reference
        ))
    }
}
