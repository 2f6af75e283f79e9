//! `POST /oauth/token`: the identity of a workload for a token of ours (RFC 8693).
//!
//! Errors are those of OAuth (RFC 6749, section 5.2), with our fields beside. One identity is exchanged
//! once: what a log or a captured request holds is good for nothing more.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use fh_access::workload::{Admission, MAX_ORGANIZATIONS, NONCE_LIFETIME, Named, Refusal, Resolved};
use fh_access::{ApiError, Source, request_id};
use fh_api::Permission;
use fh_api::oauth::{
    ACCESS_TOKEN_TYPE, AWS_TOKEN_TYPE, ExchangeAnswer, ExchangeRequest, ID_TOKEN_TYPE,
    JWT_TOKEN_TYPE, NonceAnswer, TOKEN_EXCHANGE,
};
use fh_auth::identity::Unverified;
use fh_persistence::clock;
use fh_persistence::database::audit::{Actor, Denial, Event};
use fh_persistence::database::{Decided, Timestamp, accounts, assertions, now};
use fh_persistence::identity::Identity;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::json::read;
use super::oauth_error::OAuthError;
use super::plans;
use super::plans::exchange::{Facts, Held, Terms};
use super::table::{Errors, Route, post};
use super::token_rules::write_token;
use crate::answer::Answer;
use crate::bootstrap::sign;
use crate::state::AppState;

/// The largest body, in bytes: an identity, encoded once more.
const MAX_BODY: u64 = 32 << 10;

pub(super) fn routes() -> Vec<Route> {
    vec![
        post(
            "/oauth/token",
            "Exchange a workload's identity for a token (RFC 8693)",
            exchange,
        )
        .takes_form::<ExchangeRequest>()
        .answers::<ExchangeAnswer>(200)
        .errors(Errors::OAuth)
        .refuses(&[429]),
        post(
            "/oauth/nonce",
            "A nonce that binds a signed request of AWS to one exchange",
            nonce,
        )
        .answers::<NonceAnswer>(200)
        .refuses(&[500]),
    ]
}

/// What a workload hears that is not let in.
fn refused_by(refusal: Refusal) -> OAuthError {
    match refusal {
        Refusal::Target(sentence) => OAuthError::new("invalid_target", sentence),
        refusal => ApiError::from(refusal).into(),
    }
}

/// A verified identity, and what keeps it from being exchanged again.
struct Shown {
    identity: Identity,
    resolved: Resolved,
    digest: [u8; 32],
    until: Timestamp,
}

/// `POST /oauth/token`.
pub(crate) async fn exchange(
    State(state): State<AppState>,
    source: Source,
    request: Request,
) -> Result<Response, OAuthError> {
    let asked = form(request).await?;
    let mut verified = None;
    let answered = answer(&state, source, asked, &mut verified).await;
    if let Err(error) = &answered
        && error.is_refusal()
    {
        state
            .denials()
            .note(denial(source, verified, error.word()), None);
    }
    answered
}

/// For the audit log. Of an identity that nobody has verified nothing is written.
fn denial(source: Source, verified: Option<Verified>, word: &str) -> Denial {
    let (issuer, subject) = verified.map_or((None, String::new()), |verified| {
        (Some(verified.issuer), verified.subject)
    });
    Denial {
        at: now(),
        action: "denied.token.exchange".to_owned(),
        actor: None,
        address: source.address,
        request_id: request_id(),
        organization: None,
        project: None,
        subject,
        detail: json!({ "error": word, "issuer": issuer }),
    }
}

/// Who asked for an exchange, as their issuer has signed it.
struct Verified {
    issuer: String,
    subject: String,
}

async fn answer(
    state: &AppState,
    source: Source,
    asked: ExchangeRequest,
    verified: &mut Option<Verified>,
) -> Result<Response, OAuthError> {
    if asked.grant_type != TOKEN_EXCHANGE {
        return Err(OAuthError::new(
            "unsupported_grant_type",
            format!("the field grant_type must be {TOKEN_EXCHANGE}"),
        ));
    }
    let _turn = state.limiter().examination(source).await;
    // Before anything is read that decides, such as which organisations are meant.
    let generation = state.database().generation();
    let named = Named::Organizations(asked.organization.clone());
    let shown = match asked.subject_token_type.as_str() {
        JWT_TOKEN_TYPE | ID_TOKEN_TYPE => jwt(state, &asked.subject_token, named).await,
        AWS_TOKEN_TYPE => aws(state, &asked.subject_token, named).await,
        _ => {
            return Err(OAuthError::new(
                "invalid_request",
                format!(
                    "the field subject_token_type must be {JWT_TOKEN_TYPE} or {AWS_TOKEN_TYPE}"
                ),
            ));
        }
    };
    let admitted = match shown {
        Ok(shown) => {
            *verified = Some(Verified {
                issuer: shown.identity.issuer.clone(),
                subject: shown.identity.subject(),
            });
            let workloads = state.workloads();
            let admission = workloads.admit(&shown.identity, &shown.resolved, source);
            admission.await.map(|found| (shown, found))
        }
        Err(refusal) => Err(refusal),
    };
    if let Err(Refusal::Identity(_) | Refusal::Untrusted(_) | Refusal::Request(_)) = &admitted {
        state.limiter().login_failed(source)?;
    }
    let (shown, admission) = admitted.map_err(refused_by)?;
    let longest = admission.max_lifetime();
    let held = Held {
        scope: admission.scope(true),
        longest: longest.min(state.settings().tokens.max_lifetime.as_secs()),
    };
    let terms = plans::exchange::decide(&held, &asked)?;
    let decided = Decided::at(generation);
    let answer = issue(state, source, shown, &admission, decided, terms).await?;
    let mut response = Json(answer).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Verifies a JWT.
async fn jwt(state: &AppState, token: &str, named: Named) -> Result<Shown, Refusal> {
    let token = Unverified::read(token).map_err(Refusal::Identity)?;
    let workloads = state.workloads();
    let (identity, resolved) = workloads.identify(&token, named, clock::now()).await?;
    // Of the whole, and not of `jti` alone: whoever holds other keys for the same issuer must not be
    // able to use up an id of somebody else's. One signed part may have several signatures.
    let digest = Sha256::digest(token.signed_part().as_bytes()).into();
    let until = OffsetDateTime::from_unix_timestamp(token.expires_at())
        .unwrap_or_else(|_| clock::now() + time::Duration::days(36_500));
    Ok(Shown {
        identity,
        resolved,
        digest,
        until: until.into(),
    })
}

/// Verifies a signed request of AWS, which its nonce keeps from being exchanged twice.
async fn aws(state: &AppState, request: &str, named: Named) -> Result<Shown, Refusal> {
    let now = clock::now();
    let workloads = state.workloads();
    let (identity, resolved, nonce, end) = workloads.identify_by_aws(request, named, now).await?;
    let until = OffsetDateTime::from_unix_timestamp(end)
        .unwrap_or_else(|_| now + time::Duration::seconds(i64::from(i32::MAX)));
    Ok(Shown {
        identity,
        resolved,
        digest: Sha256::digest(format!("nonce {nonce}").as_bytes()).into(),
        until: until.into(),
    })
}

/// `POST /oauth/nonce`.
pub(crate) async fn nonce(State(state): State<AppState>) -> Answer<Response> {
    let nonce = state.workloads().nonce(clock::now());
    let answer = NonceAnswer {
        nonce: nonce.map_err(|error| ApiError::internal(error.to_string()))?,
        expires_in: NONCE_LIFETIME,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// Makes the token.
async fn issue(
    state: &AppState,
    source: Source,
    shown: Shown,
    admission: &Admission,
    decided: Decided,
    terms: Terms,
) -> Result<ExchangeAnswer, ApiError> {
    let policy = admission.policy();
    let (account_id, user) = (policy.account_id, policy.account.to_string());
    let subject = policy.name.to_string();
    let acting = admission.acting().clone();
    let info = admission.info(&shown.identity);
    let audited = admission.audited(&shown.identity);
    let claims = shown.identity.to_json().map_err(ApiError::internal)?;
    let created_at = now().whole_seconds();
    let lifetime = terms.lifetime;
    let permissions: Vec<&str> = terms.scope.permissions().map(Permission::as_str).collect();
    let permissions = permissions.join(" ");
    let (token, account) = state
        .database()
        .write(decided, move |tx| {
            let account = accounts::get(tx, account_id)?;
            // Nothing is used up where the account is gone: the transaction ends without effect.
            let facts = Facts {
                is_first: assertions::use_once(tx, &shown.digest, shown.until)?,
                acting: acting.for_token(tx)?,
                account,
                claims,
            };
            let new = plans::exchange::token(&terms, &facts, created_at)?;
            let token = write_token(tx, &new)?;
            let actor = Actor {
                account_id,
                user,
                token_uuid: None,
                workload: Some(audited),
                acting: Some(acting.organization),
                address: source.address,
                request_id: request_id(),
            };
            let told = token.info();
            // In the organisation that it acts for alone.
            Event::by(actor, "token.exchange", &subject)
                .in_organization(acting.organization)
                .record(
                    tx,
                    json!({
                        "token": token.uuid,
                        "policies": info.policies,
                        "permissions": told.permissions,
                        "flakes": told.flakes,
                        "expires_at": token.expires_at.to_string(),
                    }),
                )?;
            let account = facts.account.ok_or(ApiError::NotFound)?;
            Ok::<_, ApiError>((token, account))
        })
        .await?;
    let keys = state.keys();
    let url = state.public_url();
    let text = sign(keys.token(), keys.audience(), url, &token, account.uuid)
        .map_err(ApiError::internal)?;
    Ok(ExchangeAnswer {
        access_token: text.to_string(),
        issued_token_type: ACCESS_TOKEN_TYPE.to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: lifetime,
        scope: permissions,
    })
}

/// The form, in which no field that matters stands twice.
async fn form(request: Request) -> Result<ExchangeRequest, OAuthError> {
    let invalid = |sentence: &str| OAuthError::new("invalid_request", sentence);
    let is_form = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| {
            value
                .trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
    if !is_form {
        return Err(invalid(
            "the body must be a form, with the header Content-Type: application/x-www-form-urlencoded",
        ));
    }
    let body = read(request, MAX_BODY).await?;
    let mut asked = ExchangeRequest {
        grant_type: String::new(),
        subject_token: String::new(),
        subject_token_type: String::new(),
        scope: None,
        organization: Vec::new(),
        expires_in: None,
    };
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(&body) {
        if name != "organization" {
            if seen.contains(&name.to_string()) {
                return Err(invalid("a field is in the form twice"));
            }
            seen.push(name.to_string());
        }
        let value = Zeroizing::new(value.into_owned());
        match name.as_ref() {
            "grant_type" => asked.grant_type = value.to_string(),
            "subject_token" => asked.subject_token = value.to_string(),
            "subject_token_type" => asked.subject_token_type = value.to_string(),
            "scope" => asked.scope = Some(value.to_string()),
            "organization" if asked.organization.len() < MAX_ORGANIZATIONS => {
                asked.organization.push(value.to_string());
            }
            "organization" => {
                return Err(invalid("the field organization is in the form too often"));
            }
            "expires_in" => {
                let seconds = value.parse();
                asked.expires_in =
                    Some(seconds.map_err(|_| invalid("the field expires_in is not a number"))?);
            }
            // What RFC 8693 knows and this server would have to obey.
            "actor_token" | "resource" | "audience" | "requested_token_type" => {
                let usual = name == "requested_token_type" && *value == ACCESS_TOKEN_TYPE;
                if !usual {
                    return Err(invalid(
                        "the fields actor_token, resource, audience and another requested_token_type are not \
                         accepted here",
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(asked)
}
