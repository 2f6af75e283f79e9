//! Texts of option values: sizes, durations, counts.

use std::path::PathBuf;
use std::time::Duration;

/// Units of sizes, the longest suffix first where one ends in another.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// `8MiB`, `32MB`, `4096`: a number of bytes of at least `least`.
pub(super) fn size(text: &str, least: u64) -> Result<u64, String> {
    let bytes = number_with_unit(text).ok_or_else(|| {
        format!("{text:?} is not a valid size; write it like 512KiB, 8MiB or 1GiB")
    })?;
    if bytes < least {
        return Err(format!("{text} is too small, the least is {least} bytes"));
    }
    Ok(bytes)
}

/// `90d`, `12h`, `30m`, `500ms`: more than nothing.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    fh_api::duration::parse(text).map_err(|error| format!("{text:?}: {error}"))
}

/// The same; `0`, or no time of any unit, is zero.
pub(super) fn duration_or_none(text: &str) -> Result<Duration, String> {
    use fh_api::duration::InvalidDuration;
    match fh_api::duration::parse(text) {
        Err(InvalidDuration::Nothing) => Ok(Duration::ZERO),
        _ if text == "0" => Ok(Duration::ZERO),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{text:?}: {error}")),
    }
}

/// A whole number between `least` and `most`.
pub(super) fn count(text: &str, least: u32, most: u32) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{text:?} is not a whole number between {least} and {most}"))
}

fn number_with_unit(text: &str) -> Option<u64> {
    let (digits, factor) = SIZE_UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1));
    let digits = digits.trim_end();
    // `parse` alone would take a leading plus sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A path that is not empty.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// The address of somebody who is asked about identities: kept as it is written.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    if text == "https://*" {
        return Ok(text.to_owned());
    }
    let parsed = url::Url::parse(text).ok().filter(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    match parsed {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!(
            "{text:?} is not a valid address; write it like https://issuer.example.org"
        )),
    }
}

/// A key's name must survive in `name:base64` and in the space separated lists of nix.conf.
pub(super) fn key_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
        return Err(format!(
            "{text:?} is not a valid name for a key; it may have 100 letters, digits, '-', '.' and '_'"
        ));
    }
    Ok(text.to_owned())
}

/// One a core where nothing else is said; one where the system does not tell how many there are.
pub(super) fn verifications(asked: u32) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        asked => asked as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("7B", 7),
            ("8MiB", 8 << 20),
            ("32MB", 32_000_000),
            ("3 KiB", 3072),
        ] {
            assert_eq!(size(text, 0), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "8mib",
            "-1",
            "+1",
            "1.5MiB",
            "99999999TiB",
            "8 M",
        ] {
            assert!(size(text, 0).is_err(), "{text}");
        }
        assert!(size("1KiB", 2000).unwrap_err().contains("2000"));
    }

    #[test]
    fn durations_that_may_be_none() {
        for (text, seconds) in [("0", 0), ("0d", 0), ("1w", 604_800)] {
            let expected = Ok(Duration::from_secs(seconds));
            assert_eq!(duration_or_none(text), expected, "{text}");
        }
        for text in ["", "00", "1", "-1d", "never"] {
            assert!(duration_or_none(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count("1", 1, 9), Ok(1));
        for text in ["", "0", "10", "x", "1.0", "-1"] {
            assert!(count(text, 1, 9).is_err(), "{text}");
        }
    }
}
