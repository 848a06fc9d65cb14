//! The address of a dump on a web server. Credentials in it are used and never shown.

use std::fmt;
use std::str::FromStr;

use crate::model::refusal::Refusal;

/// An `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DumpUrl {
    scheme: &'static str,
    /// `user:password`, as they stand in the URL.
    credentials: Option<String>,
    /// Host and port.
    host: String,
    /// Path and query.
    path: String,
}

/// What a kernel passes on as one line, and more than any presigned URL needs.
const LONGEST: usize = 16 * 1024;

const SCHEMES: [&str; 2] = ["http", "https"];

impl DumpUrl {
    /// Whether somebody means a URL, if not one that can be used.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// Whether the connection is encrypted, and so needs to know whom to trust.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether the host is whoever asks. A pod is not the host that the operator means.
    pub(crate) fn is_loopback(&self) -> bool {
        let name = match self.host.strip_prefix('[') {
            Some(address) => address.split(']').next(),
            None => self.host.split(':').next(),
        };
        let name = name.unwrap_or_default().trim_end_matches('.');
        name.eq_ignore_ascii_case("localhost") || name.starts_with("127.") || name == "::1"
    }

    /// The whole of it, for a file that only root reads.
    pub(crate) fn expose(&self) -> String {
        let credentials = self.credentials.as_deref();
        let credentials = credentials.map_or(String::new(), |text| format!("{text}@"));
        let Self {
            scheme, host, path, ..
        } = self;
        format!("{scheme}://{credentials}{host}{path}")
    }

    /// What a request is made to: without the credentials.
    pub(crate) fn target(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    /// `user:password`, decoded.
    pub(crate) fn credentials(&self) -> Option<Vec<u8>> {
        self.credentials.as_deref().map(decoded)
    }
}

/// Without credentials and query: a presigned URL is a password.
impl fmt::Display for DumpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{}://{}{path}", self.scheme, self.host)
    }
}

impl fmt::Debug for DumpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DumpUrl({self})")
    }
}

impl FromStr for DumpUrl {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (scheme, rest) = text.split_once("://").ok_or_else(not_a_url)?;
        let known = SCHEMES
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known));
        let scheme = known.ok_or_else(|| {
            Refusal::new(
                "only http:// and https:// URLs can be restored from",
                "copy the dump to the host and name its path there",
            )
        })?;
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(not_a_url());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials.to_owned()), host),
            None => (None, authority),
        };
        if !is_host(host) {
            return Err(not_a_url());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme,
            credentials,
            host: host.to_owned(),
            path: format!("{slash}{path}"),
        })
    }
}

/// A text without what its URLs hold behind the scheme, up to the next blank: they may be presigned
/// or have a password, and came where none was expected.
pub(crate) fn without_urls(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (url, rest) = part.split_at(end);
        let quote = url.rfind(['\'', '"']).filter(|at| at + 1 == url.len());
        shown.extend(["://…", &url[quote.unwrap_or(end)..], rest]);
    }
    shown
}

/// The text stays out of it: it may hold a password.
fn not_a_url() -> Refusal {
    Refusal::new(
        "the URL of the dump cannot be read as one",
        "write https://host/path, special characters percent-encoded, and quote it for your shell",
    )
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let address = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
    let named = match name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        Some(inner) => !inner.is_empty() && inner.bytes().all(address),
        None => !name.is_empty() && name.bytes().all(ordinary),
    };
    named && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Undoes percent-encoding; what is none of it stays.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3);
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(code) = code.filter(|_| byte == b'%') {
            decoded.push(code);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DumpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn the_parts() {
        let url = url("https://me:p%40ss@host:8443/a/b.dump?X-Sig=hunter2#x");
        assert_eq!(url.to_string(), "https://host:8443/a/b.dump");
        assert_eq!(
            url.target(),
            "https://host:8443/a/b.dump?X-Sig=hunter2",
            "a fragment is not sent"
        );
        assert_eq!(
            url.expose(),
            "https://me:p%40ss@host:8443/a/b.dump?X-Sig=hunter2"
        );
        assert_eq!(url.credentials().unwrap(), b"me:p@ss");
        assert!(url.is_encrypted());
        let shown = format!("{url:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("p%40ss"),
            "{shown}"
        );
    }

    #[test]
    fn small_ones() {
        for (text, target) in [
            ("http://h", "http://h/"),
            ("HTTP://h?a=/b", "http://h/?a=/b"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
        ] {
            assert_eq!(url(text).target(), target);
        }
        assert_eq!(url("http://a%zz:%41%@h").credentials().unwrap(), b"a%zz:A%");
    }

    #[test]
    fn whose_loopback_it_would_be() {
        for (host, expected) in [
            ("127.0.0.1:9", true),
            ("LOCALHOST", true),
            ("localhost.", true),
            ("[::1]", true),
            ("127.9.9.9", true),
            ("h", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(url(&format!("http://{host}/x")).is_loopback(), expected);
        }
    }

    #[test]
    fn a_text_is_shown_without_its_urls() {
        for (text, shown) in [
            ("no URL", "no URL"),
            ("got 'https://u:p@h/x' for <X>", "got 'https://…' for <X>"),
            ("http://a'b@h?c=\"d http://x\n", "http://… http://…\n"),
            ("a \"ftp://é\"", "a \"ftp://…\""),
            ("x://", "x://…"),
        ] {
            assert_eq!(without_urls(text), shown);
        }
    }

    #[test]
    fn what_is_none_is_refused_without_repeating_it() {
        for text in [
            "",
            "/srv/hunter2",
            "ftp://u:hunter2@h/x",
            "file:///hunter2",
            "http://",
            "http:///hunter2",
            "http://u:hunter2@/x",
            "http://h:0/hunter2",
            "http://h:x/hunter2",
            "http://a b/hunter2",
            "http://h/hunter2\n",
            "http://h\\hunter2/",
            "http://é/hunter2",
            "http://[hunter2]/",
            &format!("http://h/{}", "hunter2".repeat(3_000)),
        ] {
            let refusal = text.parse::<DumpUrl>().unwrap_err();
            let text_and_next = format!("{refusal} {}", refusal.next());
            assert!(!text_and_next.contains("hunter2"), "{text}");
        }
    }
}
