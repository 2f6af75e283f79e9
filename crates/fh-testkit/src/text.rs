//! What a text says: checks whose failure shows the text.

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
