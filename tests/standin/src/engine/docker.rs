//! Runs docker through its command line.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{BRIDGE, Container, ContainerSpec, Engine, FileLimit, Labels};

const LISTED_LABELS: [&str; 8] = [
    "voodu.kind",
    "voodu.scope",
    "voodu.name",
    "voodu.replica_id",
    "voodu.replica_ordinal",
    "voodu.role",
    "voodu.release_id",
    "voodu.created_at",
];

/// The real thing.
#[derive(Debug)]
pub struct DockerEngine {
    limit: FileLimit,
}

impl DockerEngine {
    /// Connects, and creates the platform's bridge when it is missing.
    pub fn new() -> Result<Self> {
        create_bridge()?;
        Ok(Self {
            limit: FileLimit::of_this_machine(),
        })
    }
}

/// Creates the pods' network where it is missing. Docker lets two networks of one name exist, and
/// from then on the name means neither: the engines of one process take turns.
fn create_bridge() -> Result<()> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if docker(&["network", "inspect", BRIDGE]).is_err() {
        docker(&["network", "create", "--driver", "bridge", BRIDGE])?;
    }
    Ok(())
}

impl Engine for DockerEngine {
    fn run(&self, spec: &ContainerSpec) -> Result<()> {
        docker(&spec.run_args(self.limit))
            .with_context(|| format!("create container {}", spec.name))?;
        for args in spec.connect_args() {
            docker(&args)?;
        }
        Ok(())
    }

    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>> {
        let mut args = words(&["ps", "-a", "--no-trunc"]);
        args.extend(filters(labels));
        args.extend(words(&["--format", &listing_format()]));
        let listing = docker(&args)?;
        Ok(listing.lines().filter_map(parse_listed).collect())
    }

    fn inspect(&self, name: &str) -> Result<Option<Value>> {
        match docker(&["container", "inspect", name]) {
            Ok(json) => Ok(serde_json::from_str::<Vec<Value>>(&json)?.pop()),
            Err(error) if format!("{error}").contains("No such container") => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn stop(&self, name: &str) -> Result<()> {
        docker(&["stop", name]).map(drop)
    }

    fn start(&self, name: &str) -> Result<()> {
        docker(&["start", name]).map(drop)
    }

    fn restart(&self, name: &str) -> Result<()> {
        docker(&["restart", name]).map(drop)
    }

    fn remove(&self, name: &str) -> Result<()> {
        docker(&["rm", "-f", name]).map(drop)
    }

    fn discard(&self, name: &str) -> Result<()> {
        docker(&["rm", "-f", "-v", name]).map(drop)
    }

    fn wait(&self, name: &str) -> Result<i32> {
        let code = docker(&["wait", name])?;
        code.parse().with_context(|| format!("docker wait: {code}"))
    }

    fn exec(&self, name: &str, command: &[String]) -> Result<bool> {
        let status = Command::new("docker")
            .args(["exec", name])
            .args(command)
            .output()
            .context("run docker")?
            .status;
        Ok(status.success())
    }

    fn logs(&self, name: &str, tail: Option<&str>) -> Result<String> {
        let output = Command::new("docker")
            .args(["logs", "--tail", tail.unwrap_or("all"), name])
            .output()
            .context("run docker")?;
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        if !output.status.success() {
            bail!("docker logs: {}", stderr.trim());
        }
        Ok(format!("{stdout}{stderr}"))
    }

    fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<()> {
        let mut args = words(&["volume", "create"]);
        for (key, value) in labels {
            args.extend(words(&["--label", &format!("{key}={value}")]));
        }
        args.push(name.to_owned());
        docker(&args).map(drop)
    }

    fn volumes(&self, labels: &[(&str, &str)]) -> Result<Vec<String>> {
        let mut args = words(&["volume", "ls", "--quiet"]);
        args.extend(filters(labels));
        let mut names: Vec<String> = docker(&args)?.lines().map(ToOwned::to_owned).collect();
        names.sort();
        Ok(names)
    }

    fn remove_volume(&self, name: &str) -> Result<()> {
        docker(&["volume", "rm", name]).map(drop)
    }

    fn image_changed(&self, container: &str, image: &str) -> Result<bool> {
        let used = docker(&["container", "inspect", "--format", "{{.Image}}", container])?;
        // A tag that is gone says nothing about drift.
        let tagged = docker(&["image", "inspect", "--format", "{{.Id}}", image]);
        Ok(tagged.is_ok_and(|tagged| tagged != used))
    }
}

fn docker(args: &[impl AsRef<str>]) -> Result<String> {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    let output = Command::new("docker")
        .args(&args)
        .output()
        .context("run docker")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned());
    }
    bail!(
        "docker {}: {}",
        args.first().copied().unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr).trim()
    )
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn filters(labels: &[(&str, &str)]) -> Vec<String> {
    labels
        .iter()
        .flat_map(|(key, value)| ["--filter".to_owned(), format!("label={key}={value}")])
        .collect()
}

fn listing_format() -> String {
    let labels: Vec<String> = LISTED_LABELS
        .iter()
        .map(|label| format!("{{{{.Label {label:?}}}}}"))
        .collect();
    format!(
        "{{{{.Names}}}}\t{{{{.Image}}}}\t{{{{.Status}}}}\t{}",
        labels.join("\t")
    )
}

fn parse_listed(line: &str) -> Option<Container> {
    let mut fields = line.split('\t');
    let mut field = || fields.next().map(ToOwned::to_owned);
    let (name, image, status) = (field()?, field()?, field()?);
    let labels = LISTED_LABELS
        .iter()
        .filter_map(|label| Some(((*label).to_owned(), field()?)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    Some(Container {
        name,
        image,
        running: status.starts_with("Up"),
        status,
        labels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_line_becomes_a_container() {
        let line =
            "s-db.1\tpostgres:17\tUp 3 minutes\tstatefulset\ts\tdb\t1\t1\tstatefulset\t\t2026";
        let container = parse_listed(line).unwrap();
        assert!(container.running);
        assert_eq!(container.ordinal(), Some(1));
        assert_eq!(container.label("voodu.scope"), "s");
        assert_eq!(container.label("voodu.release_id"), "");
        let stopped = parse_listed("a\ti\tExited (0) 1 second ago\t\t\t\t\t\t\t\t").unwrap();
        assert!(!stopped.running && stopped.ordinal().is_none());
    }
}
