//! Which crate may depend on which: the arrows of docs/ARCHITECTURE.md, and the dependencies that
//! would undo what a layer stands for. Only normal and build dependencies count; tests are free.

use serde_json::Value;

/// The rules for one crate of the workspace.
struct Layer {
    name: &'static str,
    /// The crates of the workspace that it may use.
    ours: &'static [&'static str],
    /// What it may use besides.
    others: Others,
}

enum Others {
    /// Whatever it likes: nothing is ruled out.
    Any,
    /// These crates, and nothing else.
    Only(&'static [&'static str]),
    /// Everything but the crates of these groups.
    Without(&'static [&'static [&'static str]]),
}

/// What talks to a person or reads the command line.
const TERMINAL: &[&str] = &[
    "clap",
    "clap_complete",
    "clap_mangen",
    "dialoguer",
    "indicatif",
    "unicode-width",
    "anyhow",
];

/// What waits for something, or talks to something outside the process.
const ASYNCHRONOUS: &[&str] = &[
    "async-stream",
    "axum",
    "hyper",
    "hyper-util",
    "reqwest",
    "tokio",
    "tokio-rustls",
    "tokio-stream",
    "tokio-util",
    "tower",
    "tower-http",
];

/// The driver of a database: `fh-sql` alone has one.
const DATABASE: &[&str] = &["rusqlite", "sqlx", "tokio-postgres"];

/// What answers over HTTP.
const HTTP_SERVER: &[&str] = &["axum", "hyper", "hyper-util", "tower"];

/// What speaks HTTP at all.
const HTTP: &[&str] = &["axum", "http", "hyper", "hyper-util", "reqwest", "tower"];

/// What the commands and the tests use.
const PRODUCT: &[&str] = &[
    "fh-api",
    "fh-auth",
    "fh-client",
    "fh-conf",
    "fh-nix",
    "fh-server",
    "fh-settings",
];

const fn layer(name: &'static str, ours: &'static [&'static str], others: Others) -> Layer {
    Layer { name, ours, others }
}

const LAYERS: &[Layer] = &[
    layer("fh", PRODUCT, Others::Any),
    layer(
        "fh-server",
        &[
            "fh-access",
            "fh-api",
            "fh-auth",
            "fh-file",
            "fh-nix",
            "fh-persistence",
            "fh-settings",
            "fh-shares",
            "fh-sql",
        ],
        Others::Without(&[TERMINAL, DATABASE]),
    ),
    layer(
        "fh-access",
        &[
            "fh-api",
            "fh-auth",
            "fh-nix",
            "fh-persistence",
            "fh-settings",
            "fh-shares",
            "fh-sql",
        ],
        Others::Without(&[TERMINAL, DATABASE, HTTP_SERVER]),
    ),
    layer("fh-settings", &["fh-api", "fh-file", "fh-nix"], PURE),
    layer(
        "fh-persistence",
        &[
            "fh-api",
            "fh-auth",
            "fh-file",
            "fh-nix",
            "fh-shares",
            "fh-sql",
        ],
        Others::Without(&[TERMINAL, DATABASE, HTTP]),
    ),
    layer("fh-sql", &["fh-file"], Others::Without(&[TERMINAL, HTTP])),
    layer("fh-shares", &[], Others::Only(&["tokio"])),
    layer("fh-file", &[], Others::Only(&["rustix", "thiserror"])),
    layer(
        "fh-client",
        &["fh-api", "fh-auth", "fh-conf", "fh-nix"],
        Others::Without(&[TERMINAL, DATABASE, &["axum"]]),
    ),
    layer("fh-conf", &[], PURE),
    layer("fh-auth", &["fh-api", "fh-nix"], PURE),
    layer(
        "fh-api",
        &["fh-nix"],
        Others::Only(&[
            "ipnet",
            "serde",
            "serde_json",
            "thiserror",
            "time",
            "utoipa",
            "uuid",
        ]),
    ),
    layer("fh-nix", &[], PURE),
    layer("fh-testkit", PRODUCT, Others::Any),
    layer("xtask", &["fh-testkit"], Others::Any),
];

/// Neither asks anybody nor waits for anything.
const PURE: Others = Others::Without(&[TERMINAL, ASYNCHRONOUS, DATABASE]);

/// A sentence for each dependency that should not be.
pub(super) fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let members: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut violations = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            violations.push(format!(
                "{name} is in no layer: say in xtask/src/lint/layers.rs what it may depend on"
            ));
            continue;
        };
        for dependency in dependencies(package) {
            let allowed = if members.contains(&dependency) {
                layer.ours.contains(&dependency)
            } else {
                match &layer.others {
                    Others::Any => true,
                    Others::Only(names) => names.contains(&dependency),
                    Others::Without(groups) => {
                        !groups.iter().any(|group| group.contains(&dependency))
                    }
                }
            };
            if !allowed {
                violations.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    violations
}

fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["kind"] != "dev")
        .filter_map(|dependency| dependency["name"].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(name: &str, dependencies: &Value) -> Value {
        let dependencies: Vec<Value> = dependencies
            .as_array()
            .unwrap()
            .iter()
            .map(|dependency| match dependency {
                Value::String(name) => json!({"name": name, "kind": null}),
                other => other.clone(),
            })
            .collect();
        json!({"packages": [
            {"name": name, "dependencies": dependencies},
            {"name": "fh-server", "dependencies": []},
        ]})
    }

    #[test]
    fn an_arrow_that_points_up_or_sideways_is_named() {
        assert_eq!(
            violations(&metadata("fh-client", &json!(["fh-server", "tokio"]))),
            ["fh-client must not depend on fh-server"]
        );
    }

    #[test]
    fn what_a_layer_must_not_use_is_named() {
        assert_eq!(
            violations(&metadata("fh-nix", &json!(["sha2", "tokio"]))),
            ["fh-nix must not depend on tokio"]
        );
        assert_eq!(
            violations(&metadata("fh-api", &json!(["serde", "url"]))),
            ["fh-api must not depend on url"]
        );
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let dependencies = json!([{"name": "tokio", "kind": "dev"}]);
        assert!(violations(&metadata("fh-nix", &dependencies)).is_empty());
    }

    #[test]
    fn a_new_crate_has_to_be_given_a_layer() {
        let found = violations(&metadata("fh-new", &json!([])));
        assert!(found[0].starts_with("fh-new is in no layer"), "{found:?}");
    }
}
