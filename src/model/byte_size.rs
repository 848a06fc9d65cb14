//! A number of bytes, for people.

use std::fmt;
use std::str::FromStr;

/// Shown as postgres shows sizes: 1 MB is 1024 kB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];

/// `245.3 MB`, `512 B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut divisor = 1;
        let mut shown = (0, "");
        for unit in UNITS {
            divisor *= 1024;
            // In tenths, so that what rounds up to the next unit is shown in it.
            shown = ((u128::from(self.0) * 10 + divisor / 2) / divisor, unit);
            if shown.0 < 10_240 {
                break;
            }
        }
        let (tenths, unit) = shown;
        f.pad(&format!("{}.{} {unit}", tenths / 10, tenths % 10))
    }
}

/// The text is not a size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotASize;

/// `512`, `64kB`, `16MB`, `1GB`, as in postgresql.conf.
impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text[digits.len()..].trim_start();
        let power = match unit {
            "" | "B" => 0,
            unit => {
                1 + UNITS
                    .iter()
                    .position(|known| *known == unit)
                    .ok_or(NotASize)?
            }
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotASize);
        }
        let number: u64 = digits.parse().map_err(|_| NotASize)?;
        let factor = u32::try_from(power)
            .ok()
            .and_then(|power| 1024_u64.checked_pow(power));
        let bytes = factor.and_then(|factor| number.checked_mul(factor));
        bytes.map(Self).ok_or(NotASize)
    }
}

impl fmt::Display for NotASize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a size such as 16MB")
    }
}

impl std::error::Error for NotASize {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_in_postgresql_conf() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("1B", 1),
            ("64kB", 65_536),
            ("16MB", 16 << 20),
            ("1 GB", 1 << 30),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in [
            "",
            "MB",
            "16mb",
            "1.5MB",
            "-1",
            "16MBx",
            "99999999999PB",
            "１",
        ] {
            assert_eq!(text.parse::<ByteSize>(), Err(NotASize), "{text:?}");
        }
    }

    #[test]
    fn one_digit_behind_the_point() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 kB"),
            (1_048_575, "1.0 MB"),
            (12 << 20, "12.0 MB"),
            (257_215_693, "245.3 MB"),
            (3 << 30, "3.0 GB"),
            (u64::MAX, "16384.0 PB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), expected, "{bytes}");
        }
        assert_eq!(
            format!("{:>9}|{:<9}", ByteSize(1024), ByteSize(1)),
            "   1.0 kB|1 B      "
        );
    }
}
