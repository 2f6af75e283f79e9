//! Text that somebody else chose: how long it may be, and what of it may be shown as it is, in a log or on a terminal.
//!
//! The server and the client both show such text, so that the rule stands where both find it.

use std::fmt::Write as _;

use crate::TOKEN_PREFIX;

/// The longest line that people give to things, such as the description of a flake, in characters.
pub const MAX_LINE: usize = 300;

/// What is shown in place of a text that [`holds_token`].
pub const WITHHELD: &str = "(withheld: it looks like a token)";

/// How tokens begin: ours, `FlakeHub`'s, and every JWT whose header begins as JSON usually does.
const TOKEN_MARKS: [&str; 3] = [TOKEN_PREFIX, "flakehub1_", "eyJ"];

/// The shortest header, payload and signature by which a JWT is known that begins otherwise, in characters. A signature
/// has at least 32 bytes.
const JWT_LENGTHS: [usize; 3] = [10, 10, 43];

/// Whether a character is one that does something to a terminal (U+009B begins a sequence as ESC [ does), that reorders
/// the text around it, or that nobody sees.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e01ef}'
        )
}

/// Appends a character as JSON escapes it: `\u202e`, and two of these where UTF-16 has two units.
pub fn push_escape(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

/// Whether a text looks as if it held a token, also where it is percent-encoded any number of times.
#[must_use]
pub fn holds_token(text: &str) -> bool {
    is_marked(text) || (text.contains('%') && is_marked(&percent_decoded(text)))
}

fn is_marked(text: &str) -> bool {
    TOKEN_MARKS.iter().any(|mark| text.contains(mark)) || has_the_form_of_a_jwt(text)
}

fn has_the_form_of_a_jwt(text: &str) -> bool {
    let is_of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // Without the two dots.
    let least: usize = JWT_LENGTHS.iter().sum();
    let mut words = text.split(|c| !is_of_a_token(c));
    words.any(|word| {
        if word.len() < least {
            return false;
        }
        let lengths: Vec<usize> = word.split('.').map(str::len).collect();
        let mut triples = lengths.windows(3);
        triples.any(|triple| {
            triple
                .iter()
                .zip(JWT_LENGTHS)
                .all(|(have, least)| *have >= least)
        })
    })
}

/// The text after percent-decoding it until nothing changes.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        bytes.push(byte);
        // What an escape stands for may end another one: `%2565` is `%65`, which is `e`.
        while let Some(byte) = escape_at_the_end(&bytes) {
            bytes.truncate(bytes.len() - 3);
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escape_at_the_end(bytes: &[u8]) -> Option<u8> {
    let [.., b'%', high, low] = bytes else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_in_whatever_way_they_are_encoded() {
        let signature = "c".repeat(43);
        for text in [
            "fh1_eyJhbGciOiJFZERTQSJ9.e30.c2ln",
            "/things/fh1_",
            "flakehub1_abc",
            "name=eyJhbGciOiJFZERTQSJ9",
            "/%66h1_x",
            "/fh1%5Fx",
            "/fh1%5fx",
            "%65%79%4A",
            // Encoded twice, and five times.
            "/%2565yJx",
            "/%252525252565yJx",
            // An escape that is put together of escapes.
            "/%%36%35yJx",
            // A header that begins with a blank or a line feed.
            &format!("eyAiYWxnIjoi.eyAiYWxnIjoi.{signature}"),
            &format!("Bearer%20ewogImFsZyI.e2Fhc3Nzcwo%2E{signature}"),
        ] {
            assert!(holds_token(text), "{text}");
        }
        for text in [
            "",
            "/",
            "/acme/app",
            "/6g8v2k5rj3ma1xcfd0qwzyln9h7pbsi4.narinfo",
            "/nar/1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0.nar.zst",
            "/api/v1/flakes/acme/lib-1.2.3-with-a-name-that-is-very-long-and-has-no-further-dot",
            "/%65y%4",
            "/100%",
            "/%",
            "/%zz%e2%80%ae",
        ] {
            assert!(!holds_token(text), "{text}");
        }
    }

    #[test]
    fn what_nobody_sees_is_unprintable_and_what_people_write_is_not() {
        for c in "\0\t\n\x1b\x7f\u{80}\u{9b}\u{ad}\u{200b}\u{202e}\u{2066}\u{2028}\u{3164}\u{feff}\u{e0041}\u{e0100}"
            .chars()
        {
            assert!(is_unprintable(c), "{c:?}");
        }
        for c in "az~ äßøñ漢字العربية\u{1f600}\u{fe0f}…".chars() {
            assert!(!is_unprintable(c), "{c:?}");
        }
        let mut text = String::new();
        "\u{9b}\u{e0041}"
            .chars()
            .for_each(|c| push_escape(&mut text, c));
        assert_eq!(text, "\\u009b\\udb40\\udc41");
    }
}
