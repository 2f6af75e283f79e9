//! Many connections of one address, and what is left for others.

use std::time::Instant;

use tokio::net::TcpSocket;

use super::*;

const REQUEST: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// A connection that comes from another address of this machine.
async fn connect_from(source: &str, server: &Listening) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    socket.connect(server.tcp()).await.unwrap()
}

/// How long an answer takes on a new connection.
async fn answered(source: &str, server: &Listening) -> Duration {
    let started = Instant::now();
    let mut stream = connect_from(source, server).await;
    send(&mut stream, REQUEST).await;
    soon(read_until(&mut stream, "hello")).await;
    started.elapsed()
}

/// Nothing ends by itself as long as a test runs.
fn patient(places: usize) -> Listening {
    listening(|settings| {
        settings.limits.connections = places;
        settings.timeouts.header = Duration::from_secs(60);
        settings.timeouts.idle = Duration::from_secs(60);
        settings.timeouts.stall = Duration::from_secs(60);
    })
}

#[tokio::test]
async fn one_address_does_not_keep_another_out() {
    let server = patient(16);
    let mut crowd = Vec::new();
    for number in 0..60 {
        let mut stream = connect_from("127.0.0.2", &server).await;
        // Some are silent, some have asked once, some have begun to ask; those beyond their part are closed.
        let said = ["", REQUEST, "GET /hel"][number % 3];
        let _ = stream.write_all(said.as_bytes()).await;
        crowd.push(stream);
    }
    for _ in 0..20 {
        let took = answered("127.0.0.3", &server).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    // Also while a second address does the same.
    for _ in 0..60 {
        crowd.push(connect_from("127.0.0.4", &server).await);
    }
    let took = answered("127.0.0.3", &server).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(crowd);
    server.stop().await;
}

#[tokio::test]
async fn what_is_idle_goes_where_others_of_the_same_address_wait() {
    let server = patient(8);
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = connect_from("127.0.0.2", &server).await;
        send(&mut stream, REQUEST).await;
        soon(read_until(&mut stream, "hello")).await;
        idle.push(stream);
    }
    let mut other = connect_from("127.0.0.3", &server).await;
    send(&mut other, REQUEST).await;
    soon(read_until(&mut other, "hello")).await;
    // One of them goes, and no more than are needed.
    let took = answered("127.0.0.2", &server).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Another's idle connection stays.
    send(&mut other, REQUEST).await;
    soon(read_until(&mut other, "hello")).await;
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_is_trusted_is_no_address() {
    let server = listening(|settings| {
        settings.limits.connections = 8;
        settings.trusted_proxies = vec!["127.0.0.2".parse().unwrap()];
        settings.timeouts.idle = Duration::from_secs(60);
    });
    let mut all = Vec::new();
    for _ in 0..8 {
        let mut stream = connect_from("127.0.0.2", &server).await;
        send(&mut stream, REQUEST).await;
        soon(read_until(&mut stream, "hello")).await;
        all.push(stream);
    }
    // None was closed to make room for another.
    for stream in &mut all {
        send(stream, REQUEST).await;
        soon(read_until(stream, "hello")).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_drips_is_ended_and_a_server_that_is_late_blames_nobody() {
    let server = listening(|settings| settings.limits.body_rate = 1000);
    let head = "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    let (mut reading, mut writing) = server.connect().await.into_split();
    writing.write_all(head.as_bytes()).await.unwrap();
    let dripping = async {
        while writing.write_all(&[b'x'; 20]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let told = async {
        let mut answer = [0; 1000];
        let count = reading.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(answer.get(..count).unwrap()).into_owned()
    };
    let answer = soon(async {
        tokio::select! {
            () = dripping => panic!("nobody said anything"),
            answer = told => answer,
        }
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("less than 1000 bytes a second"), "{answer}");

    // The handler does not read for longer than a window.
    let late = reqwest::Client::new()
        .post(server.url("/late"))
        .body(vec![0; 500])
        .send()
        .await
        .unwrap();
    assert_eq!(late.text().await.unwrap(), "500");
    server.stop().await;
}

/// Asks on a connection again and again, until it is closed.
async fn ask_without_a_pause(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while stream.write_all(REQUEST.as_bytes()).await.is_ok()
        && matches!(stream.read(&mut buffer).await, Ok(1..))
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn who_asks_without_a_pause_lets_go_where_others_wait() {
    for (places, sources, newcomer) in [
        // All that one address may have.
        (8, ["127.0.0.2"; 4], "127.0.0.2"),
        // No address has more than one.
        (
            4,
            ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"],
            "127.0.0.6",
        ),
    ] {
        let server = listening(|settings| {
            settings.limits.connections = places;
            settings.timeouts.header = Duration::from_secs(60);
            settings.timeouts.idle = Duration::from_secs(1);
            settings.timeouts.stall = Duration::from_secs(60);
        });
        let mut asking = tokio::task::JoinSet::new();
        for source in sources {
            let mut stream = connect_from(source, &server).await;
            send(&mut stream, REQUEST).await;
            soon(read_until(&mut stream, "hello")).await;
            asking.spawn(ask_without_a_pause(stream));
        }
        answered(newcomer, &server).await;
        server.stop().await;
    }
}

/// A body in pieces of 20 bytes, each after so many milliseconds.
fn in_pieces(pauses: &'static [u64]) -> reqwest::Body {
    let pieces = futures_util::stream::iter(pauses).then(async |pause| {
        tokio::time::sleep(Duration::from_millis(*pause)).await;
        Ok::<_, std::io::Error>(vec![b'x'; 20])
    });
    reqwest::Body::wrap_stream(pieces)
}

/// The streams of a connection share a window, which a body that nobody reads may fill. `/late` reads none of its body
/// for two seconds.
#[tokio::test]
async fn on_http_2_nobody_is_blamed_for_what_another_body_is_in_the_way_of() {
    let server = listening(|settings| settings.limits.body_rate = 1000);
    let client = || {
        let builder = reqwest::Client::builder().http2_prior_knowledge();
        builder.build().unwrap()
    };
    let post = async |client: &reqwest::Client, path: &str, body: reqwest::Body| {
        let sent = client.post(server.url(path)).body(body).send().await;
        sent.unwrap().text().await.unwrap()
    };
    let check = async |pauses: &'static [u64], fault: &str| {
        let (shared, own) = (client(), client());
        // So that both find the same connection.
        let hello = shared.get(server.url("/hello")).send().await;
        hello.unwrap().text().await.unwrap();
        let (late, beside, alone) = tokio::join!(
            post(&shared, "/late", vec![0; 500].into()),
            post(&shared, "/count", in_pieces(pauses)),
            post(&own, "/count", in_pieces(pauses)),
        );
        assert_eq!(late, "500");
        assert_eq!(beside, (20 * pauses.len()).to_string());
        assert!(alone.contains(fault), "{alone}");
    };
    tokio::join!(
        // 80 bytes a second.
        check(&[250; 6], "less than 1000 bytes a second"),
        // Nothing for longer than a body may stand still.
        check(&[0, 1200], "no byte of the body"),
    );
    server.stop().await;
}
