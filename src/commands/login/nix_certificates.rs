//! Whether Nix trusts the certificates that `fh` was told to trust.
//!
//! Nix reads one file of certificates, in place of the system's: the setting `ssl-cert-file`, else NIX_SSL_CERT_FILE,
//! else SSL_CERT_FILE, else the first of [`USUAL`]. `getDefaultSSLCertFile` in `src/libstore/globals.cc` has that
//! order. A daemon has variables of its own, which nobody sees from here.

use std::path::{Path, PathBuf};

use fh_client::certificates;
use fh_conf::regular;

use super::site::Site;
use crate::access::quoted;
use crate::certificates::LIMIT;
use crate::context::Context;
use crate::error::CommandError;
use crate::setup::daemon::Daemon;
use crate::setup::{Machine, Scope};

/// Places of that file, the first that is there.
const USUAL: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt",
];

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
    let of_nix = named
        .map(PathBuf::from)
        .or_else(|| of_variable(machine, context))
        .unwrap_or_else(usual);
    if trusts(&of_nix, &ca_file) {
        return Ok(None);
    }
    let join = format!(
        "cat {} {} > ca-bundle.crt",
        quoted(&of_nix),
        quoted(&ca_file)
    );
    let (ca_file, of_nix) = (ca_file.display(), of_nix.display());
    Ok(Some(format!(
        "Nix does not trust the certificates in {ca_file}: it reads {of_nix} instead.\n\
         Put both into one file, and let `ssl-cert-file` in {} name it:\n  \
         {join}\n\
         Versions of Nix without that setting read NIX_SSL_CERT_FILE, the daemon that of its own environment.",
        machine.nix_conf_path().display()
    )))
}

/// The file that a variable names for Nix, if Nix works in the environment of this process.
fn of_variable(machine: &Machine, context: &Context) -> Option<PathBuf> {
    let is_ours = machine.daemon == Daemon::None && machine.scope == Scope::User;
    context.settings.ca_file.clone().filter(|_| is_ours)
}

/// What Nix reads where nothing names a file.
pub(crate) fn usual() -> PathBuf {
    let mut usual = USUAL.iter().map(Path::new);
    let there = usual.clone().find(|path| path.exists());
    there.or(usual.next()).unwrap_or(Path::new("")).to_owned()
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
