//! A plugin directory as the controller leaves it, and the machines that its hooks run on.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::releases::{Releases, VERSION};

/// What the hooks may use; nothing else is on their path.
const TOOLS: [&str; 16] = [
    "cat",
    "chmod",
    "cut",
    "dirname",
    "find",
    "grep",
    "head",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sha256sum",
    "tail",
    "timeout",
    "tr",
];

/// Kinds of hosts: their shell and what can download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    DebianWithCurl,
    DebianWithWget,
    Alpine,
}

pub const HOSTS: [Host; 3] = [Host::DebianWithCurl, Host::DebianWithWget, Host::Alpine];

/// A host with the plugin's directory on it.
pub struct Machine {
    host: Host,
    root: TempDir,
}

/// What a hook said.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Machine {
    pub fn new(host: Host) -> Self {
        let root = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let machine = Self { host, root };
        for folder in ["path", "plugin/bin"] {
            fs::create_dir_all(machine.root.path().join(folder)).unwrap();
        }
        for file in ["plugin.yml", "install", "uninstall"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            fs::copy(from, machine.plugin(file)).unwrap();
        }
        for tool in TOOLS {
            machine.provide(tool);
        }
        machine.provide(match host {
            Host::DebianWithCurl => "curl",
            Host::DebianWithWget | Host::Alpine => "wget",
        });
        machine.command("uname", "[ \"$1\" = -s ] && echo Linux || echo x86_64");
        machine.command("sleep", "exit 0");
        machine
    }

    /// A path in the plugin's directory.
    pub fn plugin(&self, name: &str) -> PathBuf {
        self.root.path().join("plugin").join(name)
    }

    pub fn binary(&self) -> PathBuf {
        self.plugin("bin/voodu-postgres")
    }

    /// Puts a binary of that version where the plugin's is.
    pub fn place(&self, version: &str) {
        script(&self.binary(), &says(version));
    }

    /// Puts a script into the path, in the place of the tool of that name.
    pub fn command(&self, name: &str, body: &str) {
        let path = self.tool(name);
        let _ = fs::remove_file(&path);
        script(&path, &format!("#!/bin/sh\n{body}\n"));
    }

    pub fn without(&self, name: &str) {
        fs::remove_file(self.tool(name)).unwrap();
    }

    /// Where the real tool of that name is.
    pub fn real(&self, name: &str) -> PathBuf {
        let path = std::env::var_os("PATH").unwrap();
        let wanted = if self.host == Host::Alpine {
            "busybox"
        } else {
            name
        };
        std::env::split_paths(&path)
            .map(|folder| folder.join(wanted))
            .find(|file| file.is_file())
            .unwrap_or_else(|| panic!("{wanted} is missing: apt-get install -y {wanted}"))
    }

    /// Downloads give up after a second, whatever they were told; what they were told is logged.
    pub fn make_impatient(&self) {
        let log = self.root.path().join("limits");
        let log = log.display();
        if self.host == Host::DebianWithCurl {
            let curl = self.real("curl");
            let body = format!(
                "echo \"$5\" >>{log}\nexec {} \"$@\" --max-time 1",
                curl.display()
            );
            self.command("curl", &body);
        } else {
            let timeout = self.real("timeout");
            let applet = if self.host == Host::Alpine {
                "timeout"
            } else {
                ""
            };
            let body = format!(
                "echo \"$1\" >>{log}\nshift\nexec {} {applet} 1 \"$@\"",
                timeout.display()
            );
            self.command("timeout", &body);
        }
    }

    /// The seconds that each download was given.
    pub fn limits(&self) -> Vec<u32> {
        let log = fs::read_to_string(self.root.path().join("limits")).unwrap();
        log.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Runs `./install postgres` with the controller's environment for hooks.
    pub fn install(&self, releases: &Releases) -> Outcome {
        self.install_from(&releases.base)
    }

    pub fn install_from(&self, base: &str) -> Outcome {
        let mut hook = self.hook("install");
        hook.env("HOME", self.plugin(""))
            .env("TMPDIR", self.plugin(""))
            .env("VOODU_POSTGRES_RELEASE_BASE", base);
        run(&mut hook)
    }

    /// The hook in its directory with nothing but a path.
    pub fn hook(&self, name: &str) -> Command {
        let mut hook = match self.host {
            Host::Alpine => Command::new(self.real("sh")),
            _ if Path::new("/bin/dash").exists() => Command::new("/bin/dash"),
            _ => Command::new("/bin/sh"),
        };
        if self.host == Host::Alpine {
            hook.arg("sh");
        }
        hook.arg(format!("./{name}"))
            .arg("postgres")
            .env_clear()
            .env("PATH", self.root.path().join("path"))
            .current_dir(self.plugin(""));
        hook
    }

    /// The files of the plugin's directory, hidden ones included.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.plugin("")).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }

    fn tool(&self, name: &str) -> PathBuf {
        self.root.path().join("path").join(name)
    }

    fn provide(&self, tool: &str) {
        symlink(self.real(tool), self.tool(tool)).unwrap();
    }
}

pub fn run(hook: &mut Command) -> Outcome {
    let output = hook.stdin(Stdio::null()).output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A program that reports that version.
pub fn says(version: &str) -> String {
    format!("#!/bin/sh\necho voodu-postgres {version}\n")
}

/// A release as it should be.
pub fn release() -> Vec<u8> {
    says(VERSION).into_bytes()
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
