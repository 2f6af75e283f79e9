//! Text that somebody else chose: how long it may be, and what of it may be shown as it is, in a log or on a terminal.
//!
//! The server and the client both show such text, so that the rule stands where both find it.

use std::fmt::Write as _;

use crate::names::MAX_NAME;

/// The longest line that people give to things, such as the description of a flake, in characters.
pub const MAX_LINE: usize = 300;

/// The prefix that marks a token of an fh server, so that secret scanners can find one.
///
/// Tokens are accepted with and without it.
pub const TOKEN_PREFIX: &str = "fh1_";

/// What is shown in place of a text that [`holds_token`].
pub const WITHHELD: &str = "(withheld: it looks like a token)";

/// How tokens begin that have a prefix: ours and `FlakeHub`'s. A JWT follows.
const TOKEN_MARKS: [&str; 2] = [TOKEN_PREFIX, "flakehub1_"];

/// How the header of a JWT begins if it is JSON without blanks.
const USUAL_HEADER: &str = "eyJ";

/// The shortest header, payload and signature of a JWT, in characters. A signature has at least 32 bytes.
const JWT_LENGTHS: [usize; 3] = [10, 10, 43];

/// The shortest JWT, with its two dots.
const SHORTEST_JWT: usize = JWT_LENGTHS[0] + 1 + JWT_LENGTHS[1] + 1 + JWT_LENGTHS[2];

// Else whoever chooses a name could choose that nothing is told of it.
const _: () = assert!(
    SHORTEST_JWT > MAX_NAME,
    "no name is long enough to be taken for a token"
);

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

/// Whether a text looks as if it held a whole token, also where it is percent-encoded any number of times. A part of
/// one is no secret, and no [`Name`](crate::Name) holds a whole one.
#[must_use]
pub fn holds_token(text: &str) -> bool {
    is_marked(text) || (text.contains('%') && is_marked(&percent_decoded(text)))
}

fn is_marked(text: &str) -> bool {
    let is_of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut words = text.split(|c| !is_of_a_token(c));
    words.any(|word| {
        word.len() >= SHORTEST_JWT && (has_a_prefix(word) || has_the_form_of_a_jwt(word))
    })
}

/// Whether a prefix of tokens stands in a word before what is as long as a JWT.
fn has_a_prefix(word: &str) -> bool {
    TOKEN_MARKS.iter().any(|mark| {
        let at = word.find(mark);
        at.is_some_and(|at| word.len() - at >= mark.len() + SHORTEST_JWT)
    })
}

fn has_the_form_of_a_jwt(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.windows(3).any(|triple| {
        let mut lengths = triple.iter().zip(JWT_LENGTHS);
        lengths.all(|(part, least)| part.len() >= least) && is_a_header(triple[0])
    })
}

/// Whether a part of a word may be the header of a JWT; something may stand before one that begins as usual.
fn is_a_header(part: &str) -> bool {
    let usual = part.find(USUAL_HEADER);
    usual.is_some_and(|at| part.len() - at >= JWT_LENGTHS[0]) || begins_as_json(part)
}

/// Whether a part of a JWT, base64url (RFC 4648, section 5), is an object of JSON as far as its beginning tells. A blank
/// may come before it (RFC 8259, section 2).
fn begins_as_json(part: &str) -> bool {
    let (mut bits, mut count) = (0_u16, 0);
    for digit in part.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return false,
        };
        // At most six bits are left of the digits before.
        bits = (bits << 6) | u16::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let byte = bits >> count;
            bits &= (1 << count) - 1;
            if !matches!(byte, 0x20 | 0x09 | 0x0a | 0x0d) {
                return byte == u16::from(b'{');
            }
        }
    }
    false
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
        let jwt = format!("eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwIn0.{signature}");
        for text in [
            &jwt,
            &format!("fh1_{jwt}"),
            &format!("/things/flakehub1_{jwt}"),
            &format!("name=acme-{jwt}"),
            &format!("a.b.{jwt}.c"),
            // What follows a prefix need not be readable.
            &format!("fh1_{}", "x".repeat(65)),
            &format!("/%66h1_{jwt}"),
            &format!("/fh1%5F{}", "x".repeat(65)),
            &format!("/%65yJhbGciOiJFZERTQSJ9%2eeyJqdGkiOiIwIn0%2E{signature}"),
            // Encoded twice, and five times.
            &format!("/%2565yJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwIn0.{signature}"),
            &format!("/%252525252565yJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwIn0.{signature}"),
            // An escape that is put together of escapes.
            &format!("/%%36%35yJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwIn0.{signature}"),
            // A header that begins with a blank, with a line feed, or not as JSON usually does.
            &format!("eyAiYWxnIjoi.eyAiYWxnIjoi.{signature}"),
            &format!("Bearer%20ewogImFsZyI.e2Fhc3Nzcwo%2E{signature}"),
            &format!("IHsiYWxnIjoi.e2Fhc3Nzcwo.{signature}"),
            &format!("CgkgeyJhbGciOiJub25lIn0.e2Fhc3Nzcwo.{signature}"),
        ] {
            assert!(holds_token(text), "{text}");
        }
        for text in [
            "",
            "/",
            "/acme/app",
            // Names that begin as tokens do, the longest ones too.
            "/acme/keyJar",
            "eyJhbGciOiJFZERTQSJ9",
            "/flakes/fh1_/flakehub1_app",
            &format!("/flakes/acme/fh1_{}", "x".repeat(60)),
            &format!("eyJhbGciOi.eyJqdGkiOi.{}", "c".repeat(42)),
            &format!("{}/eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwIn0.c", "x".repeat(64)),
            // No header.
            &format!("/nar/{0}.{0}.{0}", "x".repeat(52)),
            &format!("/log/gcc-wrapper-13.with-a-long-name.{signature}"),
            &format!("/log/keyJar-1.with-a-long-name.{signature}"),
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
