//! Every operation of the OpenAPI document × every kind of credentials. An operation without a row, and
//! a row without an operation, fail.

mod rows;

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use fh_auth::Claims;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use self::rows::rows;
use crate::testing::{TestServer, template};

/// What an operation answers to whom. `{flake}` is a private flake that Ann administers, `{id}` a token
/// of Ann's, `{nobody}` an id of nothing.
struct Row {
    method: Method,
    path: &'static str,
    body: Option<Value>,
    anonymous: u16,
    /// Ann's token with every permission but the one that this needs.
    wrong_permission: u16,
    /// Ann's token with every permission, narrowed to another flake.
    wrong_flake: u16,
    /// A token of somebody who was granted nothing, with every permission.
    stranger: u16,
    /// Somebody who was granted `read` on the flake.
    reader: u16,
    /// Whose token is right: the server administrator's, or Ann's.
    by_administrator: bool,
    needs: &'static str,
    right: u16,
}

/// What looks at no credentials.
const OPEN: &[&str] = &[
    "GET /.well-known/fh",
    "GET /.well-known/jwks.json",
    "GET /api/v1/openapi.json",
    "GET /healthz",
    "GET /readyz",
    "POST /oauth/nonce",
    "POST /oauth/token",
];

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

struct People {
    ann: String,
    narrowed: String,
    stranger: String,
    reader: String,
    /// Credentials that are none, and what the refusal says.
    bad: Vec<(String, &'static str)>,
    /// A token of Ann's with all that she may do.
    victim: String,
}

async fn people(server: &TestServer, other: &TestServer) -> People {
    let ann = server.user("ann").await;
    let stranger = server.user("bob").await;
    let reader = server.user("cleo").await;
    server.user("dan").await;
    server.organization("acme", &ann).await;
    server.flake("acme/app", "private", &ann).await;
    server.grant("acme/app", "cleo", "read", &ann).await;
    server.member("acme", "dan", "member", &ann).await;
    let revoked = server.narrow(&ann, &ALL, &["*"]).await;
    server.revoke(&revoked).await;
    let mut forged = ann.clone();
    let signature = forged.rfind('.').unwrap() + 1;
    let other_letter = if forged[signature..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    forged.replace_range(signature..=signature, other_letter);
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let claims = Claims {
        nbf: now + 3600,
        exp: now + 7200,
        ..fh_auth::read_unverified(&ann).unwrap()
    };
    let early = server.state.keys().token().sign(&claims).unwrap();
    let claims = fh_auth::read_unverified(&ann).unwrap();
    // Another server's key under everything that is ours.
    let foreign = other.state.keys().token().sign(&claims).unwrap();
    let payload = BASE64URL_NOPAD.encode(&serde_json::to_vec(&claims).unwrap());
    let header = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let unsigned = format!(
        "{}.{payload}.",
        header(json!({ "alg": "none", "typ": "JWT" }))
    );
    let public = server.state.keys().token().jwk();
    let hs256 = jsonwebtoken::encode(
        &jsonwebtoken::Header {
            kid: Some(public.kid.clone()),
            ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
        },
        &claims,
        &jsonwebtoken::EncodingKey::from_secret(
            &BASE64URL_NOPAD.decode(public.x.as_bytes()).unwrap(),
        ),
    )
    .unwrap();
    let stranger_issuer = format!(
        "{}.{}.c2ln",
        header(json!({ "alg": "RS256", "typ": "JWT", "kid": "1" })),
        BASE64URL_NOPAD.encode(
            json!({
                "iss": "https://issuer.example.org",
                "aud": server.state.keys().audience(),
                "sub": "x",
                "exp": now + 600,
            })
            .to_string()
            .as_bytes()
        )
    );
    let bad = vec![
        (server.expired(&ann).await, "the token expired at "),
        (early.to_string(), "the token is not valid before "),
        (revoked, "the token was revoked at "),
        (
            other.admin.clone(),
            "the token is for another server (https://cache.example.org)",
        ),
        (forged, "the token's signature is not valid"),
        (foreign.to_string(), "the token's signature is not valid"),
        (unsigned, "the token's signature is not valid"),
        (hs256, "the token's signature is not valid"),
        (stranger_issuer, ""),
        ("garbage".to_owned(), "this is not a token"),
        ("fh1_a.b.c".to_owned(), "this is not a token"),
    ];
    People {
        narrowed: server.narrow(&ann, &ALL, &["acme/other"]).await,
        victim: server.narrow(&ann, &ALL, &["*"]).await,
        ann,
        stranger,
        reader,
        bad,
    }
}

/// The operations of the document that look at credentials, and those that do not.
fn operations() -> [BTreeSet<(String, String)>; 2] {
    let document: Value = serde_json::from_str(&crate::openapi()).unwrap();
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let looks = operation.get("security").is_some();
            found[usize::from(!looks)].insert((method.to_uppercase(), path.clone()));
        }
    }
    found
}

#[test]
fn every_operation_has_a_row() {
    let [looking, open] = operations();
    let covered: BTreeSet<(String, String)> = rows()
        .iter()
        .map(|row| {
            let address = row.path.replace("{flake}", "acme/app");
            let template = template(&row.method, &address);
            let template = template.unwrap_or_else(|| panic!("{address} is no operation"));
            (row.method.to_string(), template.to_owned())
        })
        .collect();
    let missing: Vec<_> = looking.difference(&covered).collect();
    assert!(missing.is_empty(), "no row says who may do {missing:?}");
    let open: Vec<String> = open
        .into_iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    assert_eq!(open, OPEN, "what asks for no credentials is listed");
}

#[tokio::test]
async fn every_route_answers_each_kind_of_caller() {
    let server = TestServer::start_with(tempfile::TempDir::new().unwrap(), |settings| {
        // Each row shows a dozen bad credentials.
        settings.limits.login_failures = 0;
    })
    .await;
    let other = TestServer::start().await;
    let people = people(&server, &other).await;
    let victim = fh_auth::read_unverified(&people.victim).unwrap().jti;
    let mut number = 0;
    let mut wrong = Vec::new();
    for row in rows() {
        let path = row
            .path
            .replace("{flake}", "acme/app")
            .replace("{id}", &victim.to_string())
            .replace("{nobody}", &Uuid::now_v7().to_string());
        let mut call = async |token: &str| {
            number += 1;
            let body = row.body.as_ref().map(|body| {
                let text = body.to_string().replace("{n}", &number.to_string());
                serde_json::from_str(&text).unwrap()
            });
            let path = path.replace("{n}", &number.to_string());
            server.call(row.method.clone(), &path, token, body).await
        };
        let what = format!("{} {}", row.method, row.path);

        for (token, sentence) in &people.bad {
            let answer = call(token).await;
            assert_eq!(answer.status, 401, "{what}: {sentence}");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let message =
                serde_json::from_str::<fh_api::ErrorBody>(&text).map_or(text, |body| body.message);
            assert!(message.starts_with(sentence), "{what}: {message}");
            assert!(!message.contains(token.as_str()), "{what}");
            let schemes: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            assert_eq!(schemes.len(), 2, "{what}: {schemes:?}");
        }
        let right = if row.by_administrator {
            &server.admin
        } else {
            &people.ann
        };
        let less: Vec<_> = ALL.into_iter().filter(|word| *word != row.needs).collect();
        let wrong_permission = server.narrow(right, &less, &["*"]).await;
        for (who, token, expected) in [
            ("anonymous", "", row.anonymous),
            (
                "wrong permission",
                wrong_permission.as_str(),
                row.wrong_permission,
            ),
            ("wrong flake", people.narrowed.as_str(), row.wrong_flake),
            ("stranger", people.stranger.as_str(), row.stranger),
            ("reader", people.reader.as_str(), row.reader),
            ("right", right.as_str(), row.right),
        ] {
            let answer = call(token).await;
            if answer.status != expected {
                wrong.push(format!(
                    "{what}: {who}: {} instead of {expected}: {:?}",
                    answer.status, answer.body
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_public_asks_for_nothing() {
    let server = TestServer::start().await;
    for path in OPEN
        .iter()
        .filter_map(|operation| operation.strip_prefix("GET "))
    {
        for token in ["", "garbage"] {
            server.get(path, token).await.expect(200);
        }
    }
    let discovery: fh_api::Discovery = server.get("/.well-known/fh", "").await.json();
    assert_eq!(discovery.name, "fh");
    assert_eq!(discovery.api_url, "https://cache.example.org");
    assert_eq!(discovery.audience, server.state.keys().audience());
    assert_eq!(discovery.public_keys.len(), 2);
    assert_eq!(discovery.store_dir, "/nix/store");

    let keys: Value = server.get("/.well-known/jwks.json", "").await.json();
    let key: fh_auth::Jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    assert_eq!(key, server.state.keys().token().jwk());
    let text = keys.to_string();
    assert!(!text.contains("\"d\""), "no secret half: {text}");
}
