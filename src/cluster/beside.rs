//! A container on the volume of a pod that does not run, or that is not to be entered: it sees what
//! the pod's script left there.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::cluster::members::Members;
use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;
use crate::model::excerpt::plain;
use crate::model::ordinal::Ordinal;

/// Where the pods have their volume.
pub(crate) const VOLUME: &str = "/var/lib/postgresql/data";
/// A container has to be started for it. Reading 50 MB of WAL takes a second.
pub(crate) const LIMIT: Duration = Duration::from_secs(8);

/// The exit code of a script that says why it cannot know; docker's own are above 100.
const UNKNOWN: i32 = 1;

/// What the container may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Look.
    Read,
    /// Write as well, with standard input at hand.
    Write,
}

/// The command line that runs those words on a pod's volume, as the user that the files belong to.
/// None for a pod without a volume: it has no data.
pub(crate) fn beside(
    docker: Docker<'_>,
    cluster: &Cluster,
    pod: Ordinal,
    access: Access,
    words: &[&str],
) -> Result<Option<Invocation>, Failure> {
    let volume = cluster.reference.data_volume(pod);
    if !docker.has_volume(&volume)? {
        return Ok(None);
    }
    let (how, input) = match access {
        Access::Read => (":ro", &[][..]),
        Access::Write => ("", &["-i"][..]),
    };
    let mount = format!("{volume}:{VOLUME}{how}");
    let (first, rest) = words.split_first().unwrap_or((&"true", &[]));
    let entrypoint = format!("--entrypoint={first}");
    let run = [
        "--pull=never",
        "--network=none",
        "--user=postgres",
        &entrypoint,
        "--volume",
        &mount,
        &cluster.deployed.image,
    ];
    let arguments = [&["run", "--rm"], input, &run, rest].concat();
    Ok(Some(Invocation::docker(arguments).limit(LIMIT)))
}

/// What a bash script prints that looks into the volumes of a pod, whatever its container does, or into
/// the volume of one that has no container; none where there is no volume. `words` are what follows
/// `bash -c`. An error says why it is not known.
pub(crate) fn look_into(
    members: Members<'_>,
    pod: Ordinal,
    words: &[&str],
) -> Result<Option<String>, String> {
    let said = |failure: Failure| failure.to_string();
    let Some(invocation) = invocation(members, pod, words).map_err(said)? else {
        return Ok(None);
    };
    let output = members.docker.capture(&invocation).map_err(said)?;
    if output.code == UNKNOWN {
        let why = output.stderr.trim_end().lines().last().unwrap_or_default();
        return Err(plain(why));
    }
    output.succeeded(&invocation).map(Some).map_err(said)
}

fn invocation(
    members: Members<'_>,
    pod: Ordinal,
    words: &[&str],
) -> Result<Option<Invocation>, Failure> {
    if members.state(pod)? == "absent" {
        let words = [&["bash", "-c"], words].concat();
        return beside(members.docker, members.cluster, pod, Access::Read, &words);
    }
    let container = members.container(pod);
    let volumes = format!("{container}:ro");
    let image = members.docker.image_of(&container)?;
    let run = [
        "run",
        "--rm",
        "--network=none",
        "--user=postgres",
        "--entrypoint=bash",
        "--volumes-from",
        &volumes,
        &image,
        "-c",
    ];
    Ok(Some(
        Invocation::docker([&run, words].concat()).limit(LIMIT),
    ))
}
