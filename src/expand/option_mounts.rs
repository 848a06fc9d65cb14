//! What the operator's `docker_options` mount: the same places are taken as with `volumes`.

/// The destinations of `-v`, `--volume`, `--mount` and `--tmpfs`, each with the place of its option.
pub(super) fn destinations(options: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, option) in options.iter().enumerate() {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) if name.starts_with("--") || name == "-v" => (name, value),
            _ if option.starts_with("-v") && option.len() > 2 => ("-v", &option[2..]),
            _ => (
                &option[..],
                options.get(index + 1).map_or("", String::as_str),
            ),
        };
        let destination = match name {
            "-v" | "--volume" => of_volume(value),
            "--mount" => of_mount(value),
            "--tmpfs" => value.split(':').next(),
            _ => None,
        };
        found.extend(destination.map(|path| (index, path.to_owned())));
    }
    found
}

/// `source:destination[:options]`, or a destination alone.
fn of_volume(value: &str) -> Option<&str> {
    let mut parts = value.split(':');
    let first = parts.next()?;
    Some(parts.next().unwrap_or(first))
}

/// `type=bind,source=/srv,target=/data`
fn of_mount(value: &str) -> Option<&str> {
    let fields = value.split(',').filter_map(|field| field.split_once('='));
    let mut fields = fields.filter(|(key, _)| ["target", "destination", "dst"].contains(key));
    fields.next().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_mount_something() {
        for (words, destination) in [
            (vec!["-v", "/srv:/data"], "/data"),
            (vec!["-v/srv:/data:ro"], "/data"),
            (vec!["-v=/srv:/data"], "/data"),
            (vec!["--volume", "/data"], "/data"),
            (vec!["--volume=name:/data"], "/data"),
            (
                vec!["--mount", "type=bind,source=/srv,target=/data"],
                "/data",
            ),
            (vec!["--mount=type=tmpfs,dst=/data,readonly"], "/data"),
            (vec!["--tmpfs", "/data:size=1m"], "/data"),
            (vec!["--tmpfs=/data"], "/data"),
        ] {
            let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(
                destinations(&words),
                [(0, destination.to_owned())],
                "{words:?}"
            );
        }
        let others = [
            "--shm-size=1g",
            "--label",
            "a=b",
            "--volumes-from=x",
            "--volume",
        ];
        let others = others.map(str::to_owned);
        // The last one lacks its value, which docker says itself.
        assert_eq!(destinations(&others), [(4, String::new())]);
    }
}
