//! Signed requests of AWS, with a Security Token Service on loopback that takes the signature `good`. One
//! that verifies signatures stands in the end-to-end tests.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use data_encoding::BASE64URL_NOPAD;
use fh_api::Whoami;
use fh_api::oauth::{AWS_BODY, AWS_TOKEN_TYPE, ExchangeAnswer, NonceAnswer};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::World;

const ARN: &str = "arn:aws:sts::123456789012:assumed-role/builder/i-0abc";

/// What it was sent.
type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

struct Sts {
    url: String,
    seen: Seen,
}

async fn sts() -> Sts {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let answer = move |headers: HeaderMap, body: String| {
        let seen = Arc::clone(&kept);
        async move {
            let good = headers["authorization"]
                .to_str()
                .unwrap()
                .ends_with("Signature=good");
            seen.lock().unwrap().push((headers, body));
            respond(good)
        }
    };
    let router = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Sts { url, seen }
}

fn respond(good: bool) -> Response {
    if !good {
        return (StatusCode::FORBIDDEN, "<ErrorResponse/>").into_response();
    }
    format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{ARN}</Arn>\
         <UserId>AROA:i-0abc</UserId><Account>123456789012</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    .into_response()
}

async fn nonce(world: &World) -> String {
    let answer = world
        .server
        .post("/oauth/nonce", "", json!({}))
        .await
        .expect(200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let answer: NonceAnswer = answer.json();
    assert_eq!(answer.expires_in, 300);
    answer.nonce
}

fn signed(world: &World, url: &str, nonce: &str, signature: &str) -> String {
    let now = time::OffsetDateTime::now_utc();
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let request = json!({
        "url": url, "body": AWS_BODY,
        "headers": {
            "x-amz-date": now.format(format).unwrap(),
            "x-fh-server": world.server.state.keys().audience(),
            "x-fh-nonce": nonce,
            "cookie": "secret",
            "authorization": format!("AWS4-HMAC-SHA256 Credential=a, \
                SignedHeaders=host;x-amz-date;x-fh-nonce;x-fh-server, Signature={signature}"),
        },
    });
    BASE64URL_NOPAD.encode(request.to_string().as_bytes())
}

fn policy() -> Value {
    json!({
        "provider": "aws", "role": "write", "flakes": ["acme/app"],
        "conditions": [
            { "claim": "account", "equals": "123456789012" },
            { "claim": "role", "equals": "builder" },
        ],
    })
}

#[tokio::test]
async fn a_signed_request_is_exchanged_once_for_what_its_policy_gives() {
    let sts = sts().await;
    let world = World::with_sts(std::slice::from_ref(&sts.url)).await;
    world.put("aws", policy()).await.expect(200);
    let request = signed(&world, &sts.url, &nonce(&world).await, "good");
    let answer = world
        .exchange_of(AWS_TOKEN_TYPE, &request, &[])
        .await
        .expect(200);
    let token = answer.json::<ExchangeAnswer>().access_token;
    assert_eq!(world.pushes("acme/app", &token).await, 200);
    let who: Whoami = world.whoami(&token).await.json();
    assert_eq!(who.workload.unwrap().subject, ARN);
    let again = world.exchange_of(AWS_TOKEN_TYPE, &request, &[]).await;
    assert_eq!(again.expect(400).json::<Value>()["error"], "invalid_grant");
    {
        let seen = sts.seen.lock().unwrap();
        let (headers, body) = &seen[0];
        assert_eq!(body, AWS_BODY);
        assert!(
            !headers.contains_key("cookie"),
            "only what is needed is sent on"
        );
    }
    let narrower = json!([
        { "claim": "account", "equals": "123456789012" },
        { "claim": "role", "equals": "other" },
    ]);
    let mut tightened = policy();
    tightened["conditions"] = narrower;
    world.put("aws", tightened).await.expect(200);
    world.whoami(&token).await.expect(401);
}

#[tokio::test]
async fn nothing_is_sent_on_that_is_not_bound_to_this_server_or_that_nobody_trusts() {
    let sts = sts().await;
    let world = World::with_sts(std::slice::from_ref(&sts.url)).await;
    let request = signed(&world, &sts.url, &nonce(&world).await, "good");
    world
        .exchange_of(AWS_TOKEN_TYPE, &request, &[])
        .await
        .expect(400);
    world.put("aws", policy()).await.expect(200);
    for request in [
        signed(&world, &sts.url, "made-up", "good"),
        signed(
            &world,
            "https://evil.example/",
            &nonce(&world).await,
            "good",
        ),
        signed(&world, "http://127.0.0.1:1/", &nonce(&world).await, "good"),
        "garbage".to_owned(),
    ] {
        world
            .exchange_of(AWS_TOKEN_TYPE, &request, &[])
            .await
            .expect(400);
    }
    assert!(sts.seen.lock().unwrap().is_empty());
    let unsigned = signed(&world, &sts.url, &nonce(&world).await, "bad");
    world
        .exchange_of(AWS_TOKEN_TYPE, &unsigned, &[])
        .await
        .expect(400);
    // It is no bearer credential.
    world.whoami(&unsigned).await.expect(401);
}

#[tokio::test]
async fn an_identity_of_a_jwt_is_never_one_of_aws() {
    let world = World::new().await;
    world.put("aws", policy()).await.expect(200);
    let forged = world.identity(json!({
        "iss": "aws", "account": "123456789012", "role": "builder", "sub": ARN,
    }));
    world.whoami(&forged).await.expect(401);
    world.exchange(&forged, &[]).await.expect(400);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_unavailable() {
    let endpoint = "http://127.0.0.1:9/".to_owned();
    let world = World::with_sts(std::slice::from_ref(&endpoint)).await;
    world.put("aws", policy()).await.expect(200);
    let nonce = nonce(&world).await;
    let request = signed(&world, &endpoint, &nonce, "good");
    world
        .exchange_of(AWS_TOKEN_TYPE, &request, &[])
        .await
        .expect(503);
}
