//! One method per route of the API, in a file for each noun.
//!
//! Every method's errors are those of a request: [`Error::Unreachable`], [`Error::Unauthorized`],
//! [`Error::Api`] with the server's sentence, [`Error::Status`] where something else answered,
//! [`Error::Redirected`] and [`Error::InvalidAnswer`].

/// Methods of [`Client`], each for one route: how it is asked, its name and what it takes, what the server answers, the
/// address below the API's prefix, and what goes along. Names hold nothing that would have to be escaped in an address.
macro_rules! routes {
    ($(
        $(#[$doc:meta])*
        $ask:ident $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty: $path:literal $(, $content:expr)*;
    )+) => {
        #[expect(clippy::missing_errors_doc, reason = "the module says it for all")]
        #[allow(clippy::useless_format, reason = "some addresses are the same for everything")]
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $name(&self $(, $argument: $kind)*) -> Result<$answer> {
                    self.$ask(&format!($path) $(, $content)*).await
                }
            )+
        }
    };
}

mod access;
mod cache;
mod flakes;
mod grants;
mod invitations;
mod organizations;
mod push;
mod renames;
mod roots;
mod server;
mod tokens;
mod trust;
mod users;

pub use invitations::Follower;

use fh_api::{API_PREFIX, Discovery, FlakePattern, Whoami};
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::http::{Content, Request};
use crate::retry::Repeat;
use crate::text::safe_line;

/// What a creation answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made<T> {
    /// What is there now.
    pub value: T,
    /// Whether it was made by this request, and was not there before.
    pub is_new: bool,
}

impl Client {
    /// What the server says of itself; needs no token.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnFhServer`] where something else answers at this address.
    pub async fn discovery(&self) -> Result<Discovery> {
        let not_fh = |reason: String| Error::NotAnFhServer {
            url: self.base_url().to_string(),
            reason,
        };
        let request = Request::get("/.well-known/fh");
        let answer = match self.transport.send(&request).await {
            Ok(answer) => answer,
            Err(
                error @ (Error::Api { .. } | Error::Status { .. } | Error::Unauthorized { .. }),
            ) if error
                .status()
                .is_some_and(|status| status < 500 && status != 429) =>
            {
                let status = error.status().unwrap_or_default();
                return Err(not_fh(format!(
                    "/.well-known/fh answers with status {status}"
                )));
            }
            Err(error) => return Err(error),
        };
        let discovery: Discovery = serde_json::from_slice(&answer.body)
            .map_err(|_| not_fh("/.well-known/fh does not describe an fh server".to_owned()))?;
        if discovery.name != "fh" {
            let name = safe_line(&discovery.name, 60);
            return Err(not_fh(format!("it calls itself {name:?}")));
        }
        Ok(discovery)
    }
}

routes! {
    /// The caller as the server sees it.
    get whoami() -> Whoami: "/whoami";
}

impl Client {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::GET, path, Content::Empty).await
    }

    /// A creation that refuses what is there already is not repeated when its answer was lost: the
    /// second would be told 409.
    async fn create<T: DeserializeOwned>(
        &self,
        path: &str,
        new: &impl Serialize,
        exist_ok: bool,
    ) -> Result<Made<T>> {
        let mut request = below_prefix(Method::POST, path, Content::json(new)?);
        if !exist_ok {
            request.repeat = Repeat::IfUnsent;
        }
        let answer = self.transport.send(&request).await?;
        Ok(Made {
            value: answer.json()?,
            is_new: answer.status == StatusCode::CREATED,
        })
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, what: &impl Serialize) -> Result<T> {
        self.call(Method::POST, path, Content::json(what)?).await
    }

    /// What would be done twice if it were asked for twice.
    async fn post_once<T: DeserializeOwned>(&self, path: &str, what: &impl Serialize) -> Result<T> {
        self.create(path, what, false).await.map(|made| made.value)
    }

    async fn put<T: DeserializeOwned>(&self, path: &str, wanted: &impl Serialize) -> Result<T> {
        self.call(Method::PUT, path, Content::json(wanted)?).await
    }

    /// Sends no body: the address says all.
    async fn put_nothing<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call(Method::PUT, path, Content::Empty).await
    }

    async fn patch<T: DeserializeOwned>(&self, path: &str, change: &impl Serialize) -> Result<T> {
        self.call(Method::PATCH, path, Content::json(change)?).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let request = below_prefix(Method::DELETE, path, Content::Empty);
        self.transport.send(&request).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content: Content,
    ) -> Result<T> {
        let request = below_prefix(method, path, content);
        self.transport.send(&request).await?.json()
    }
}

fn below_prefix(method: Method, path: &str, content: Content) -> Request {
    Request::new(method, format!("{API_PREFIX}{path}"), content)
}

/// The address of a flake, or of an organisation for all of its flakes.
fn pattern_path(on: &FlakePattern, what: &str) -> Result<String> {
    match on {
        FlakePattern::Flake(flake) => Ok(format!("/flakes/{flake}")),
        FlakePattern::Organization(org) => Ok(format!("/orgs/{org}")),
        FlakePattern::All => Err(Error::InvalidRequest {
            reason: format!("{what} are on a flake or on the flakes of one organisation"),
        }),
    }
}
