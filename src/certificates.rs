//! The PEM files with certificates that are trusted besides the system's: those of the environment, and the one of a
//! server.

use std::path::{Path, PathBuf};

use fh_client::ServerUrl;
use fh_conf::regular;

use crate::access::quoted;
use crate::error::CommandError;
use crate::settings::Settings;

/// More than the certificates of all authorities there are, in bytes.
pub(crate) const LIMIT: u64 = 16 * 1024 * 1024;

/// Places of the file that Nix reads where nothing names one, the first that is there.
const USUAL_OF_NIX: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt",
];

/// The one file that Nix reads, in place of the system's: what its setting `ssl-cert-file` names, else NIX_SSL_CERT_FILE
/// or SSL_CERT_FILE where Nix works, else the usual one. `getDefaultSSLCertFile` in `src/libstore/globals.cc` has that
/// order.
pub(crate) fn read_by_nix(setting: Option<PathBuf>, variable: Option<PathBuf>) -> PathBuf {
    setting.or(variable).unwrap_or_else(|| {
        let mut usual = USUAL_OF_NIX.iter().map(Path::new);
        let there = usual.clone().find(|path| path.exists());
        there.or(usual.next()).unwrap_or(Path::new("")).to_owned()
    })
}

/// How Nix comes to trust more certificates than those in the file that it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// The command that writes all of them into one file.
    pub(crate) command: String,
    pub(crate) file: PathBuf,
}

impl Bundle {
    /// Of what Nix reads and of the file with the other certificates, where that is known; beside a `nix.conf`.
    pub(crate) fn of(read_by_nix: &Path, others: Option<&Path>, nix_conf: &Path) -> Self {
        let others = others.map_or_else(|| "CERTIFICATE".to_owned(), quoted);
        let file = nix_conf.with_file_name("ca-bundle.crt");
        Self {
            command: format!("cat {} {others} > {}", quoted(read_by_nix), quoted(&file)),
            file,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nix_reads_what_its_setting_names_before_what_a_variable_does() {
        let path = |text: &str| Some(PathBuf::from(text));
        for (setting, variable, read) in [
            (path("/a"), path("/b"), "/a"),
            (path("/a"), None, "/a"),
            (None, path("/b"), "/b"),
        ] {
            assert_eq!(read_by_nix(setting, variable), Path::new(read));
        }
        let usual = read_by_nix(None, None);
        assert!(USUAL_OF_NIX.map(Path::new).contains(&usual.as_path()));
    }

    #[test]
    fn the_command_that_joins_files_is_one_that_a_shell_takes() {
        for (others, conf, command, file) in [
            (
                Some("/h/my ca.pem"),
                "/etc/nix/nix.conf",
                "cat /a.crt '/h/my ca.pem' > /etc/nix/ca-bundle.crt",
                "/etc/nix/ca-bundle.crt",
            ),
            (
                None,
                "/h/o'k/nix.conf",
                "cat /a.crt CERTIFICATE > '/h/o'\\''k/ca-bundle.crt'",
                "/h/o'k/ca-bundle.crt",
            ),
        ] {
            let bundle = Bundle::of(Path::new("/a.crt"), others.map(Path::new), Path::new(conf));
            assert_eq!(bundle.command, command);
            assert_eq!(bundle.file, Path::new(file));
        }
    }
}
