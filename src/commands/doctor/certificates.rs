//! The files of certificates: those that `fh` reads for a server, and the one that Nix reads.
//!
//! Nix reads one file, in place of the system's: the setting `ssl-cert-file` or a variable names it. So it happens that
//! `fh` reaches a server and Nix does not.

use std::path::{Path, PathBuf};

use fh_client::{
    ClientBuilder, Error as ClientError, ServerUrl, UnreachableCause, certificates_expire_at,
};
use time::OffsetDateTime;

use super::finding::{Check, Finding};
use super::meant::{Meant, NOT_REACHED};
use super::nix::Nix;
use super::origin::{generated_from, option};
use crate::access::quoted;
use crate::certificates::{self, Bundle};
use crate::context::Context;
use crate::output::human;
use crate::settings::variables;
use crate::setup::daemon::Daemon;
use crate::setup::keeper::is_generated;

const NAME: Check = Check("certificates");

/// The setting of Nix.
const SETTING: &str = "ssl-cert-file";

/// The files that somebody has named for this server: each that cannot be used, or whose certificates have all expired.
pub(super) fn named(context: &Context, server: &ServerUrl) -> Vec<Finding> {
    if !server.is_secure() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let variable = [&variables::NIX_SSL_CERT_FILE, &variables::SSL_CERT_FILE]
        .into_iter()
        .find(|variable| context.settings.has(variable));
    if let (Some(path), Some(variable)) = (&context.settings.ca_file, variable) {
        let fix = format!("correct {}, or unset it", variable.name);
        let named = format!("{} names it", variable.name);
        findings.extend(looked_at(path, &named, &fix));
    }
    if let Ok(Some(path)) = context.server_ca_file(server) {
        let fix = format!("fh login --server {server} --ca-file FILE");
        findings.extend(looked_at(&path, "`ca-file` in config.toml names it", &fix));
    }
    findings
}

/// What is wrong with a file of certificates.
fn looked_at(path: &Path, named: &str, fix: &str) -> Option<Finding> {
    let pem = match certificates::read(path) {
        Ok(pem) => pem,
        Err(error) => {
            let mut finding = NAME.of_file(path, &error, fix);
            finding.add(named);
            return Some(finding);
        }
    };
    let ago = all_expired(&pem)?;
    let about = format!(
        "all certificates in {} have expired (the last one {ago}), so Nix refuses them; {named}",
        path.display()
    );
    Some(
        NAME.warning(about)
            .fix(format!("{fix}   with a certificate that is valid")),
    )
}

/// When the last one of some certificates expired, for a person; none where one is valid, or none can be read.
fn all_expired(pem: &[u8]) -> Option<String> {
    let certificates = fh_client::certificates(pem).ok()?;
    let end = OffsetDateTime::from_unix_timestamp(certificates_expire_at(&certificates)?).ok()?;
    let now = OffsetDateTime::now_utc();
    (end <= now).then(|| human::relative(end, now))
}

/// Whether Nix believes the server with the certificates that it reads.
pub(super) async fn of_nix(context: &Context, meant: &Meant, nix: &Nix) -> Option<Finding> {
    let site = &meant.site;
    let substituter = site.substituter.as_ref().unwrap_or(&site.server);
    if !substituter.is_secure() {
        return None;
    }
    let path = read_by_nix(context, nix);
    let ours = context.server_ca_file(substituter).ok().flatten();
    let ours = ours.or_else(|| context.settings.ca_file.clone());
    let pem = match certificates::read(&path) {
        Ok(pem) => pem,
        Err(error) => {
            let fix = match nix.place_of(SETTING) {
                Some(place) => place.corrected(SETTING),
                None => format!("let `{SETTING}` in nix.conf name a file of certificates"),
            };
            let mut finding = NAME.of_file(&path, &error, fix);
            finding.add("Nix reads it");
            return Some(finding);
        }
    };
    let refused = |about: String| {
        let about = format!("{about}: it reads {}", path.display());
        let fix = joined(&path, ours.as_deref(), nix, context);
        Some(NAME.failed(about, fix))
    };
    if let Some(ago) = all_expired(&pem) {
        return refused(format!(
            "all certificates that Nix has have expired (the last one {ago}), so that it trusts no server"
        ));
    }
    if meant.untried == Some(NOT_REACHED) {
        return None;
    }
    let client = || {
        let client = context.bare_client_builder(substituter.clone());
        let client = client.without_system_certificates().retries(0);
        client.ca_certificates(pem.clone())
    };
    // Nix looks at the dates of authorities.
    let trusted = is_trusted(client().without_expired_certificates()).await?;
    let Err(reason) = trusted else {
        let about = format!("Nix trusts the server's certificate, by {}", path.display());
        return Some(NAME.ok(about));
    };
    let reason = match is_trusted(client()).await {
        Some(Ok(())) => "the certificate of its authority has expired",
        _ => reason.as_str(),
    };
    refused(format!(
        "Nix does not trust the certificate of {substituter} ({reason})"
    ))
}

/// Whether a server is trusted by this client, or the reason; none where it cannot be asked.
async fn is_trusted(client: ClientBuilder) -> Option<Result<(), String>> {
    match client.build().ok()?.discovery().await {
        Err(ClientError::Unreachable {
            cause: UnreachableCause::Certificate { reason, .. },
            ..
        }) => Some(Err(reason)),
        Err(ClientError::Unreachable { .. }) => None,
        // Any answer will do: it came over TLS.
        _ => Some(Ok(())),
    }
}

/// The file that Nix reads. A daemon has variables of its own, which nobody sees from here.
fn read_by_nix(context: &Context, nix: &Nix) -> PathBuf {
    let is_own = matches!(nix.daemon, Daemon::None | Daemon::Unknown);
    let set = nix.settings.text(SETTING).filter(|text| !text.is_empty());
    let set = set.filter(|_| is_own || nix.place_of(SETTING).is_some());
    let variable = context.settings.ca_file.clone().filter(|_| is_own);
    certificates::read_by_nix(set.map(PathBuf::from), variable)
}

/// What lets Nix trust the certificates that `fh` trusts for the server, beside those that it has.
fn joined(of_nix: &Path, ours: Option<&Path>, nix: &Nix, context: &Context) -> String {
    let conf = match (context.settings.directories(), nix.daemon) {
        (Ok(directories), Daemon::Distrusting | Daemon::Silent) => directories.system_nix_conf(),
        (Ok(directories), _) => directories.user_nix_conf,
        (Err(_), _) => PathBuf::from("nix.conf"),
    };
    if is_generated(&conf) {
        let certificate = ours.map_or_else(|| "CERTIFICATE".to_owned(), quoted);
        let place = generated_from(&conf);
        return if nix.settings.has(SETTING) {
            let option = option(SETTING);
            format!(
                "let `{option}` name a file that also has the certificates in {certificate}, in {place}"
            )
        } else {
            format!(
                "add {certificate} to `security.pki.certificateFiles` in {place}, and rebuild it"
            )
        };
    }
    let Bundle { command, file } = Bundle::of(of_nix, ours, &conf);
    if nix.settings.has(SETTING) {
        // In nix.conf nothing is quoted.
        let (file, conf) = (file.display(), conf.display());
        format!("{command}, and let `{SETTING} = {file}` stand in {conf}")
    } else {
        let file = quoted(&file);
        format!("{command}, and let NIX_SSL_CERT_FILE={file} be set where Nix runs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a key that was thrown away; valid in 2019.
    const EXPIRED: &str = "\
-----BEGIN CERTIFICATE-----
MIIBEDCBt6ADAgECAgEHMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB2V4cGlyZWQw
HhcNMTkwMTAxMDAwMDAwWhcNMjAwMTAxMDAwMDAwWjASMRAwDgYDVQQDDAdleHBp
cmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAER9M2JenffmwiKtIfArgjm88Y
El+V8hrCbO5FG0BiHK7N7wug7Mafb+2SzGT4dL0P1Ar7qASsxdgWBXzfQc30PjAK
BggqhkjOPQQDAgNIADBFAiEA9FYlF80Pvt4xwFxsUZSWkTp3pP1Jbj4aZ9puWp9W
psECIC0Lc6o7ZsK2S8vP39qcx1nEhsvfwzW/WkagZqJg6u5f
-----END CERTIFICATE-----
";

    #[test]
    fn a_file_whose_certificates_have_all_expired_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let fix = "fh login --server https://x.org --ca-file FILE";
        for (text, expected) in [
            (
                EXPIRED.to_owned(),
                "warning  certificates all certificates in",
            ),
            (EXPIRED.repeat(2), "(the last one "),
            (
                "-----BEGIN CERTIFICATE-----\n".to_owned(),
                "failed   certificates",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let found = looked_at(&path, "`ca-file` names it", fix)
                .unwrap()
                .to_text();
            assert!(found.contains(expected), "{found}");
            assert!(found.contains("`ca-file` names it"), "{found}");
            assert!(found.contains(&format!("\u{2192} {fix}")), "{found}");
        }
    }
}
