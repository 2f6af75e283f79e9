//! Every operation of the OpenAPI document × every kind of credentials. An operation without a row, and
//! a row without an operation, fail.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use fh_auth::Claims;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::testing::TestServer;

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

/// A part of a NAR of no push.
const PART: &str = "/api/v1/flakes/{flake}/pushes/{nobody}/nars/\
                    0000000000000000000000000000000000000000000000000000/parts/0";

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
    // For the administrators of the whole organisation.
    let on_organization = |method, path, body, right| Row {
        wrong_flake: 403,
        right,
        ..row(method, path, body)
    };
    // The same for everybody whose credentials are good.
    let anybody = |path, status| Row {
        anonymous: status,
        wrong_permission: status,
        ..own(Method::GET, path, None, status)
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
            needs: "push",
            ..on_flake(
                Method::POST,
                "/api/v1/flakes/{flake}/pushes",
                Some(json!({ "paths": [], "dry_run": true })),
            )
        },
        Row {
            needs: "push",
            right: 404,
            ..on_flake(
                Method::POST,
                "/api/v1/flakes/{flake}/pushes/{nobody}/commit",
                None,
            )
        },
        Row {
            needs: "push",
            right: 400,
            ..on_flake(
                Method::POST,
                "/api/v1/flakes/{flake}/pushes/{nobody}/nars",
                None,
            )
        },
        Row {
            needs: "push",
            right: 404,
            ..on_flake(Method::PUT, PART, None)
        },
        Row {
            needs: "push",
            right: 404,
            ..on_flake(
                Method::DELETE,
                "/api/v1/flakes/{flake}/pushes/{nobody}",
                None,
            )
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
            needs: "mint",
            wrong_permission: 403,
            wrong_flake: 404,
            stranger: 404,
            reader: 404,
            ..own(
                Method::POST,
                "/api/v1/tokens/{id}/rotate",
                Some(json!({ "grace": 600 })),
                201,
            )
        },
        Row {
            wrong_permission: 404,
            wrong_flake: 404,
            stranger: 404,
            reader: 404,
            ..own(Method::DELETE, "/api/v1/tokens/{id}", None, 204)
        },
        on_organization(
            Method::PUT,
            "/api/v1/orgs/acme/trust/ci",
            Some(json!({
                "provider": "github", "flakes": ["acme/app"], "role": "read",
                "conditions": [{ "claim": "repository", "equals": "acme/app" }],
            })),
            200,
        ),
        on_organization(Method::GET, "/api/v1/orgs/acme/trust", None, 200),
        on_organization(Method::GET, "/api/v1/orgs/acme/trust/ci", None, 200),
        on_organization(
            Method::POST,
            "/api/v1/orgs/acme/trust-test",
            Some(json!({ "token": "x" })),
            200,
        ),
        on_organization(Method::DELETE, "/api/v1/orgs/acme/trust/ci", None, 204),
        anybody("/nix-cache-info", 200),
        anybody(
            "/nar/0000000000000000000000000000000000000000000000000000.nar.zst",
            404,
        ),
        anybody("/log/00000000000000000000000000000000-x.drv", 404),
        Row {
            anonymous: 404,
            wrong_permission: 404,
            reader: 200,
            needs: "pull",
            ..on_flake(Method::GET, "/cache/{flake}/nix-cache-info", None)
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
        // What an organisation is managed with: for its administrators.
        Row {
            needs: "pull",
            ..on_organization(Method::GET, "/api/v1/orgs/acme", None, 200)
        },
        on_organization(
            Method::PATCH,
            "/api/v1/orgs/acme",
            Some(json!({ "push": "writers" })),
            200,
        ),
        Row {
            needs: "pull",
            ..on_organization(Method::GET, "/api/v1/orgs/acme/members", None, 200)
        },
        on_organization(
            Method::PUT,
            "/api/v1/orgs/acme/members/dan",
            Some(json!({ "role": "member" })),
            200,
        ),
        Row {
            needs: "pull",
            ..on_organization(Method::GET, "/api/v1/orgs/acme/teams", None, 200)
        },
        on_organization(
            Method::POST,
            "/api/v1/orgs/acme/teams",
            Some(json!({ "name": "team" })),
            201,
        ),
        Row {
            needs: "pull",
            ..on_organization(Method::GET, "/api/v1/orgs/acme/teams/team", None, 200)
        },
        on_organization(
            Method::PUT,
            "/api/v1/orgs/acme/teams/team/members/dan",
            Some(json!({})),
            200,
        ),
        on_organization(
            Method::DELETE,
            "/api/v1/orgs/acme/teams/team/members/dan",
            None,
            204,
        ),
        on_organization(Method::GET, "/api/v1/orgs/acme/grants", None, 200),
        on_organization(
            Method::PUT,
            "/api/v1/orgs/acme/grants/team:team",
            Some(json!({ "role": "read" })),
            200,
        ),
        on_organization(
            Method::DELETE,
            "/api/v1/orgs/acme/grants/team:team",
            None,
            204,
        ),
        on_organization(Method::DELETE, "/api/v1/orgs/acme/teams/team", None, 204),
        on_organization(Method::DELETE, "/api/v1/orgs/acme/members/dan", None, 204),
        on_organization(
            Method::POST,
            "/api/v1/orgs/acme/service-accounts",
            Some(json!({ "name": "robot" })),
            201,
        ),
        on_organization(Method::GET, "/api/v1/orgs/acme/service-accounts", None, 200),
        on_organization(
            Method::DELETE,
            "/api/v1/orgs/acme/service-accounts/robot",
            None,
            204,
        ),
        for_administrator(Method::GET, "/api/v1/users/dan", None),
        for_administrator(
            Method::PATCH,
            "/api/v1/users/dan",
            Some(json!({ "disabled": false })),
        ),
        Row {
            // It is told that it lacks the permission.
            wrong_permission: 200,
            needs: "pull",
            ..own(
                Method::GET,
                "/api/v1/access?path=00000000000000000000000000000000",
                None,
                200,
            )
        },
        on_organization(Method::DELETE, "/api/v1/orgs/acme", None, 409),
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

/// The template that an address is of: that with the most segments that are the same.
fn template(address: &str, operations: &BTreeSet<(String, String)>, method: &Method) -> String {
    let address = address.split('?').next().unwrap();
    let fits = |template: &str| {
        let mut same = 0;
        let mut given = address.split('/');
        for segment in template.split('/') {
            let value = given.next()?;
            if segment == "{path}" {
                return Some(same);
            }
            if segment == value {
                same += 1;
            } else if !segment.starts_with('{') {
                return None;
            }
        }
        given.next().is_none().then_some(same)
    };
    operations
        .iter()
        .filter(|(of, _)| of == method.as_str())
        .filter_map(|(_, template)| fits(template).map(|same| (same, template.clone())))
        .max()
        .unwrap_or_else(|| panic!("{method} {address} is no operation"))
        .1
}

#[test]
fn every_operation_has_a_row() {
    let [looking, open] = operations();
    let covered: BTreeSet<(String, String)> = rows()
        .iter()
        .map(|row| {
            let address = row.path.replace("{flake}", "acme/app");
            let template = template(&address, &looking, &row.method);
            (row.method.to_string(), template)
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
