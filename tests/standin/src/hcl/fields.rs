//! What may be written in a block of a core kind; anything else is a mistake the CLI reports.

use crate::manifest::Kind;

const DEPLOYMENT: &str = "autoscale build cap_add command depends_on docker_options env env_file env_from \
    extra_hosts health_check image init keep_releases logs network network_mode \
    networks on_deploy on_probe ports post_deploy probes release replicas resources \
    restart ulimits volumes";
const STATEFULSET: &str = "build cap_add command depends_on docker_options env env_file env_from \
    extra_hosts health_check image init logs network network_mode networks on_probe \
    ports probes replicas resources restart ulimits volume_claim volumes";
const JOB: &str = "build cap_add command depends_on docker_options env env_file env_from \
    extra_hosts failed_history_limit image logs network network_mode networks \
    resources successful_history_limit timeout ulimits volumes";
const CRONJOB: &str = "concurrency_policy schedule suspend timezone";
const INGRESS: &str = "host lb location port service tls";
const REGISTRY: &str = "helper password token url username";

/// The names of a kind's attributes and blocks.
pub(super) fn of(kind: Kind) -> Vec<&'static str> {
    let words = |text: &'static str| text.split_whitespace();
    match kind {
        Kind::Deployment => words(DEPLOYMENT).collect(),
        Kind::Statefulset => words(STATEFULSET).collect(),
        Kind::Job => words(JOB).collect(),
        Kind::Cronjob => words(CRONJOB).chain(words(JOB)).collect(),
        Kind::Ingress => words(INGRESS).collect(),
        Kind::Registry => words(REGISTRY).collect(),
        Kind::Asset => Vec::new(),
    }
}
