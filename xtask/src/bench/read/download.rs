//! Downloading over connections that stay, as fast as they give: what comes is counted and dropped.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::http;

/// A file that is downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// The path of its URL.
    pub(super) path: String,
    pub(super) bytes: u64,
}

/// A server that files are downloaded from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) port: u16,
    /// The value of the header `Authorization`.
    pub(super) authorization: &'a str,
}

/// Room for what was read at once: larger than a socket's buffer usually is filled.
const BUFFER: usize = 256 << 10;

/// Longest head of an answer.
const HEAD: usize = 16 << 10;

/// Downloads every file once, over so many connections, which take the next when they are done with
/// one. How long that took.
pub(super) fn all(source: Source<'_>, files: &[File], connections: usize) -> Result<Duration> {
    let next = AtomicUsize::new(0);
    let mut open = (0..connections.max(1))
        .map(|_| Connection::open(source))
        .collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = open
            .iter_mut()
            .map(|connection| {
                scope.spawn(|| -> Result<()> {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        connection.get(source, file)?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            let result = thread.join();
            result.map_err(|_| anyhow!("a download panicked"))??;
        }
        Ok(())
    })
    .map(|()| begin.elapsed())
}

/// One connection, and the room to read into.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(source: Source<'_>) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", source.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER],
        })
    }

    /// Downloads a file, which must be as long as it should be.
    fn get(&mut self, source: Source<'_>, file: &File) -> Result<()> {
        let Source {
            port,
            authorization,
        } = source;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\n\r\n",
            file.path
        );
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        let (head, come) = loop {
            match self.stream.read(&mut self.buffer[filled..])? {
                0 => bail!("GET {}: the connection ended", file.path),
                count => filled += count,
            }
            if let Some((head, body)) = http::split(&self.buffer[..filled]) {
                break (head, body.len() as u64);
            }
            ensure!(filled < HEAD, "GET {}: an endless head", file.path);
        };
        let length = length_of_success(head);
        let length = length
            .with_context(|| format!("GET {}: {}", file.path, String::from_utf8_lossy(head)))?;
        ensure!(
            length == file.bytes,
            "GET {}: {length} bytes instead of {}",
            file.path,
            file.bytes
        );
        let mut left = length
            .checked_sub(come)
            .with_context(|| format!("GET {}: more than was announced", file.path))?;
        while left > 0 {
            let most = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
            match self.stream.read(&mut self.buffer[..most])? {
                0 => bail!("GET {}: {left} bytes are missing", file.path),
                count => left -= count as u64,
            }
        }
        Ok(())
    }
}

fn length_of_success(head: &[u8]) -> Option<u64> {
    let (status, length) = http::status_and_length(head)?;
    (status == 200).then_some(length)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_length_is_taken_from_a_success_alone() {
        let head = |status: &str| format!("HTTP/1.1 {status}\r\na: b\r\ncontent-LENGTH: 12");
        assert_eq!(length_of_success(head("200 OK").as_bytes()), Some(12));
        assert_eq!(length_of_success(head("404 Not Found").as_bytes()), None);
        assert_eq!(length_of_success(b"HTTP/1.1 200 OK"), None);
    }

    /// Answers every request on a connection with `body`, announced as `announced` bytes.
    fn server(announced: usize, body: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut request = Vec::new();
                    let mut byte = [0];
                    while stream.read(&mut byte).is_ok_and(|count| count == 1) {
                        request.push(byte[0]);
                        if request.ends_with(b"\r\n\r\n") {
                            assert!(request.starts_with(b"GET /a"));
                            request.clear();
                            let head =
                                format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n");
                            stream.write_all(head.as_bytes()).unwrap();
                            stream.write_all(body).unwrap();
                            if announced > body.len() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        port
    }

    fn files(bytes: u64) -> Vec<File> {
        let file = File {
            path: "/a".to_owned(),
            bytes,
        };
        vec![file; 5]
    }

    #[test]
    fn all_files_are_read_to_their_end() {
        let source = |port| Source {
            port,
            authorization: "Basic x",
        };
        let port = server(10, b"0123456789");
        all(source(port), &files(10), 1).unwrap();
        all(source(port), &files(10), 3).unwrap();
        let error = all(source(port), &files(11), 1).unwrap_err();
        assert_eq!(error.to_string(), "GET /a: 10 bytes instead of 11");
        let cut = server(20, b"0123456789");
        let error = all(source(cut), &files(20), 2).unwrap_err();
        assert_eq!(error.to_string(), "GET /a: 10 bytes are missing");
    }
}
