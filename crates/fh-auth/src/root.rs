//! Which roots of a forge or platform an identity is of, so that it can act for the organisation that owns
//! one of them.

use fh_api::ForgeRoot;
use serde_json::{Map, Value};

use crate::policy::AWS_ISSUER;

/// Where identities of GitHub Actions are from, also with the name of an enterprise behind it. A server of
/// one's own has names of its own.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// The groups on the way to a project, at most: GitLab has no more.
const MAX_GROUPS: usize = 20;

/// The roots that an identity is of, the closest first. The claims must be verified before anything is given
/// for it.
#[must_use]
pub fn roots_of(claims: &Map<String, Value>) -> Vec<ForgeRoot> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let Some(issuer) = text("iss") else {
        return Vec::new();
    };
    let mut roots = Vec::new();
    let mut add = |kind: &str, value: &str| {
        roots.extend(format!("{kind}:{value}").parse::<ForgeRoot>());
    };
    if issuer == AWS_ISSUER {
        if let Some(account) = text("account") {
            add("aws", account);
        }
        return roots;
    }
    let enterprise = issuer.strip_prefix(GITHUB);
    if enterprise.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        if let Some(owner) = text("repository_owner") {
            add("github", owner);
        }
        return roots;
    }
    if let (Some(host), Some(namespace)) = (issuer.strip_prefix("https://"), text("namespace_path"))
    {
        let mut group = Some(namespace);
        for _ in 0..MAX_GROUPS {
            let Some(name) = group else { break };
            add("gitlab", &format!("{host}/{name}"));
            group = name.rsplit_once('/').map(|(parent, _)| parent);
        }
    }
    add("kubernetes", issuer);
    roots
}

/// The id behind the name of a root, which no later holder of that name has: the number of GitHub's owner.
#[must_use]
pub fn owner_id(root: &ForgeRoot, claims: &Map<String, Value>) -> Option<String> {
    match (root, claims.get("repository_owner_id")?) {
        (ForgeRoot::Github(_), Value::String(id)) if !id.is_empty() => Some(id.clone()),
        (ForgeRoot::Github(_), Value::Number(id)) => Some(id.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[allow(
        clippy::needless_pass_by_value,
        reason = "called with `json!` throughout"
    )]
    fn roots(claims: Value) -> Vec<String> {
        let roots = roots_of(claims.as_object().unwrap());
        roots.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_identity_is_of_its_owner_and_of_nobody_else() {
        let github = "https://token.actions.githubusercontent.com";
        let owned = |issuer: &str| roots(json!({ "iss": issuer, "repository_owner": "Acme" }));
        assert_eq!(owned(github), ["github:acme"]);
        assert_eq!(owned(&format!("{github}/enterprise")), ["github:acme"]);
        for other in [
            "https://token.actions.githubusercontent.com.evil.example",
            "https://github.acme.example/_services/token",
        ] {
            assert_eq!(owned(other), [format!("kubernetes:{other}")]);
        }
        assert!(roots(json!({ "iss": github, "repository": "acme/app" })).is_empty());
        assert!(roots(json!({ "iss": github, "repository_owner": ["acme"] })).is_empty());
        assert!(roots(json!({ "repository_owner": "acme" })).is_empty());
    }

    #[test]
    fn a_group_is_within_its_parents_and_no_name_is_cut() {
        let of = |namespace: &str| {
            roots(json!({ "iss": "https://gitlab.com", "namespace_path": namespace }))
        };
        assert_eq!(
            of("Acme/sub/x"),
            [
                "gitlab:gitlab.com/acme/sub/x",
                "gitlab:gitlab.com/acme/sub",
                "gitlab:gitlab.com/acme",
                "kubernetes:https://gitlab.com",
            ]
        );
        assert_eq!(
            of("acme-evil"),
            [
                "gitlab:gitlab.com/acme-evil",
                "kubernetes:https://gitlab.com"
            ]
        );
        assert!(of(&"a/".repeat(100)).len() <= MAX_GROUPS + 1);
        let plain = json!({ "iss": "http://gitlab.com", "namespace_path": "acme" });
        assert_eq!(roots(plain), ["kubernetes:http://gitlab.com"]);
    }

    #[test]
    fn accounts_of_aws_and_clusters_are_told_by_what_names_them() {
        let aws = json!({ "iss": "aws", "account": "123456789012" });
        assert_eq!(roots(aws), ["aws:123456789012"]);
        assert!(roots(json!({ "iss": "aws", "namespace_path": "acme" })).is_empty());
        let cluster = json!({ "iss": "https://k8s.acme.example" });
        assert_eq!(roots(cluster), ["kubernetes:https://k8s.acme.example"]);
    }

    #[test]
    fn the_number_of_an_owner_is_known_on_github_alone() {
        let claims = |id: Value| json!({ "repository_owner_id": id });
        let github: ForgeRoot = "github:acme".parse().unwrap();
        let id =
            |root: &ForgeRoot, value: Value| owner_id(root, claims(value).as_object().unwrap());
        assert_eq!(id(&github, json!("7")).as_deref(), Some("7"));
        assert_eq!(id(&github, json!(7)).as_deref(), Some("7"));
        assert_eq!(id(&github, json!("")), None);
        assert_eq!(id(&github, json!(null)), None);
        let gitlab: ForgeRoot = "gitlab:gitlab.com/acme".parse().unwrap();
        assert_eq!(id(&gitlab, json!("7")), None);
    }
}
