//! `fh login --org`: the token that is given to Nix reads one organisation and nothing else.
//!
//! Such a token is minted with the one that was given, ends with that one, and can be renewed as that one can be.

use fh_api::{CreateToken, FlakePattern, Name, Permission, Whoami};
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

use super::check::Login;
use crate::context::Context;
use crate::error::CommandError;
use crate::site::{Identity, Site};

/// By how much sooner than a new one a token may end that is used again.
const SOON: Duration = Duration::days(1);

/// For what passes between the server's word on the time and its making of a token.
const MARGIN: Duration = Duration::minutes(5);

/// What becomes of a token.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// It reaches the organisation alone already.
    IsNarrow,
    /// It may mint one that does.
    Mint,
    /// The token may not create tokens.
    Cannot,
}

/// What to do with a token that is to reach one organisation alone.
fn decide(whoami: &Whoami, org: &Name) -> Decision {
    let within = |pattern: &FlakePattern| match pattern {
        FlakePattern::All => false,
        FlakePattern::Organization(name) => name.folded() == org.folded(),
        FlakePattern::Flake(flake) => flake.org.folded() == org.folded(),
    };
    if whoami.flakes.iter().all(within) {
        return Decision::IsNarrow;
    }
    // A workload's own identity mints nothing.
    if whoami.token_id.is_some() && whoami.permissions.contains(&Permission::Mint) {
        return Decision::Mint;
    }
    Decision::Cannot
}

/// For how long a token is asked for that lasts as long as another one: a little less, because it is counted
/// from when it is made. Where there is little left, the server decides.
fn lifetime(left: Duration) -> Option<u64> {
    let left = left - MARGIN;
    u64::try_from(left.whole_seconds())
        .ok()
        .filter(|left| *left > 0)
}

/// Narrows a token, with a word about it where it is not as narrow as was asked. `change`: whether anything may be done
/// on the server. What an earlier login has stored serves again where it is what would be minted.
pub(super) async fn narrow(
    login: &mut Login,
    org: &Name,
    site: &Site,
    change: bool,
    context: &Context,
) -> Result<(), CommandError> {
    let Some(whoami) = &login.identity.whoami else {
        return Ok(());
    };
    match decide(whoami, org) {
        Decision::IsNarrow => return Ok(()),
        Decision::Cannot => {
            login.warning = Some(format!(
                "this token cannot be limited to {org}, because it lacks the permission mint. Nix reads only \
                 {org}, by its address; but anyone who gets the token can read all that it can.\n\
                 Create a limited one: `fh token create --flake '{org}/*'`"
            ));
            return Ok(());
        }
        Decision::Mint => {}
    }
    if let Some(stored) = context.stored_token(&site.server)?
        && let client = context.client_of(&site.server, Some(&stored.token))?
        && let Ok(kept) = client.whoami().await
        && serves_again(&kept, whoami, org)
    {
        (login.token, login.identity) = (stored.token, Identity::of(kept));
        return Ok(());
    }
    if !change {
        login.warning = Some(format!(
            "nothing is changed, so the token was not limited to {org}."
        ));
        return Ok(());
    }
    let now = site.now.unwrap_or_else(OffsetDateTime::now_utc);
    let client = context.client_of(&site.server, Some(&login.token))?;
    let minted = client
        .create_token(&CreateToken {
            description: Some(format!("fh login --org {org}")),
            expires_in: lifetime(whoami.expires_at - now),
            permissions: Some(whoami.permissions.clone()),
            flakes: Some(vec![FlakePattern::Organization(org.clone())]),
            // An older server would refuse the word.
            renewable: whoami.renewable_until.is_some(),
            ..CreateToken::default()
        })
        .await
        .map_err(|error| {
            CommandError::from(error).context(format!("cannot limit the token to {org}"))
        })?;
    login.identity = Identity::of(Whoami {
        token_id: Some(minted.info.id),
        token_description: minted.info.description,
        flakes: minted.info.flakes,
        expires_at: minted.info.expires_at,
        renewable_until: None,
        ..whoami.clone()
    });
    login.token = SecretString::from(minted.token);
    Ok(())
}

/// Whether a token that is there already is what a new one would be.
fn serves_again(kept: &Whoami, given: &Whoami, org: &Name) -> bool {
    let exactly = matches!(kept.flakes.as_slice(),
        [FlakePattern::Organization(name)] if name.folded() == org.folded());
    exactly
        && kept.user == given.user
        && kept.permissions == given.permissions
        && kept.closures == given.closures
        && kept.signed_by == given.signed_by
        && kept.networks == given.networks
        && kept.expires_at + SOON >= given.expires_at
}

#[cfg(test)]
mod tests {
    use fh_api::UserKind;

    use super::*;

    fn whoami(permissions: &[Permission], flakes: &[&str], days: i64) -> Whoami {
        Whoami {
            user: "ann".parse().unwrap(),
            kind: UserKind::Human,
            server_admin: false,
            token_id: Some(uuid::Uuid::nil()),
            token_description: None,
            permissions: permissions.to_vec(),
            flakes: flakes.iter().map(|flake| flake.parse().unwrap()).collect(),
            closures: Vec::new(),
            signed_by: Vec::new(),
            networks: Vec::new(),
            workload: None,
            expires_at: OffsetDateTime::UNIX_EPOCH + time::Duration::days(days),
            renewable_until: None,
        }
    }

    #[test]
    fn only_what_reaches_further_is_narrowed_and_only_by_what_may_mint() {
        use Permission::{Mint, Pull};
        let acme: Name = "acme".parse().unwrap();
        for (permissions, flakes, decision) in [
            (&[Pull, Mint][..], &["*"][..], Decision::Mint),
            (&[Pull], &["*"], Decision::Cannot),
            (&[Pull], &["Acme/*"], Decision::IsNarrow),
            (&[Pull], &["acme/app", "acme/tool"], Decision::IsNarrow),
            (&[Pull, Mint], &["acme/*", "other/x"], Decision::Mint),
        ] {
            let whoami = whoami(permissions, flakes, 1);
            assert_eq!(decide(&whoami, &acme), decision, "{flakes:?}");
        }
        let identity = Whoami {
            token_id: None,
            ..whoami(&[Pull, Mint], &["*"], 1)
        };
        assert_eq!(decide(&identity, &acme), Decision::Cannot);
    }

    #[test]
    fn a_token_of_before_serves_again_where_nothing_else_would_be_minted() {
        use Permission::{Mint, Pull};
        let acme: Name = "acme".parse().unwrap();
        let given = whoami(&[Pull, Mint], &["*"], 30);
        let kept = whoami(&[Pull, Mint], &["acme/*"], 30);
        assert!(serves_again(&kept, &given, &acme));
        for other in [
            whoami(&[Pull], &["acme/*"], 30),
            whoami(&[Pull, Mint], &["acme/app"], 30),
            whoami(&[Pull, Mint], &["*"], 30),
            whoami(&[Pull, Mint], &["acme/*"], 20),
            Whoami {
                user: "bob".parse().unwrap(),
                ..kept.clone()
            },
        ] {
            assert!(!serves_again(&other, &given, &acme));
        }
    }
}
