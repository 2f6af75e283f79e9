//! Plain HTTP to a server that is another process, one connection a request, so that nothing of a
//! server that died is used again.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// How long the server may take for any answer.
const LIMIT: Duration = Duration::from_secs(60);

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.text())
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// It has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// Somebody who asks the server.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
}

impl Http {
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "text/plain", b"").unwrap()
    }

    /// A request with JSON as its body; it must be answered.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.request(method, path, "application/json", body.as_bytes())
            .unwrap()
    }

    /// As an administrator of the server: makes an account, which has a token with these permissions.
    #[track_caller]
    pub(crate) fn account(&self, name: &str, permissions: &[&str]) -> Self {
        let user = json!({ "name": name });
        self.send("POST", "/api/v1/users", &user).expect(201);
        self.token(name, permissions)
    }

    /// As an administrator of the server: makes another token of an account.
    #[track_caller]
    pub(crate) fn token(&self, name: &str, permissions: &[&str]) -> Self {
        let body = json!({ "user": name, "permissions": permissions });
        let minted = self.send("POST", "/api/v1/tokens", &body).expect(201);
        Self {
            address: self.address,
            token: minted.json()["token"].as_str().map(str::to_owned),
        }
    }

    /// One request on a connection of its own. A server may answer before it has read all of the
    /// body; what it says then counts.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        let stream = TcpStream::connect(self.address)?;
        self.request_on(stream, method, path, media_type, body)
    }

    /// As [`Self::request`], on a connection that was made already.
    pub(crate) fn request_on(
        &self,
        mut stream: TcpStream,
        method: &str,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> io::Result<Answer> {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        if let Some(token) = &self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        if method != "GET" {
            head += &format!(
                "Content-Type: {media_type}\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        head += "\r\n";
        let sent = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let received = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else {
            sent?;
            received?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(head.clone()))?;
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let body = answer.split_off(end + 4);
        match length {
            Some(length) if length != body.len() => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(Answer { status, body }),
        }
    }
}
