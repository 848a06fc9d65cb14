//! CPU and memory limits in the spec's spelling.

use anyhow::{Context, Result, bail};

/// `2`, `1.5` or `500m` as docker's `--cpus`.
pub(crate) fn cpus(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    if let Some(millicores) = text.strip_suffix('m') {
        let millicores: u32 = millicores
            .parse()
            .with_context(|| format!("invalid millicores {text:?}"))?;
        return Ok((f64::from(millicores) / 1000.0).to_string());
    }
    match text.parse::<f64>() {
        Ok(cores) if cores >= 0.0 => Ok(text.to_owned()),
        _ => bail!("invalid cpu {text:?}"),
    }
}

/// `4Gi`, `512Mi`, `1500K` or plain bytes.
pub(crate) fn memory(text: &str) -> Result<Option<u64>> {
    const SUFFIXES: [(&str, f64); 8] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("K", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let scaled = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)));
    let Some((number, factor)) = scaled else {
        let bytes: u64 = text
            .parse()
            .with_context(|| format!("invalid memory {text:?}"))?;
        return Ok((bytes > 0).then_some(bytes));
    };
    let number: f64 = number
        .parse()
        .with_context(|| format!("invalid memory {text:?}"))?;
    if number < 0.0 {
        bail!("invalid memory {text:?}");
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size is positive and far below 2^53"
    )]
    Ok(Some((number * factor) as u64).filter(|bytes| *bytes > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_every_spelling() {
        assert_eq!(cpus("500m").unwrap(), "0.5");
        assert_eq!(cpus("1.5").unwrap(), "1.5");
        assert_eq!(cpus("").unwrap(), "");
        assert!(cpus("two").is_err());
        assert_eq!(memory("4Gi").unwrap(), Some(4 << 30));
        assert_eq!(memory("256Ki").unwrap(), Some(256 << 10));
        assert_eq!(memory("1500K").unwrap(), Some(1_500_000));
        assert_eq!(memory("1024").unwrap(), Some(1024));
        assert_eq!(memory("").unwrap(), None);
        assert!(memory("4 gigs").is_err());
    }
}
