//! A number of bytes, for people.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
