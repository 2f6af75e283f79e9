//! Trust policies, for the administrators of their organisation.
//!
//! Owners alone decide about two kinds: those that say who a builder is, and those that give `admin` on the
//! whole organisation, since that makes administrators of it as a grant of the same does. No policy
//! gives what the token lacks that sets it, so that a stolen token cannot make a workload that may do more.

use axum::Json;
use axum::extract::{Request, State};
use fh_access::workload::{Refusal, examine};
use fh_access::{ApiError, Caller, OrganizationRef, Principal};
use fh_api::{
    Name, PolicyVerdict, SetTrustPolicy, TestTrust, TrustPolicyInfo, TrustPolicyList, TrustTest,
};
use fh_auth::identity::{KeySet, Unverified, claims};
use fh_auth::policy::{Policy, makes_administrators, permissions_given};
use fh_persistence::clock;
use fh_persistence::database::audit::Event;
use fh_persistence::database::organizations;
use fh_persistence::database::trust::{self, TrustPolicy};
use http::StatusCode;
use serde_json::{Value, json};

use super::json::json_body;
use super::named;
use super::path::{OrganizationPath, TrustPath};
use super::table::{Route, delete, get, post, put};
use super::transaction::{change_access_taking, read, take_away};
use crate::answer::Answer;
use crate::state::AppState;

/// The most policies of an organisation.
const MAX_POLICIES: i64 = 100;

/// The longest key set that a policy brings, in bytes of JSON.
const MAX_KEYS: usize = 16 << 10;

pub(super) fn routes() -> Vec<Route> {
    const POLICY: &str = "/orgs/{org}/trust/{policy}";
    vec![
        get(
            "/orgs/{org}/trust",
            "The trust policies of an organisation",
            list,
        )
        .answers::<TrustPolicyList>(200),
        get(POLICY, "A trust policy", show).answers::<TrustPolicyInfo>(200),
        put(POLICY, "Create or replace a trust policy", set)
            .takes::<SetTrustPolicy>()
            .answers::<TrustPolicyInfo>(200)
            .refuses(&[409, 422]),
        delete(
            POLICY,
            "Remove a trust policy, and the access of its workloads by it",
            remove,
        )
        .answers_nothing(204),
        post(
            "/orgs/{org}/trust-test",
            "Which trust policies match an identity",
            test,
        )
        .takes::<TestTrust>()
        .answers::<TrustTest>(200),
    ]
}

/// The organisation's id, if the caller administers it with a token that reaches all of it.
fn administered(caller: &Caller, org: &str) -> Result<i64, ApiError> {
    Ok(caller.organization_to_administer(org)?.id)
}

/// `GET /api/v1/orgs/{org}/trust`.
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
) -> Answer<Json<TrustPolicyList>> {
    let organization = administered(&caller, &path.org)?;
    let found = state
        .database()
        .read(move |read| trust::of_organization(read, organization))
        .await?;
    let policies = found.iter().map(TrustPolicy::info).collect();
    Ok(Json(TrustPolicyList { policies }))
}

/// `GET /api/v1/orgs/{org}/trust/{policy}`.
pub(crate) async fn show(
    State(state): State<AppState>,
    caller: Caller,
    path: TrustPath,
) -> Answer<Json<TrustPolicyInfo>> {
    let organization = administered(&caller, &path.org)?;
    let name = named::name(&path.policy)?;
    let found = read(&state, move |read| {
        trust::find(read, organization, &name)?.ok_or(ApiError::NotFound)
    })
    .await?;
    Ok(Json(found.info()))
}

/// `PUT /api/v1/orgs/{org}/trust/{policy}`. What was remembered of ids stays where the issuer and the
/// conditions stay, or the conditions become narrower. With `only_new` a policy that has other content stays as it is: 409.
pub(crate) async fn set(
    State(state): State<AppState>,
    caller: Caller,
    path: TrustPath,
    request: Request,
) -> Answer<Json<TrustPolicyInfo>> {
    let administered = caller.organization_to_administer(&path.org)?;
    let organization = administered.id;
    let mut wanted: SetTrustPolicy = json_body(request, state.settings().limits.json_size).await?;
    wanted.flakes = caller.present(wanted.flakes);
    let invalid = |error: String| ApiError::BadRequest(error);
    let name: Name = path
        .policy
        .parse()
        .map_err(|error: fh_api::InvalidName| invalid(error.to_string()))?;
    gives_only_what_it_has(caller.principal()?, &wanted)?;
    if wanted.builder {
        decides_about_builders(&administered)?;
    }
    let longest = state.settings().tokens.max_lifetime.as_secs();
    let policy = Policy::new(&administered.name, &wanted, longest)
        .map_err(|error| invalid(error.to_string()))?;
    decides_about_administrators(&administered, &policy)?;
    if policy.issuer == state.public_url() {
        return Err(
            invalid("this server is not an issuer of workload identities".to_owned()).into(),
        );
    }
    let jwks = keys(&state, &policy, wanted.jwks.as_ref())?;
    let only_new = wanted.only_new;
    let narrows = {
        let (name, policy, jwks) = (name.clone(), policy.clone(), jwks.clone());
        state.database().read(move |read| {
            let before = trust::find(read, organization, &name)?;
            Ok(before.is_some_and(|before| {
                let policy = with_ids_of(policy, &before, jwks.as_deref());
                jwks == before.jwks && policy.narrows(&before.policy)
            }))
        })
    };
    // If it does no more by then, access has changed, and all of this is decided again.
    let policy = change_access_taking(&state, &caller, narrows.await?, move |change, actor| {
        let before = trust::find(change, organization, &name)?;
        let (id, action) = match &before {
            None => {
                if trust::count(change, organization)? >= MAX_POLICIES {
                    let sentence =
                        format!("an organisation has at most {MAX_POLICIES} trust policies");
                    return Err(ApiError::TooMany(sentence, None));
                }
                let by = actor.account_id;
                let jwks = jwks.as_deref();
                let id = trust::insert(change, organization, &name, &policy, jwks, by)?;
                (id, "trust.create")
            }
            Some(before) => {
                if before.policy.builder {
                    decides_about_builders(&administered)?;
                }
                decides_about_administrators(&administered, &before.policy)?;
                let policy = with_ids_of(policy, before, jwks.as_deref());
                if policy == before.policy && jwks == before.jwks {
                    return Ok(before.clone());
                }
                if only_new {
                    return Err(ApiError::Conflict(format!(
                        "{} already has a trust policy {} with other content",
                        administered.name, before.name
                    )));
                }
                trust::replace(change, before.id, &policy, jwks.as_deref())?;
                (before.id, "trust.replace")
            }
        };
        let set = trust::get(change, id)?.ok_or(ApiError::NotFound)?;
        Event::by(actor, action, set.name.as_str())
            .in_organization(organization)
            .record(
                change,
                json!({
                    "policy": set.uuid,
                    "from": before.map(|before| told(&before)),
                    "to": told(&set),
                }),
            )?;
        Ok(set)
    })
    .await?;
    Ok(Json(policy.info()))
}

/// That the caller may say who the organisation's builders are.
///
/// # Errors
/// 403 for who is no owner.
fn decides_about_builders(organization: &OrganizationRef) -> Result<(), ApiError> {
    if organization.is_owner() {
        return Ok(());
    }
    let name = &organization.name;
    Err(ApiError::Forbidden(format!(
        "only owners of {name} decide about its builders: only they can create or replace a trust policy with \
         builders"
    )))
}

/// That the caller may make, replace or remove a policy like this, as far as it makes administrators.
///
/// # Errors
/// 403 for who is no owner, where whomever it lets in administers the organisation.
fn decides_about_administrators(
    organization: &OrganizationRef,
    policy: &Policy,
) -> Result<(), ApiError> {
    if !makes_administrators(policy.role, &policy.flakes) || organization.is_owner() {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "admin on {}/* includes administering the organisation: only its owners can create, replace or remove \
         such a trust policy",
        organization.name
    )))
}

/// That a token has all that a policy gives.
///
/// # Errors
/// 403 that names what is missing.
fn gives_only_what_it_has(setter: &Principal, wanted: &SetTrustPolicy) -> Result<(), ApiError> {
    let lacking: Vec<String> = permissions_given(wanted.role, wanted.mint)
        .filter(|permission| !setter.scope.allows(*permission))
        .map(|permission| format!("\"{permission}\""))
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(ApiError::Forbidden(format!(
        "a trust policy cannot grant what the token that sets it lacks, and this token lacks {}",
        lacking.join(" and ")
    )))
}

/// What a policy says, for the audit log.
fn told(policy: &TrustPolicy) -> Value {
    let info = policy.info();
    json!({
        "provider": info.provider,
        "issuer": info.issuer,
        "audiences": info.audiences,
        "conditions": info.conditions,
        "flakes": info.flakes,
        "role": info.role,
        "mint": info.mint,
        "pull_requests": info.pull_requests,
        "builder": info.builder,
        "max_lifetime": info.max_lifetime,
        "inline_keys": info.inline_keys,
    })
}

/// A new content of a policy, with what the former one has remembered of the same workloads.
fn with_ids_of(mut policy: Policy, before: &TrustPolicy, jwks: Option<&str>) -> Policy {
    if jwks == before.jwks.as_deref() {
        policy.keep_ids_of(&before.policy);
    }
    policy
}

/// The keys that a policy brings, as they are kept; or none where they can be fetched.
fn keys(
    state: &AppState,
    policy: &Policy,
    given: Option<&Value>,
) -> Result<Option<String>, ApiError> {
    let aws = policy.provider == fh_api::Provider::Aws;
    if let Some(given) = given {
        if aws {
            return Err(ApiError::BadRequest("AWS has no key set".to_owned()));
        }
        KeySet::read(given).map_err(|error| ApiError::BadRequest(error.to_string()))?;
        let text = given.to_string();
        if text.len() > MAX_KEYS {
            return Err(ApiError::BadRequest(format!(
                "the key set has more than {MAX_KEYS} bytes"
            )));
        }
        return Ok(Some(text));
    }
    if !aws && !state.workloads().reach().allows(&policy.issuer) {
        return Err(ApiError::BadRequest(format!(
            "this server may not fetch the keys of {}: give them with the policy (jwks), or let the \
             server's operator allow it with the option oidc-issuer",
            policy.issuer
        )));
    }
    Ok(None)
}

/// `DELETE /api/v1/orgs/{org}/trust/{policy}`: afterwards there is none, whether there was one or not.
pub(crate) async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    path: TrustPath,
) -> Answer<StatusCode> {
    let administered = caller.organization_to_administer(&path.org)?;
    let organization = administered.id;
    let Ok(name) = path.policy.parse::<Name>() else {
        return Ok(StatusCode::NO_CONTENT);
    };
    take_away(&state, &caller, move |change, actor| {
        let Some(found) = trust::find(change, organization, &name)? else {
            return Ok(());
        };
        decides_about_administrators(&administered, &found.policy)?;
        trust::remove(change, found.id)?;
        Event::by(actor, "trust.delete", found.name.as_str())
            .in_organization(organization)
            .record(
                change,
                json!({ "policy": found.uuid, "from": told(&found) }),
            )?;
        Ok(())
    })
    .await
}

/// `POST /api/v1/orgs/{org}/trust-test`.
pub(crate) async fn test(
    State(state): State<AppState>,
    caller: Caller,
    path: OrganizationPath,
    request: Request,
) -> Answer<Json<TrustTest>> {
    let organization = administered(&caller, &path.org)?;
    let wanted: TestTrust = json_body(request, state.settings().limits.json_size).await?;
    let (policies, names) = state
        .database()
        .read(move |read| {
            let policies = trust::of_organization(read, organization)?;
            let names = match organizations::get(read, organization)? {
                Some(found) => organizations::names(read, &found)?,
                None => Vec::new(),
            };
            Ok((policies, names))
        })
        .await?;
    let unverified = match Unverified::read(&wanted.token) {
        Ok(unverified) => unverified,
        Err(error) => {
            return Ok(Json(TrustTest {
                refused: Some(error.to_string()),
                claims: claims(wanted.token.trim()).map_or(Value::Null, Value::Object),
                policies: Vec::new(),
            }));
        }
    };
    let outcome = match unverified.check_time(clock::now()) {
        Ok(()) => state.workloads().verify(&unverified, &policies).await,
        Err(error) => Err(Refusal::Identity(error)),
    };
    let (refused, identity) = match outcome {
        Ok(identity) => (None, Some(identity)),
        Err(Refusal::Identity(error)) => (Some(error.to_string()), None),
        Err(Refusal::Untrusted(reason) | Refusal::Target(reason)) => (Some(reason), None),
        Err(Refusal::Request(reason)) => (Some(reason.to_owned()), None),
        Err(Refusal::Unavailable) => (Some("its issuer cannot be reached now".to_owned()), None),
        Err(Refusal::Database(error)) => return Err(error.into()),
    };
    let audiences = state.workloads().audiences();
    let own = audiences.of(&names, unverified.claims());
    // A hundred policies may have thousands of patterns: nobody else waits for them.
    let examined = tokio::task::spawn_blocking(move || {
        let bare: Vec<&str> = own.iter().map(String::as_str).collect();
        let verdicts = policies.iter().map(|policy| {
            let verdict = match &identity {
                Some(identity) if policy.policy.issuer == identity.issuer => {
                    examine(policy, identity, &own)
                }
                _ => policy.policy.examine(unverified.claims(), &bare),
            };
            PolicyVerdict {
                policy: policy.name.clone(),
                // Claims that nobody has vouched for open nothing.
                role: verdict.role.filter(|_| identity.is_some()),
                builder: verdict.builder && identity.is_some(),
                failures: verdict.failures,
                remarks: verdict.remarks,
            }
        });
        TrustTest {
            refused,
            policies: verdicts.collect(),
            claims: Value::Object(unverified.claims().clone()),
        }
    });
    Ok(Json(examined.await.map_err(ApiError::internal)?))
}
