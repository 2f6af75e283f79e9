//! One file a threat, named by it.

mod a_closure_token_grows;
mod a_closure_token_is_given_another_name;
mod a_closure_token_is_told_names;
mod a_fingerprint_of_a_follow_takes_a_path_away;
mod a_guest_learns_who_the_members_are;
mod a_guest_widens_the_views_of_members;
mod a_log_that_counts_for_less_is_shown;
mod a_realisation_that_counts_for_less_is_served;
mod a_thief_outlives_the_stolen_token;
mod a_trusted_signature_is_taken_away;
mod an_upstream_fingerprint_is_evaded;
mod signatures_of_nobody_are_verified_without_end;
mod the_same_content_hides_a_builder_s_signature;
mod the_same_content_misleads;

use fh_api::{PushPlan, PushRequest};
use fh_nix::SecretKey;
use serde_json::json;

use crate::push::tests::{Item, Scene, request};
use crate::tests::workload::issuer::Key;

/// Ann owns `acme`, whose `app` a builder pushes to. Bob and rita are members: bob writes to one flake, and
/// rita reads all.
struct Stage {
    scene: Scene,
    builder: String,
    bob: String,
    rita: String,
}

/// The identity of a builder that pushes to a project of acme.
pub(super) async fn builder(scene: &Scene, project: &str) -> String {
    let (server, ann) = (&scene.server, &scene.ann);
    let (key, issuer) = (Key::new("ci"), format!("https://{project}.ci.example.org"));
    let policy = json!({
        "provider": "oidc", "issuer": issuer, "role": "write", "flakes": [format!("acme/{project}")],
        "conditions": [{ "claim": "sub", "equals": "ci" }], "builder": true,
        "jwks": { "keys": [key.jwk()] },
    });
    let path = format!("/api/v1/orgs/acme/trust/{project}");
    let answer = server.put(&path, ann, policy).await;
    assert!(answer.status.is_success(), "{:?}", answer.body);
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    key.sign(&json!({
        "iss": issuer, "aud": server.state.keys().audience(), "sub": "ci",
        "iat": now, "exp": now + 3600,
    }))
}

impl Stage {
    /// With the flake that bob writes to.
    async fn set(of_bob: &str) -> Self {
        let scene = Scene::new().await;
        let (server, ann) = (&scene.server, &scene.ann);
        server.flake("acme/play", "private", ann).await;
        let bob = server.user("bob").await;
        let rita = server.user("rita").await;
        for name in ["bob", "rita"] {
            server.member("acme", name, "member", ann).await;
            server.accept("acme", name).await;
        }
        server.grant(of_bob, "bob", "write", ann).await;
        for flake in ["acme/app", "acme/play"] {
            server.grant(flake, "rita", "read", ann).await;
        }
        let builder = builder(&scene, "app").await;
        Self {
            scene,
            builder,
            bob,
            rita,
        }
    }

    /// Pushes these, and leaves out what the key has signed.
    async fn push(&self, flake: &str, token: &str, items: &[&Item], key: Option<&SecretKey>) {
        let mut wanted: PushRequest = request(items);
        wanted
            .skip_signed_by
            .extend(key.map(|key| key.public().to_string()));
        let answer = self.scene.plan_answer(flake, token, &wanted).await;
        assert!(answer.status.is_success(), "{:?}", answer.body);
        let plan: PushPlan = answer.json();
        self.scene.finish(flake, token, plan, items).await;
    }

    /// What rita's Nix gets of a path, at the root and where the flake is named.
    async fn served(&self, item: &Item) -> [Option<fh_nix::PathInfo>; 2] {
        let at = async |root| {
            let narinfo = self.scene.narinfo(root, item, &self.rita).await;
            narinfo.map(|narinfo| narinfo.info)
        };
        [at("").await, at("/cache/acme/app").await]
    }
}
