use super::*;

#[test]
fn a_server_starts_answers_restarts_and_goes() {
    let mut server = TestServer::start().unwrap();
    assert_eq!(server.get("/readyz", None).unwrap().status, 200);
    server.create_flake("acme/app", "private").unwrap();
    let token = server.user_with_role("alice", "acme/app", "read").unwrap();

    let url = server.url().to_owned();
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    let flakes = server.get("/api/v1/flakes", Some(&token)).unwrap();
    assert!(flakes.expect(200).unwrap().text().contains("acme/app"));

    let data = server.data_dir().to_owned();
    drop(server);
    assert!(!data.exists());
}

#[test]
fn tls_with_an_authority_of_its_own() {
    let server = TestServer::builder().tls().start().unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    assert_eq!(server.get("/healthz", None).unwrap().status, 200);
    assert!(server.authority_file().unwrap().is_file());
}
