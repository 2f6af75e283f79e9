//! Why a server cannot be reached, in words; and whose certificate is believed.

use std::net::SocketAddr;
use std::time::Duration;

use fh_client::{Client, Error, UnreachableCause};

use super::{Server, WHOAMI, client, json, tls};

fn cause(error: Error) -> UnreachableCause {
    match error {
        Error::Unreachable { cause, .. } => cause,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn why_a_server_cannot_be_reached_is_said_in_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = |url: String| client(&url).with_retries(0);
    let error = client(format!("http://{address}"))
        .whoami()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot reach http://{address}/api/v1/whoami: the connection was refused")
    );
    assert_eq!(cause(error), UnreachableCause::Refused);

    // A name that cannot be one in the DNS needs no resolver to fail (RFC 6761, 6.4).
    let error = client("http://fh.invalid".to_owned())
        .whoami()
        .await
        .unwrap_err();
    let host = "fh.invalid".to_owned();
    assert_eq!(cause(error), UnreachableCause::Dns { host });

    let closing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closing.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = closing.accept().await {
            drop(stream);
        }
    });
    let error = client(format!("http://{address}"))
        .whoami()
        .await
        .unwrap_err();
    assert_eq!(cause(error), UnreachableCause::Closed);
    let error = client(format!("https://{address}"))
        .whoami()
        .await
        .unwrap_err();
    assert!(matches!(
        cause(error),
        UnreachableCause::Closed | UnreachableCause::Tls { .. }
    ));

    let plain = Server::start(|_| json(200, WHOAMI)).await;
    let error = client(format!("https://{}", plain.address))
        .whoami()
        .await
        .unwrap_err();
    let reason = "the other end does not speak TLS".to_owned();
    assert_eq!(cause(error), UnreachableCause::Tls { reason });

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let client = Client::builder(&format!("http://{address}"))
        .unwrap()
        .read_timeout(Duration::from_millis(50))
        .retries(0)
        .build()
        .unwrap();
    assert_eq!(
        cause(client.whoami().await.unwrap_err()),
        UnreachableCause::TimedOut
    );
}

/// A TLS server with a certificate of its own authority; gives back its address and the authority.
async fn tls_server(host: &str) -> (SocketAddr, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let (leaf, authority) = tls::issued(&tls::parameters(&[host], host), &key);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{WHOAMI}",
        WHOAMI.len()
    );
    let address = tls::serve_answer(leaf.der().clone(), &key, answer).await;
    (address, authority)
}

#[tokio::test]
async fn a_certificate_is_trusted_only_with_its_authority() {
    let (address, authority) = tls_server("127.0.0.1").await;
    let url = format!("https://{address}");
    let error = client(&url).whoami().await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its TLS certificate is not trusted: its issuer is unknown to this machine"),
        "{error}"
    );
    let with = |pem: &str| {
        Client::builder(&url)
            .unwrap()
            .ca_certificates(pem.as_bytes().to_vec())
            .build()
    };
    with(&authority).unwrap().whoami().await.unwrap();
    for bad in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(
            matches!(
                with(bad),
                Err(Error::CaCertificate { .. } | Error::HttpSetup(_))
            ),
            "{bad}"
        );
    }

    let (address, authority) = tls_server("elsewhere.example").await;
    let client = Client::builder(&format!("https://{address}"))
        .unwrap()
        .ca_certificates(authority.into_bytes())
        .retries(0)
        .build()
        .unwrap();
    let reason = "it is for another host name".to_owned();
    assert_eq!(
        cause(client.whoami().await.unwrap_err()),
        UnreachableCause::Certificate {
            reason,
            is_unknown: false,
        }
    );
}
