//! The public keys that Nix trusts: whether they are keys at all, and whether those of the server are among them.

use super::finding::{Check, Finding};
use super::nix::Nix;
use super::setup::replaced_list;
use crate::setup::daemon::Daemon;
use crate::site::Site;

const NAME: Check = Check("keys");

/// The setting of nix.conf with the keys that Nix trusts.
const LIST: &str = "trusted-public-keys";

/// Those that are no keys: with one of them in the list, Nix substitutes nothing at all.
pub(super) fn broken(nix: &Nix) -> Vec<Finding> {
    let keys = nix.settings.list(LIST).into_iter();
    let broken = keys.filter_map(|key| Some((key, fault(key)?)));
    let findings = broken.map(|(key, fault)| {
        let place = place_of(key, nix);
        let about = format!(
            "{} in `{LIST}` is not a public key ({fault}), so Nix substitutes nothing",
            shown(key)
        );
        NAME.failed(about, format!("correct or remove it in {place}"))
    });
    findings.collect()
}

fn place_of(key: &str, nix: &Nix) -> String {
    let place = nix.origins.giving(LIST, key, nix.daemon);
    place.map_or_else(|| "nix.conf".to_owned(), |place| place.of_value(LIST))
}

fn name(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

/// A key as it is named: what stands behind its name may be a secret one, put there by mistake.
fn shown(key: &str) -> String {
    match key.split_once(':') {
        Some((name, _)) if !name.is_empty() => format!("{name}:…"),
        _ => "a word".to_owned(),
    }
}

/// What Nix holds against a key, as `Key` and `PublicKey` in its sources say (`src/libutil/signature/local-keys.cc`,
/// before that `src/libstore/crypto.cc`). It takes base64 without padding, and ignores what follows a `=`.
fn fault(key: &str) -> Option<String> {
    /// The bytes of an Ed25519 key.
    const LENGTH: usize = 32;
    let Some((name, base64)) = key.split_once(':') else {
        return Some("it has no name: it is written NAME:KEY".to_owned());
    };
    if name.is_empty() || base64.is_empty() {
        return Some("it is written NAME:KEY".to_owned());
    }
    let digits = base64.split('=').next().unwrap_or_default();
    let is_digit = |c: u8| c.is_ascii_alphanumeric() || c == b'+' || c == b'/';
    if !digits.bytes().all(is_digit) {
        return Some("what follows its name is not base64".to_owned());
    }
    let bytes = digits.len() * 6 / 8;
    (bytes != LENGTH)
        .then(|| format!("what follows its name is {bytes} bytes long instead of {LENGTH}"))
}

/// Whether Nix trusts what the server signs, today and after the next rotation of its keys.
pub(super) fn of_server(site: &Site, nix: &Nix) -> Finding {
    let trusted = nix.settings.list(LIST);
    let is_trusted = |key: &&String| trusted.contains(&key.as_str());
    let log_in = nix.log_in(site);
    let keys = || site.public_keys.iter();
    let missing: Vec<&str> = keys()
        .filter(|key| !is_trusted(key))
        .map(|key| name(key))
        .collect();
    if !missing.is_empty() {
        let noun = if missing.len() == 1 { "key" } else { "keys" };
        let missing = missing.join(" and ");
        let about = format!("Nix does not trust the server's {noun} {missing}");
        let replaced = nix.origins.replaced_by_variable(LIST);
        // A daemon that does not trust the user goes by the machine's keys.
        return match replaced.filter(|_| nix.daemon != Daemon::Distrusting) {
            None => NAME.failed(about, log_in),
            Some(place) => NAME.failed(
                format!("{about}: `{LIST}` in {place} replaces those of nix.conf"),
                replaced_list(LIST, &place),
            ),
        };
    }
    // Nix goes by the name, and takes the first key that has it.
    let hidden = keys().find_map(|key| {
        let first = trusted.iter().find(|other| name(other) == name(key))?;
        (first != key).then_some(*first)
    });
    if let Some(other) = hidden {
        let (called, place) = (name(other), place_of(other, nix));
        return NAME.failed(
            format!(
                "Nix has another key that is called {called} too, and uses that one instead of the server's"
            ),
            format!("remove {} from {place}, and then: {log_in}", shown(other)),
        );
    }
    if let Some(key) = site.retired_keys.iter().find(is_trusted) {
        let about = format!("Nix trusts {}, which the server has retired", name(key));
        return NAME.warning(about).fix(log_in);
    }
    let names: Vec<&str> = keys().map(|key| name(key)).collect();
    if !names.is_empty() {
        return NAME.ok(format!("Nix trusts {}", names.join(" and ")));
    }
    if site.lines.as_ref().is_some_and(Vec::is_empty) {
        return NAME.skipped("there is nothing yet that you may read, so Nix needs no key");
    }
    NAME.warning("the server names no key, so it is not known what Nix has to trust")
        .fix(log_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was given to Nix 2.8, 2.26 and 2.34.
    #[test]
    fn what_nix_does_not_take_for_a_key_is_told_without_it() {
        const KEY: &str = "oVN/Ojij3vbcMYk50rsz24GepbTXJZOkskAN4OWoa50";
        for (key, expected) in [
            (format!("a-1:{KEY}="), None),
            (format!("a-1:{KEY}"), None),
            (format!("a-1:{KEY}=="), None),
            (format!("a-1:{KEY}=x"), None),
            ("a-1:AAAA".to_owned(), Some("3 bytes long instead of 32")),
            (format!("a-1:{}", &KEY[..42]), Some("31 bytes long")),
            (format!("a-1:{KEY}AA"), Some("33 bytes long")),
            (format!("a-1:{KEY}{KEY}"), Some("64 bytes long")),
            ("a-1:!!!!".to_owned(), Some("not base64")),
            (format!("a:b:{KEY}="), Some("not base64")),
            ("nocolon".to_owned(), Some("NAME:KEY")),
            (format!(":{KEY}="), Some("NAME:KEY")),
            ("a-1:".to_owned(), Some("NAME:KEY")),
        ] {
            let found = fault(&key);
            match expected {
                None => assert_eq!(found, None, "{key}"),
                Some(words) => assert!(
                    found.as_deref().is_some_and(|found| found.contains(words)),
                    "{key}: {found:?}"
                ),
            }
            assert!(!shown(&key).contains(KEY), "{key}");
        }
    }
}
