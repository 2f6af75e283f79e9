//! Which path is tried: a small one, whose substitution proves as much as can be.

use fh_api::PathSummary;
use fh_client::Client;
use fh_nix::{StoreDir, StorePath};
use secrecy::SecretString;

use crate::context::Context;
use crate::error::CommandError;
use crate::site::Site;

/// Flakes that are looked at for a path to try, those first that were pushed to last.
const FLAKES: usize = 5;

/// Newest paths of each that are looked at.
const PATHS: usize = 200;

/// Smallest paths of these that the server is asked about.
const ASKED: usize = 32;

/// A path to try, and what a substitution of it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: StorePath,
    /// Nix takes it with a signature by a trusted key alone: it is not content-addressed.
    needs_signature: bool,
    /// The server does not give it to everybody.
    needs_token: bool,
}

impl Candidate {
    /// What it proves: a signature that is not trusted is the likelier fault, because the netrc was looked at.
    fn worth(&self) -> (bool, bool) {
        (self.needs_signature, self.needs_token)
    }

    /// What its substitution does not prove, in sentences.
    pub(super) fn unproved(&self, has_token: bool) -> Vec<&'static str> {
        let mut sentences = Vec::new();
        if !self.needs_signature {
            sentences.push(
                "This does not prove that Nix trusts the keys: the path is content-addressed and needs no signature",
            );
        }
        if has_token && !self.needs_token {
            sentences
                .push("This does not prove that Nix sends your token: everybody may read the path");
        }
        sentences
    }
}

/// The path to try, none where there is nothing that the caller may read. `narrow` is given all that there
/// are and may leave some out; its answer is given back.
pub(super) async fn choose(
    context: &Context,
    site: &Site,
    token: Option<&SecretString>,
    store: &StoreDir,
    narrow: impl FnOnce(&mut Vec<StorePath>) -> bool,
) -> Result<(Option<Candidate>, bool), CommandError> {
    let server = context.client_of(&site.server, token)?;
    let mut paths = small_first(listed(&server).await?);
    let narrowed = narrow(&mut paths);
    let addresses = site.substituters().into_iter();
    let addresses = addresses.map(|address| context.client_of(address, token));
    let addresses: Vec<Client> = addresses.collect::<Result<_, _>>()?;
    let mut best: Option<Candidate> = None;
    for path in paths.iter().take(ASKED) {
        let Some(candidate) = asked(&addresses, store, path).await? else {
            continue;
        };
        let worth = candidate.worth();
        if best.as_ref().is_none_or(|best| worth > best.worth()) {
            best = Some(candidate);
        }
        if worth == (true, true) {
            break;
        }
    }
    // Where no address gives any of them, Nix is to say so.
    let first = paths.into_iter().next().map(|path| Candidate {
        path,
        needs_signature: true,
        needs_token: true,
    });
    Ok((best.or(first), narrowed))
}

/// What the caller may read.
async fn listed(server: &Client) -> Result<Vec<PathSummary>, CommandError> {
    let mut flakes = server.flakes().await?.flakes;
    flakes.retain(|flake| flake.paths > 0);
    flakes.sort_by_key(|flake| std::cmp::Reverse(flake.last_push_at));
    let mut found = Vec::new();
    for flake in flakes.iter().take(FLAKES) {
        found.extend(server.flake_paths(&flake.flake, PATHS).await?.paths);
    }
    Ok(found)
}

/// Those that need no others first, the small ones first. Derivations are all content-addressed.
fn small_first(mut found: Vec<PathSummary>) -> Vec<StorePath> {
    found.sort_by_key(|path| (path.references, path.nar_size));
    // What a server says goes to a command line: only as a store path.
    let parsed = found.iter().filter_map(|path| path.path.parse().ok());
    let mut paths: Vec<StorePath> = parsed.collect();
    paths.sort_by_key(StorePath::is_derivation);
    paths
}

/// What the addresses that Nix reads from say of a path, with the token and without; none where none gives it.
async fn asked(
    addresses: &[Client],
    store: &StoreDir,
    path: &StorePath,
) -> Result<Option<Candidate>, CommandError> {
    let mut given = None;
    let mut needs_token = true;
    for address in addresses {
        if given.is_none() {
            given = address.narinfo(path, store).await?;
        }
        if address.has_token() {
            let to_everybody = address.without_token().narinfo(path, store).await?;
            needs_token &= to_everybody.is_none();
        } else {
            needs_token = false;
        }
    }
    Ok(given.map(|given| Candidate {
        path: path.clone(),
        needs_signature: given.info.ca.is_none(),
        needs_token,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(needs_signature: bool, needs_token: bool) -> Candidate {
        Candidate {
            path: format!("{}-x", "0".repeat(32)).parse().unwrap(),
            needs_signature,
            needs_token,
        }
    }

    #[test]
    fn what_is_not_proved_is_said() {
        let (keys, token) = ("trusts the keys", "sends your token");
        for (needs_signature, needs_token, has_token, expected) in [
            (false, false, true, &[keys, token][..]),
            (true, true, true, &[]),
            (false, true, true, &[keys]),
            (true, false, true, &[token]),
            // Who has none sends none.
            (true, false, false, &[]),
            (false, false, false, &[keys]),
        ] {
            let said = candidate(needs_signature, needs_token).unproved(has_token);
            assert_eq!(said.len(), expected.len(), "{said:?}");
            for (said, expected) in said.iter().zip(expected) {
                assert!(said.contains(expected), "{said}");
            }
        }
    }

    #[test]
    fn what_proves_most_is_best() {
        let worst_first = [(false, false), (false, true), (true, false), (true, true)];
        let all = worst_first.map(|(signature, token)| candidate(signature, token));
        assert!(all.is_sorted_by(|less, more| less.worth() < more.worth()));
    }

    #[test]
    fn a_derivation_is_tried_last_and_what_is_no_path_never() {
        let summary = |name: &str, nar_size, references| PathSummary {
            path: format!("{}-{name}", "0".repeat(32)),
            nar_size,
            references,
            created_at: time::OffsetDateTime::UNIX_EPOCH,
        };
        let mut evil = summary("evil", 1, 0);
        evil.path = "--option".to_owned();
        let found = vec![
            evil,
            summary("x.drv", 1, 0),
            summary("needs-others", 2, 1),
            summary("large", 900, 0),
            summary("small", 100, 0),
        ];
        let order = small_first(found);
        let names: Vec<&str> = order.iter().map(StorePath::name).collect();
        assert_eq!(names, ["small", "large", "needs-others", "x.drv"]);
    }
}
