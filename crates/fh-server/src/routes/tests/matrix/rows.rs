//! What each operation answers.

use http::Method;
use serde_json::{Value, json};

use super::Row;

/// A part of a NAR of no push.
const PART: &str = "/api/v1/flakes/{flake}/pushes/{nobody}/nars/\
                    0000000000000000000000000000000000000000000000000000/parts/0";

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
pub(super) fn rows() -> Vec<Row> {
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
        // Before anybody else has an organisation: who administers one may ask.
        for_administrator(Method::GET, "/api/v1/users/dan/access", None),
        // Of a member of hers, and her own.
        Row {
            wrong_flake: 403,
            stranger: 403,
            ..row(Method::GET, "/api/v1/users/dan/access", None)
        },
        Row {
            wrong_flake: 200,
            stranger: 403,
            needs: "pull",
            ..row(Method::GET, "/api/v1/users/ann/access", None)
        },
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
        // Anyone may create organisations here, and so name accounts.
        Row {
            wrong_flake: 403,
            ..own(Method::GET, "/api/v1/accounts/dan", None, 200)
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
        on_flake(Method::GET, "/api/v1/flakes/{flake}/access", None),
        on_flake(
            Method::PUT,
            "/api/v1/flakes/{flake}/grants/dan",
            Some(json!({ "role": "read" })),
        ),
        on_flake(Method::GET, "/api/v1/flakes/{flake}/grants/dan", None),
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
        // Every token its own; but those that Ann's has created last no longer than hers.
        Row {
            wrong_permission: 409,
            needs: "",
            wrong_flake: 409,
            ..own(Method::POST, "/api/v1/tokens/renew", None, 201)
        },
        Row {
            wrong_permission: 404,
            wrong_flake: 404,
            stranger: 404,
            reader: 404,
            ..own(Method::GET, "/api/v1/tokens/{id}/revocation", None, 200)
        },
        Row {
            wrong_permission: 404,
            wrong_flake: 404,
            stranger: 404,
            reader: 404,
            ..own(Method::DELETE, "/api/v1/tokens/{id}", None, 200)
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
        on_organization(
            Method::POST,
            "/api/v1/orgs/acme/roots",
            Some(json!({ "root": "github:acme" })),
            200,
        ),
        on_organization(Method::GET, "/api/v1/orgs/acme/roots", None, 200),
        on_organization(
            Method::DELETE,
            "/api/v1/orgs/acme/roots?root=github:acme",
            None,
            204,
        ),
        anybody("/nix-cache-info", 200),
        anybody(
            "/nar/0000000000000000000000000000000000000000000000000000.nar.zst",
            404,
        ),
        anybody("/log/00000000000000000000000000000000-x.drv", 404),
        anybody(
            "/realisations/sha256:0000000000000000000000000000000000000000000000000000000000000000!out.doi",
            404,
        ),
        anybody(
            "/build-trace-v2/00000000000000000000000000000000-x.drv/out.doi",
            404,
        ),
        anybody(
            "/cache/nobody/realisations/sha256:0000000000000000000000000000000000000000000000000000000000000000!out.doi",
            404,
        ),
        anybody(
            "/cache/nobody/build-trace-v2/00000000000000000000000000000000-x.drv/out.doi",
            404,
        ),
        anybody(
            "/cache/nobody/app/realisations/sha256:0000000000000000000000000000000000000000000000000000000000000000!out.doi",
            404,
        ),
        anybody(
            "/cache/nobody/app/build-trace-v2/00000000000000000000000000000000-x.drv/out.doi",
            404,
        ),
        anybody("/cache/nobody/nix-cache-info", 404),
        anybody(
            "/cache/nobody/nar/0000000000000000000000000000000000000000000000000000.nar.zst",
            404,
        ),
        anybody(
            "/cache/nobody/log/00000000000000000000000000000000-x.drv",
            404,
        ),
        anybody(
            "/cache/nobody/app/nar/0000000000000000000000000000000000000000000000000000.nar.zst",
            404,
        ),
        anybody(
            "/cache/nobody/app/log/00000000000000000000000000000000-x.drv",
            404,
        ),
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
        Row {
            anonymous: 200,
            wrong_permission: 200,
            needs: "pull",
            ..own(Method::GET, "/api/v1/substituters", None, 200)
        },
        // Where something may be read.
        Row {
            anonymous: 404,
            wrong_permission: 404,
            stranger: 404,
            wrong_flake: 200,
            reader: 200,
            needs: "pull",
            ..row(Method::GET, "/api/v1/orgs/acme/keys", None)
        },
        // For its owners; and there is nothing to rotate where all organisations share the keys.
        Row {
            wrong_flake: 403,
            right: 409,
            ..row(Method::POST, "/api/v1/orgs/acme/keys/rotate", None)
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
            ..on_organization(Method::GET, "/api/v1/orgs/acme/members/dan", None, 200)
        },
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
        Row {
            needs: "pull",
            ..on_organization(
                Method::GET,
                "/api/v1/orgs/acme/teams/team/members/dan",
                None,
                200,
            )
        },
        on_organization(
            Method::DELETE,
            "/api/v1/orgs/acme/teams/team/members/dan",
            None,
            204,
        ),
        on_organization(Method::GET, "/api/v1/orgs/acme/grants", None, 200),
        on_organization(Method::GET, "/api/v1/orgs/acme/access", None, 200),
        on_organization(
            Method::PUT,
            "/api/v1/orgs/acme/grants/team:team",
            Some(json!({ "role": "read" })),
            200,
        ),
        on_organization(Method::GET, "/api/v1/orgs/acme/grants/team:team", None, 200),
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
            Method::GET,
            "/api/v1/orgs/acme/service-accounts/robot",
            None,
            200,
        ),
        // Each gets the name that it has.
        on_organization(
            Method::POST,
            "/api/v1/orgs/acme/service-accounts/robot/rename",
            Some(json!({ "name": "robot" })),
            200,
        ),
        on_organization(
            Method::POST,
            "/api/v1/orgs/acme/rename",
            Some(json!({ "name": "acme" })),
            200,
        ),
        on_flake(
            Method::POST,
            "/api/v1/flakes/{flake}/rename",
            Some(json!({ "name": "app" })),
        ),
        Row {
            wrong_flake: 403,
            stranger: 403,
            ..row(
                Method::POST,
                "/api/v1/users/ann/rename",
                Some(json!({ "name": "ann" })),
            )
        },
        on_organization(
            Method::DELETE,
            "/api/v1/orgs/acme/service-accounts/robot",
            None,
            204,
        ),
        // What widens a view takes a token that reaches everything.
        Row {
            wrong_flake: 403,
            needs: "pull",
            ..own(Method::GET, "/api/v1/invitations", None, 200)
        },
        Row {
            wrong_flake: 403,
            stranger: 404,
            ..own(
                Method::PUT,
                "/api/v1/invitations/acme",
                Some(json!({ "membership": null })),
                200,
            )
        },
        Row {
            wrong_flake: 403,
            ..own(Method::DELETE, "/api/v1/invitations/absent", None, 404)
        },
        Row {
            needs: "pull",
            ..own(Method::GET, "/api/v1/follows", None, 200)
        },
        Row {
            wrong_flake: 403,
            ..own(
                Method::PUT,
                "/api/v1/follows",
                Some(json!({ "follows": [], "before": [] })),
                200,
            )
        },
        on_organization(Method::GET, "/api/v1/orgs/acme/former-flakes", None, 200),
        on_organization(
            Method::DELETE,
            "/api/v1/orgs/acme/former-flakes/absent",
            None,
            404,
        ),
        for_administrator(Method::GET, "/api/v1/reserved-names", None),
        Row {
            right: 404,
            ..for_administrator(
                Method::DELETE,
                "/api/v1/reserved-names/organization/absent",
                None,
            )
        },
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
