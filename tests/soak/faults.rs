//! What befalls pods, disks, the record and the machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::act::Act;
use crate::found::{Checked, ensure};
use crate::outside::state;
use crate::step::Kind;
use crate::support::docker;

pub fn perform(act: &Act<'_>) -> Checked {
    let pod = act.subject.pod(act.step.role);
    let container = act.subject.cluster.pod(pod);
    match act.step.kind {
        Kind::Crash => {
            kill(&[process(&container)]);
            Ok(())
        }
        Kind::Server => {
            kill(&servers(&container));
            Ok(())
        }
        Kind::Kill => act.held(&container, &["kill", &container], &["start", &container]),
        Kind::Stop => act.held(&container, &["stop", &container], &["start", &container]),
        Kind::Pause => act.held(&container, &["pause", &container], &["unpause", &container]),
        Kind::Restart => {
            act.subject.docker(&["restart", &container]);
            Ok(())
        }
        Kind::Cut => {
            unplug(&container);
            thread::sleep(act.pause());
            plug_in(&container);
            Ok(())
        }
        Kind::Forget => act.forget(),
        Kind::Garble => {
            let record = act.subject.cluster.backups().join(".topology");
            let text = act.subject.cluster.record();
            let damaged = if text.len() % 2 == 0 {
                "clust\0"
            } else {
                &text[..text.len() / 2]
            };
            // On a full disk the record is damaged already.
            let _ = fs::write(record, damaged);
            Ok(())
        }
        Kind::FillData | Kind::FillBackups => act.fill(pod),
        Kind::Load => {
            busy(act.pause());
            Ok(())
        }
        Kind::Daemon => act.restart_daemon(),
        other => Err(format!("{other} is no fault")),
    }
}

impl Act<'_> {
    /// A pod that does not run for a while; `info --check` names it meanwhile.
    fn held(&self, container: &str, begin: &[&str], end: &[&str]) -> Checked {
        let happened = self.subject.docker(begin);
        let named = if happened {
            self.is_named(container)
        } else {
            Ok(())
        };
        self.subject.docker(end);
        named
    }

    fn is_named(&self, container: &str) -> Checked {
        let until = Instant::now() + self.pause();
        let before = state(container);
        let check = self.subject.check();
        let after = state(container);
        thread::sleep(until.saturating_duration_since(Instant::now()));
        // Somebody else started it again, or takes it away.
        let lasted = before == after && before.0 != "running" && before.0 != "absent";
        // The CLI gave up, or the plugin was killed.
        let answered = !check.stdout.is_empty();
        ensure(
            !lasted || !answered || (check.status == 1 && check.stdout.contains(container)),
            || {
                format!(
                    "{container} is {}, and info --check does not say so: exit {}, {}",
                    before.0, check.status, check.stdout
                )
            },
        )
    }

    fn forget(&self) -> Checked {
        let record = self.subject.cluster.backups().join(".topology");
        let _ = fs::remove_file(&record);
        let check = self.subject.check();
        // Asked before it was removed, or after a pod has written it again.
        let missing = !record.exists();
        ensure(!missing || check.status != 0, || {
            format!("there is no record, and info --check says {}", check.stdout)
        })
    }

    fn fill(&self, pod: u16) -> Checked {
        let Some(disks) = &self.subject.disks else {
            return Ok(());
        };
        let filled = if self.step.kind == Kind::FillData {
            disks.fill_data(pod)
        } else {
            disks.fill_backups()
        };
        let begun = Instant::now();
        let _ = self.subject.check();
        thread::sleep(self.pause().saturating_sub(begun.elapsed()));
        disks.free();
        filled
    }

    /// Only where nobody else has containers.
    fn restart_daemon(&self) -> Checked {
        let listed = docker(&["ps", "--format", "{{.Names}}"]);
        let own = format!("e2e-{}-", std::process::id());
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        if let Some(other) = names.lines().find(|name| !name.starts_with(&own)) {
            self.subject
                .journal
                .say(format!("  docker is not restarted: {other} runs on it too"));
            return Ok(());
        }
        let pid = fs::read_to_string("/var/run/docker.pid")
            .map_err(|error| format!("docker.pid: {error}"))?;
        run("kill", &["-TERM", pid.trim()])?;
        while Path::new("/proc").join(pid.trim()).exists() {
            thread::sleep(Duration::from_millis(200));
        }
        let provision = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provision.sh");
        run("bash", &[&provision.display().to_string()])
    }
}

fn run(program: &str, words: &[&str]) -> Checked {
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    ensure(output.status.success(), || {
        format!(
            "{program} {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A container's first process, as the host knows it.
fn process(container: &str) -> String {
    let output = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The postmaster in a container.
fn servers(container: &str) -> Vec<String> {
    let children = Command::new("pgrep")
        .args(["-P", &process(container), "-x", "postgres"])
        .output();
    let listed = children.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn kill(processes: &[String]) {
    for process in processes
        .iter()
        .filter(|process| process.parse::<u32>().is_ok_and(|pid| pid > 1))
    {
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-9", process]).output();
    }
}

/// Takes a container off the network, and it keeps its address.
pub fn unplug(container: &str) {
    link(&process(container), "down");
}

pub fn plug_in(container: &str) {
    link(&process(container), "up");
}

fn link(process: &str, state: &str) {
    if process.parse::<u32>().is_ok_and(|pid| pid > 1) {
        let _ = Command::new("nsenter")
            .args(["-t", process, "-n", "ip", "link", "set", "eth0", state])
            .output();
    }
}

/// Twice as much work as there are processors.
fn busy(time: Duration) {
    let threads = 2 * thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let until = Instant::now() + time;
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || {
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            });
        }
    });
}
