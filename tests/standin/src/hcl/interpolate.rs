//! `${VAR}` and `${VAR:-default}`, replaced in the text before anything is parsed.

use anyhow::{Result, bail};

/// Replaces every `${VAR}`; a variable without value or default is an error naming all of them.
pub(super) fn interpolate(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(variable) = Variable::at(rest) else {
            out.push_str("${");
            rest = &rest[2..];
            continue;
        };
        match lookup(variable.name).or_else(|| variable.default.map(ToOwned::to_owned)) {
            Some(value) => out.push_str(&value),
            None => missing.push(variable.name.to_owned()),
        }
        rest = &rest[variable.length..];
    }
    out.push_str(rest);
    if !missing.is_empty() {
        bail!("undefined variable(s): {}", missing.join(", "));
    }
    Ok(out)
}

/// Doubles the dollar of `${a.b…}`, so that the HCL parser leaves platform references alone.
pub(super) fn escape_references(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let after = &rest[start + 2..];
        out.push_str(&rest[..start]);
        let name = identifier(after);
        let dotted = !name.is_empty() && after[name.len()..].starts_with('.');
        out.push_str(if dotted { "$${" } else { "${" });
        rest = after;
    }
    out.push_str(rest);
    out
}

struct Variable<'a> {
    name: &'a str,
    default: Option<&'a str>,
    length: usize,
}

impl<'a> Variable<'a> {
    /// Reads a variable at the start of `text`, which begins with `${`.
    fn at(text: &'a str) -> Option<Self> {
        let end = text.find('}')?;
        let inner = &text[2..end];
        let name = identifier(inner);
        if name.is_empty() {
            return None;
        }
        let default = match &inner[name.len()..] {
            "" => None,
            rest => Some(rest.strip_prefix(":-")?),
        };
        Some(Self {
            name,
            default,
            length: end + 1,
        })
    }
}

fn identifier(text: &str) -> &str {
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_alphabetic() || *c == '_' || (*at > 0 && c.is_ascii_digit())))
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(text: &str, expected: &str) {
        let lookup = |name: &str| (name == "TAG").then(|| "17".to_owned());
        assert_eq!(interpolate(text, lookup).unwrap(), expected);
    }

    #[test]
    fn variables_defaults_and_references() {
        case("image = \"postgres:${TAG}\"", "image = \"postgres:17\"");
        case("${NOPE:-15}-${TAG:-1}-${NOPE:-}", "15-17-");
        case("${asset.a.b.c} ${1x} ${", "${asset.a.b.c} ${1x} ${");
    }

    #[test]
    fn every_unknown_variable_is_named() {
        let error = interpolate("${A} <<X\n${B_2}\nX", |_| None).unwrap_err();
        assert_eq!(error.to_string(), "undefined variable(s): A, B_2");
    }

    #[test]
    fn only_dotted_references_are_escaped() {
        assert_eq!(
            escape_references("${asset.a.b.c}:/x ${foo} ${"),
            "$${asset.a.b.c}:/x ${foo} ${"
        );
    }
}
