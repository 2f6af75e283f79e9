use std::time::Duration;

use fh_persistence::tenure;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

fn settings(directory: &TempDir) -> Settings {
    fh_settings::ephemeral(&directory.path().join("data")).unwrap()
}

fn address(server: &RunningServer) -> std::net::SocketAddr {
    let BoundAddress::Tcp(address) = &server.addresses()[0] else {
        panic!("no TCP address");
    };
    *address
}

async fn get(server: &RunningServer, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address(server)).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_serves_when_started_and_keeps_what_it_was() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(settings(&directory)).await.unwrap();
    assert_eq!(server.url(), format!("http://{}", address(&server)));
    let token = std::fs::read_to_string(directory.path().join("data/admin.token")).unwrap();
    let answer = get(&server, "/api/v1/whoami", token.trim()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        get(&server, "/readyz", "")
            .await
            .starts_with("HTTP/1.1 200")
    );
    server.stop().await;

    // Another port, so another public URL: the tokens are this server's all the same.
    let server = Server::start(settings(&directory)).await.unwrap();
    let answer = get(&server, "/api/v1/whoami", token.trim()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn the_last_use_of_a_token_is_written_before_it_stops() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(settings(&directory)).await.unwrap();
    let token = std::fs::read_to_string(directory.path().join("data/admin.token")).unwrap();
    get(&server, "/api/v1/whoami", token.trim()).await;
    server.stop().await;
    let connection = rusqlite::Connection::open(directory.path().join("data/fh.sqlite")).unwrap();
    let used: i64 = connection
        .query_row("SELECT COUNT(last_used_at) FROM token", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(used, 1);
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut unusable = settings(&directory);
    unusable.listen = vec![taken.local_addr().unwrap().to_string().parse().unwrap()];
    let error = Server::start(unusable).await.unwrap_err();
    assert!(matches!(error, ServerError::Listen(_)), "{error}");
    assert!(!tenure::is_in_use(&directory.path().join("data")));
    Server::start(settings(&directory))
        .await
        .unwrap()
        .stop()
        .await;
}

#[tokio::test]
async fn a_server_that_is_dropped_stops() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(settings(&directory)).await.unwrap();
    let address = address(&server);
    let second = Server::start(settings(&directory)).await;
    assert!(matches!(second, Err(ServerError::InUse { .. })));
    drop(server);
    for _ in 0..100 {
        let free = !tenure::is_in_use(&directory.path().join("data"));
        if free && TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it still runs");
}

#[tokio::test]
async fn run_ends_with_its_shutdown() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    run(
        settings(&directory),
        tokio::time::sleep(Duration::from_millis(50)),
    )
    .await
    .unwrap();
    assert!(data.join("admin.token").exists());
    assert!(!tenure::is_in_use(&data));
}

#[tokio::test]
async fn what_requests_have_begun_is_waited_for_at_the_stop() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(settings(&directory)).await.unwrap();
    let work = server.state.tenure().clone();
    let (end_task, task) = tokio::sync::oneshot::channel();
    let (end_thread, thread) = std::sync::mpsc::channel();
    let task = work.spawn(async move { task.await.is_ok() });
    let thread = work.spawn_blocking(move || thread.recv().is_ok());
    let stop = server.stop();
    tokio::pin!(stop);
    let moment = Duration::from_millis(500);
    assert!(tokio::time::timeout(moment, &mut stop).await.is_err());
    end_task.send(()).unwrap();
    assert!(task.await.unwrap());
    assert!(tokio::time::timeout(moment, &mut stop).await.is_err());
    end_thread.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), stop).await;
    ended.expect("it takes too long");
    assert!(thread.await.unwrap());
}
