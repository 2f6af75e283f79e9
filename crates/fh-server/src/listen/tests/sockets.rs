//! Addresses of all kinds, and HTTP in both versions.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use fh_settings::ListenAddress;

use super::*;
use crate::listen::{InheritedSocket, ListenError, probe};

fn unix(path: &Path) -> ListenAddress {
    ListenAddress::Unix {
        path: path.to_owned(),
        mode: 0o600,
    }
}

async fn get_by_unix(path: &Path) -> String {
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn several_addresses_a_unix_socket_and_metrics_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    let server = listening(|settings| {
        settings.listen = vec![
            "127.0.0.1:0".parse().unwrap(),
            "[::1]:0".parse().unwrap(),
            unix(&path),
        ];
        settings.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    });
    for address in &server.addresses {
        let answer = match address {
            BoundAddress::Tcp(address) => reqwest::get(format!("http://{address}/hello"))
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            BoundAddress::Unix(path) => get_by_unix(path).await,
        };
        assert!(answer.ends_with("hello"), "{address}: {answer}");
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let metrics = server.metrics_address.clone().unwrap();
    let rendered = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    let rendered = rendered.text().await.unwrap();
    assert!(rendered.contains("fh_http_requests_total{"), "{rendered}");
    let elsewhere = reqwest::get(format!("http://{metrics}/hello"))
        .await
        .unwrap();
    assert_eq!(elsewhere.status(), 404);

    server.stop().await;
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_an_answering_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    // Closing leaves the file, as a killed server does.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    probe(&unix(&path)).unwrap();
    let server = listening(|settings| settings.listen = vec![unix(&path)]);
    assert!(get_by_unix(&path).await.ends_with("hello"));

    let second = Sockets::bind(&[unix(&path)], None, Vec::new());
    assert!(matches!(second.err(), Some(ListenError::InUse { .. })));
    assert!(matches!(
        probe(&unix(&path)),
        Err(ListenError::InUse { .. })
    ));
    assert!(get_by_unix(&path).await.ends_with("hello"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_socket_stays_and_what_replaced_ours_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let refused = Sockets::bind(&[unix(&path)], None, Vec::new());
    assert!(matches!(
        refused.err(),
        Some(ListenError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");

    let path = directory.path().join("http.sock");
    let server = listening(|settings| settings.listen = vec![unix(&path)]);
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    server.stop().await;
    assert!(path.exists());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: ListenAddress = taken.local_addr().unwrap().to_string().parse().unwrap();
    let error = Sockets::bind(std::slice::from_ref(&address), None, Vec::new())
        .err()
        .unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
    assert!(matches!(probe(&address), Err(ListenError::Bind { .. })));
    assert!(matches!(
        Sockets::bind(&[], None, Vec::new()).err(),
        Some(ListenError::NoAddress)
    ));
}

#[tokio::test]
async fn inherited_sockets_are_served_and_their_files_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("activated.sock");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inherited = vec![
        InheritedSocket::Unix(UnixListener::bind(&path).unwrap()),
        InheritedSocket::Tcp(tcp),
    ];
    let sockets = Sockets::bind(&[], None, inherited).unwrap();
    assert!(
        sockets
            .public_url(false)
            .unwrap()
            .as_str()
            .starts_with("http://127.0.0.1:")
    );
    let settings = settings(&directory);
    let server = start(sockets, &settings, None, directory);
    assert!(get_by_unix(&path).await.ends_with("hello"));
    let answer = reqwest::get(server.url("/hello")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
    let kept = server.directory.path().to_owned();
    assert!(
        server
            .serving
            .stop(Duration::from_secs(5), std::future::pending())
            .await
    );
    assert!(kept.join("activated.sock").exists());
}

#[tokio::test]
async fn the_public_url_follows_from_the_first_tcp_address() {
    let directory = tempfile::tempdir().unwrap();
    let only_unix = Sockets::bind(&[unix(&directory.path().join("s"))], None, Vec::new()).unwrap();
    assert!(matches!(
        only_unix.public_url(false),
        Err(ListenError::NoPublicUrl)
    ));
    for (address, start) in [
        ("0.0.0.0:0", "https://localhost:"),
        ("[::1]:0", "https://[::1]:"),
    ] {
        let sockets = Sockets::bind(&[address.parse().unwrap()], None, Vec::new()).unwrap();
        assert!(
            sockets
                .public_url(true)
                .unwrap()
                .as_str()
                .starts_with(start)
        );
    }
}

#[tokio::test]
async fn http_2_with_prior_knowledge_and_http_1() {
    let server = listening(|_| {});
    let http2 = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    for (client, version) in [(reqwest::Client::new(), "HTTP/1.1"), (http2, "HTTP/2.0")] {
        let requests = (0..50).map(|_| client.get(server.url("/version")).send());
        for answer in futures_util::future::join_all(requests).await {
            assert_eq!(answer.unwrap().text().await.unwrap(), version);
        }
        let large = vec![7; 1 << 20];
        let sent = client
            .post(server.url("/count"))
            .body(large)
            .send()
            .await
            .unwrap();
        assert_eq!(sent.text().await.unwrap(), (1 << 20).to_string());
    }
    server.stop().await;
}

#[tokio::test]
async fn an_identity_fits_into_the_headers_and_more_is_told_its_size() {
    let server = listening(|_| {});
    let http2 = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let one = |length: usize| vec![("authorization".to_owned(), "x".repeat(length))];
    let many = |count: usize, length: usize| {
        let names = (0..count).map(|number| format!("x-{number}"));
        names.map(|name| (name, "x".repeat(length))).collect()
    };
    for (client, version) in [(reqwest::Client::new(), "HTTP/1.1"), (http2, "HTTP/2.0")] {
        for (what, headers, accepted) in [
            ("an identity", one("Bearer ".len() + (16 << 10)), true),
            ("the same as Basic", one((16 << 10) * 4 / 3 + 20), true),
            ("many", many(60, 300), true),
            ("one that is too long", one(40 << 10), false),
            ("many that are too long", many(10, 4 << 10), false),
            ("just too long", one(32 << 10), false),
        ] {
            let mut request = client.get(server.url("/version"));
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            let answer = soon(request.send()).await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.text().await.unwrap();
            if accepted {
                assert_eq!((status, body.as_str()), (200, version), "{what}");
                continue;
            }
            assert_eq!(status, 431, "{what} {version}");
            let body: fh_api::ErrorBody = serde_json::from_str(&body).unwrap();
            assert!(
                body.message.ends_with("at most 32768 are accepted"),
                "{body:?}"
            );
        }
        // The next request is served as if there had been none.
        let after = client.get(server.url("/hello")).send().await.unwrap();
        assert_eq!(after.text().await.unwrap(), "hello");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_connection_goes_on() {
    let server = listening(|_| {});
    let mut stream = server.connect().await;
    send(&mut stream, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = soon(read_until(&mut stream, "request_id")).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(!answer.contains("as asked"), "{answer}");
    send(&mut stream, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(read_until(&mut stream, "\r\n\r\nhello")).await;
    server.stop().await;
}

#[tokio::test]
async fn at_the_limit_connections_wait() {
    let server = listening(|settings| {
        settings.limits.connections = 1;
        settings.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    });
    let mut first = server.connect().await;
    send(&mut first, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(read_until(&mut first, "hello")).await;

    let mut second = server.connect().await;
    send(&mut second, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), second.readable()).await;
    assert!(waiting.is_err(), "the second was answered");
    // A full server can be watched.
    let metrics = server.metrics_address.clone().unwrap();
    let rendered = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    assert!(rendered.text().await.unwrap().contains("fh_connections "));

    drop(first);
    soon(read_until(&mut second, "hello")).await;
    server.stop().await;
}
