//! A server on a loopback address that tells what credentials it was sent.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

/// Answers every request and tells its `Authorization` header.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    headers: Receiver<Option<String>>,
}

impl Server {
    pub(crate) fn start(address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, headers) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let mut authorization = None;
                for line in BufReader::new(&connection).lines().map_while(Result::ok) {
                    if line.is_empty() {
                        break;
                    }
                    if let Some((name, value)) = line.split_once(": ")
                        && name.eq_ignore_ascii_case("authorization")
                    {
                        authorization = Some(value.to_owned());
                    }
                }
                let body = "StoreDir: /nix/store\n";
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                // First: who asked may look as soon as it has its answer.
                if sender.send(authorization).is_err() {
                    return;
                }
                let _ = (&connection).write_all(answer.as_bytes());
            }
        });
        Self { address, headers }
    }

    /// What was sent since the last question.
    pub(crate) fn sent(&self) -> Vec<Option<String>> {
        self.headers.try_iter().collect()
    }
}

/// The header for a login and password.
pub(crate) fn basic(login: &[u8], password: &[u8]) -> String {
    format!("Basic {}", base64(&[login, b":", password].concat()))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [
            chunk[0],
            chunk.get(1).copied().unwrap_or(0),
            chunk.get(2).copied().unwrap_or(0),
        ];
        let number = padded
            .iter()
            .fold(0_usize, |number, &byte| number << 8 | usize::from(byte));
        for place in 0..4 {
            let letter = LETTERS[number >> (18 - 6 * place) & 63];
            text.push(if place > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}
