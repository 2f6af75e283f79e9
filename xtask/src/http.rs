//! Just enough of an HTTP/1.1 client to ask a server on loopback and to show its answer untouched.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// An answer, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header lines, in their order.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// `GET path` from `127.0.0.1:port`, with a token as `Authorization: Bearer` if there is one.
pub(crate) fn get(port: u16, path: &str, token: Option<&str>) -> Result<Answer> {
    send(port, "GET", path, token, None)
}

/// Any request, with JSON if there is some.
pub(crate) fn send(
    port: u16,
    method: &str,
    path: &str,
    token: Option<&str>,
    json: Option<&Value>,
) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let authorization = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    let body = json.map(Value::to_string).unwrap_or_default();
    let describe = json
        .map(|_| {
            let length = body.len();
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
        })
        .unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{authorization}{describe}\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).with_context(|| format!("{method} {path}: no HTTP answer"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        headers: lines.map(str::to_owned).collect(),
        body: bytes[end + 4..].to_vec(),
    })
}

/// The value of `Authorization` for a token, as Nix sends it: Basic, with the token as password.
pub(crate) fn basic(token: &str) -> String {
    format!("Basic {}", base64(&format!("fh:{token}")))
}

/// Base64 with padding, RFC 4648 section 4.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let mut word = [0; 4];
        word[1..=three.len()].copy_from_slice(three);
        let word = u32::from_be_bytes(word);
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) as usize % 64;
            encoded.push(if place <= three.len() {
                char::from(DIGITS[digit])
            } else {
                '='
            });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 4648, section 10.
    #[test]
    fn base64_is_padded() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text), encoded);
        }
    }

    #[test]
    fn an_answer_is_taken_apart_at_the_first_empty_line() {
        let answer =
            parse(b"HTTP/1.1 404 Not Found\r\na: b\r\nc: d\r\n\r\nno\r\n\r\nthing").unwrap();
        assert_eq!(answer.status, 404);
        assert_eq!(answer.headers, ["a: b", "c: d"]);
        assert_eq!(answer.body, b"no\r\n\r\nthing");
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
