//! Percent-encoding of one part of a URL (RFC 3986).

use std::fmt::Write as _;

/// Encodes everything but the unreserved characters, so that no part can end another one. A space
/// becomes `%20`, never `+`.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn reserved_characters_are_encoded() {
        assert_eq!(encode("a b+c"), "a%20b%2Bc");
        assert_eq!(
            encode(":/?#[]@!$&'()*,;=%"),
            "%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2C%3B%3D%25"
        );
        assert_eq!(encode("é"), "%C3%A9");
        assert_eq!(encode("Az09-._~"), "Az09-._~");
    }

    proptest! {
        #[test]
        fn what_was_encoded_can_be_read_back(text in "\\PC{0,40}") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            prop_assert_eq!(decoded(&encoded), text);
        }
    }
}
