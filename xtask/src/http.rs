//! Just enough of an HTTP/1.1 client to ask a server on loopback and to show its answer untouched.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use data_encoding::BASE64;
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
    let (head, body) = split(bytes)?;
    let (status, headers) = status_and_headers(head)?;
    Some(Answer {
        status,
        headers: headers.map(str::to_owned).collect(),
        body: body.to_vec(),
    })
}

/// The head of an answer and what has come of its body, once all of the head is there.
pub(crate) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((&bytes[..end], &bytes[end + 4..]))
}

/// The status of an answer and the length that it announces, from its head.
pub(crate) fn status_and_length(head: &[u8]) -> Option<(u16, u64)> {
    let (status, mut headers) = status_and_headers(head)?;
    let length = headers.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse().ok()).flatten()
    })?;
    Some((status, length))
}

fn status_and_headers(head: &[u8]) -> Option<(u16, impl Iterator<Item = &str>)> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, lines))
}

/// The value of `Authorization` for a token, as Nix sends it: Basic, with the token as password.
pub(crate) fn basic(token: &str) -> String {
    let credentials = format!("fh:{token}");
    format!("Basic {}", BASE64.encode(credentials.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_at_the_first_empty_line() {
        let answer =
            parse(b"HTTP/1.1 404 Not Found\r\na: b\r\nc: d\r\n\r\nno\r\n\r\nthing").unwrap();
        assert_eq!(answer.status, 404);
        assert_eq!(answer.headers, ["a: b", "c: d"]);
        assert_eq!(answer.body, b"no\r\n\r\nthing");
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n"), None);
        let announced = status_and_length(b"HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 3");
        assert_eq!(announced, Some((404, 3)));
        assert_eq!(status_and_length(b"HTTP/1.1 200 OK"), None);
    }
}
