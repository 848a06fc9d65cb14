//! What a port entry of a spec becomes on `docker -p`.

/// Binds to loopback unless the entry names an address. `0.0.0.0:5432` is taken for
/// `host:container`, which docker refuses, as on the platform.
pub(crate) fn normalise(port: &str) -> String {
    let port = port.trim();
    match port.matches(':').count() {
        0 => format!("127.0.0.1::{port}"),
        1 => format!("127.0.0.1:{port}"),
        _ => port.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_contract() {
        for (spec, expected) in [
            ("5432", "127.0.0.1::5432"),
            ("5433:5432", "127.0.0.1:5433:5432"),
            ("0.0.0.0:5433:5432", "0.0.0.0:5433:5432"),
            ("0.0.0.0::5432", "0.0.0.0::5432"),
            ("0.0.0.0:5432", "127.0.0.1:0.0.0.0:5432"),
        ] {
            assert_eq!(normalise(spec), expected);
        }
    }
}
