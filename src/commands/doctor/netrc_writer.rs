//! A netrc that somebody else writes: what mends it there.

use std::path::Path;

use fh_conf::netrc::Netrc;
use fh_conf::regular;
use secrecy::ExposeSecret as _;

use super::finding::{Finding, Outcome};
use super::nix::Settings;
use super::setup::NETRC_LIMIT;
use crate::context::FoundToken;
use crate::setup::keeper::{Determinate, Keeper};
use crate::site::Site;

/// The finding about the netrc that Nix reads, with the command that mends it where a login does not write that file.
pub(super) fn mended(
    finding: Finding,
    settings: &Settings,
    site: &Site,
    token: Option<&FoundToken>,
    determinate: &Determinate,
) -> Finding {
    let Some(path) = settings.text("netrc-file").map(Path::new) else {
        return finding;
    };
    if finding.outcome() != Outcome::Failed {
        return finding;
    }
    match determinate.keeper(path) {
        Keeper::Nobody => finding,
        Keeper::SecretManager => finding.fix(format!(
            "add the lines of `fh login --print` to the secret that becomes {}",
            path.display()
        )),
        Keeper::Determinate if has_token(&determinate.source(), site, token) => {
            finding.fix(Determinate::restart())
        }
        Keeper::Determinate => finding.fix(format!(
            "sudo fh login --server {} --scope system",
            site.server
        )),
    }
}

/// Whether a netrc has the token for the server. What cannot be read does not.
fn has_token(path: &Path, site: &Site, token: Option<&FoundToken>) -> bool {
    let text = regular::read(path, NETRC_LIMIT).ok().flatten();
    let netrc = text.and_then(|text| Netrc::parse(&text).ok());
    let (Some(netrc), Some(host), Some(token)) = (netrc, site.hosts.first(), token) else {
        return false;
    };
    let entry = netrc.get(host);
    let password = entry.as_ref().and_then(|entry| entry.password());
    password == Some(token.token.expose_secret().as_bytes())
}
