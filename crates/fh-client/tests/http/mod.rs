//! One exchange: what is sent, what an answer means, what is tried again.

mod tls;
mod unreachable;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use fh_api::{CreateOrganization, ErrorCode, Role};
use fh_client::{Client, Error, UnreachableCause};
use http::{HeaderMap, Method, StatusCode};
use secrecy::SecretString;

type Answers = Arc<dyn Fn(usize) -> Response + Send + Sync>;

/// A request as it came.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    target: String,
    headers: HeaderMap,
}

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// A server that gives these answers; they are told how many came before.
    async fn start(answers: impl Fn(usize) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers: Answers = Arc::new(answers);
        let log = seen.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (log, answers) = (log.clone(), answers.clone());
            async move {
                let mut log = log.lock().unwrap();
                log.push(Seen {
                    method: request.method().clone(),
                    target: request.uri().to_string(),
                    headers: request.headers().clone(),
                });
                answers(log.len() - 1)
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, seen }
    }

    fn client(&self) -> Client {
        client(&format!("http://{}", self.address))
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn client(url: &str) -> Client {
    Client::builder(url)
        .unwrap()
        .token(SecretString::from(" fh1_secret\n"))
        .retries(3)
        .first_retry_wait(Duration::from_millis(1))
        .connect_timeout(Duration::from_secs(5))
        .user_agent("fh/test")
        .build()
        .unwrap()
}

fn json(status: u16, text: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [("content-type", "application/json")],
        text.to_owned(),
    )
        .into_response()
}

const WHOAMI: &str = r#"{"user":"ann","kind":"human","server_admin":false,
    "token_id":"00000000-0000-0000-0000-000000000001","token_description":null,
    "permissions":["push"],"flakes":["*"],"expires_at":"2030-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn a_request_carries_the_token_and_little_else() {
    let server = Server::start(|_| json(200, WHOAMI)).await;
    assert_eq!(server.client().whoami().await.unwrap().user.as_str(), "ann");
    let seen = server.seen();
    assert_eq!(seen[0].target, "/api/v1/whoami");
    assert_eq!(seen[0].headers["authorization"], "Bearer fh1_secret");
    assert_eq!(seen[0].headers["user-agent"], "fh/test");
    assert!(seen[0].headers.get("accept-encoding").is_none());
}

#[tokio::test]
async fn a_base_address_with_a_path_is_kept() {
    let server = Server::start(|_| json(200, WHOAMI)).await;
    let client = client(&format!("http://{}/below/here/", server.address));
    client.whoami().await.unwrap();
    assert_eq!(server.seen()[0].target, "/below/here/api/v1/whoami");
}

#[tokio::test]
async fn the_servers_sentence_is_what_one_reads() {
    let server = Server::start(|_| {
        json(
            403,
            r#"{"code":403,"error":"forbidden","message":"ann may not\n\u001b[31mdo this","request_id":"r-9"}"#,
        )
    })
    .await;
    let error = server.client().whoami().await.unwrap_err();
    assert_eq!(error.to_string(), "ann may not [31mdo this");
    assert_eq!(error.status(), Some(403));
    assert_eq!(error.code(), Some(ErrorCode::Forbidden));
    assert_eq!(error.request_id(), Some("r-9"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_bad_token_is_its_own_error() {
    let server = Server::start(|number| match number {
        0 => json(
            401,
            r#"{"code":401,"error":"unauthorized","message":"the token has expired"}"#,
        ),
        _ => json(401, "<html>no</html>"),
    })
    .await;
    for expected in ["the token has expired", "no"] {
        let Error::Unauthorized { message, .. } = server.client().whoami().await.unwrap_err()
        else {
            panic!("not unauthorized");
        };
        assert_eq!(message, expected);
    }
}

#[tokio::test]
async fn a_page_of_a_proxy_is_shortened() {
    let page = format!("<html><h1>Blocked</h1>{}</html>", "word ".repeat(1000));
    let server = Server::start(move |_| json(403, &page)).await;
    let error = server.client().whoami().await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 403, .. }));
    let text = error.to_string();
    assert!(
        text.contains("answered with status 403: Blocked word"),
        "{text}"
    );
    assert!(text.chars().count() < 300);
}

#[tokio::test]
async fn an_endless_error_page_is_not_read_to_its_end() {
    let server = Server::start(|_| {
        let endless =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(9000)));
        let mut response = Response::new(Body::from_stream(endless));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    })
    .await;
    let error = server.client().whoami().await.unwrap_err();
    assert_eq!(error.status(), Some(400));
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let elsewhere = Server::start(|_| json(200, WHOAMI)).await;
    let location = format!("http://{}/", elsewhere.address);
    let server = Server::start(move |_| {
        (
            StatusCode::TEMPORARY_REDIRECT,
            [("location", location.clone())],
        )
            .into_response()
    })
    .await;
    let error = server.client().whoami().await.unwrap_err();
    assert!(matches!(error, Error::Redirected { .. }), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn an_answer_of_another_kind_is_an_error() {
    let server = Server::start(|_| json(200, "{}")).await;
    let error = server.client().whoami().await.unwrap_err();
    assert!(matches!(error, Error::InvalidAnswer { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_fh_server_is_called_so() {
    for answer in [
        (404, "not found"),
        (200, "<html>hello</html>"),
        (401, "who are you"),
        (200, r#"{"name":"other"}"#),
    ] {
        let server = Server::start(move |_| json(answer.0, answer.1)).await;
        let error = server.client().discovery().await.unwrap_err();
        assert!(
            matches!(error, Error::NotAnFhServer { .. }),
            "{answer:?}: {error}"
        );
    }
    let server = Server::start(|_| json(500, "")).await;
    let error = server.client().discovery().await.unwrap_err();
    assert!(
        matches!(error, Error::Status { status: 500, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn transient_failures_are_tried_again_with_growing_waits() {
    for status in [408, 429, 502, 503, 504] {
        let server = Server::start(move |number| match number {
            0..3 => json(status, "busy"),
            _ => json(200, WHOAMI),
        })
        .await;
        server.client().whoami().await.unwrap();
        assert_eq!(server.seen().len(), 4, "{status}");
    }
    let server = Server::start(|_| json(503, "busy")).await;
    let error = server.client().whoami().await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(server.seen().len(), 4);
    for status in [400, 404, 409, 500, 501] {
        let server = Server::start(move |_| json(status, "no")).await;
        server.client().whoami().await.unwrap_err();
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let server = Server::start(|number| match number {
        0 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response(),
        _ => json(200, WHOAMI),
    })
    .await;
    let begin = Instant::now();
    server.client().whoami().await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_creation_is_repeated_only_where_it_surely_was_not_done() {
    let new = CreateOrganization {
        name: "acme".parse().unwrap(),
        exist_ok: false,
        owner: None,
    };
    for (status, attempts) in [(502, 1), (504, 1), (408, 1), (503, 4), (429, 4)] {
        let server = Server::start(move |_| json(status, "")).await;
        server.client().create_organization(&new).await.unwrap_err();
        assert_eq!(server.seen().len(), attempts, "{status}");
    }
}

#[tokio::test]
async fn routes_are_where_the_api_has_them() {
    let server = Server::start(|_| json(404, "")).await;
    let client = server.client().with_retries(0);
    let flake = "acme/app".parse().unwrap();
    let user = "ann".parse().unwrap();
    let id = uuid::Uuid::from_u128(1);
    let _ = client.organizations().await;
    let _ = client.flakes().await;
    let _ = client.flake(&flake).await;
    let _ = client
        .update_flake(&flake, &fh_api::UpdateFlake::default())
        .await;
    let _ = client.delete_flake(&flake).await;
    let on = "acme/app".parse().unwrap();
    let _ = client.grants(&on).await;
    let team = "team:ops".parse().unwrap();
    let _ = client.set_grant(&on, &team, Role::Read).await;
    let _ = client.remove_grant(&on, &"ann".parse().unwrap()).await;
    let whole = "acme/*".parse().unwrap();
    let _ = client.grants(&whole).await;
    let members = "@members".parse().unwrap();
    let _ = client.set_grant(&whole, &members, Role::Read).await;
    // Not even asked: a grant on everything there is does not exist.
    client.grants(&"*".parse().unwrap()).await.unwrap_err();
    let (org, team) = ("acme".parse().unwrap(), "ops".parse().unwrap());
    let _ = client.organization(&org).await;
    let _ = client.members(&org).await;
    let role = fh_api::OrganizationRole::Admin;
    let _ = client.set_member(&org, &user, role).await;
    let _ = client.remove_member(&org, &user).await;
    let _ = client.team(&org, &team).await;
    let _ = client.add_team_member(&org, &team, &user).await;
    let _ = client.remove_team_member(&org, &team, &user).await;
    let _ = client.service_accounts(&org).await;
    let _ = client.remove_service_account(&org, &user).await;
    let path = "3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a-a+b";
    let _ = client.explain_access(path, Some(&user)).await;
    client.explain_access("a&user=b", None).await.unwrap_err();
    let _ = client.users().await;
    let _ = client.user(&user).await;
    let _ = client.tokens_of(&user).await;
    let _ = client.tokens(false).await;
    let _ = client.tokens(true).await;
    let _ = client.token(id).await;
    let _ = client.revoke_token(id, false).await;
    let _ = client.revoke_token(id, true).await;
    let _ = client.token_revocation(id, false).await;
    let _ = client.abandon_push(&flake, id).await;
    let seen: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| {
            format!(
                "{} {}",
                seen.method,
                seen.target.trim_start_matches("/api/v1")
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "GET /orgs",
            "GET /flakes",
            "GET /flakes/acme/app",
            "PATCH /flakes/acme/app",
            "DELETE /flakes/acme/app",
            "GET /flakes/acme/app/grants",
            "PUT /flakes/acme/app/grants/team:ops",
            "DELETE /flakes/acme/app/grants/ann",
            "GET /orgs/acme/grants",
            "PUT /orgs/acme/grants/@members",
            "GET /orgs/acme",
            "GET /orgs/acme/members",
            "PUT /orgs/acme/members/ann",
            "DELETE /orgs/acme/members/ann",
            "GET /orgs/acme/teams/ops",
            "PUT /orgs/acme/teams/ops/members/ann",
            "DELETE /orgs/acme/teams/ops/members/ann",
            "GET /orgs/acme/service-accounts",
            "DELETE /orgs/acme/service-accounts/ann",
            "GET /access?path=3w5d2cbf8m0v9n5c4q1k7r6z8y2x0s1a-a%2Bb&user=ann",
            "GET /users",
            "GET /users/ann",
            "GET /tokens?user=ann",
            "GET /tokens",
            "GET /tokens?all=true",
            "GET /tokens/00000000-0000-0000-0000-000000000001",
            "DELETE /tokens/00000000-0000-0000-0000-000000000001",
            "DELETE /tokens/00000000-0000-0000-0000-000000000001?with_made_for_others=true",
            "GET /tokens/00000000-0000-0000-0000-000000000001/revocation",
            "DELETE /flakes/acme/app/pushes/00000000-0000-0000-0000-000000000001",
        ]
    );
}

/// A server whose answer to everybody has this head, and then comes a byte at a time without end.
async fn dripping(head: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_answer_that_drips_is_given_up() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 1000000\r\n\r\n",
    ] {
        let client = Client::builder(&dripping(head).await)
            .unwrap()
            .read_timeout(Duration::from_millis(200))
            .retries(0)
            .build()
            .unwrap();
        let asked = tokio::time::timeout(Duration::from_secs(20), client.whoami());
        let error = asked.await.expect("it is given up").unwrap_err();
        assert!(
            matches!(
                error,
                Error::Unreachable {
                    cause: UnreachableCause::TimedOut,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn who_listens_to_a_client_hears_what_a_server_asks_to_wait() {
    let server = Server::start(|number| match number {
        0 => {
            let mut busy = json(503, "{}");
            busy.headers_mut()
                .insert("retry-after", "1".parse().unwrap());
            busy
        }
        _ => json(200, WHOAMI),
    })
    .await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listening = heard.clone();
    let client = Client::builder(&format!("http://{}", server.address))
        .unwrap()
        .on_retry(Arc::new(move |event| {
            listening.lock().unwrap().push((event.wait, event.asked));
        }))
        .first_retry_wait(Duration::from_millis(1))
        .build()
        .unwrap();
    client.whoami().await.unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(*heard.lock().unwrap(), [(second, Some(second))]);
}

#[tokio::test]
async fn a_413_of_a_proxy_is_told_from_the_servers_own() {
    let ours = r#"{"code":413,"error":"too_large","message":"the body is larger than 5 bytes"}"#;
    let server = Server::start(move |number| match number {
        0 => json(413, ours),
        _ => json(
            413,
            "<html><title>413 Request Entity Too Large</title></html>",
        ),
    })
    .await;
    let client = server.client();
    let error = client.whoami().await.unwrap_err();
    assert!(matches!(error, Error::Api { status: 413, .. }), "{error:?}");
    let error = client.whoami().await.unwrap_err();
    assert!(matches!(error, Error::TooLargeForProxy { .. }), "{error:?}");
    assert_eq!(error.status(), Some(413));
    assert!(
        error
            .to_string()
            .ends_with(": 413 Request Entity Too Large"),
        "{error}"
    );
}

#[tokio::test]
async fn the_token_is_in_no_debug_output_and_in_no_error() {
    let server = Server::start(|_| json(500, "")).await;
    let builder = Client::builder(&format!("http://{}", server.address))
        .unwrap()
        .token(SecretString::from("fh1_secret"));
    assert!(!format!("{builder:?}").contains("fh1_secret"));
    let client = builder.build().unwrap();
    assert!(!format!("{client:?}").contains("fh1_secret"));
    let error = client.whoami().await.unwrap_err();
    assert!(!format!("{error:?}").contains("fh1_secret"));
    for bad in ["", " ", "two words", "line\nbreak", "\u{e4}"] {
        let result = Client::builder("http://x")
            .unwrap()
            .token(SecretString::from(bad))
            .build();
        assert!(matches!(result, Err(Error::InvalidToken { .. })), "{bad:?}");
    }
}
