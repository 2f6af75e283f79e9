//! What a text says: checks whose failure shows the text, and tables that are written as text.

/// Panics unless all of these stand in a text.
#[track_caller]
pub fn assert_contains(text: &(impl AsRef<str> + ?Sized), parts: &[&str]) {
    let text = text.as_ref();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// Panics if one of these stands in a text.
#[track_caller]
pub fn assert_lacks(text: &(impl AsRef<str> + ?Sized), parts: &[&str]) {
    let text = text.as_ref();
    for part in parts {
        assert!(!text.contains(part), "{part:?} in:\n{text}");
    }
}

/// The rows of a table that is written as text: a line for each, with `|` between its columns. Blank lines, and those
/// that begin with `#`, are no rows.
///
/// # Panics
/// When a row has more columns or fewer.
#[track_caller]
#[must_use]
pub fn rows<const N: usize>(table: &str) -> Vec<[&str; N]> {
    let lines = table.lines().map(str::trim);
    let rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let columns = <[&str; N]>::try_from(columns);
        columns.unwrap_or_else(|columns| panic!("{} columns instead of {N}: {row}", columns.len()))
    })
    .collect()
}
