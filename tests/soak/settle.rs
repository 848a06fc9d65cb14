//! Until everything is well again, by itself or by what the messages advise.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use voodu_standin::cli::CliOutput;

use crate::act;
use crate::advice::{commands, is_harmless};
use crate::found::{Checked, ensure};
use crate::subject::Subject;
use crate::support::docker;

/// For how long a problem may go away by itself before its advice is followed.
const BY_ITSELF: u64 = 6;
/// Until an advice that did not help is followed once more.
const ONCE_MORE: u64 = 15;
/// Until everything has to be well.
const LIMIT: u64 = 120;

impl Subject {
    /// Whether everything is well, as the pods and the files say.
    pub fn look(&self) -> Checked {
        let record = self.cluster.record();
        ensure(record.contains("\nstate=steady\n"), || {
            format!("the record says {record:?}")
        })?;
        let primary = self.primary().ok_or("no pod is the primary")?;
        let sql = "SELECT pg_is_in_recovery() || ' ' || coalesce((SELECT string_agg(right(application_name, 1), ' ' ORDER BY application_name)
                   FROM pg_stat_replication WHERE state = 'streaming' AND application_name LIKE 'voodu-postgres-standby-%'), '')";
        let standbys: Vec<_> = self
            .pods()
            .filter(|pod| *pod != primary)
            .map(|pod| pod.to_string())
            .collect();
        let answer = self
            .sql(primary, sql)
            .map_err(|error| format!("pod {primary}, the primary: {error}"))?;
        ensure(answer == format!("false {}", standbys.join(" ")), || {
            format!("pod {primary} answers {answer:?}, and the standbys are {standbys:?}")
        })?;
        for pod in self.pods().filter(|pod| *pod != primary) {
            let answer = self
                .sql(pod, "SELECT pg_is_in_recovery()")
                .map_err(|error| format!("pod {pod}: {error}"))?;
            ensure(answer == "t", || format!("pod {pod} is no standby"))?;
        }
        let bucket = self.cluster.platform.bucket(&self.cluster.scope, "app");
        let url = bucket.get("DATABASE_URL").cloned().unwrap_or_default();
        ensure(url.contains(&format!("@db-{primary}.")), || {
            "the application's URL is not that of the primary".to_owned()
        })
    }

    pub fn check(&self) -> CliOutput {
        self.pg("info", &["--check"])
    }

    /// Waits until the pods say that all is well and `info --check` says so too, and does what it
    /// advises where something does not heal by itself.
    pub fn settle(&self) -> Checked {
        let begun = Instant::now();
        let mut since: BTreeMap<String, (Instant, Instant)> = BTreeMap::new();
        let mut followed: BTreeMap<String, Instant> = BTreeMap::new();
        let mut content_though = 0;
        loop {
            let before = self.look();
            let check = self.check();
            if before.is_ok() && check.status == 0 {
                return Ok(());
            }
            if check.status == 0 {
                // A moment later it may be true: only what lasts is a lie.
                content_though += u32::from(self.look() == before);
                let why = before.as_ref().err().cloned().unwrap_or_default();
                ensure(content_though < 8, || {
                    format!("info --check says ok, though {why}")
                })?;
            } else {
                content_though = 0;
            }
            let late = begun.elapsed() > self.patience(LIMIT);
            ensure(!late, || match &before {
                Ok(()) => format!("all is well, and info --check says:\n{}", check.stdout),
                Err(why) => format!(
                    "does not heal in {:.0} s: {why}; info --check says:\n{}",
                    begun.elapsed().as_secs_f64(),
                    check.stdout
                ),
            })?;
            let lines = check.stdout.lines().chain(check.stderr.lines());
            let problems: Vec<_> = lines
                .filter(|line| line.contains("; "))
                .map(str::to_owned)
                .collect();
            since.retain(|_, (_, last)| last.elapsed() < self.patience(BY_ITSELF));
            for problem in &problems {
                // A pod that is started again and again has several.
                let name = problem.split(' ').next().unwrap_or_default().to_owned();
                let now = Instant::now();
                let seen = since.entry(name.clone()).or_insert((now, now));
                seen.1 = now;
                let lasts = seen.0.elapsed() > self.patience(BY_ITSELF);
                let again = followed
                    .get(&name)
                    .is_none_or(|at| at.elapsed() > self.patience(ONCE_MORE));
                if lasts && again {
                    followed.insert(name, now);
                    self.follow(problem);
                }
            }
            thread::sleep(Duration::from_millis(700));
        }
    }

    /// Does what a problem's line advises.
    fn follow(&self, problem: &str) {
        let Some((_, advice)) = problem.split_once("; ") else {
            return;
        };
        self.journal
            .say(format!("  {:?} advice: {problem}", self.which));
        if advice.contains("run the restore that began it again") {
            let words = self
                .last_restore
                .lock()
                .map(|words| words.clone())
                .unwrap_or_default();
            let _ = self.run(&words);
            return;
        }
        let verbs = ["docker start ", "docker unpause ", "docker restart "];
        for verb in verbs {
            if let Some(container) = advice
                .split(verb)
                .nth(1)
                .and_then(|rest| rest.split([' ', ',', ';', ')']).next())
            {
                self.docker(
                    &[
                        &verb.split_whitespace().collect::<Vec<_>>()[..],
                        &[container],
                    ]
                    .concat(),
                );
                return;
            }
        }
        if advice.contains("vd apply -f") {
            let _ = self.apply(self.replicas.load(Ordering::SeqCst));
            return;
        }
        if let Some(line) = commands(advice).into_iter().find(|line| is_harmless(line)) {
            self.obey(&line);
            return;
        }
        if let Some(container) = advice
            .split("docker logs ")
            .nth(1)
            .and_then(|rest| rest.split([' ', ';', ',']).next())
        {
            self.follow_log(container);
        }
    }

    /// The last line of a pod's log that names a command.
    fn follow_log(&self, container: &str) {
        let output = docker(&["logs", "--since", "60s", "--tail", "40", container]);
        let log = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat();
        if log.lines().any(|line| line.contains("vd apply -f")) {
            let _ = self.apply(self.replicas.load(Ordering::SeqCst));
            return;
        }
        let named = log
            .lines()
            .rev()
            .find_map(|line| commands(line).into_iter().find(|line| is_harmless(line)));
        if let Some(line) = named {
            self.journal.say(format!(
                "  {:?} log of {container}: {}",
                self.which,
                line.join(" ")
            ));
            self.obey(&line);
        }
    }

    /// Runs a command, and the one that its refusal names.
    fn obey(&self, line: &[String]) {
        let output = self.run(line);
        if output.status != 0
            && let Some(next) = commands(&output.stderr)
                .pop()
                .filter(|next| next != line && is_harmless(next))
        {
            let _ = self.run(&next);
        }
    }

    fn run(&self, line: &[String]) -> CliOutput {
        let output = self.vd(&line.iter().map(String::as_str).collect::<Vec<_>>());
        act::note_losses(self, &output);
        output
    }
}
