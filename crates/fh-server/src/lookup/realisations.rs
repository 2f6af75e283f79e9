//! To which path an output of a derivation was built, as a view has it. Only Nix with content-addressed derivations
//! asks, once for each output: nothing is kept in memory.
//!
//! Slices that disagree about it are judged as those that disagree about a path are. What is said of a path that the
//! view does not have is not told: a reader could do nothing with it, and a token for certain paths learns of no others.
//! What a slice says of a path that it has left out as signed elsewhere counts as the fingerprint of that path does:
//! where it wins, the reader is told this path by a slice that holds it, or nothing. The same holds for what is followed or
//! accepted and says a path that the view does not have, although the slice holds it: an own organisation may have decided
//! about that path otherwise. So it takes no other word away.
//!
//! A token for what certain keys have signed is told what these keys have signed. To a token for closures the word that
//! wins is told where it names one of its paths, and no other word in its place.

use std::collections::HashMap;
use std::sync::Arc;

use fh_access::View;
use fh_access::keys::Keys;
use fh_auth::Standing;
use fh_auth::contest::Claim;
use fh_nix::{DrvOutput, Realisation, StorePath};
use fh_persistence::database::DatabaseError;
use fh_persistence::database::realisations::{self, Word};
use fh_sql::Read;

use super::Lookup;
use super::judged::{Judged, TrustedKeys};
use super::limited::info_of;
use super::rows::row_in;
use crate::signatures::Signatures;

impl Lookup {
    /// The realisation of an output as a view has it, in the form in which Nix reads it from a binary cache, signed. `None` where no slice
    /// of the view says anything of it, where none of them counts for more than the others, and where the view does not
    /// have its path.
    pub(crate) async fn realisation(
        &self,
        view: &View,
        output: DrvOutput,
    ) -> Result<Option<String>, DatabaseError> {
        let shared = Arc::clone(&self.shared);
        let seen_by = view.clone();
        let found = self.shared.database.read(move |read| {
            let told = told(read, &seen_by, &output, &shared.signatures)?;
            told.map(|(claim, word)| {
                signed(&shared.keys, read, claim.organization, word.realisation)
            })
            .transpose()
        });
        let Some(realisation) = found.await? else {
            return Ok(None);
        };
        let hash = realisation.out_path.hash();
        let has = self.path_info(view, hash).await?;
        Ok(has
            .filter(|info| info.path == realisation.out_path)
            .map(|_| realisation.to_json()))
    }
}

/// The realisation with our signature first. Those that came with the push follow.
fn signed(
    keys: &Keys,
    read: &Read,
    organization_id: i64,
    mut realisation: Realisation,
) -> Result<Realisation, DatabaseError> {
    let signing = keys.find_signing_of(read, organization_id)?;
    let key = signing.active();
    let ours = realisation.sign(key);
    realisation
        .signatures
        .retain(|kept| kept.key_name() != key.name());
    realisation.signatures.insert(0, ours);
    Ok(realisation)
}

/// The word that a view is told of an output: the one that wins. Where the view is limited to what certain keys have
/// signed: that one, if one of them has signed it; else the one that would win, were there none but those that they
/// have signed; and where none would, the one that counts for most of these.
fn told(
    read: &Read,
    view: &View,
    output: &DrvOutput,
    signatures: &Signatures,
) -> Result<Option<(Claim, Word)>, DatabaseError> {
    let words = words(read, view, output, signatures)?;
    let Some(keys) = view.limits().and_then(|limits| limits.signed_by) else {
        let judged = Judged::new(read, view, words)?;
        return Ok(judged.winner().cloned());
    };
    let is_signed =
        |(_, word): &(Claim, Word)| signatures.signed_realisation(&word.realisation, keys);
    // Which paths such a token has is decided by these keys as well, so what the view has without limits says nothing.
    let signed = words
        .iter()
        .filter(|word| is_signed(word))
        .map(|(claim, word)| {
            let held = word.held;
            (Claim { held, ..*claim }, word.clone())
        });
    let signed: Vec<(Claim, Word)> = signed.collect();
    let of_all = Judged::new(read, view, words)?;
    if let Some(winner) = of_all.winner().filter(|winner| is_signed(winner)) {
        return Ok(Some(winner.clone()));
    }
    let of_signed = Judged::new(read, view, signed)?;
    Ok(of_signed.winner().or_else(|| of_signed.nearest()).cloned())
}

/// What the slices of a view say of an output, each with what counts of it.
fn words(
    read: &Read,
    view: &View,
    output: &DrvOutput,
    signatures: &Signatures,
) -> Result<Vec<(Claim, Word)>, DatabaseError> {
    let mut paths: HashMap<StorePath, u32> = HashMap::new();
    let mut had: HashMap<StorePath, bool> = HashMap::new();
    let mut keys = TrustedKeys::new(read);
    let mut words = Vec::new();
    for word in realisations::words(read, output)? {
        let Some((organization, standing)) = view.standing_of(word.flake_id) else {
            continue;
        };
        let next = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        let out_path = word.realisation.out_path.clone();
        let is_own = matches!(standing, Standing::Own | Standing::Named);
        let held = word.held && (is_own || has(&mut had, read, view, &out_path, signatures)?);
        let trusted = keys.of(organization)?;
        let claim = Claim {
            standing,
            organization,
            flake: word.flake_id,
            content: *paths.entry(out_path).or_insert(next),
            held,
            // To prove what a derivation comes to one has to build it.
            proven: false,
            signed: signatures.signed_realisation(&word.realisation, trusted),
            builder: word.builder,
            pusher: word.pusher_id,
            age: (word.row_id, 0),
        };
        words.push((claim, word));
    }
    Ok(words)
}

/// Whether a view has a path under that name, whatever paths its token is limited to. Each path is asked about once.
fn has(
    known: &mut HashMap<StorePath, bool>,
    read: &Read,
    view: &View,
    path: &StorePath,
    signatures: &Signatures,
) -> Result<bool, DatabaseError> {
    if let Some(has) = known.get(path) {
        return Ok(*has);
    }
    let hash = path.hash();
    let has = match row_in(read, view, hash, signatures)? {
        Some(row_id) => info_of(read, hash, row_id)?.is_some_and(|info| info.path == *path),
        None => false,
    };
    known.insert(path.clone(), has);
    Ok(has)
}
