//! One entry of `volumes`, as docker reads it.

use crate::expand::checks::{docker_name, mount_path};

/// `source:destination[:options]`, or a bare destination for a volume without a name.
pub(super) struct Volume {
    pub(super) text: String,
    pub(super) source: String,
    /// Without doubled or trailing slashes and dots.
    pub(super) destination: String,
}

impl Volume {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split(':').collect();
        let (source, destination, options) = match parts[..] {
            [destination] => ("", destination, ""),
            [source, destination] if is_source(source) => (source, destination, ""),
            [source, destination, options] if is_source(source) => (source, destination, options),
            _ => return None,
        };
        let options_known = options.is_empty() || options.split(',').all(is_option);
        if mount_path(destination).is_err() || !options_known || text.contains('\0') {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            source: source.to_owned(),
            destination: normalised(destination),
        })
    }
}

fn is_source(source: &str) -> bool {
    source.starts_with('/') || source.starts_with("${asset.") || docker_name(source).is_ok()
}

fn is_option(option: &str) -> bool {
    const OPTIONS: &[&str] = &[
        "ro",
        "rw",
        "z",
        "Z",
        "nocopy",
        "shared",
        "slave",
        "private",
        "rshared",
        "rslave",
        "rprivate",
        "consistent",
        "cached",
        "delegated",
    ];
    OPTIONS.contains(&option)
}

/// Without doubled or trailing slashes and dots.
pub(super) fn normalised(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
