//! A length of time as it is typed: `90d`, `12h`, `30m`.

/// Seconds in a text such as `90d`.
///
/// A month would be of no certain length, so there is none.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let malformed =
        || "expected a number and a unit: s, m, h, d, w or y, such as 90d or 12h".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| malformed())?;
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        "y" => 365 * 24 * 60 * 60,
        _ => return Err(malformed()),
    };
    match number.checked_mul(unit) {
        Some(0) => Err("this is over at once".to_owned()),
        Some(seconds) => Ok(seconds),
        None => Err("this is longer than time lasts".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_a_unit() {
        assert_eq!(parse("90d"), Ok(90 * 86_400));
        assert_eq!(parse("12h"), Ok(43_200));
        assert_eq!(parse("1y"), Ok(31_536_000));
        for bad in [
            "",
            "90",
            "d",
            "-1d",
            "1.5d",
            "1 d",
            "1M",
            "0d",
            "1dd",
            "ä",
            "99999999999999999999d",
            "9999999999999999999y",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
