//! Clients that are slow, silent, or gone.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn slow_headers_are_cut_however_steadily_they_drip() {
    let server = listening(|_| {});
    let stream = server.connect().await;
    let started = Instant::now();
    let (mut reading, mut writing) = stream.into_split();
    let cut = async {
        writing.write_all(b"GET /hello HTTP/1.1\r\n").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if writing.write_all(b"X: y\r\n").await.is_err() {
                break;
            }
        }
    };
    // The client is told, also while it goes on sending.
    let told = async {
        let mut answer = String::new();
        reading.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, ()) = soon(async { tokio::join!(told, cut) }).await;
    assert!(is_408(&answer), "{answer}");
    assert!(
        started.elapsed() >= Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    server.stop().await;
}

fn is_408(answer: &str) -> bool {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: fh_api::ErrorBody = serde_json::from_str(body).unwrap();
    head.starts_with("HTTP/1.1 408 ") && body.error == fh_api::ErrorCode::Timeout
}

#[tokio::test]
async fn a_silent_connection_and_half_an_http_2_preface_are_cut() {
    let server = listening(|_| {});
    for start in ["", "PRI * HTTP/2.0\r\n"] {
        let mut stream = server.connect().await;
        send(&mut stream, start).await;
        let started = Instant::now();
        assert_eq!(soon(read_to_end(&mut stream)).await, "");
        assert!(started.elapsed() < Duration::from_secs(5), "{start:?}");
    }
    // The whole preface, and then no request.
    let mut stream = server.connect().await;
    send(
        &mut stream,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    )
    .await;
    soon(read_to_end(&mut stream)).await;
    server.stop().await;
}

#[tokio::test]
async fn the_second_request_has_the_same_time_limit_and_idling_another() {
    let server = listening(|_| {});
    let first = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    // Idle: longer than the limit of headers, and closed in the end.
    let mut idle = server.connect().await;
    send(&mut idle, first).await;
    soon(read_until(&mut idle, "hello")).await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(900)).await;
    send(&mut idle, first).await;
    soon(read_until(&mut idle, "hello")).await;
    assert_eq!(soon(read_to_end(&mut idle)).await, "");
    assert!(
        started.elapsed() > Duration::from_millis(2200),
        "{:?}",
        started.elapsed()
    );

    server.stop().await;

    let server = listening(|settings| settings.timeouts.idle = Duration::from_secs(60));
    let mut slow = server.connect().await;
    send(&mut slow, first).await;
    soon(read_until(&mut slow, "hello")).await;
    let started = Instant::now();
    send(&mut slow, "GET /hel").await;
    let answer = soon(read_to_end(&mut slow)).await;
    assert!(is_408(&answer), "{answer}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up_and_a_slow_one_is_not() {
    let server = listening(|_| {});
    let head = "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n";
    let mut stalled = server.connect().await;
    send(&mut stalled, head).await;
    send(&mut stalled, "1234").await;
    let answer = soon(read_until(&mut stalled, "no byte of the body")).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let mut slow = server.connect().await;
    send(&mut slow, head).await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        send(&mut slow, "x").await;
    }
    soon(read_until(&mut slow, "\r\n\r\n8")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_truncated_body_is_an_error_for_the_handler_not_for_the_server() {
    let server = listening(|_| {});
    let mut stream = server.connect().await;
    send(
        &mut stream,
        "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n1234",
    )
    .await;
    stream.shutdown().await.unwrap();
    let answer = soon(read_to_end(&mut stream)).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
        "{answer}"
    );
    let still = reqwest::get(server.url("/hello")).await.unwrap();
    assert_eq!(still.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_told_so_to_a_client_that_goes_on_sending() {
    let server = listening(|_| {});
    let http2 = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    for client in [reqwest::Client::new(), http2] {
        // With a length, and in chunks that add up.
        let body = vec![0; (1 << 20) + 1];
        let stated = client
            .post(server.url("/count"))
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(stated.status(), 413);
        let pieces = futures_util::stream::iter(
            body.chunks(10_000)
                .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                .collect::<Vec<_>>(),
        );
        let body = reqwest::Body::wrap_stream(pieces);
        let chunked = client
            .post(server.url("/count"))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(chunked.status(), 413);
        assert!(chunked.text().await.unwrap().contains("1048576"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_whose_body_nobody_read() {
    let server = listening(|_| {});
    let mut stream = server.connect().await;
    let body = "z".repeat(1 << 20);
    send(
        &mut stream,
        &format!(
            "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ),
    )
    .await;
    // What fits into the system's buffers would hide a reset.
    for piece in body.as_bytes().chunks(50_000) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = soon(read_until(&mut stream, "\r\n\r\nno")).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    // And the connection can be used again.
    send(&mut stream, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon(read_until(&mut stream, "hello")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_no_more_is_cut() {
    let server = listening(|_| {});
    let mut stream = server.connect().await;
    send(&mut stream, "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    read_until(&mut stream, "200 OK").await;
    // Does not read for longer than the limit; then what is in the buffers ends.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut left = 0_usize;
    let mut buffer = vec![0; 1 << 20];
    let drained = async {
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            left += count;
        }
    };
    soon(drained).await;
    assert!(left < 64 << 20, "{left} bytes");
    server.stop().await;
}

#[tokio::test]
async fn an_http_2_stream_that_is_never_read_is_cut() {
    let server = listening(|_| {});
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let mut answer = client.get(server.url("/endless")).send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    // The client's own buffers first, then the end.
    let ended = async { while let Ok(Some(_)) = answer.chunk().await {} };
    soon(ended).await;
    server.stop().await;
}
