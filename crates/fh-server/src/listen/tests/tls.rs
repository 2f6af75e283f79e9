//! TLS, and its certificate's exchange.

use std::path::Path;

use fh_settings::TlsFiles;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

use super::*;
use crate::listen::{ListenError, load_pair};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, directory: &Path) -> TlsFiles {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let files = TlsFiles {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn client(&self, address: SocketAddr) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.0.pem().as_bytes()).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([root])
            .resolve("localhost", address)
    }
}

fn url(server: &Listening, path: &str) -> String {
    format!("https://localhost:{}{path}", server.tcp().port())
}

#[tokio::test]
async fn both_versions_of_http_by_alpn() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let files = authority.issue(directory.path());
    let server = listening(|settings| settings.tls = Some(files));
    let http2 = authority.client(server.tcp()).build().unwrap();
    let http1 = authority.client(server.tcp()).http1_only().build().unwrap();
    for (client, version) in [(http2, "HTTP/2.0"), (http1, "HTTP/1.1")] {
        let answer = client.get(url(&server, "/version")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), version);
        let sent = client
            .post(url(&server, "/count"))
            .body(vec![1; 1 << 20])
            .send()
            .await
            .unwrap();
        assert_eq!(sent.text().await.unwrap(), (1 << 20).to_string());
    }
    // One that speaks no TLS, and one that says nothing, do no harm.
    let mut plain = server.connect().await;
    send(&mut plain, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!soon(read_to_end(&mut plain)).await.contains("hello"));
    let mut silent = server.connect().await;
    assert_eq!(soon(read_to_end(&mut silent)).await, "");
    server.stop().await;
}

#[tokio::test]
async fn a_new_pair_is_taken_and_a_bad_one_is_not() {
    let (before, after) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let files = before.issue(directory.path());
    let server = listening(|settings| settings.tls = Some(files.clone()));
    // A client for each request: certificates count when a connection begins.
    let trusted = async |authority: &Authority| {
        let client = authority.client(server.tcp()).build().unwrap();
        client.get(url(&server, "/hello")).send().await.is_ok()
    };
    assert!(trusted(&before).await);
    assert!(!trusted(&after).await);

    std::fs::write(&files.key, "no key").unwrap();
    server.serving.reload_certificates().await;
    assert!(
        trusted(&before).await,
        "a file that is no key replaced the pair"
    );
    std::fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    server.serving.reload_certificates().await;
    assert!(
        trusted(&before).await,
        "a key of another certificate replaced the pair"
    );

    after.issue(directory.path());
    server.serving.reload_certificates().await;
    assert!(trusted(&after).await);
    assert!(!trusted(&before).await);

    // Without being told: the files are looked at every few seconds.
    before.issue(directory.path());
    soon(async {
        while !trusted(&before).await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    server.stop().await;
}

#[test]
fn pairs_that_cannot_be_used_are_told_apart() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let files = authority.issue(directory.path());
    load_pair(&files).unwrap();

    let swapped = TlsFiles {
        certificate: files.key.clone(),
        key: files.certificate.clone(),
    };
    assert!(matches!(
        load_pair(&swapped),
        Err(ListenError::NoPem {
            what: "certificate",
            ..
        })
    ));
    let missing = TlsFiles {
        key: directory.path().join("missing"),
        ..files.clone()
    };
    assert!(matches!(
        load_pair(&missing),
        Err(ListenError::TlsFile { .. })
    ));
    let secret = KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(&files.key, &secret).unwrap();
    assert!(matches!(
        load_pair(&files),
        Err(ListenError::TlsPair { .. })
    ));
    std::fs::write(&files.key, secret.replace("BEGIN", "BEGUN")).unwrap();
    let error = load_pair(&files).unwrap_err();
    let line = secret.lines().nth(1).unwrap();
    assert!(
        !format!("{error:?}").contains(line),
        "an error shows the key"
    );
}

#[tokio::test]
async fn a_file_that_is_none_is_named_and_replaces_nothing() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let files = authority.issue(directory.path());
    let server = listening(|settings| settings.tls = Some(files.clone()));
    for file in [&files.certificate, &files.key] {
        let kept = std::fs::read(file).unwrap();
        for (kind, reason) in [
            ("pipe", "it is a pipe, and not a regular file"),
            ("directory", "it is a directory, and not a regular file"),
            ("device", "it is a device, and not a regular file"),
            ("huge", "it has more than 1048576 bytes"),
        ] {
            std::fs::remove_file(file).unwrap();
            match kind {
                "pipe" => crate::testing::make_pipe(file),
                "directory" => std::fs::create_dir(file).unwrap(),
                "device" => std::os::unix::fs::symlink("/dev/zero", file).unwrap(),
                // Sparse: it takes no room.
                _ => std::fs::File::create(file)
                    .unwrap()
                    .set_len(300 << 20)
                    .unwrap(),
            }
            let Err(ListenError::TlsFile { path, source }) = load_pair(&files) else {
                panic!("{kind} was read, or is not named");
            };
            assert_eq!((&path, source.to_string().as_str()), (file, reason));
            soon(server.serving.reload_certificates()).await;
            let client = authority.client(server.tcp()).build().unwrap();
            let answer = client.get(url(&server, "/hello")).send().await;
            assert_eq!(answer.unwrap().status(), 200, "{kind}");
            let removed = std::fs::remove_file(file).or_else(|_| std::fs::remove_dir(file));
            removed.unwrap();
            std::fs::write(file, &kept).unwrap();
        }
    }
    server.stop().await;
}
