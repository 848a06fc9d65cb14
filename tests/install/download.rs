//! What comes from the server of releases, and what is done with it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::machine::{HOSTS, Host, Machine, Outcome, release, says};
use super::releases::{Releases, Reply, VERSION, checksum};

/// The directory as the repository has it, after the hook.
const NOTHING_LEFT: [&str; 4] = ["bin", "install", "plugin.yml", "uninstall"];

const PAGE: &[u8] = b"<html>Please log in</html>";

#[track_caller]
fn assert_installed(machine: &Machine, outcome: &Outcome) {
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(
        outcome.stdout,
        format!("voodu-postgres {VERSION} installed\n")
    );
    assert_eq!(fs::read(machine.binary()).unwrap(), release());
    let mode = fs::metadata(machine.binary()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(machine.files(), NOTHING_LEFT);
}

/// The hook failed, the old binary works on, and the last lines say what to do.
#[track_caller]
fn assert_refused(machine: &Machine, outcome: &Outcome, reason: &str) {
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains(reason), "{reason}: {outcome:?}");
    assert!(outcome.stderr.lines().count() <= 8, "{outcome:?}");
    assert_eq!(fs::read_to_string(machine.binary()).unwrap(), says("0.9.0"));
    assert_eq!(machine.files(), NOTHING_LEFT);
}

/// A machine that has an older version.
fn upgrading(host: Host) -> Machine {
    let machine = Machine::new(host);
    machine.place("0.9.0");
    machine
}

fn asked(times: usize) -> Vec<String> {
    let file = format!("v{VERSION}/voodu-postgres_linux_amd64");
    let once = [format!("{file}.sha256"), file];
    once.iter().cycle().take(2 * times).cloned().collect()
}

#[test]
fn a_release_is_installed() {
    for host in HOSTS {
        let releases = Releases::of(release());
        let machine = Machine::new(host);
        assert_installed(&machine, &machine.install(&releases));
        assert_eq!(releases.requests(), asked(1), "{host:?}");
    }
}

#[test]
fn the_machine_decides_which_file() {
    let kinds = [
        ("x86_64", "amd64"),
        ("amd64", "amd64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
    ];
    for (machine_name, file) in kinds {
        let releases = Releases::of(release());
        let machine = Machine::new(Host::DebianWithCurl);
        machine.command(
            "uname",
            &format!("[ \"$1\" = -s ] && echo Linux || echo {machine_name}"),
        );
        assert_eq!(machine.install(&releases).code, 0);
        let last = releases.requests().pop().unwrap();
        assert_eq!(last, format!("v{VERSION}/voodu-postgres_linux_{file}"));
    }
}

#[test]
fn a_second_run_downloads_nothing() {
    for host in HOSTS {
        let releases = Releases::of(release());
        let machine = Machine::new(host);
        machine.install(&releases);
        let again = machine.install(&releases);
        let said = format!("voodu-postgres {VERSION} is in place\n");
        assert_eq!((again.code, again.stdout), (0, said));
        assert_eq!(releases.requests(), asked(1));
    }
}

#[test]
fn an_older_binary_is_replaced() {
    for host in HOSTS {
        let machine = upgrading(host);
        assert_installed(&machine, &machine.install(&Releases::of(release())));
    }
}

#[test]
fn a_redirect_is_followed() {
    for host in HOSTS {
        let real = Releases::of(release());
        let target = real.base.clone();
        let releases = Releases::serve(move |path, _| {
            Reply::Moved(format!("{target}{}", path.trim_start_matches("/releases")))
        });
        let machine = upgrading(host);
        assert_installed(&machine, &machine.install(&releases));
    }
}

#[test]
fn a_slow_server_is_waited_for() {
    for host in HOSTS {
        let releases = Releases::with(checksum(&release()), |_| Reply::Dribble(release()));
        let machine = upgrading(host);
        assert_installed(&machine, &machine.install(&releases));
    }
}

/// Serves a bad binary so many times, and then the right one.
fn fine_after(bad: usize, reply: Reply) -> Releases {
    Releases::with(checksum(&release()), move |before| {
        if before < bad {
            reply.clone()
        } else {
            Reply::File(release())
        }
    })
}

fn half() -> Vec<u8> {
    let mut half = release();
    half.truncate(half.len() / 2);
    half
}

#[test]
fn what_goes_wrong_is_tried_again() {
    let troubles = [
        Reply::Status(503),
        Reply::Truncated(half()),
        Reply::Unmeasured(half()),
        Reply::File(PAGE.to_vec()),
    ];
    for host in HOSTS {
        for trouble in &troubles {
            let releases = fine_after(2, trouble.clone());
            let machine = upgrading(host);
            assert_installed(&machine, &machine.install(&releases));
            assert_eq!(releases.requests(), asked(3), "{host:?}");
        }
    }
}

#[test]
fn a_truncated_release_is_refused() {
    for host in HOSTS {
        for reply in [Reply::Truncated(half()), Reply::Unmeasured(half())] {
            let releases = fine_after(9, reply);
            let machine = upgrading(host);
            let outcome = machine.install(&releases);
            assert_refused(&machine, &outcome, "cannot download http://127.0.0.1:");
            assert!(outcome.stderr.contains("version 0.9.0 stays in place"));
            assert_eq!(releases.requests(), asked(3), "{host:?}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    for host in HOSTS {
        let releases = Releases::with(checksum(b"another file"), |_| Reply::File(release()));
        let machine = upgrading(host);
        let outcome = machine.install(&releases);
        assert_refused(&machine, &outcome, "the file is damaged: its sha256 is ");
    }
}

#[test]
fn a_page_in_the_place_of_the_checksum_is_refused() {
    for host in HOSTS {
        let releases = Releases::with(PAGE.to_vec(), |_| Reply::File(release()));
        let machine = upgrading(host);
        assert_refused(
            &machine,
            &machine.install(&releases),
            "released was no checksum",
        );
    }
}

#[test]
fn a_version_that_was_not_released_is_said_so() {
    for host in HOSTS {
        let releases = Releases::serve(|_, _| Reply::Status(404));
        let machine = upgrading(host);
        assert_refused(&machine, &machine.install(&releases), "404");
    }
}

#[test]
fn a_server_that_hangs_is_given_up_within_the_controllers_ten_minutes() {
    std::thread::scope(|threads| {
        for host in HOSTS {
            threads.spawn(move || {
                let releases = Releases::with(checksum(&release()), |_| Reply::Silence);
                let machine = upgrading(host);
                machine.make_impatient();
                let began = Instant::now();
                let outcome = machine.install(&releases);
                assert!(began.elapsed() < Duration::from_secs(20));
                assert_refused(&machine, &outcome, "cannot download");
                let limits = machine.limits();
                assert_eq!(limits.len(), 6, "{limits:?}");
                assert!(limits.iter().sum::<u32>() < 560, "{limits:?}");
            });
        }
    });
}

#[test]
fn no_network_is_said_so() {
    for host in HOSTS {
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let machine = upgrading(host);
        let outcome = machine.install_from(&format!("http://{closed}"));
        assert_refused(&machine, &outcome, "cannot download");
        assert!(
            outcome.stderr.to_lowercase().contains("connect"),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains("run 'vd plugins install' again"));
    }
}

#[test]
fn no_downloader_is_said_so() {
    let machine = upgrading(Host::DebianWithCurl);
    machine.without("curl");
    let outcome = machine.install(&Releases::of(release()));
    assert_refused(&machine, &outcome, "neither curl nor wget is installed");
}

#[test]
fn a_release_of_another_version_is_refused() {
    for host in HOSTS {
        let machine = upgrading(host);
        let outcome = machine.install(&Releases::of(says("7.7.7").into_bytes()));
        let reason = format!("reports version 7.7.7, expected {VERSION}");
        assert_refused(&machine, &outcome, &reason);
    }
}

#[test]
fn a_release_that_does_not_run_here_is_refused() {
    for host in HOSTS {
        let machine = upgrading(host);
        let outcome = machine.install(&Releases::of(
            b"\x7fELF\x02\x01\x01 of another machine".to_vec(),
        ));
        assert_refused(&machine, &outcome, "reports version nothing");
    }
}
