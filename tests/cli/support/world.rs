//! A stand-in controller on its memory engine, with the plugin installed and a `docker` that
//! answers what a test prepared.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use voodu_standin::cli::CliOutput;
use voodu_standin::engine::MemoryEngine;
use voodu_standin::{EngineChoice, Event, Platform, Vars};

use super::{Answer, plugin, run};

/// Nobody listens there.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9";

const DOCKER: &str = include_str!("docker.sh");

pub(crate) struct World {
    pub(crate) platform: Platform,
    directory: TempDir,
}

impl World {
    /// A controller that stores nothing yet.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for folder in ["plugins/postgres/bin", "bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin.yml");
        fs::copy(source, root.join("plugins/postgres/plugin.yml")).unwrap();
        let binary = root.join("plugins/postgres/bin/voodu-postgres");
        symlink(env!("CARGO_BIN_EXE_voodu-postgres"), binary).unwrap();
        let docker = root.join("bin/docker");
        fs::write(&docker, DOCKER).unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        let platform = Platform::builder()
            .root(root.join("controller"))
            .plugin_dir(root.join("plugins/postgres"))
            .engine(EngineChoice::Memory(Arc::new(MemoryEngine::default())))
            .probes(false)
            .pause(Duration::ZERO)
            .env(
                "VOODU_BACKUPS_ROOT",
                root.join("backups").display().to_string(),
            )
            .env("PATH", path(root))
            .start()
            .unwrap();
        let world = Self {
            platform,
            directory,
        };
        world.prepare("published", "");
        world.prepare("jobs", "");
        world.prepare("restores", "");
        world.prepare("pods", "");
        world.prepare("exit", "0");
        world
    }

    /// With the cluster `clowk-lp/db` of that many pods and the application `clowk-lp/web`.
    pub(crate) fn with_cluster(replicas: u16) -> Self {
        let world = Self::new();
        let password = Vars::from([("POSTGRES_PASSWORD".to_owned(), "hunter/2".to_owned())]);
        world
            .platform
            .seed_bucket("clowk-lp", "db", &password)
            .unwrap();
        world.apply(&format!("{}{WEB}", cluster(replicas, "")));
        world.record("clowk-lp", "db", 0);
        let pods = (0..replicas).map(|n| format!("clowk-lp-db.{n}\trunning\t{n}"));
        let pods: Vec<_> = pods.collect();
        world.prepare("pods", &pods.join("\n"));
        world.forms(replicas);
        world
    }

    /// Applies blocks; answers the containers that were replaced.
    #[track_caller]
    pub(crate) fn apply(&self, blocks: &str) -> Vec<String> {
        let report = self.platform.apply_hcl(blocks).unwrap();
        assert_eq!(report.changes.errors, Vec::<String>::new());
        report.changes.rolled
    }

    /// Prepares what docker prints: `pods`, `published` or the code it `exit`s with.
    pub(crate) fn prepare(&self, what: &str, text: &str) {
        fs::write(self.bin().join(what), text).unwrap();
    }

    /// Where `docker` and what it prints lie.
    pub(crate) fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// What docker was asked, one line each.
    pub(crate) fn docker_calls(&self) -> String {
        fs::read_to_string(self.bin().join("calls")).unwrap_or_default()
    }

    /// The backups directory of a cluster.
    pub(crate) fn backups(&self, scope: &str, name: &str) -> PathBuf {
        let dir = self.directory.path().join("backups").join(scope).join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// Where the record of a cluster lies.
    pub(crate) fn record_path(&self, scope: &str, name: &str) -> PathBuf {
        self.backups(scope, name).join(".topology")
    }

    /// Writes the record of a cluster.
    pub(crate) fn record(&self, scope: &str, name: &str, primary: u16) {
        let id = self.platform.bucket(scope, name)["PG_CLUSTER_ID"].clone();
        let text = format!("cluster={id}\nepoch=7\nprimary={primary}\nstate=steady\n");
        fs::write(self.record_path(scope, name), text).unwrap();
    }

    /// A value of a bucket.
    pub(crate) fn value(&self, scope: &str, name: &str, key: &str) -> Option<String> {
        self.platform.bucket(scope, name).get(key).cloned()
    }

    /// Sets a key of a bucket behind everybody's back.
    pub(crate) fn seed(&self, scope: &str, name: &str, key: &str, value: &str) {
        let vars = Vars::from([(key.to_owned(), value.to_owned())]);
        self.platform.seed_bucket(scope, name, &vars).unwrap();
    }

    /// Runs a command line of the CLI.
    pub(crate) fn vd(&self, words: &[&str]) -> CliOutput {
        self.platform.vd(words)
    }

    /// Runs a command line of the CLI that must succeed; answers what it printed.
    #[track_caller]
    pub(crate) fn vd_ok(&self, words: &[&str]) -> String {
        let output = self.vd(words);
        assert_eq!(output.status, 0, "{output:?}");
        assert!(!format!("{output:?}").contains("hunter"), "{output:?}");
        output.stdout
    }

    /// What the plugin answers this controller; nothing of it is carried out.
    pub(crate) fn answer(&self, words: &[&str]) -> Answer {
        self.answer_to(self.platform.url(), words)
    }

    /// What the plugin answers a controller at that address.
    pub(crate) fn answer_to(&self, url: &str, words: &[&str]) -> Answer {
        let answer = self.answer_beside(url, words);
        // The next command would wait for what no controller is going to store.
        self.forget_answers();
        answer
    }

    /// Takes away what the commands before left for the next one to wait for.
    pub(crate) fn forget_answers(&self) {
        let root = self.directory.path().join("backups");
        for lease in [".voodu-postgres/clowk-lp.db.lease", "clowk-lp/db/.lease"] {
            fs::remove_file(root.join(lease)).ok();
        }
    }

    /// The same while another command is at work.
    pub(crate) fn answer_beside(&self, url: &str, words: &[&str]) -> Answer {
        let context = json!({"plugin": "pg", "command": words[0], "controller_url": url});
        let mut plugin = plugin();
        plugin.env("PATH", path(self.directory.path()));
        plugin.env("VOODU_BACKUPS_ROOT", self.directory.path().join("backups"));
        run(plugin.args(words).write_stdin(context.to_string()))
    }

    /// The refusal of a command line: it has a next step, tells no secret, and changed nothing.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str], reason: &str) -> String {
        let answer = self.answer(words);
        let error = answer.error();
        assert!(error.starts_with(reason), "expected {reason}, got {error}");
        assert!(error.contains("; "), "no next step: {error}");
        assert!(!format!("{answer:?}").contains("hunter"), "{error}");
        error
    }

    /// The resources that a config change made the controller look at again, in order.
    pub(crate) fn fanned_out(&self) -> Vec<String> {
        let fan_out = |event| match event {
            Event::FanOut { kind, scope, name } => Some(format!("{kind}/{scope}/{name}")),
            _ => None,
        };
        self.platform
            .events()
            .into_iter()
            .filter_map(fan_out)
            .collect()
    }

    /// The containers that were replaced, in order.
    pub(crate) fn rolled(&self) -> Vec<String> {
        let rolled = |event| match event {
            Event::Rolled { container, .. } => Some(container),
            _ => None,
        };
        self.platform
            .events()
            .into_iter()
            .filter_map(rolled)
            .collect()
    }

    /// Every request was a question, or the CLI's call of the plugin.
    #[track_caller]
    pub(crate) fn assert_only_asked(&self) {
        let requests = self.platform.requests();
        let harmless =
            |line: &String| line.starts_with("GET ") || line.starts_with("POST /plugin/");
        assert!(requests.iter().any(|line| line.starts_with("GET ")));
        assert!(requests.iter().all(harmless), "{requests:?}");
    }
}

pub(crate) const WEB: &str = "deployment \"clowk-lp\" \"web\" {\n image = \"web:1\"\n}\n";

/// The block of `clowk-lp/db`, with a user, a database and a port that are not the defaults.
pub(crate) fn cluster(replicas: u16, more: &str) -> String {
    format!(
        "postgres \"clowk-lp\" \"db\" {{\n image = \"postgres:17\"\n replicas = {replicas}\n \
         user = \"appuser\"\n database = \"appdata\"\n{more}\n}}\n"
    )
}

fn path(root: &Path) -> String {
    format!("{}:/usr/bin:/bin", root.join("bin").display())
}

/// A controller that breaks off in the middle of each answer.
pub(crate) fn breaks_off() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(br#"{"status":"ok","data":{"#).unwrap();
        }
    });
    url
}
