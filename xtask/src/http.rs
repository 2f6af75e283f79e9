//! Just enough of an HTTP/1.1 client to ask a server on loopback and to show its answer untouched.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// An answer, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The header lines, in their order.
    pub(crate) headers: Vec<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// `GET path` from `127.0.0.1:port`, with a token as `Authorization: Bearer` if there is one.
pub(crate) fn get(port: u16, path: &str, token: Option<&str>) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let authorization = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{authorization}Connection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).with_context(|| format!("GET {path}: no HTTP answer"))
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
    }
}
