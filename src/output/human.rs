//! Numbers and times as people say them.

use std::time::Duration;

use fh_client::{RetryEvent, ServerKind};
use time::OffsetDateTime;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Bytes with a binary unit and three significant digits: `512 B`, `1.50 KiB`, `23.4 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "three digits are shown of at most twenty"
    )]
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        // Not 1024: 1023.9 would be shown as 1024.
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$} {unit}")
}

/// `1 path`, `3 paths`, `1 200 paths`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// How long something took: `0.4 s`, `12 s`, `3 min 20 s`, `1 h 5 min`.
pub(crate) fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 10 {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    if seconds < 60 {
        return format!("{seconds} s");
    }
    if seconds < 3600 {
        return format!("{} min {} s", seconds / 60, seconds % 60);
    }
    format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)
}

/// What a server is, in a sentence.
pub(crate) fn kind_in_words(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Fh => "an fh server",
        ServerKind::FlakeHub => "FlakeHub",
        ServerKind::Attic => "an attic server",
    }
}

/// That a request is tried again, when, and why.
pub(crate) fn trying_again(event: &RetryEvent<'_>) -> String {
    let RetryEvent { error, wait, asked } = event;
    let asked = match asked {
        Some(asked) if asked > wait => {
            format!(" (the server asks to wait {})", elapsed(*asked))
        }
        _ => String::new(),
    };
    format!("Trying again in {}{asked}: {error}", elapsed(*wait))
}

/// A time as seen from another: `3 days ago`, `in 90 days`, `just now`.
pub(crate) fn relative(time: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (time - now).whole_seconds();
    let size = seconds.abs();
    let (length, unit) = match size {
        0..MINUTE if seconds > 0 => return "in a moment".to_owned(),
        0..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (MINUTE, "minute"),
        HOUR..DAY => (HOUR, "hour"),
        _ => (DAY, "day"),
    };
    // Rounded: what lasts 90 days is 'in 90 days' also a moment later.
    let number = (size + length / 2) / length;
    let plural = if number == 1 { "" } else { "s" };
    if seconds < 0 {
        format!("{number} {unit}{plural} ago")
    } else {
        format!("in {number} {unit}{plural}")
    }
}

/// A time for programs and for records: RFC 3339, in UTC, to the second.
pub(crate) fn timestamp(time: OffsetDateTime) -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    // In UTC the last hours of the year 9999 may be of the next, which no calendar here reaches.
    time.checked_to_offset(time::UtcOffset::UTC)
        .and_then(|time| time.format(format).ok())
        .unwrap_or_else(|| time.unix_timestamp().to_string())
}

/// A date and what it means: `2026-11-22 (in 90 days)`.
pub(crate) fn date(time: OffsetDateTime, now: OffsetDateTime) -> String {
    let in_utc = time.checked_to_offset(time::UtcOffset::UTC).unwrap_or(time);
    format!("{} ({})", in_utc.date(), relative(time, now))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn bytes_have_three_digits() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (10_235, "10.0 KiB"),
            (1_023_999, "1000 KiB"),
            (1_048_575, "1.00 MiB"),
            (1_288_490_189, "1.20 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
    }

    #[test]
    fn times_are_told_from_now() {
        let now = datetime!(2026-11-22 12:00 UTC);
        for (time, text) in [
            (datetime!(2026-11-22 12:00:59 UTC), "in a moment"),
            (datetime!(2026-11-22 11:59:01 UTC), "just now"),
            (datetime!(2026-11-22 11:59 UTC), "1 minute ago"),
            (datetime!(2026-11-22 14:29 UTC), "in 2 hours"),
            (datetime!(2026-11-22 13:59:59 UTC), "in 2 hours"),
            (datetime!(2026-08-01 12:00 UTC), "113 days ago"),
        ] {
            assert_eq!(relative(time, now), text);
        }
        assert_eq!(
            date(datetime!(2026-11-24 13:00 UTC), now),
            "2026-11-24 (in 2 days)"
        );
        assert_eq!(
            timestamp(datetime!(2026-11-24 13:00:01.5 +01:00)),
            "2026-11-24T12:00:01Z"
        );
    }

    #[test]
    fn the_end_of_the_calendar_is_told_too() {
        let now = datetime!(2026-11-22 12:00 UTC);
        let last = datetime!(9999-12-31 23:59:59 -23:59);
        assert_eq!(timestamp(last), "253402387139");
        assert_eq!(date(last, now), "9999-12-31 (in 2912118 days)");
        let first = datetime!(-9999-01-01 00:00 +23:59);
        assert_eq!(timestamp(first), first.unix_timestamp().to_string());
        assert!(date(first, now).starts_with("-9999-01-01 ("));
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(elapsed(Duration::from_millis(440)), "0.4 s");
        assert_eq!(elapsed(Duration::from_secs(59)), "59 s");
        assert_eq!(elapsed(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(elapsed(Duration::from_secs(3900)), "1 h 5 min");
        assert_eq!(count(1, "path"), "1 path");
        assert_eq!(count(2, "path"), "2 paths");
    }
}
