use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;

/// Answers every byte with the same byte, until the end.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let stream = stream.unwrap();
                // Broken off by most of these tests.
                let _ = std::io::copy(&mut &stream, &mut &stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

fn through(plan: Plan) -> (Proxy, TcpStream) {
    let proxy = Proxy::start(echo(), move |_| plan).unwrap();
    let client = TcpStream::connect(proxy.address()).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    (proxy, client)
}

/// Sends these bytes while it reads, and gives back what comes until the end.
fn exchange(client: &TcpStream, bytes: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut client = client;
            let _ = client.write_all(bytes);
            let _ = client.shutdown(Shutdown::Write);
        });
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        let mut client = client;
        loop {
            match client.read(&mut buffer) {
                Ok(0) => return (answer, None),
                Ok(count) => answer.extend_from_slice(&buffer[..count]),
                Err(error) => return (answer, Some(error.kind())),
            }
        }
    })
}

#[test]
fn everything_passes_and_is_counted() {
    let bytes = vec![7; 1_000_000];
    for plan in [Plan::CLEAR, Plan::round_trip(Duration::from_millis(4))] {
        let (proxy, client) = through(plan);
        assert_eq!(exchange(&client, &bytes), (bytes.clone(), None));
        let counts = proxy.counts();
        assert_eq!((counts.to_server, counts.to_client), (1_000_000, 1_000_000));
        assert_eq!((counts.connections, counts.faults), (1, 0));
    }
}

#[test]
fn exchanges_are_questions_each_of_which_waits_for_its_answer() {
    let (proxy, mut client) = through(Plan::CLEAR);
    for _ in 0..5 {
        client.write_all(b"question").unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
    }
    assert_eq!(proxy.counts().exchanges, 5);
    assert_eq!(proxy.counts().round_trips(), 6);
    let _other = TcpStream::connect(proxy.address()).unwrap();
    let by_connection = || proxy.counts_by_connection();
    while by_connection().len() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(by_connection()[0].exchanges, 5);
    assert_eq!(by_connection()[1].exchanges, 0);
}

#[test]
fn a_delay_is_for_each_byte_and_not_one_after_the_other() {
    let time = Duration::from_millis(200);
    let (_proxy, mut client) = through(Plan::round_trip(time));
    let begin = Instant::now();
    client.write_all(b"?").unwrap();
    client.read_exact(&mut [0; 1]).unwrap();
    // The connection and the question; a machine that is busy only makes it longer.
    assert!(begin.elapsed() >= time * 2, "{:?}", begin.elapsed());
    let begin = Instant::now();
    let bytes = vec![7; 1_000_000];
    assert_eq!(exchange(&client, &bytes).0, bytes);
    // One after the other it would be 60 chunks of 200 ms.
    assert!(begin.elapsed() >= time, "{:?}", begin.elapsed());
    assert!(begin.elapsed() < time * 40, "{:?}", begin.elapsed());
}

#[test]
fn a_throttle_holds_back_the_sender() {
    let (_proxy, client) = through(Plan::throttled(400_000));
    let begin = Instant::now();
    let bytes = vec![7; 200_000];
    assert_eq!(exchange(&client, &bytes), (bytes, None));
    assert!(begin.elapsed() >= Duration::from_millis(400));
}

#[test]
fn a_line_is_cut_at_its_byte() {
    let bytes = vec![7; 100_000];
    for after in [0, 1, 54_321] {
        let (proxy, client) = through(Plan {
            to_client: Line::cut(after, End::Close),
            ..Plan::CLEAR
        });
        let (answer, error) = exchange(&client, &bytes);
        // What was not read yet when it was closed turns its end into a reset; nothing more comes.
        assert!(answer.len() as u64 <= after, "{} {error:?}", answer.len());
        let counts = proxy.counts();
        assert_eq!((counts.to_client, counts.faults), (after, 1));

        let (proxy, client) = through(Plan {
            to_server: Line::cut(after, End::Reset),
            ..Plan::CLEAR
        });
        let (_, error) = exchange(&client, &bytes);
        assert_eq!(error, Some(ErrorKind::ConnectionReset));
        assert_eq!(proxy.counts().to_server, after);
    }
}

#[test]
fn a_closed_line_ends_without_an_error() {
    let (_proxy, mut client) = through(Plan {
        to_client: Line::cut(3, End::Close),
        ..Plan::CLEAR
    });
    client.write_all(b"abc").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"abc");
}

#[test]
fn a_stalled_line_goes_on_or_waits_until_it_is_cut() {
    let pause = Duration::from_millis(300);
    let (_proxy, client) = through(Plan {
        to_server: Line::stalled(5, Some(pause)),
        ..Plan::CLEAR
    });
    let begin = Instant::now();
    assert_eq!(exchange(&client, b"question").0, b"question");
    assert!(begin.elapsed() >= pause);

    let (proxy, mut client) = through(Plan {
        to_client: Line::stalled(5, None),
        ..Plan::CLEAR
    });
    client.write_all(b"question").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    client.set_read_timeout(Some(pause)).unwrap();
    let error = client.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    proxy.cut_all(End::Reset);
    let error = client.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn connections_are_refused_for_a_while() {
    let proxy = Proxy::start(echo(), |_| Plan::CLEAR).unwrap();
    let mut before = TcpStream::connect(proxy.address()).unwrap();
    before.write_all(b"a").unwrap();
    before.read_exact(&mut [0; 1]).unwrap();
    for _ in 0..3 {
        proxy.refuse().unwrap();
        let error = TcpStream::connect(proxy.address()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        // What was there stays.
        before.write_all(b"b").unwrap();
        before.read_exact(&mut [0; 1]).unwrap();
        proxy.accept().unwrap();
        let after = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(exchange(&after, b"c").0, b"c");
    }
    let address = proxy.address();
    drop(proxy);
    let error = TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_ne!(before.read(&mut [0; 1]).ok(), Some(1));
}

#[test]
fn a_server_that_is_not_there_breaks_the_connection() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let proxy = Proxy::start(address, |_| Plan::CLEAR).unwrap();
    let client = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(exchange(&client, b"a").0, b"");
}

#[test]
fn random_plans_follow_from_the_seed() {
    use crate::random::Random;
    let plans = |seed| {
        let random = Random::seeded(seed);
        let each = move |number| Plan::random(&mut random.derived(number), 1000);
        (0..200).map(each).collect::<Vec<_>>()
    };
    assert_eq!(plans(1), plans(1));
    assert_ne!(plans(1), plans(2));
    let faulty = |plan: &&Plan| plan.to_server.fault.is_some() || plan.to_client.fault.is_some();
    let faulty = plans(1).iter().filter(faulty).count();
    assert!((100..190).contains(&faulty), "{faulty}");
}
