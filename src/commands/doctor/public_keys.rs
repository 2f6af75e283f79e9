//! The public keys that Nix trusts: whether they are keys at all, and whether those of the server are among them.

use super::finding::Finding;
use super::nix::Settings;
use super::origin::{Edited, Origins};
use super::setup::{log_in, replaced_list};
use crate::setup::daemon::Daemon;
use crate::site::Site;

const NAME: &str = "keys";

/// The setting of nix.conf with the keys that Nix trusts.
const LIST: &str = "trusted-public-keys";

/// Those that are no keys: with one of them in the list, Nix substitutes nothing at all.
pub(super) fn broken(settings: &Settings, daemon: Daemon, origins: &Origins) -> Vec<Finding> {
    let keys = settings.list(LIST).into_iter();
    let broken = keys.filter_map(|key| Some((key, fault(key)?)));
    let findings = broken.map(|(key, fault)| {
        let place = place_of(key, daemon, origins);
        let about = format!(
            "{} in `{LIST}` is not a public key ({fault}), so Nix substitutes nothing",
            shown(key)
        );
        Finding::failed(NAME, about, format!("correct or remove it in {place}"))
    });
    findings.collect()
}

fn place_of(key: &str, daemon: Daemon, origins: &Origins) -> String {
    let place = origins.giving(LIST, key, daemon);
    let Some(place) = place else {
        return "nix.conf".to_owned();
    };
    if !place.is_generated() {
        return place.to_string();
    }
    let Edited { setting, place } = place.edited(LIST);
    format!("{setting} in {place}")
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
pub(super) fn of_server(
    settings: &Settings,
    site: &Site,
    daemon: Daemon,
    origins: &Origins,
) -> Finding {
    let trusted = settings.list(LIST);
    let log_in = log_in(site, daemon);
    let missing: Vec<&str> = site
        .public_keys
        .iter()
        .filter(|key| !trusted.contains(&key.as_str()))
        .map(|key| name(key))
        .collect();
    if !missing.is_empty() {
        let noun = if missing.len() == 1 { "key" } else { "keys" };
        let about = format!(
            "Nix does not trust the server's {noun} {}",
            missing.join(" and ")
        );
        let replaced = origins.replaced_by_variable(LIST);
        // A daemon that does not trust the user goes by the machine's keys.
        return match replaced.filter(|_| daemon != Daemon::Distrusting) {
            None => Finding::failed(NAME, about, log_in),
            Some(place) => Finding::failed(
                NAME,
                format!("{about}: `{LIST}` in {place} replaces those of nix.conf"),
                replaced_list(LIST, &place),
            ),
        };
    }
    // Nix goes by the name, and takes the first key that has it.
    let hidden = site.public_keys.iter().find_map(|key| {
        let first = trusted.iter().find(|other| name(other) == name(key))?;
        (first != key).then_some(*first)
    });
    if let Some(other) = hidden {
        let place = place_of(other, daemon, origins);
        return Finding::failed(
            NAME,
            format!(
                "Nix has another key that is called {} too, and uses that one instead of the server's",
                name(other)
            ),
            format!("remove {} from {place}, and then: {log_in}", shown(other)),
        );
    }
    let retired = site
        .retired_keys
        .iter()
        .find(|key| trusted.contains(&key.as_str()));
    if let Some(key) = retired {
        return Finding::warning(
            NAME,
            format!("Nix trusts {}, which the server has retired", name(key)),
        )
        .fix(log_in);
    }
    let names: Vec<&str> = site.public_keys.iter().map(|key| name(key)).collect();
    if names.is_empty() && site.lines.as_ref().is_some_and(Vec::is_empty) {
        let nothing = "there is nothing yet that you may read, so Nix needs no key";
        return Finding::skipped(NAME, nothing);
    }
    if names.is_empty() {
        let unknown = "the server names no key, so it is not known what Nix has to trust";
        return Finding::warning(NAME, unknown).fix(log_in);
    }
    Finding::ok(NAME, format!("Nix trusts {}", names.join(" and ")))
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
