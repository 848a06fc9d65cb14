//! What postgres understands by a number in a setting, as far as our rules must compare one.

/// Reads a number as the server's `parse_int` and `parse_real` do: blanks around it, a sign, hex
/// (`0x2`), octal (`02`) and decimal fractions. Returns it with the unit that follows.
pub(crate) fn parse(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_matches([' ', '\t', '\u{b}', '\u{c}']);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (number, unit) = magnitude(digits)?;
    Some((sign * number, unit.trim_start()))
}

/// Reads a time in milliseconds, the unit of a bare number.
pub(crate) fn milliseconds(text: &str) -> Option<f64> {
    let (number, unit) = parse(text)?;
    let factor = match unit {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Some((number * factor).round_ties_even())
}

/// Reads a number without a unit, rounded to a whole one.
pub(crate) fn whole(text: &str) -> Option<f64> {
    match parse(text)? {
        (number, "") => Some(number.round_ties_even()),
        _ => None,
    }
}

fn magnitude(text: &str) -> Option<(f64, &str)> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return radix(hex, 16);
    }
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (mut digits, mut unit) = text.split_at(end);
    if let Some(length) = exponent(unit) {
        (digits, unit) = text.split_at(end + length);
    } else if digits.starts_with('0') && !digits.contains('.') && digits.len() > 1 {
        return radix(text, 8);
    }
    Some((digits.parse().ok()?, unit))
}

/// The length of an exponent such as `e-3` at the start of the text.
fn exponent(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(['e', 'E'])?;
    let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then_some(text.len() - unsigned.len() + digits)
}

fn radix(text: &str, radix: u32) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number = u32::from_str_radix(digits, radix).ok()?;
    Some((f64::from(number), unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_as_the_server_reads_them() {
        for (text, number) in [
            ("2", 2.0),
            (" 2 ", 2.0),
            ("+2", 2.0),
            ("-2", -2.0),
            ("0x10", 16.0),
            ("010", 8.0),
            ("2.4", 2.0),
            ("0.6", 1.0),
            ("0.5", 0.0),
            ("1e1", 10.0),
            ("0", 0.0),
        ] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for text in ["", "x", "2x", "2ms", "0x", "--2", "1..2", "."] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn times_as_the_server_reads_them() {
        for (text, number) in [
            ("0", 0.0),
            ("0s", 0.0),
            ("0 min", 0.0),
            ("0.4", 0.0),
            ("0.5", 0.0),
            ("1.5", 2.0),
            ("400us", 0.0),
            ("10s", 10_000.0),
            ("1e3", 1_000.0),
        ] {
            assert_eq!(milliseconds(text), Some(number), "{text}");
        }
        assert_eq!(milliseconds("10 parsecs"), None);
    }
}
