//! Every route × every kind of credentials.

use http::Method;
use serde_json::{Value, json};

use crate::testing::TestServer;

/// What a route answers to whom. `{flake}` is a private flake that Ann administers, `{id}` a token
/// of Ann's.
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

const ALL: [&str; 4] = ["pull", "push", "mint", "admin"];

fn row(method: Method, path: &'static str, body: Option<Value>) -> Row {
    Row {
        method,
        path,
        body,
        anonymous: 401,
        wrong_permission: 403,
        wrong_flake: 404,
        stranger: 404,
        reader: 403,
        by_administrator: false,
        needs: "admin",
        right: 200,
    }
}

/// The rows, in an order in which each right call still finds what it needs.
fn rows() -> Vec<Row> {
    let flake = "/api/v1/flakes/{flake}";
    let on_flake = |method, path, body| Row {
        anonymous: 404,
        ..row(method, path, body)
    };
    let for_administrator = |method, path, body| Row {
        wrong_permission: 403,
        wrong_flake: 403,
        stranger: 403,
        by_administrator: true,
        ..row(method, path, body)
    };
    // A token's own, so nobody else's matters here.
    let own = |method, path, body, right| Row {
        wrong_flake: right,
        stranger: right,
        reader: right,
        right,
        ..row(method, path, body)
    };
    vec![
        Row {
            wrong_permission: 200,
            needs: "",
            ..own(Method::GET, "/api/v1/whoami", None, 200)
        },
        Row {
            needs: "pull",
            ..own(Method::GET, "/api/v1/orgs", None, 200)
        },
        Row {
            wrong_flake: 403,
            ..own(
                Method::POST,
                "/api/v1/orgs",
                Some(json!({ "name": "new-{n}" })),
                201,
            )
        },
        for_administrator(Method::GET, "/api/v1/users", None),
        Row {
            right: 201,
            ..for_administrator(
                Method::POST,
                "/api/v1/users",
                Some(json!({ "name": "new-{n}" })),
            )
        },
        Row {
            anonymous: 200,
            wrong_permission: 200,
            needs: "pull",
            ..own(Method::GET, "/api/v1/flakes", None, 200)
        },
        Row {
            anonymous: 401,
            wrong_flake: 403,
            stranger: 404,
            reader: 403,
            right: 201,
            ..row(
                Method::POST,
                "/api/v1/flakes",
                Some(json!({ "flake": "acme/new-{n}" })),
            )
        },
        Row {
            reader: 200,
            needs: "pull",
            ..on_flake(Method::GET, flake, None)
        },
        Row {
            reader: 200,
            needs: "pull",
            ..on_flake(Method::GET, "/api/v1/flakes/{flake}/paths", None)
        },
        on_flake(Method::PATCH, flake, Some(json!({ "description": "x" }))),
        on_flake(Method::GET, "/api/v1/flakes/{flake}/grants", None),
        on_flake(
            Method::PUT,
            "/api/v1/flakes/{flake}/grants/dan",
            Some(json!({ "role": "read" })),
        ),
        Row {
            right: 204,
            ..on_flake(Method::DELETE, "/api/v1/flakes/{flake}/grants/dan", None)
        },
        Row {
            wrong_permission: 200,
            ..own(Method::GET, "/api/v1/tokens", None, 200)
        },
        Row {
            wrong_flake: 403,
            stranger: 403,
            reader: 403,
            by_administrator: true,
            ..own(Method::GET, "/api/v1/tokens?all=true", None, 200)
        },
        Row {
            needs: "mint",
            ..own(Method::POST, "/api/v1/tokens", Some(json!({})), 201)
        },
        Row {
            wrong_permission: 404,
            wrong_flake: 404,
            stranger: 404,
            reader: 404,
            ..own(Method::GET, "/api/v1/tokens/{id}", None, 200)
        },
        Row {
            wrong_permission: 404,
            wrong_flake: 404,
            stranger: 404,
            reader: 404,
            ..own(Method::DELETE, "/api/v1/tokens/{id}", None, 204)
        },
        for_administrator(Method::GET, "/metrics", None),
        for_administrator(Method::GET, "/api/v1/audit", None),
        Row {
            anonymous: 401,
            ..on_flake(Method::GET, "/api/v1/audit?org=acme", None)
        },
        for_administrator(Method::POST, "/api/v1/keys/rotate", None),
        Row {
            anonymous: 200,
            wrong_permission: 200,
            ..own(Method::GET, "/api/v1/keys", None, 200)
        },
        Row {
            right: 204,
            ..on_flake(Method::DELETE, flake, None)
        },
    ]
}

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
    let bad = vec![
        (server.expired(&ann).await, "the token expired at "),
        (revoked, "the token was revoked at "),
        (
            other.admin.clone(),
            "the token is for another server (https://cache.example.org)",
        ),
        (forged, "the token's signature is not valid"),
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

#[tokio::test]
async fn every_route_answers_each_kind_of_caller() {
    let server = TestServer::start().await;
    let other = TestServer::start().await;
    let people = people(&server, &other).await;
    let victim = fh_auth::read_unverified(&people.victim).unwrap().jti;
    let mut number = 0;
    for row in rows() {
        let path = row
            .path
            .replace("{flake}", "acme/app")
            .replace("{id}", &victim.to_string());
        let mut call = async |token: &str| {
            number += 1;
            let body = row.body.as_ref().map(|body| {
                let text = body.to_string().replace("{n}", &number.to_string());
                serde_json::from_str(&text).unwrap()
            });
            server.call(row.method.clone(), &path, token, body).await
        };
        let what = format!("{} {}", row.method, row.path);

        for (token, sentence) in &people.bad {
            let answer = call(token).await;
            assert_eq!(answer.status, 401, "{what}: {sentence}");
            assert!(
                answer.message().starts_with(sentence),
                "{what}: {}",
                answer.message()
            );
            assert!(!answer.message().contains(token.as_str()), "{what}");
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
            assert_eq!(answer.status, expected, "{what}: {who}: {:?}", answer.body);
        }
    }
}

#[tokio::test]
async fn what_is_public_asks_for_nothing() {
    let server = TestServer::start().await;
    for path in [
        "/.well-known/fh",
        "/.well-known/jwks.json",
        "/healthz",
        "/readyz",
    ] {
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
