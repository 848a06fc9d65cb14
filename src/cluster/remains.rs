//! What the pods' volumes hold, where their servers cannot be asked: it is looked at in containers of its
//! own, and never guessed.

use std::collections::BTreeMap;
use std::thread;

use crate::cluster::beside::{VOLUME, look_into};
use crate::cluster::members::Members;
use crate::model::excerpt::excerpt;
use crate::model::lsn::Lsn;
use crate::model::ordinal::Ordinal;

const SCRIPT: &str = concat!(
    include_str!("../../templates/entrypoint/wal.sh"),
    include_str!("../../templates/volume.sh"),
    include_str!("../../templates/remains.sh"),
);

/// Data that a server could be started on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Data {
    /// Whether they have a `standby.signal`.
    pub(crate) is_standby: bool,
    /// The newest timeline of which there is WAL.
    pub(crate) timeline: u32,
    /// Where the last record ends that can be read.
    pub(crate) end: Lsn,
}

impl Data {
    /// How far they are: on one timeline the location decides; a newer timeline can have more.
    pub(crate) fn reached(&self) -> (u32, Lsn) {
        (self.timeline, self.end)
    }
}

/// What a pod holds: none for no data at all; an error says why that is not known.
pub(crate) type Held = Result<Option<Data>, String>;

/// The pods that were looked at.
pub(crate) type Remains = BTreeMap<Ordinal, Held>;

/// Looks into the volumes of all pods at once.
pub(crate) fn look(members: Members<'_>) -> Remains {
    let pods = Ordinal::all(members.cluster.deployed.replicas);
    thread::scope(|scope| {
        let looking = pods.map(|pod| (pod, scope.spawn(move || of(members, pod))));
        let looking: Vec<_> = looking.collect();
        let found = looking.into_iter().map(|(pod, thread)| {
            let held = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (pod, held)
        });
        found.collect()
    })
}

fn of(members: Members<'_>, pod: Ordinal) -> Held {
    let printed = look_into(members, pod, &[SCRIPT, "bash", VOLUME])?;
    read(&printed.unwrap_or_default())
}

/// `standby 3 0/5A8`, or nothing.
fn read(printed: &str) -> Held {
    let words: Vec<_> = printed.split_whitespace().collect();
    let data = match &words[..] {
        [] => return Ok(None),
        [shape @ ("standby" | "primary"), timeline, end] => timeline
            .parse()
            .ok()
            .zip(end.parse().ok())
            .map(|(timeline, end)| Data {
                is_standby: *shape == "standby",
                timeline,
                end,
            }),
        _ => None,
    };
    data.map(Some)
        .ok_or_else(|| format!("{} was printed", excerpt(printed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    #[test]
    fn what_the_script_prints() {
        let data = Data {
            is_standby: true,
            timeline: 3,
            end: "0/5A8".parse().unwrap(),
        };
        assert_eq!(read("standby 3 0/5A8\n"), Ok(Some(data)));
        let data = Data {
            is_standby: false,
            ..data
        };
        assert_eq!(read("primary 3 0/5A8\n"), Ok(Some(data)));
        assert_eq!(read("\n"), Ok(None));
        for bad in [
            "standby",
            "standby 3",
            "standby 3 x",
            "other 3 0/5A8",
            "standby -3 0/5A8",
            "a b c d",
        ] {
            read(bad).unwrap_err();
        }
    }

    #[test]
    fn a_newer_timeline_may_have_more() {
        let data = |timeline, end: &str| Data {
            is_standby: true,
            timeline,
            end: end.parse().unwrap(),
        };
        assert!(data(2, "0/1").reached() > data(1, "0/5").reached());
        assert!(data(2, "0/6").reached() > data(2, "0/5").reached());
    }

    /// The script on a volume with those files, with tools that print what they would of pod 1's data.
    fn held(files: &[&str]) -> Held {
        let volume = tempfile::tempdir().unwrap();
        for file in files {
            let path = volume.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let history = "1\t0/3000000\tno recovery target specified\n";
            let text = if file.ends_with(".history") {
                history
            } else {
                "x"
            };
            std::fs::write(path, text).unwrap();
        }
        let tools = r#"
pg_controldata() { echo 'Latest checkpoint location:           0/2000028'; }
pg_waldump() { case "$*" in
  *"-t 1 -s 0/2000028"*) echo 'rmgr: XLOG len (rec/tot):    114/   114, tx: 0, lsn: 0/02000028, prev 0/0, desc: CHECKPOINT_SHUTDOWN' ;;
  *"-t 2 -s 0/3000000"*) echo 'rmgr: Heap len (rec/tot):    100/   100, tx: 0, lsn: 0/03000000, prev 0/0, desc: INSERT' ;;
esac; }
"#;
        run(&format!("{tools}{SCRIPT}"), volume.path())
    }

    fn run(script: &str, volume: &Path) -> Held {
        let output = Command::new("bash")
            .args(["-c", script, "bash"])
            .arg(volume)
            .output();
        let output = output.unwrap();
        if output.status.success() {
            return read(&String::from_utf8(output.stdout).unwrap());
        }
        Err(String::from_utf8(output.stderr).unwrap())
    }

    const DATA: [&str; 2] = ["pgdata/PG_VERSION", "pgdata/global/pg_control"];
    const FIRST: &str = "pgdata/pg_wal/000000010000000000000002";
    const SECOND: &str = "pgdata/pg_wal/000000020000000000000003";

    #[test]
    fn what_a_volume_holds() {
        let with = |more: &[&'static str]| [&DATA[..], more].concat();
        let data = |is_standby, timeline, end: &str| {
            Ok(Some(Data {
                is_standby,
                timeline,
                end: end.parse().unwrap(),
            }))
        };
        assert_eq!(held(&[]), Ok(None));
        assert_eq!(held(&[".topology"]), Ok(None));
        assert_eq!(held(&with(&[FIRST])), data(false, 1, "0/200009A"));
        assert_eq!(
            held(&with(&[FIRST, "pgdata/standby.signal"])),
            data(true, 1, "0/200009A")
        );
        // A rejoin was killed while it recovered them.
        assert_eq!(
            held(&with(&[FIRST, ".voodu-recovering"])),
            data(true, 1, "0/200009A")
        );
        // The last checkpoint is of the timeline before.
        let history = "pgdata/pg_wal/00000002.history";
        assert_eq!(
            held(&with(&[FIRST, SECOND, history])),
            data(false, 2, "0/3000064")
        );
        // Nothing that a server could be started on.
        for mark in [".voodu-init", ".voodu-clone", ".voodu-bootstrap-incomplete"] {
            assert_eq!(held(&with(&[FIRST, mark])), Ok(None), "{mark}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_not_nothing() {
        let with = |more: &[&'static str]| [&DATA[..], more].concat();
        let interrupted = [
            ".voodu-before-restore/x",
            ".voodu-unpacked-complete",
            ".voodu-beside-complete",
            ".voodu-replaced/x",
        ];
        for mark in interrupted {
            assert!(
                held(&[mark]).unwrap_err().contains("was interrupted in it"),
                "{mark}"
            );
        }
        for (files, why) in [
            (vec!["pgdata/base/1"], "holds no complete database"),
            (with(&[]), "there is no WAL in it"),
            (with(&[SECOND]), "its history of timeline 2 is missing"),
            // No record of that timeline can be read where the checkpoint is.
            (
                with(&[
                    "pgdata/pg_wal/000000030000000000000003",
                    "pgdata/pg_wal/00000003.history",
                ]),
                "",
            ),
        ] {
            match held(&files) {
                Err(said) => assert!(said.contains(why), "{said}"),
                found => assert_eq!(
                    (why, found.unwrap().unwrap().end.to_string()),
                    ("", "0/3000000".to_owned())
                ),
            }
        }
    }

    #[test]
    fn the_script_knows_the_marks_of_the_pods() {
        let script = include_str!("../../templates/remains.sh");
        let parts = [
            include_str!("../../templates/entrypoint/preamble.sh"),
            include_str!("../../templates/entrypoint/rejoin.sh"),
            include_str!("../../templates/entrypoint/restore.sh"),
        ];
        let marks = [
            "INIT_SENTINEL",
            "CLONE_SENTINEL",
            "OLDER_CLONE_SENTINEL",
            "BESIDE_COMPLETE",
            "REPLACED",
            "BEFORE_RESTORE",
            "UNPACKED_COMPLETE",
            "RECOVERING",
        ];
        for mark in marks {
            let name = parts.iter().flat_map(|part| part.lines());
            let mut name =
                name.filter_map(|line| line.strip_prefix(mark)?.strip_prefix("=$VOLUME/"));
            let name = name.next().unwrap();
            let short = name.trim_start_matches(".voodu-");
            assert!(
                script.contains(name) || script.contains(&format!(" {short}")),
                "{name}"
            );
        }
    }
}
