//! Whether Nix trusts the certificates that `fh` was told to trust.
//!
//! A daemon has variables of its own, which nobody sees from here.

use std::path::{Path, PathBuf};

use fh_client::certificates;
use fh_conf::regular;

use crate::certificates::{Bundle, LIMIT, read_by_nix};
use crate::context::Context;
use crate::error::CommandError;
use crate::setup::daemon::Daemon;
use crate::setup::{Machine, Scope};
use crate::site::Site;

/// What is to be done so that Nix trusts the server, if its login has certificates of its own and Nix lacks one.
pub(super) fn warning(
    site: &Site,
    machine: &Machine,
    context: &Context,
) -> Result<Option<String>, CommandError> {
    let Some(ca_file) = context.server_ca_file(&site.server)? else {
        return Ok(None);
    };
    let named = machine.parse_nix_conf()?.effective("ssl-cert-file");
    let of_nix = read_by_nix(named.map(PathBuf::from), of_variable(machine, context));
    if trusts(&of_nix, &ca_file) {
        return Ok(None);
    }
    let conf = machine.nix_conf_path();
    let Bundle { command, file } = Bundle::of(&of_nix, Some(&ca_file), conf);
    Ok(Some(format!(
        "Nix does not trust the certificates in {}: it reads {} instead.\n\
         Put both into one file, and let `ssl-cert-file = {}` stand in {}:\n  \
         {command}\n\
         Versions of Nix without that setting read NIX_SSL_CERT_FILE, the daemon that of its own environment.",
        ca_file.display(),
        of_nix.display(),
        file.display(),
        conf.display()
    )))
}

/// The file that a variable names for Nix, if Nix works in the environment of this process.
fn of_variable(machine: &Machine, context: &Context) -> Option<PathBuf> {
    let is_ours = machine.daemon == Daemon::None && machine.scope == Scope::User;
    context.settings.ca_file.clone().filter(|_| is_ours)
}

/// Whether every certificate of a file is in the file that Nix reads. What cannot be read has none.
fn trusts(of_nix: &Path, ca_file: &Path) -> bool {
    let read = |path: &Path| {
        let pem = regular::read(path, LIMIT).ok().flatten();
        pem.and_then(|pem| certificates(&pem).ok())
            .unwrap_or_default()
    };
    let trusted = read(of_nix);
    read(ca_file)
        .iter()
        .all(|certificate| trusted.contains(certificate))
}
