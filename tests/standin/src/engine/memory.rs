//! Keeps track of containers and volumes without running anything, and remembers each docker
//! command that would have run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Container, ContainerSpec, Engine, FileLimit, Labels};
use crate::store::Vars;

/// Records instead of running.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    state: Mutex<State>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    #[serde(skip)]
    commands: Vec<Vec<String>>,
    containers: BTreeMap<String, Held>,
    volumes: BTreeMap<String, Labels>,
    exit_code: i32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    spec: ContainerSpec,
    /// What the process would see: the env files as they were, then `-e`.
    env: Vars,
    running: bool,
}

impl MemoryEngine {
    /// Continues with the containers and volumes of a file, or with none when there is no file.
    pub fn load(path: &Path) -> Result<Self> {
        let state = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("read {}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        Ok(Self {
            state: Mutex::new(state),
        })
    }

    /// Keeps the containers and volumes in a file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let state = serde_json::to_vec_pretty(&*self.state())?;
        crate::files::write(path, &state, 0o600)
    }

    /// Every docker command so far, without the leading `docker`.
    pub fn commands(&self) -> Vec<Vec<String>> {
        self.state().commands.clone()
    }

    /// Forgets the commands, not the containers.
    pub fn clear_commands(&self) {
        self.state().commands.clear();
    }

    /// What jobs exit with from now on.
    pub fn set_exit_code(&self, code: i32) {
        self.state().exit_code = code;
    }

    /// How a container was made.
    pub fn container(&self, name: &str) -> Option<ContainerSpec> {
        self.state()
            .containers
            .get(name)
            .map(|held| held.spec.clone())
    }

    /// The environment a container was created with.
    pub fn environment(&self, name: &str) -> Option<Vars> {
        self.state()
            .containers
            .get(name)
            .map(|held| held.env.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn record(&mut self, words: &[&str]) {
        self.commands
            .push(words.iter().map(ToString::to_string).collect());
    }

    fn held(&mut self, name: &str) -> Result<&mut Held> {
        match self.containers.get_mut(name) {
            Some(held) => Ok(held),
            None => bail!("No such container: {name}"),
        }
    }
}

impl Engine for MemoryEngine {
    fn run(&self, spec: &ContainerSpec) -> Result<()> {
        let mut state = self.state();
        state.commands.push(spec.run_args(FileLimit::NONE));
        state.commands.extend(spec.connect_args());
        if state.containers.contains_key(&spec.name) {
            bail!("the container name {:?} is already in use", spec.name);
        }
        let held = Held {
            spec: spec.clone(),
            env: environment(spec),
            running: true,
        };
        state.containers.insert(spec.name.clone(), held);
        Ok(())
    }

    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>> {
        let state = self.state();
        let carries = |held: &&Held| carries(&held.spec.labels, labels);
        Ok(state
            .containers
            .values()
            .filter(carries)
            .map(listed)
            .collect())
    }

    fn inspect(&self, name: &str) -> Result<Option<Value>> {
        let state = self.state();
        Ok(state.containers.get(name).map(|held| {
            let labels: BTreeMap<_, _> = held.spec.labels.iter().cloned().collect();
            let env: Vec<String> = held
                .env
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            json!({
                "Id": name, "Name": format!("/{name}"), "RestartCount": 0,
                "State": {"Status": if held.running { "running" } else { "exited" },
                    "Running": held.running, "ExitCode": 0},
                "Config": {"Image": held.spec.image, "Labels": labels, "Env": env,
                    "Cmd": held.spec.command},
                "HostConfig": {"RestartPolicy": {"Name": held.spec.restart}},
            })
        }))
    }

    fn stop(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.record(&["stop", name]);
        state.held(name)?.running = false;
        Ok(())
    }

    fn start(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.record(&["start", name]);
        state.held(name)?.running = true;
        Ok(())
    }

    fn restart(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.record(&["restart", name]);
        state.held(name)?.running = true;
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.record(&["rm", "-f", name]);
        state.containers.remove(name);
        Ok(())
    }

    fn discard(&self, name: &str) -> Result<()> {
        self.remove(name)
    }

    fn wait(&self, name: &str) -> Result<i32> {
        let mut state = self.state();
        state.record(&["wait", name]);
        state.held(name)?.running = false;
        Ok(state.exit_code)
    }

    fn exec(&self, name: &str, command: &[String]) -> Result<bool> {
        let mut state = self.state();
        let mut words = vec!["exec", name];
        words.extend(command.iter().map(String::as_str));
        state.record(&words);
        Ok(state.held(name)?.running)
    }

    fn logs(&self, name: &str, _: Option<&str>) -> Result<String> {
        self.state().held(name).map(|_| String::new())
    }

    fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<()> {
        let mut state = self.state();
        let mut words = vec!["volume".to_owned(), "create".to_owned()];
        for (key, value) in labels {
            words.extend(["--label".to_owned(), format!("{key}={value}")]);
        }
        words.push(name.to_owned());
        state.commands.push(words);
        state
            .volumes
            .entry(name.to_owned())
            .or_insert_with(|| labels.clone());
        Ok(())
    }

    fn volumes(&self, labels: &[(&str, &str)]) -> Result<Vec<String>> {
        let state = self.state();
        let carrying = state.volumes.iter().filter(|(_, own)| carries(own, labels));
        Ok(carrying.map(|(name, _)| name.clone()).collect())
    }

    fn remove_volume(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.record(&["volume", "rm", name]);
        state.volumes.remove(name);
        Ok(())
    }

    fn image_changed(&self, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }
}

fn environment(spec: &ContainerSpec) -> Vars {
    let files = spec.env_files.iter();
    let mut env: Vars = files
        .flat_map(|file| crate::env::read(Path::new(file)))
        .collect();
    env.extend(spec.env.clone());
    env
}

fn carries(own: &Labels, wanted: &[(&str, &str)]) -> bool {
    wanted
        .iter()
        .all(|(key, value)| own.iter().any(|(k, v)| k == key && v == value))
}

fn listed(held: &Held) -> Container {
    Container {
        name: held.spec.name.clone(),
        image: held.spec.image.clone(),
        running: held.running,
        status: if held.running { "Up" } else { "Exited (0)" }.to_owned(),
        labels: held.spec.labels.iter().cloned().collect(),
    }
}
