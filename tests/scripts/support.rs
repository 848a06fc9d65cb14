//! Runs functions of the pods' scripts in bash, without a container.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The cluster id that the sandbox's pod has in its environment.
pub const CLUSTER: &str = "00112233445566778899aabbccddeeff";

/// Which implementation of the small tools the scripts find on their PATH.
#[derive(Clone, Copy, Debug)]
pub enum Tools {
    /// This machine's, as in a Debian image.
    Native,
    /// Busybox', as in an Alpine image.
    Busybox,
}

/// Both kinds, for tests that must hold with either.
pub const TOOLS: [Tools; 2] = [Tools::Native, Tools::Busybox];

/// One pod's directories on this machine.
pub struct Sandbox {
    root: PathBuf,
    tools: Tools,
}

impl Sandbox {
    pub fn new(tools: Tools) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("scripts-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        for directory in ["backups", "volume/pgdata", "conf"] {
            std::fs::create_dir_all(root.join(directory)).expect("make the sandbox");
        }
        Self { root, tools }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("mkdir");
        std::fs::write(path, text).expect("write a sandbox file");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("read a sandbox file")
    }

    /// Sources the scripts as a pod does, with the sandbox's directories in the
    /// place of the container's, and then runs `script`.
    pub fn bash(&self, script: &str) -> Output {
        let child = self.spawn(0, script);
        child.wait_with_output().expect("wait for bash")
    }

    /// Starts `script` as [`Sandbox::bash`] does, as the pod `ordinal`. It arrives
    /// on standard input. The process leads a group of its own.
    pub fn spawn(&self, ordinal: usize, script: &str) -> Child {
        let mut child = Command::new("/bin/bash")
            .env_clear()
            .env("PATH", self.tools())
            .env("SANDBOX", &self.root)
            .env("PGDATA", self.path("volume/pgdata"))
            .env("PG_CLUSTER_ID", CLUSTER)
            .env("PG_NAME", "DB")
            .env("PG_SCOPE_SUFFIX", ".Shop.voodu")
            .env("VOODU_SCOPE", "Shop")
            .env("VOODU_NAME", "DB")
            .env("VOODU_REPLICA_ORDINAL", ordinal.to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start bash");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        stdin
            .write_all(sourced(script).as_bytes())
            .expect("hand over the script");
        child
    }

    /// Like [`Sandbox::bash`], for scripts that must succeed: their output.
    #[track_caller]
    pub fn output(&self, script: &str) -> String {
        let output = self.bash(script);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{:?}: {script}\n{stderr}",
            self.tools
        );
        String::from_utf8(output.stdout).expect("utf-8 from a script")
    }

    /// Puts programs of that text before the tools of [`Sandbox::job`].
    pub fn fakes(&self, programs: &[(&str, &str)]) {
        for (name, text) in programs {
            let name = format!("fakes/{name}");
            self.write(&name, text);
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(self.path(&name), executable).expect("chmod");
        }
    }

    /// The script of a job as its container runs it, with the sandbox's directories and the programs of
    /// [`Sandbox::fakes`]; `change` sees its text first.
    pub fn job(&self, name: &str, change: impl FnOnce(String) -> String) -> Command {
        std::fs::create_dir_all(self.path("tmp")).expect("make a directory");
        let script = job_script(name);
        let path = format!("{}:{}", self.path("fakes").display(), self.tools());
        let mut job = Command::new("/bin/bash");
        job.args(["-c", &change(script), name])
            .env_clear()
            .env("PATH", path)
            .env("SANDBOX", self.path(""));
        job
    }

    /// Where the tools are found.
    pub fn tools(&self) -> String {
        match self.tools {
            Tools::Native => std::env::var("PATH").expect("PATH"),
            Tools::Busybox => busybox_directory().display().to_string(),
        }
    }
}

/// A job's whole script, with a sandbox's directories in the place of its container's.
pub fn job_script(name: &str) -> String {
    let script = ["entrypoint/session", "jobs/common", &format!("jobs/{name}")].map(|part| {
        let path = format!("{}/templates/{part}.sh", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("read a part")
    });
    let script = script.join("\n");
    script
        .replace("BACKUPS=/backups", "BACKUPS=$SANDBOX/backups")
        .replace("/tmp/", "$SANDBOX/tmp/")
        .replace("/job/voodu-postgres", "$SANDBOX/fakes/voodu-postgres")
}

/// `script` after the pods' scripts, all but the one that runs a pod.
fn sourced(script: &str) -> String {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/entrypoint");
    let source = |part: &str| format!(". {}/{part}.sh\n", parts.display());
    let mut text = source("preamble");
    text += "BACKUPS=$SANDBOX/backups DROP=()\n";
    text.extend(PARTS.map(source));
    text += "CONF_DIRECTORY=$SANDBOX/conf\nexec {TICK}<> <(:)\n";
    text + script
}

/// The scripts between the preamble and main.sh.
const PARTS: [&str; 16] = [
    "session",
    "record",
    "data",
    "timeline",
    "wal",
    "config",
    "peers",
    "bootstrap",
    "clone",
    "heal",
    "rejoin",
    "handover",
    "restore",
    "decide",
    "supervise",
    "heartbeat",
];

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// A directory with busybox under the name of each of its applets.
fn busybox_directory() -> PathBuf {
    static ONCE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    ONCE.get_or_init(|| {
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("busybox-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("make the busybox directory");
        let installed = Command::new("busybox")
            .args(["--install", "-s"])
            .arg(&directory)
            .status()
            .expect("busybox is missing: apt-get install -y busybox");
        assert!(installed.success(), "busybox --install failed");
        // Alpine's busybox has flock, Debian's was built without it.
        if !directory.join("flock").exists() {
            std::os::unix::fs::symlink("/usr/bin/flock", directory.join("flock"))
                .expect("link flock");
        }
        directory
    })
    .clone()
}

/// A record's text.
pub fn record(epoch: u32, primary: u32, rest: &str) -> String {
    record_of(CLUSTER, epoch, primary, rest)
}

/// The text of a record of any cluster.
pub fn record_of(cluster: &str, epoch: u32, primary: u32, rest: &str) -> String {
    format!("cluster={cluster}\nepoch={epoch}\nprimary={primary}\nstate=steady\n{rest}")
}
