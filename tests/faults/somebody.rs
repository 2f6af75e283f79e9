//! People with an account, a flake and an address of their own, who speak HTTP by hand.
//!
//! All of 127.0.0.0/8 is this machine.

use std::io;
use std::net::TcpStream;

use fh_nix::NarHash;
use serde_json::{Value, json};

use crate::nix::http::{Answer, Http};
use crate::nix::served::Served;

/// A connection from another address of this machine.
pub(crate) fn connect_from(source: &str, to: &Http) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(format!("{source}:0").parse().unwrap())?;
        socket.connect(to.address).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Somebody with an account, at an address of their own.
pub(crate) struct Somebody {
    pub(crate) http: Http,
    pub(crate) source: &'static str,
}

impl Somebody {
    /// With a flake that they may write to.
    pub(crate) fn new(served: &Served, name: &str, source: &'static str) -> Self {
        let admin = served.admin();
        let http = admin.account(name, &["pull", "push", "mint"]);
        let org = json!({ "name": format!("{name}s") });
        admin.send("POST", "/api/v1/orgs", &org).expect(201);
        let flake = json!({ "flake": format!("{name}s/app"), "visibility": "private" });
        admin.send("POST", "/api/v1/flakes", &flake).expect(201);
        let member = format!("/api/v1/orgs/{name}s/members/{name}");
        let owner = json!({ "role": "owner" });
        admin.send("PUT", &member, &owner).expect(200);
        Self { http, source }
    }

    #[track_caller]
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> Answer {
        let stream = connect_from(self.source, &self.http).unwrap();
        self.http
            .request_on(stream, method, path, media_type, body)
            .unwrap()
    }

    /// Begins a push of a file with new contents: where it goes on, and its NAR.
    #[track_caller]
    pub(crate) fn plan(&self, flake: &str, contents: &[u8]) -> (String, Vec<u8>) {
        let nar = nar(contents);
        let pushes = format!("/api/v1/flakes/{flake}/pushes");
        let body = json!({ "paths": [path(contents, &nar)] }).to_string();
        let planned = self.request("POST", &pushes, "application/json", body.as_bytes());
        let planned = planned.expect(201).json();
        (format!("{pushes}/{}", planned["id"].as_str().unwrap()), nar)
    }

    /// A push from its plan to its commit.
    #[track_caller]
    pub(crate) fn push(&self, flake: &str, contents: &[u8]) {
        let request = |path: &str, media_type: &str, body: &[u8]| {
            Ok(self.request("POST", path, media_type, body))
        };
        push_with(request, flake, contents).unwrap();
    }

    /// As [`Self::push`], over a line that may be bad, to its address. That the server fails is no fault of the line.
    pub(crate) fn try_push(&self, over: &Http, flake: &str, contents: &[u8]) -> io::Result<()> {
        let request = |path: &str, media_type: &str, body: &[u8]| {
            let answer = over.request("POST", path, media_type, body)?;
            assert_ne!(answer.status, 500, "{path}: {}", answer.text());
            Ok(answer)
        };
        push_with(request, flake, contents)
    }

    /// The first lines of a request with a body of that length.
    pub(crate) fn head(&self, method: &str, path: &str, media_type: &str, length: &str) -> String {
        let token = self.http.token.as_deref().unwrap();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {media_type}\r\n{length}\r\n\r\n"
        )
    }
}

/// The hash of the store path that such a file is pushed as.
pub(crate) fn path_hash(contents: &[u8]) -> String {
    fh_nix::base32::encode(&NarHash::of(contents).as_bytes()[..20])
}

/// A push from its plan to its commit, by these requests; what is not answered as it should be is an error.
fn push_with(
    request: impl Fn(&str, &str, &[u8]) -> io::Result<Answer>,
    flake: &str,
    contents: &[u8],
) -> io::Result<()> {
    let nar = nar(contents);
    let pushes = format!("/api/v1/flakes/{flake}/pushes");
    let plan = json!({ "paths": [path(contents, &nar)] }).to_string();
    let ok = |answer: Answer| match answer.status {
        200 | 201 => Ok(answer.json()),
        status => Err(io::Error::other(format!("{status}: {}", answer.text()))),
    };
    let planned = ok(request(&pushes, "application/json", plan.as_bytes())?)?;
    // Where everything is there, the plan is the commit.
    let Some(id) = planned["id"].as_str() else {
        return Ok(());
    };
    let push = format!("{pushes}/{id}");
    let media_type = "application/vnd.fh.nar-batch";
    ok(request(&format!("{push}/nars"), media_type, &record(&nar))?)?;
    ok(request(&format!("{push}/commit"), "application/json", b"")?)?;
    Ok(())
}

/// What a plan says of such a file.
fn path(contents: &[u8], nar: &[u8]) -> Value {
    json!({
        "path": format!("{}-file", path_hash(contents)),
        "nar_hash": NarHash::of(nar).to_sri(),
        "nar_size": nar.len(),
    })
}

/// A batch of this NAR alone.
fn record(nar: &[u8]) -> Vec<u8> {
    let compressed = zstd::bulk::compress(nar, 1).unwrap();
    let mut record = NarHash::of(nar).as_bytes().to_vec();
    record.extend((compressed.len() as u64).to_le_bytes());
    record.extend(compressed);
    record
}

/// The NAR of a regular file.
pub(crate) fn nar(contents: &[u8]) -> Vec<u8> {
    let mut nar = Vec::new();
    let words: [&[u8]; 7] = [
        b"nix-archive-1",
        b"(",
        b"type",
        b"regular",
        b"contents",
        contents,
        b")",
    ];
    for word in words {
        nar.extend((word.len() as u64).to_le_bytes());
        nar.extend(word);
        nar.resize(nar.len().next_multiple_of(8), 0);
    }
    nar
}
