//! What a plugin's exit code, stdout and stderr mean.

use serde::Deserialize;
use serde_json::Value;

use crate::hcl::canonical;
use crate::manifest::null_as_default;

/// What a finished plugin process left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// The exit code; -1 when a signal ended the process.
    pub status: i32,
    /// All of stdout.
    pub stdout: Vec<u8>,
    /// All of stderr.
    pub stderr: Vec<u8>,
}

/// The document a plugin answers with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Envelope {
    /// Only `error` is special.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: String,
    /// The answer.
    #[serde(default)]
    pub data: Value,
    /// The sentence of an error.
    #[serde(default, deserialize_with = "null_as_default")]
    pub error: String,
}

impl Output {
    /// The envelope: the whole of stdout as exactly one JSON object with a non-empty `status`.
    pub(crate) fn envelope(&self) -> Option<Envelope> {
        let trimmed = self.stdout.trim_ascii();
        if !trimmed.starts_with(b"{") {
            return None;
        }
        let mut envelope: Envelope = serde_json::from_slice(trimmed).ok()?;
        if envelope.status.is_empty() {
            return None;
        }
        envelope.data = canonical(envelope.data);
        Some(envelope)
    }

    /// Why a non-zero exit failed: the envelope's error, else stderr, else stdout.
    pub(crate) fn detail(&self) -> String {
        let error = self.envelope().map(|envelope| envelope.error);
        error
            .into_iter()
            .chain([text(&self.stderr), text(&self.stdout)])
            .find(|detail| !detail.is_empty())
            .unwrap_or_else(|| "no output".to_owned())
    }

    /// Stdout as text, without its trailing newlines.
    pub(crate) fn message(&self) -> String {
        String::from_utf8_lossy(&self.stdout)
            .trim_end_matches('\n')
            .to_owned()
    }

    /// The first bytes of stdout, for an error that quotes them.
    pub(crate) fn excerpt(&self) -> String {
        const SHOWN: usize = 200;
        match self.stdout.get(..SHOWN) {
            Some(start) if self.stdout.len() > SHOWN => {
                format!("{}…", String::from_utf8_lossy(start))
            }
            _ => String::from_utf8_lossy(&self.stdout).into_owned(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn output(status: i32, stdout: &str, stderr: &str) -> Output {
        Output {
            status,
            stdout: stdout.into(),
            stderr: stderr.into(),
        }
    }

    #[test]
    fn only_one_whole_document_with_a_status_is_an_envelope() {
        for stdout in [
            "",
            "plain text",
            "debug\n{\"status\":\"ok\"}",
            "{\"status\":\"ok\"}{\"status\":\"ok\"}",
            "{\"data\":{}}",
            "{\"status\":\"\"}",
            "{\"status\":3}",
            "[{\"status\":\"ok\"}]",
        ] {
            assert_eq!(output(0, stdout, "").envelope(), None, "{stdout}");
        }
        let envelope = output(0, " \n{\"status\":\"fine\"}\n", "").envelope();
        assert_eq!(envelope.unwrap().status, "fine");
    }

    #[test]
    fn whole_floats_lose_their_fraction_on_the_way() {
        let envelope = output(0, r#"{"status":"ok","data":{"a":[3.0,1.5]}}"#, "").envelope();
        assert_eq!(envelope.unwrap().data, json!({"a":[3,1.5]}));
    }

    #[test]
    fn the_detail_of_a_failure_comes_from_the_first_that_speaks() {
        let error = r#"{"status":"error","error":"said so"}"#;
        assert_eq!(output(1, error, "noise").detail(), "said so");
        assert_eq!(output(1, "out", error).detail(), error);
        assert_eq!(output(1, "out\n", "err\n").detail(), "err");
        assert_eq!(output(1, "out\n", "").detail(), "out");
        assert_eq!(output(1, "", " ").detail(), "no output");
    }

    #[test]
    fn long_output_is_quoted_up_to_two_hundred_bytes() {
        assert_eq!(output(0, "short", "").excerpt(), "short");
        assert_eq!(
            output(0, &"x".repeat(300), "").excerpt(),
            format!("{}…", "x".repeat(200))
        );
    }
}
