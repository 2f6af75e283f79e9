//! AWS's Security Token Service as moto models it, which verifies signatures here: both halves of the
//! exchange, `fh` and the server, against somebody else's.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fh_testkit::server::TestServer;

use super::{admin, company, job};

struct Moto {
    url: String,
    child: Child,
}

impl Moto {
    /// `INITIAL_NO_AUTH_ACTION_COUNT`: so many requests, and no more, need no signature.
    fn start(unsigned: &str) -> Option<Self> {
        let Some(program) = fh_testkit::identity::moto_server() else {
            fh_testkit::skipped("no moto_server: `cargo xtask test` installs it with pip");
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .env("INITIAL_NO_AUTH_ACTION_COUNT", unsigned)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self {
            url: format!("http://{address}"),
            child,
        };
        let patience = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < patience, "moto does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(moto)
    }

    /// A server that knows this AWS.
    fn server(&self) -> TestServer {
        let endpoint = format!("{}/", self.url);
        let server = TestServer::builder()
            .settings(move |settings| settings.workloads.sts_endpoints.push(endpoint))
            .start()
            .unwrap();
        company(&server);
        server
    }

    /// Asks the identity service, without a signature.
    fn iam(&self, form: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: iam.amazonaws.com\r\nConnection: close\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=x/20261128/us-east-1/iam/aws4_request, \
             SignedHeaders=host, Signature=x\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn element(answer: &str, name: &str) -> String {
    let (_, rest) = answer.split_once(&format!("<{name}>")).unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

#[test]
fn a_machine_of_aws_is_let_in_by_its_signature_and_by_no_other() {
    // All but those that make the user.
    let Some(moto) = Moto::start("3") else {
        return;
    };
    moto.iam("Action=CreateUser&Version=2010-05-08&UserName=builder");
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22\
                  Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D";
    let allow = format!(
        "Action=PutUserPolicy&Version=2010-05-08&UserName=builder&PolicyName=all&PolicyDocument={policy}"
    );
    moto.iam(&allow);
    let key = moto.iam("Action=CreateAccessKey&Version=2010-05-08&UserName=builder");
    let (id, secret) = (
        element(&key, "AccessKeyId"),
        element(&key, "SecretAccessKey"),
    );

    let server = moto.server();
    admin(
        &server,
        "trust add aws --account 123456789012 --flake acme/app",
    );
    let with = |secret: &str| {
        let variables = [
            ("FH_WORKLOAD", "aws"),
            ("AWS_ACCESS_KEY_ID", id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_STS", moto.url.as_str()),
        ];
        job(&server, &variables, &["list", "flakes", "--json"])
    };
    let listed = with(&secret);
    assert!(listed.status.success(), "{listed:?}");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["flake"], "acme/app");
    let forged = with("wrong");
    assert_eq!(forged.status.code(), Some(1), "{forged:?}");
}

/// As on EKS: the pod has a token of the cluster, which AWS exchanges for keys of a role.
#[test]
fn a_pod_is_let_in_by_the_role_that_its_token_is_exchanged_for() {
    let Some(moto) = Moto::start("1000") else {
        return;
    };
    let server = moto.server();
    let role = "arn:aws:iam::123456789012:role/builder";
    let policy = "--role-name builder --session of-the-pod --flake acme/app";
    admin(
        &server,
        &format!("trust add aws --account 123456789012 {policy}"),
    );
    let file = server.scratch().join("cluster-token");
    std::fs::write(&file, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwb2QifQ.x\n").unwrap();
    let with = |session: &str| {
        let variables = [
            ("FH_WORKLOAD", "aws"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
            ("AWS_ROLE_ARN", role),
            ("AWS_ROLE_SESSION_NAME", session),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_STS", moto.url.as_str()),
        ];
        job(&server, &variables, &["list", "flakes", "--json"])
    };
    let run = with("of-the-pod");
    let listed: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(listed[0]["flake"], "acme/app", "{run:?}");
    let another = with("of-another");
    assert_eq!(another.status.code(), Some(1), "{another:?}");
}
