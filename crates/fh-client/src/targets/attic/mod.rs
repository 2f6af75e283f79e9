//! Pushing to a server that speaks attic's protocol: atticd, and FlakeHub Cache.
//!
//! ```text
//! GET  /_api/v1/cache-config/{cache}     store directory, keys whose paths are not wanted, address
//! POST /_api/v1/get-missing-paths        which of the closure's paths are not there: one request
//! PUT  /_api/v1/upload-path              one path: description and raw NAR; several at a time
//! ```
//!
//! The protocol has no transaction: every path is visible once its upload was answered. So a path is
//! sent only after all that it refers to, and where one fails, what refers to it is not sent.
//!
//! Invariants: memory is some hundred KiB for each upload under way, whatever a NAR's size and
//! however slow the line; what does not match what Nix recorded never becomes complete; the token
//! leaves for no other origin than the one it was given for, whatever `api_endpoint` says.

mod nar;
mod order;
mod upload;
mod wire;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use fh_nix::{PathInfo, PublicKey};
use http::Method;

use super::CacheName;
use crate::client::Client;
use crate::closure::Closure;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::foreign;
use crate::http::{Content, Request};
use crate::push::{PlanTotals, PlannedPath, PushEvent, PushObserver, PushReport, listener};
use crate::retry::DEFAULT_RETRIES;
use crate::server_url::ServerUrl;
use crate::text::safe_line;
use wire::{MissingPathsAnswer, MissingPathsQuestion};

/// Uploads at a time where nothing else is said: each is a request of its own, and a round trip.
pub const DEFAULT_UPLOADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Hashes in one question: the server reads no JSON of more than 2 MB.
const MOST_HASHES: usize = 50_000;

/// Which paths are left out because everybody can have them elsewhere.
#[derive(Debug, Clone)]
pub enum LeaveOut {
    /// What carries a signature of a key that the cache's configuration names. Of the keys given
    /// here the signature is verified, whether the cache names them or not; of others the name has
    /// to do, as nobody says what the key is.
    Named {
        /// Keys that are known.
        known: Vec<PublicKey>,
        /// Keys to leave out in any case; a part of `known` or not.
        always: Vec<PublicKey>,
    },
    /// Nothing: all of the closure is sent.
    Nothing,
}

/// What is chosen about a push to an attic server.
#[derive(Debug, Clone)]
pub struct AtticOptions {
    /// Uploads at a time.
    pub uploads: NonZeroUsize,
    /// What is not sent.
    pub leave_out: LeaveOut,
    /// Ask what would be sent, and send nothing.
    pub dry_run: bool,
    /// Attempts after the first, of every request.
    pub retries: u32,
    /// When the push is given up, wherever it is.
    pub deadline: Deadline,
}

impl Default for AtticOptions {
    fn default() -> Self {
        Self {
            uploads: DEFAULT_UPLOADS,
            leave_out: LeaveOut::Named {
                known: Vec::new(),
                always: Vec::new(),
            },
            dry_run: false,
            retries: DEFAULT_RETRIES,
            deadline: Deadline::default(),
        }
    }
}

/// A cache whose configuration was asked for.
#[derive(Debug, Clone)]
pub struct AtticCache {
    client: Client,
    name: CacheName,
    config: foreign::AtticCache,
    elsewhere: Option<ServerUrl>,
}

impl AtticCache {
    /// Asks for a cache's configuration. `client` has the token, if there is one.
    ///
    /// # Errors
    ///
    /// Those of a request.
    pub async fn open(
        client: &Client,
        name: &CacheName,
        observer: &dyn PushObserver,
    ) -> Result<Self> {
        let path = format!("/_api/v1/cache-config/{name}");
        let (request, listen) = (Request::get(path), listener(observer));
        let config = match client.transport.send_telling(&request, &listen).await {
            Ok(answer) => answer.json()?,
            // A token that may push and not pull: the server then knows the cache and does not tell.
            Err(error) if error.status() == Some(403) => foreign::AtticCache::default(),
            Err(error) => return Err(error),
        };
        let (client, elsewhere) = follow(client, config.api_endpoint.as_deref());
        Ok(Self {
            client,
            name: name.clone(),
            config,
            elsewhere,
        })
    }

    /// Where the server says that it wants to be talked to, if that is another server. The token is
    /// not sent there: it would be this server's word alone that it belongs there.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&ServerUrl> {
        self.elsewhere.as_ref()
    }

    /// Pushes a closure: asks which paths are missing, and uploads them.
    ///
    /// Paths that could not be pushed are in [`PushReport::failed`]; the others are there. Where it
    /// makes no sense to go on, [`PushReport::stopped`] says why. Dropping the future stops the push;
    /// what was answered stays.
    ///
    /// # Errors
    ///
    /// Before anything was sent, those of a request and [`Error::OutOfTime`];
    /// [`Error::OtherStoreDir`]; [`Error::NothingGiven`].
    pub async fn push(
        &self,
        closure: &Closure,
        options: &AtticOptions,
        observer: Arc<dyn PushObserver>,
    ) -> Result<PushReport> {
        let begin = Instant::now();
        if closure.pushed().next().is_none() {
            return Err(Error::NothingGiven);
        }
        if let Some(theirs) = &self.config.store_dir
            && theirs.trim_end_matches('/') != closure.store_dir.as_str()
        {
            return Err(Error::OtherStoreDir {
                theirs: safe_line(theirs, 200),
                ours: closure.store_dir.to_string(),
            });
        }
        let client = self.client.with_retries(options.retries);
        let mut totals = PlanTotals {
            paths: closure.pushed().count() as u64,
            nar_bytes: closure.pushed().map(|info| info.nar_size).sum(),
            ..PlanTotals::default()
        };
        let wanted: Vec<&PathInfo> = closure
            .pushed()
            .filter(|info| !self.is_left_out(info, closure, &options.leave_out))
            .collect();
        totals.upstream = totals.paths - wanted.len() as u64;
        let missing = self.missing(&client, &wanted, &*observer);
        let missing = options.deadline.hold(missing).await?;
        let work: Vec<&PathInfo> = wanted
            .iter()
            .copied()
            .filter(|info| missing.contains(&wire::hash_part(info)))
            .collect();
        totals.present = (wanted.len() - work.len()) as u64;
        totals.upload = work.len() as u64;
        totals.upload_nars = totals.upload;
        totals.upload_bytes = work.iter().map(|info| info.nar_size).sum();
        observer.event(&PushEvent::Planned(&totals));

        let mut report = PushReport {
            planned: totals,
            dry_run: options.dry_run,
            ..PushReport::default()
        };
        if options.dry_run {
            let planned = work.iter().map(|info| PlannedPath {
                path: info.path.clone(),
                nar_size: info.nar_size,
            });
            report.would_send = planned.collect();
        } else {
            let uploads = upload::Uploads {
                client: &client,
                cache: &self.name,
                closure,
                observer: &observer,
                at_once: options.uploads.get(),
                deadline: options.deadline,
            };
            uploads.run(&work, &mut report).await;
        }
        report.failed.sort_by(|a, b| a.path.cmp(&b.path));
        report.duration = begin.elapsed();
        Ok(report)
    }

    fn is_left_out(&self, info: &PathInfo, closure: &Closure, leave_out: &LeaveOut) -> bool {
        let LeaveOut::Named { known, always } = leave_out else {
            return false;
        };
        let signed_by = |key: &PublicKey| info.verify(&closure.store_dir, key);
        if always.iter().any(signed_by) {
            return true;
        }
        let names = self.config.upstream_cache_key_names.as_deref();
        let name_signed = |name: &String| match known.iter().find(|key| key.name() == name) {
            Some(key) => signed_by(key),
            None => {
                let mut signatures = info.signatures.iter();
                signatures.any(|signature| signature.key_name() == name)
            }
        };
        match names {
            Some(names) => names.iter().any(name_signed),
            // The cache did not say what it wants: what is known for sure is left out.
            None => known.iter().any(signed_by),
        }
    }

    /// The hash parts of the paths that the cache does not have.
    async fn missing(
        &self,
        client: &Client,
        wanted: &[&PathInfo],
        observer: &dyn PushObserver,
    ) -> Result<BTreeSet<String>> {
        let mut missing = BTreeSet::new();
        let listen = listener(observer);
        for some in wanted.chunks(MOST_HASHES) {
            let question = MissingPathsQuestion {
                cache: self.name.as_str(),
                store_path_hashes: some.iter().map(|info| wire::hash_part(info)).collect(),
            };
            let path = "/_api/v1/get-missing-paths";
            let request = Request::new(Method::POST, path, Content::json(&question)?);
            let answer = client.transport.send_telling(&request, &listen).await?;
            let answer: MissingPathsAnswer = answer.json()?;
            missing.extend(answer.missing_paths);
        }
        Ok(missing)
    }
}

/// The client to go on with, and the address that was not followed.
///
/// Only another path of the same origin is: what speaks for a token is the address that its owner
/// gave, not what an answer says. An address that differs in being less secure is what a server
/// behind a proxy makes up, and says nothing.
fn follow(client: &Client, endpoint: Option<&str>) -> (Client, Option<ServerUrl>) {
    let here = client.base_url();
    let Some(there) = endpoint.and_then(|endpoint| endpoint.parse::<ServerUrl>().ok()) else {
        return (client.clone(), None);
    };
    let same_place = there.host() == here.host() && there.port() == here.port();
    if same_place && there.is_secure() == here.is_secure() {
        (client.below(there), None)
    } else if same_place && here.is_secure() {
        (client.clone(), None)
    } else {
        (client.clone(), Some(there))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address to go on with, and the one that was not followed.
    fn followed(from: &str, endpoint: &str) -> (String, Option<String>) {
        let client = Client::builder(from).unwrap().build().unwrap();
        let (client, elsewhere) = follow(&client, Some(endpoint));
        (
            client.base_url().to_string(),
            elsewhere.map(|url| url.to_string()),
        )
    }

    #[test]
    fn only_another_path_of_the_same_origin_is_followed() {
        let here = "http://a.org".to_owned();
        assert_eq!(
            followed("http://a.org", "http://a.org/"),
            (here.clone(), None)
        );
        assert_eq!(
            followed("http://a.org", "http://a.org/attic/"),
            ("http://a.org/attic".to_owned(), None)
        );
        for other in [
            "http://b.org/",
            "http://a.org:8080/",
            "https://a.org/",
            "http://a.org.evil.org/",
        ] {
            let (stays, elsewhere) = followed("http://a.org", other);
            assert_eq!(stays, here, "{other}");
            assert_eq!(elsewhere.unwrap(), other.trim_end_matches('/'));
        }
        // Behind a proxy that speaks TLS, atticd takes itself to be at http.
        for made_up in ["http://a.org/", "", "no address", "http://a.org@b.org/"] {
            assert_eq!(
                followed("https://a.org", made_up),
                ("https://a.org".to_owned(), None),
                "{made_up}"
            );
        }
    }
}
