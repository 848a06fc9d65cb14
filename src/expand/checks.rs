//! Checks of single words that end up on a `docker run` line or in the platform's decoders. Each
//! says what it expected.

type Checked = Result<(), &'static str>;

fn require(fits: bool, expected: &'static str) -> Checked {
    if fits { Ok(()) } else { Err(expected) }
}

/// A duration as Go spells it: `20s`, `1m30s`, `500ms`. The platform replaces what it cannot read
/// by its own default, silently.
pub(super) fn duration(text: &str) -> Checked {
    let expected = "a duration such as \"10s\" or \"1m30s\"";
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or(expected)?;
        rest[..unit].parse::<f64>().map_err(|_| expected)?;
        let after = &rest[unit..];
        let units = ["ns", "us", "µs", "ms", "s", "m", "h"];
        rest = units
            .iter()
            .find_map(|unit| after.strip_prefix(unit))
            .ok_or(expected)?;
    }
    Ok(())
}

/// CPUs: `2`, `1.5` or millicores, `500m`.
pub(super) fn cpu(text: &str) -> Checked {
    let (number, whole) = match text.strip_suffix('m') {
        Some(number) => (number, true),
        None => (text, false),
    };
    let fits = decimal(number).is_some_and(|cpus| cpus > 0.0) && !(whole && number.contains('.'));
    require(fits, "cpus such as \"2\", \"1.5\" or \"500m\"")
}

/// Memory: `4Gi`, `512Mi`, `256Ki`, `4G`, `500M`, `1500K` or plain bytes. Docker refuses to start
/// a container with less than 6 MiB.
pub(super) fn memory(text: &str) -> Checked {
    const UNITS: [(&str, f64); 8] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("K", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1.0));
    let fits = decimal(number).is_some_and(|number| number * factor >= 6.0 * 1_048_576.0);
    require(
        fits,
        "at least 6 MiB, such as \"4Gi\", \"512Mi\", \"4G\" or plain bytes",
    )
}

/// One of docker's restart policies.
pub(super) fn restart(text: &str) -> Checked {
    let fits = match text.strip_prefix("on-failure:") {
        Some(times) => times.parse::<u32>().is_ok(),
        None => matches!(text, "no" | "always" | "unless-stopped" | "on-failure"),
    };
    require(fits, "no, always, unless-stopped or on-failure[:N]")
}

/// The networks that replace the bridge.
pub(super) fn network_mode(text: &str) -> Checked {
    require(matches!(text, "host" | "none"), "host or none")
}

/// The name of a docker network, volume or claim.
pub(super) fn docker_name(text: &str) -> Checked {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(inner);
    require(
        fits,
        "a name of letters, digits, dots, dashes and underscores",
    )
}

/// A `name:ip` pair; docker knows `host-gateway` as well.
pub(super) fn extra_host(text: &str) -> Checked {
    let fits = text.split_once(':').is_some_and(|(name, address)| {
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        docker_name(name).is_ok()
            && (address == "host-gateway" || bare.parse::<std::net::IpAddr>().is_ok())
    });
    require(fits, "a host such as \"name:10.0.0.1\"")
}

/// A Linux capability.
pub(super) fn capability(text: &str) -> Checked {
    let fits = text.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    require(fits, "a capability such as SYS_NICE")
}

/// The bucket of another resource: `scope/name` or `name`.
pub(super) fn env_source(text: &str) -> Checked {
    let mut parts = text.split('/');
    let fits = parts.clone().count() <= 2 && parts.all(|part| docker_name(part).is_ok());
    require(fits, "a resource such as \"aws/cli\"")
}

/// One of docker's limits: `SOFT` or `SOFT:HARD`, -1 for none.
pub(super) fn ulimit(text: &str) -> Checked {
    let limit = |part: &str| part.parse::<i64>().ok().filter(|limit| *limit >= -1);
    let fits = match text.split_once(':') {
        None => limit(text).is_some(),
        Some((soft, hard)) => match (limit(soft), limit(hard)) {
            (Some(soft), Some(hard)) => hard == -1 || (soft != -1 && soft <= hard),
            _ => false,
        },
    };
    require(fits, "a limit such as \"65536\" or \"4096:8192\"")
}

/// The size of a log file.
pub(super) fn log_size(text: &str) -> Checked {
    let number = text
        .strip_suffix(['k', 'm', 'g', 'K', 'M', 'G'])
        .unwrap_or(text);
    require(
        number.parse::<u64>().is_ok_and(|size| size > 0),
        "a size such as \"10m\"",
    )
}

/// An absolute path in a container.
pub(super) fn mount_path(text: &str) -> Checked {
    let fits =
        text.starts_with('/') && !text.contains([':', ',']) && !text.chars().any(char::is_control);
    require(fits, "an absolute path such as \"/var/lib/extra\"")
}

fn decimal(text: &str) -> Option<f64> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(check: fn(&str) -> Checked, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in bad {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        case(
            duration,
            &["20s", "1m30s", "500ms", "1.5h"],
            &["10", "s", "ten", "10 s", "-1s", "1.2.3s", "1d"],
        );
    }

    #[test]
    fn resources() {
        case(
            cpu,
            &["2", "1.5", "0.25", "500m"],
            &["0", "-1", "2 cpus", "1.5m", "m", "1e3"],
        );
        case(
            memory,
            &[
                "4Gi",
                "512Mi",
                "6144Ki",
                "4G",
                "500M",
                "8000K",
                "4294967296",
                "1.5Gi",
            ],
            &["1", "5Mi", "4gb", "4 Gi", "-4Gi", "Gi", "4GB"],
        );
    }

    #[test]
    fn docker_words() {
        case(
            restart,
            &["no", "always", "on-failure:3"],
            &["never", "on-failure:x", "on-failure:"],
        );
        case(
            docker_name,
            &["backend", "a.b-c_1"],
            &["-x", "a b", "../x", "a/b"],
        );
        case(
            extra_host,
            &["db:10.0.0.1", "db:::1", "db:[::1]", "gw:host-gateway"],
            &["db", "db:x", ":10.0.0.1"],
        );
        case(
            ulimit,
            &["1024", "1024:2048", "-1", "1024:-1"],
            &["x", "2:1", "1:2:3", "-2"],
        );
        case(log_size, &["10m", "500k", "1g"], &["0", "10mb", "m"]);
        case(env_source, &["aws/cli", "shared"], &["a/b/c", "../x", "/x"]);
        case(mount_path, &["/data"], &["data", "/a:b", "/a\n"]);
    }
}
