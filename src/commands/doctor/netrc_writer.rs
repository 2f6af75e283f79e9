//! A netrc that somebody else writes: what mends it there.

use std::path::Path;

use fh_conf::netrc::Netrc;
use fh_conf::regular;

use super::finding::{Finding, Outcome};
use super::meant::Meant;
use super::nix::Nix;
use super::setup::{NETRC_LIMIT, wrong_entry};
use crate::context::Context;
use crate::setup::keeper::{Determinate, Keeper};

/// The finding about the netrc that Nix reads, with the command that mends it where a login does not write that file.
pub(super) fn mended(finding: Finding, meant: &Meant, nix: &Nix, context: &Context) -> Finding {
    let path = nix.settings.text("netrc-file").map(Path::new);
    let (Some(path), Ok(directories)) = (path, context.settings.directories()) else {
        return finding;
    };
    if finding.outcome() != Outcome::Failed {
        return finding;
    }
    let determinate = Determinate::of(&directories);
    match determinate.keeper(path) {
        Keeper::Nobody => finding,
        Keeper::SecretManager => finding.fix(format!(
            "add the lines of `fh login --print` to the secret that becomes {}",
            path.display()
        )),
        Keeper::Determinate if has_token(&determinate.source(), meant) => {
            finding.fix(Determinate::restart())
        }
        Keeper::Determinate => finding.fix(format!(
            "sudo fh login --server {} --scope system",
            meant.site.server
        )),
    }
}

/// Whether a netrc has the token for the server. What cannot be read does not.
fn has_token(path: &Path, Meant { site, token, .. }: &Meant) -> bool {
    let text = regular::read(path, NETRC_LIMIT).ok().flatten();
    let netrc = text.and_then(|text| Netrc::parse(&text).ok());
    match (netrc, site.hosts.first(), token) {
        (Some(netrc), Some(host), Some(token)) => wrong_entry(&netrc, host, token).is_none(),
        _ => false,
    }
}
