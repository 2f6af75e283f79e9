//! Text that came from elsewhere, made fit to be shown.
//!
//! Invariant: what leaves this module holds no control character but, where said, line breaks, so
//! that a server or a proxy cannot play on the reader's terminal.

use fh_api::text::is_unprintable;

/// One line of at most `limit` characters: control characters and runs of blanks become one blank.
pub(crate) fn safe_line(text: &str, limit: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || is_unprintable(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(limit) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// The words of a body that may be HTML, as one line of at most `limit` characters.
pub(crate) fn excerpt(body: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(body);
    let looks_like_markup = text.trim_start().starts_with('<');
    if looks_like_markup {
        safe_line(&without_markup(&text), limit)
    } else {
        safe_line(&text, limit)
    }
}

/// Drops tags, comments, scripts and styles. For reading only; nothing relies on it being exact.
fn without_markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        rest = &rest[start..];
        let element = ["script", "style"].into_iter().find(|name| {
            rest.get(1..=name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        });
        let end = match element {
            Some(name) => rest.find(&format!("</{name}")),
            None => rest.find('>').map(|at| at + 1),
        };
        match end {
            Some(end) => rest = &rest[end..],
            None => return text,
        }
    }
    text.push_str(rest);
    text
}

/// Lines without control characters, the last `limit` bytes at most.
pub(crate) fn safe_lines(text: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let clean = strip_escapes(&text);
    let mut start = clean.len().saturating_sub(limit);
    while !clean.is_char_boundary(start) {
        start += 1;
    }
    let kept = clean[start..].trim();
    if start > 0 {
        format!("…{kept}")
    } else {
        kept.to_owned()
    }
}

/// Removes terminal escape sequences whole, and every other control character but line breaks.
fn strip_escapes(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next_if_eq(&'[').is_some() {
                // A control sequence ends with a byte of 0x40 to 0x7e (ECMA-48, 5.4).
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
        } else if c == '\n' || !is_unprintable(c) {
            clean.push(c);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_of_a_proxy_becomes_its_words() {
        let page = b"<html><head><title>502 Bad Gateway</title><style>p { color: red }</style></head>\r\n<body>\n<center><h1>Sorry</h1></center></body></html>";
        assert_eq!(excerpt(page, 200), "502 Bad Gateway Sorry");
        assert_eq!(excerpt(b"plain\x1b[31m < words", 200), "plain [31m < words");
        assert_eq!(excerpt(b"abcdef", 3), "abc\u{2026}");
    }

    #[test]
    fn escapes_of_a_terminal_do_not_get_through() {
        assert_eq!(
            safe_lines(b"\x1b[31;1merror:\x1b[0m bad\r\nnext\x07", 100),
            "error: bad\nnext"
        );
        assert_eq!(safe_lines(b"0123456789", 4), "\u{2026}6789");
    }

    proptest! {
        #[test]
        fn any_bytes_become_safe(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(excerpt(&bytes, 50).chars().all(|c| !c.is_control()));
            prop_assert!(excerpt(&bytes, 50).chars().count() <= 51);
            prop_assert!(safe_lines(&bytes, 50).chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
