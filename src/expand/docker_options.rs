//! Extra words on the pods' `docker run` line.

use serde_json::{Map, Value};

use crate::expand::shape::{ANYTHING, texts};
use crate::model::field;
use crate::model::refusal::{Refusal, Result};

/// Ours: docker gives postgres 10 s to stop and 64 MB of shared memory otherwise.
const OURS: [(&str, &str); 2] = [("--stop-timeout", "60"), ("--shm-size", "256m")];

/// The operator's options, then ours that it does not set.
pub(super) fn docker_options(operators: &Map<String, Value>) -> Result<Vec<String>> {
    let mut options = match field::present(operators, "docker_options") {
        Some(value) => read("docker_options", value)?,
        None => Vec::new(),
    };
    for (option, value) in OURS {
        let prefix = format!("{option}=");
        let set = |given: &String| given == option || given.starts_with(&prefix);
        if !options.iter().any(set) {
            options.push(format!("{prefix}{value}"));
        }
    }
    Ok(options)
}

/// Checks a list of options. Each element is one word of the command line, so an option and its
/// value are joined by `=` or are two elements. Values may be secrets and are not repeated.
pub(super) fn read(path: &str, value: &Value) -> Result<Vec<String>> {
    let options = texts(path, value, ANYTHING)?;
    for (index, option) in options.iter().enumerate() {
        let name = option.split('=').next().unwrap_or_default();
        let problem = if index == 0 && !option.starts_with('-') {
            "docker would take it for the image"
        } else if option.is_empty()
            || (option.starts_with('-') && name.contains(char::is_whitespace))
        {
            "docker reads each element as one word"
        } else if option == "--" {
            "docker would take what follows for the image"
        } else {
            continue;
        };
        return Err(Refusal::new(
            format!("{path}[{index}]: {problem}"),
            "write each option as one element, such as \"--shm-size=1g\"",
        ));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(given: &Value) -> Result<Vec<String>> {
        docker_options(json!({"docker_options": given}).as_object().unwrap())
    }

    #[test]
    fn ours_are_added_for_what_is_not_set() {
        assert_eq!(
            options(&json!(null)).unwrap(),
            ["--stop-timeout=60", "--shm-size=256m"]
        );
        assert_eq!(
            options(&json!(["--shm-size=1g"])).unwrap(),
            ["--shm-size=1g", "--stop-timeout=60"]
        );
        assert_eq!(
            options(&json!(["--stop-timeout", 30, "--label=a=b c"])).unwrap(),
            ["--stop-timeout", "30", "--label=a=b c", "--shm-size=256m"]
        );
    }

    #[test]
    fn what_docker_would_misread_is_refused() {
        for given in [
            json!("--shm-size=1g"),
            json!(["alpine"]),
            json!(["--shm-size 1g"]),
            json!([""]),
            json!(["--init", ""]),
            json!(["--init", "--", "alpine"]),
            json!([["--init"]]),
        ] {
            assert!(options(&given).is_err(), "{given}");
        }
    }
}
