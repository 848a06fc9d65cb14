//! The one document that the controller reads from standard output.

use serde::Serialize;

/// `{"status":"ok","data":…}` or `{"status":"error","error":"…"}`.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Envelope<T> {
    Ok { data: T },
    Error { error: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_that_the_controller_recognises() {
        let ok = serde_json::to_string(&Envelope::Ok { data: 1 }).unwrap();
        assert_eq!(ok, r#"{"status":"ok","data":1}"#);
        let error: Envelope<()> = Envelope::Error { error: "no".into() };
        let error = serde_json::to_string(&error).unwrap();
        assert_eq!(error, r#"{"status":"error","error":"no"}"#);
    }
}
