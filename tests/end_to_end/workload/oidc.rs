//! An issuer that somebody else has written: discovery, RS256, a rotated key, and an issuer that went away.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fh_testkit::server::{Builder, TestServer};
use serde_json::{Value, json};

use super::{admin, company, job, reads};

pub(crate) struct Issuer {
    pub(crate) url: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Issuer {
    pub(crate) fn start() -> Option<Self> {
        let Some(directory) = fh_testkit::identity::oauth2_mock_server() else {
            fh_testkit::skipped("no oauth2-mock-server: `cargo xtask test` installs it with npm");
            return None;
        };
        // Modules are looked for from where the script is.
        let script = directory.join("issuer.mjs");
        std::fs::write(&script, include_str!("issuer.mjs")).unwrap();
        let mut child = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut issuer = Self {
            url: String::new(),
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        issuer.url = issuer.line();
        Some(issuer)
    }

    /// A server that takes its identities.
    pub(crate) fn server(&self) -> Builder {
        let allowed = self.url.clone();
        TestServer::builder().settings(move |settings| settings.workloads.issuers.push(allowed))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the issuer is gone");
        line.trim().to_owned()
    }

    fn tell(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        self.line()
    }

    fn sign(&mut self, audience: &str, subject: &str) -> String {
        self.sign_numbered(audience, subject, 0)
    }

    /// Differs between all numbers.
    pub(crate) fn sign_numbered(&mut self, audience: &str, subject: &str, number: usize) -> String {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "iss": self.url, "aud": audience, "sub": subject, "iat": now, "exp": now + 300,
            "jti": number.to_string(),
        });
        self.tell(&claims.to_string())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn audience(server: &TestServer) -> String {
    let answer = server.get("/.well-known/fh", None).unwrap();
    let discovery: Value = serde_json::from_slice(&answer.body).unwrap();
    discovery["audience"].as_str().unwrap().to_owned()
}

#[test]
fn an_issuer_that_somebody_else_has_written_is_trusted_and_may_rotate_and_go_away() {
    let Some(mut issuer) = Issuer::start() else {
        return;
    };
    let url = issuer.url.clone();
    let server = issuer.server().start().unwrap();
    company(&server);
    let policy = "--subject builder --flake acme/app --role write --name ci";
    admin(&server, &format!("trust add oidc --issuer {url} {policy}"));
    let audience = audience(&server);

    // A new key before the first fetch: the set has two then.
    issuer.tell("rotate");
    let identity = issuer.sign(&audience, "builder");
    assert_eq!(reads(&server, &identity), ["acme/app"]);
    let stranger = issuer.sign(&audience, "somebody");
    let refused = server.get("/api/v1/whoami", Some(&stranger)).unwrap();
    assert_eq!(refused.status, 401);
    let elsewhere = issuer.sign("https://other.example", "builder");
    let refused = server.get("/api/v1/whoami", Some(&elsewhere)).unwrap();
    assert_eq!(refused.status, 401);

    // By itself, in a job.
    let file = server.scratch().join("identity");
    std::fs::write(&file, &identity).unwrap();
    let file = file.to_str().unwrap();
    let variables = [("FH_WORKLOAD", "token"), ("FH_WORKLOAD_TOKEN_FILE", file)];
    let listed = job(&server, &variables, &["list", "flakes", "--json"]);
    assert!(listed.status.success(), "{listed:?}");
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["flake"], "acme/app");

    // The keys that were fetched go on without the issuer.
    let later = issuer.sign(&audience, "builder");
    drop(issuer);
    assert_eq!(reads(&server, &later), ["acme/app"]);
    admin(&server, "trust remove acme ci --yes");
    let refused = server.get("/api/v1/whoami", Some(&identity)).unwrap();
    assert_eq!(refused.status, 401);
}
