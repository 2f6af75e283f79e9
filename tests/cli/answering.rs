//! A server of HTTP that answers as a test says, one request to a connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// A request that came.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// The token of `Authorization`; empty where there is none.
    pub(crate) bearer: String,
    /// The address of the server.
    pub(crate) url: String,
}

impl Asked {
    /// Reads a request to its end. None of a connection that ends before.
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let (mut first, mut bearer, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end();
            if first.is_empty() {
                line.clone_into(&mut first);
            } else if line.is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':') {
                let value = value.trim();
                match name.to_ascii_lowercase().as_str() {
                    "authorization" => value.trim_start_matches("Bearer ").clone_into(&mut bearer),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let mut words = first.split(' ').map(str::to_owned);
        Some(Self {
            method: words.next()?,
            path: words.next()?,
            bearer,
            url: format!("http://{}", stream.local_addr().ok()?),
        })
    }
}

/// An answer: its status, further lines of its head, and its body.
pub(crate) type Answer = (u16, &'static str, String);

/// Starts one that goes on until the test ends, and gives back its address.
pub(crate) fn answering(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let Some(asked) = Asked::read(&stream) else {
                    return;
                };
                let (status, lines, body) = answer(&asked);
                let length = body.len();
                // Whoever asked may have gone.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            });
        }
    });
    url
}
