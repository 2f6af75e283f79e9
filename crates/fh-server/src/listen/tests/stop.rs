//! The graceful stop.

use std::time::Instant;

use super::*;

/// A running transfer, and a connection kept alive after another.
async fn stops_with_grace(client: reqwest::Client) {
    let server = listening(|settings| settings.timeouts.stall = Duration::from_secs(20));
    let address = server.tcp();
    let url = server.url("");
    client
        .get(format!("{url}/hello"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let running = client.get(format!("{url}/slow")).send().await.unwrap();
    let mut upload = server.connect().await;
    send(
        &mut upload,
        "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n12",
    )
    .await;
    let mut idle = server.connect().await;
    send(&mut idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(read_until(&mut idle, "hello")).await;

    let started = Instant::now();
    let serving = server.serving;
    let stopping = tokio::spawn(async move {
        serving
            .stop(Duration::from_secs(20), std::future::pending())
            .await
    });
    assert_eq!(
        soon(read_to_end(&mut idle)).await,
        "",
        "an idle connection is closed"
    );
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "new connections were taken for long"
    );

    let body = soon(running.bytes()).await.unwrap();
    assert_eq!(
        body.len(),
        PIECE.len() * PIECES,
        "the running download was cut"
    );
    send(&mut upload, "34").await;
    let answer = soon(read_to_end(&mut upload)).await;
    assert!(
        answer.ends_with("\r\n\r\n4"),
        "the running upload was cut: {answer:?}"
    );
    assert!(soon(stopping).await.unwrap(), "something had to be ended");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn running_transfers_finish_and_nothing_new_is_taken_http_1() {
    stops_with_grace(reqwest::Client::new()).await;
}

#[tokio::test]
async fn running_transfers_finish_and_nothing_new_is_taken_http_2() {
    stops_with_grace(
        reqwest::Client::builder()
            .http2_prior_knowledge()
            .build()
            .unwrap(),
    )
    .await;
}

#[tokio::test]
async fn an_idle_http_2_client_that_does_not_say_goodbye_is_not_waited_for() {
    let server = listening(|_| {});
    let mut stream = server.connect().await;
    // Preface, empty SETTINGS, and HEADERS of GET http://a/hello in HPACK's static and literal forms.
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    request.extend_from_slice(b"\0\0\x0c\x01\x05\0\0\0\x01\x82\x86\x04\x06/hello\x41\x01a");
    // The length of the header block is counted here, not above.
    let length = u8::try_from(request.len() - 33 - 9).unwrap();
    *request.get_mut(35).unwrap() = length;
    stream.write_all(&request).await.unwrap();
    soon(read_until(&mut stream, "hello")).await;
    let started = Instant::now();
    // Answers neither GOAWAY nor PING from now on.
    assert!(
        soon(
            server
                .serving
                .stop(Duration::from_secs(15), std::future::pending())
        )
        .await
    );
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn the_time_limit_and_a_second_signal_end_what_is_running() {
    for limited in [true, false] {
        let server = listening(|_| {});
        let mut running = reqwest::get(server.url("/endless")).await.unwrap();
        running.chunk().await.unwrap();
        let started = Instant::now();
        let soon_enough = Duration::from_millis(300);
        let finished = if limited {
            server
                .serving
                .stop(soon_enough, std::future::pending())
                .await
        } else {
            server
                .serving
                .stop(Duration::from_secs(60), tokio::time::sleep(soon_enough))
                .await
        };
        assert!(!finished);
        assert!(started.elapsed() < Duration::from_secs(5));
        let end = soon(async {
            loop {
                match running.chunk().await {
                    Ok(Some(_)) => {}
                    other => break other,
                }
            }
        });
        assert!(end.await.is_err(), "a cut transfer must not look whole");
    }
}
