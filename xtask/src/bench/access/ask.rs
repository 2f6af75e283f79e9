//! One connection that stays, on which one question follows the other: for what may be asked once only,
//! since the second time it is remembered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::stage::{address, nowhere};
use crate::http;
use crate::server::Server;

/// The longest answer that is read, in bytes.
const ROOM: usize = 64 << 10;

/// A connection, and who asks.
pub(super) struct Asker {
    stream: TcpStream,
    authorization: String,
    buffer: Vec<u8>,
}

impl Asker {
    /// Connects. `authorization` is the value of that header.
    pub(super) fn connect(port: u16, authorization: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream,
            authorization: authorization.to_owned(),
            buffer: vec![0; ROOM],
        })
    }

    /// Connects, and asks for what is nowhere until the caller and the flakes are known and the connections to the
    /// database were used.
    pub(super) fn warmed_up(server: &Server, authorization: &str) -> Result<Self> {
        let mut asker = Self::connect(server.port(), authorization)?;
        for path in nowhere(50) {
            asker.get(&path, 404)?;
        }
        Ok(asker)
    }

    /// Asks for the narinfos of these paths, which are there, one after the other: seconds for each.
    pub(super) fn latencies(&mut self, paths: &[u32]) -> Result<Vec<f64>> {
        let paths = paths.iter().copied().map(address);
        paths
            .map(|path| Ok(self.get(&path, 200)?.as_secs_f64()))
            .collect()
    }

    /// Asks for a path: how long the answer took, which must have this status.
    pub(super) fn get(&mut self, path: &str, status: u16) -> Result<Duration> {
        self.send("GET", path, "", status)
    }

    /// The same with another method, and JSON where it is not empty.
    pub(super) fn send(
        &mut self,
        method: &str,
        path: &str,
        json: &str,
        status: u16,
    ) -> Result<Duration> {
        let describe = match json.len() {
            0 => String::new(),
            length => {
                format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
            }
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {}\r\n{describe}\r\n{json}",
            self.authorization
        );
        let begin = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[filled..])?;
            ensure!(
                count > 0,
                "{method} {path}: the answer breaks off, or is too long"
            );
            filled += count;
            if let Some(answered) = whole(&self.buffer[..filled]) {
                let elapsed = begin.elapsed();
                let found = answered.with_context(|| format!("{method} {path}: no HTTP answer"))?;
                ensure!(
                    found == status,
                    "{method} {path}: {found} instead of {status}"
                );
                return Ok(elapsed);
            }
        }
    }
}

/// The status of an answer that has come to its end; of what is none, an error.
fn whole(bytes: &[u8]) -> Option<Result<u16>> {
    let (head, body) = http::split(bytes)?;
    match http::status_and_length(head) {
        Some((status, length)) => (body.len() as u64 >= length).then_some(Ok(status)),
        None => Some(Err(anyhow::anyhow!("no status, or no length"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_ended_with_its_body() {
        let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n";
        assert!(whole(b"HTTP/1.1 404 Not").is_none());
        assert!(whole(format!("{head}ab").as_bytes()).is_none());
        let status = whole(format!("{head}abc").as_bytes()).unwrap();
        assert_eq!(status.unwrap(), 404);
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").unwrap().is_err());
    }
}
