//! The plugin as the controller finds it.

use std::fs;
use std::path::{Path, PathBuf};

use voodu_standin::cli::CliOutput;

use super::Cluster;

/// A plugin directory with the binary under test.
pub fn install_plugin(root: &Path) -> PathBuf {
    let directory = root.join("plugins/postgres");
    fs::create_dir_all(directory.join("bin")).expect("make the plugin directory");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin.yml");
    fs::copy(manifest, directory.join("plugin.yml")).expect("copy plugin.yml");
    fs::copy(
        env!("CARGO_BIN_EXE_voodu-postgres"),
        directory.join("bin/voodu-postgres"),
    )
    .expect("copy the binary");
    directory
}

impl Cluster {
    /// Runs a command of the plugin on this cluster as an operator does.
    pub fn pg(&self, command: &str, words: &[&str]) -> CliOutput {
        let (command, db) = (format!("pg:{command}"), format!("{}/db", self.scope));
        let output = self.platform.vd([&[&command[..], &db], words].concat());
        eprintln!(
            "$ vd {command} {words:?}: {}\n{}{}",
            output.status, output.stdout, output.stderr
        );
        output
    }

    /// Makes a pod the primary; answers what was printed.
    #[track_caller]
    pub fn promote(&self, pod: u16, flags: &[&str]) -> String {
        let pod = pod.to_string();
        let output = self.pg("promote", &[&["--replica", &pod], flags].concat());
        assert_eq!(output.status, 0, "{output:?}");
        output.stdout
    }

    /// A command that must be refused, and must change neither the record nor who is primary;
    /// answers why.
    #[track_caller]
    pub fn refused(&self, command: &str, words: &[&str]) -> String {
        let before = self.record();
        let output = self.pg(command, words);
        assert_eq!(output.status, 1, "{output:?}");
        assert_eq!(self.record(), before);
        assert_eq!(self.in_recovery(self.primary()).as_deref(), Ok("f"));
        output.stderr
    }
}
