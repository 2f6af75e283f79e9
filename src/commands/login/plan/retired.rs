//! Keys that come out of nix.conf, whoever wrote them there.

use fh_api::Signing;
use fh_client::ServerList;

use crate::setup::Machine;
use crate::site::Site;

/// Keys that a server has used and will not use again: what it says, and what an earlier login learnt and
/// it does not name any more.
pub(super) fn keys(site: &Site, machine: &Machine) -> Vec<String> {
    let text = machine.files.content(&machine.config);
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    let servers = ServerList::parse(&machine.config, text).ok();
    let remembered = servers
        .as_ref()
        .and_then(|servers| servers.entry(&site.server))
        .map_or(&[][..], |entry| &entry.public_keys);
    let mut keys = site.retired_keys.clone();
    keys.extend(
        remembered
            .iter()
            .filter(|key| !site.public_keys.contains(key) && was_rotated(key, site))
            .cloned(),
    );
    // Another server's keys are not this one's to retire.
    let mut others = servers.iter().flat_map(ServerList::entries);
    keys.retain(|key| {
        !others.any(|entry| entry.url != site.server && entry.public_keys.contains(key))
    });
    keys
}

/// Whether a key that the site does not name any more has a successor there. Where each organisation has its
/// own, a key may also be that of one that is not read from any more: it is not retired, and only goes where
/// a login has written it.
fn was_rotated(key: &str, site: &Site) -> bool {
    fn base(key: &str) -> Option<&str> {
        Some(key.split(':').next()?.rsplit_once('-')?.0)
    }
    match site.signing {
        Signing::Shared => !site.public_keys.is_empty(),
        Signing::PerOrganization => {
            let mut present = site.public_keys.iter().filter_map(|key| base(key));
            base(key).is_some_and(|base| present.any(|present| present == base))
        }
    }
}
