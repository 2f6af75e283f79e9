//! Settings while they are put together.

use std::path::PathBuf;
use std::time::Duration;

use super::settings::{
    Limits, LogFormat, OrganizationCreation, ProxyHeader, Settings, Timeouts, TlsFiles,
    TokenSettings, WorkloadSettings,
};

/// Settings while they are put together: what has no default is absent.
pub(super) struct Draft {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) settings: Settings,
}

impl Draft {
    /// Holds nothing yet: each field is given its default by the table, from its text.
    pub(super) fn new() -> Self {
        let never = Duration::ZERO;
        Self {
            data_dir: None,
            certificate: None,
            key: None,
            settings: Settings {
                data_dir: PathBuf::new(),
                listen: Vec::new(),
                metrics_listen: None,
                public_url: None,
                trusted_proxies: Vec::new(),
                proxy_header: ProxyHeader::XForwardedFor,
                tls: None,
                store_dir: fh_nix::StoreDir::default(),
                priority: 0,
                signing_key_name: None,
                signing: fh_api::Signing::Shared,
                min_key_age: never,
                limits: Limits {
                    body_size: 0,
                    json_size: 0,
                    plan_size: 0,
                    body_rate: 0,
                    nar_size: 0,
                    part_size: 0,
                    batched_nar_size: 0,
                    verifications: 0,
                    connections: 0,
                    request_rate: 0,
                    login_failures: 0,
                    tokens: 0,
                },
                timeouts: Timeouts {
                    header: never,
                    idle: never,
                    stall: never,
                    body: never,
                    plan: never,
                    stop: never,
                },
                tokens: TokenSettings {
                    default_lifetime: never,
                    max_lifetime: never,
                    renewal: fh_api::RenewalRule::Nobody,
                    max_renewal: never,
                },
                organization_creation: OrganizationCreation::Administrators,
                workloads: WorkloadSettings::default(),
                upload_lifetime: never,
                collect_interval: never,
                log_format: LogFormat::Text,
                log_filter: String::new(),
            },
        }
    }

    /// Makes the pair of certificate and key out of its halves.
    pub(super) fn tls(&self) -> Result<Option<TlsFiles>, &'static str> {
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
            })),
            (Some(_), None) => Err("tls-key"),
            (None, Some(_)) => Err("tls-certificate"),
        }
    }
}
