//! The PEM files with certificates that are trusted besides the system's: those of the environment, and the one of a
//! server.

use std::path::Path;

use fh_client::ServerUrl;
use fh_conf::regular;

use crate::error::CommandError;
use crate::settings::Settings;

/// More than the certificates of all authorities there are, in bytes.
pub(crate) const LIMIT: u64 = 16 * 1024 * 1024;

/// The text of the file that the environment names.
pub(crate) fn of_environment(settings: &Settings) -> Result<Option<Vec<u8>>, CommandError> {
    let Some(path) = &settings.ca_file else {
        return Ok(None);
    };
    let hint = "NIX_SSL_CERT_FILE or SSL_CERT_FILE names this file.";
    // The library reads it whatever it is. That it is not there is the library's business.
    if let Some(theirs) = settings.tls_ca_file.as_ref().filter(|&file| file != path) {
        regular::read(theirs, LIMIT).map_err(|error| unreadable(theirs, error).hint(hint))?;
    }
    let pem = read(path).map_err(|error| error.hint(hint))?;
    Ok(Some(pem))
}

/// The text of the file of a server.
pub(crate) fn of_server(settings: &Settings, path: &Path) -> Result<Vec<u8>, CommandError> {
    let hint = match &settings.server_ca_file {
        Some(_) => "--ca-file names this file.",
        None => {
            "`ca-file` in config.toml names this file: `fh login --ca-file FILE` names another."
        }
    };
    read(path).map_err(|error| error.hint(hint))
}

/// Whether the file that the command names can be used with this server, before it is remembered.
pub(crate) fn check_named(settings: &Settings, server: &ServerUrl) -> Result<(), CommandError> {
    let Some(path) = &settings.server_ca_file else {
        return Ok(());
    };
    if !server.is_secure() {
        return Err(CommandError::usage(format!(
            "--ca-file names certificates for TLS, and {server} is a server without TLS"
        ))
        .hint(format!(
            "If the server has a certificate, its address is {}. If it has none, leave out --ca-file.",
            server.as_str().replacen("http://", "https://", 1)
        )));
    }
    of_server(settings, path).map(drop)
}

/// The text of a file with PEM certificates, which has to be there.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let pem = regular::read(path, LIMIT)
        .and_then(|pem| pem.ok_or_else(regular::missing))
        .map_err(|error| unreadable(path, error))?;
    match fh_client::certificates(&pem) {
        Ok(_) => Ok(pem),
        Err(error) => {
            Err(CommandError::from(error).context(format!("cannot use {}", path.display())))
        }
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> CommandError {
    CommandError::file("read the certificate authorities in", path, error)
}
