//! A length of time as people type it and read it: one grammar for every option, setting and message.

use std::time::Duration;

/// Milliseconds of the units, the longest suffix first where one ends in another. A month would be of no
/// certain length, so there is none.
const UNITS: [(&str, u64); 7] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
    ("y", 365 * 86_400_000),
];

/// The longest that is taken, so that a sum with a time never overflows: 100 years.
const MOST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Text that is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// It is not a whole number and a unit.
    #[error("expected a whole number and a unit (ms, s, m, h, d, w or y), such as 90d, 12h or 30m")]
    Malformed,
    /// It is none, or less than is counted.
    #[error("this is too short")]
    Nothing,
    /// It is longer than 100 years.
    #[error("this is longer than 100 years")]
    TooLong,
}

/// `90d`, `12h`, `30m`, `500ms`: a whole number and a unit.
///
/// # Errors
/// When it is written otherwise, is nothing at all, or more than 100 years.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(unit, milliseconds)| Some((text.strip_suffix(unit)?, *milliseconds)))
        .ok_or(InvalidDuration::Malformed)?;
    let digits = digits.trim_end_matches(' ');
    // `parse` alone would take a leading plus sign, and does not tell too much from no number.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidDuration::Malformed);
    }
    let number: u64 = digits.parse().map_err(|_| InvalidDuration::TooLong)?;
    let milliseconds = number.checked_mul(unit).ok_or(InvalidDuration::TooLong)?;
    match Duration::from_millis(milliseconds) {
        Duration::ZERO => Err(InvalidDuration::Nothing),
        duration if duration > MOST => Err(InvalidDuration::TooLong),
        duration => Ok(duration),
    }
}

/// The same in seconds; at least one.
///
/// # Errors
/// As [`parse`]; and where it is less than a second.
pub fn parse_seconds(text: &str) -> Result<u64, InvalidDuration> {
    match parse(text)?.as_secs() {
        0 => Err(InvalidDuration::Nothing),
        seconds => Ok(seconds),
    }
}

/// A number of seconds for people, exactly: `2 years`, `90 days`, `36 hours`, `1 second`.
#[must_use]
pub fn in_words(seconds: u64) -> String {
    let units = [
        (365 * 86_400, "year"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ];
    let (number, unit) = units
        .iter()
        .find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length))
        .map_or((seconds, "second"), |(length, unit)| {
            (seconds / length, *unit)
        });
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_a_unit() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("20s", 20_000),
            ("2m", 120_000),
            ("12 h", 43_200_000),
            ("90d", 7_776_000_000),
            ("1w", 604_800_000),
            ("100y", 3_153_600_000_000),
        ] {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        use InvalidDuration::{Malformed, Nothing, TooLong};
        for (text, error) in [
            ("", Malformed),
            ("90", Malformed),
            ("d", Malformed),
            ("-1d", Malformed),
            ("+1d", Malformed),
            ("1.5h", Malformed),
            ("1M", Malformed),
            ("1dd", Malformed),
            ("ä", Malformed),
            ("0d", Nothing),
            ("101y", TooLong),
            ("9999999999999999999y", TooLong),
            ("99999999999999999999d", TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        assert_eq!(parse_seconds("1500ms"), Ok(1));
        assert_eq!(parse_seconds("999ms"), Err(Nothing));
    }

    #[test]
    fn what_is_read_is_exact() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "90 seconds"),
            (60, "1 minute"),
            (5400, "90 minutes"),
            (36 * 3600, "36 hours"),
            (90 * 86_400, "90 days"),
            (63_072_000, "2 years"),
        ] {
            assert_eq!(in_words(seconds), words);
        }
    }
}
