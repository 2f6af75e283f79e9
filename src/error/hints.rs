//! What to do next, for every failure of the libraries.

use std::path::Path;

use fh_api::ErrorCode;
use fh_client::ServerKind;
use fh_client::{Error as ClientError, UnreachableCause};
use fh_conf::nix_conf::VARIABLE;

use super::command_error::{CommandError, Status};
use super::nouns;
use crate::access::{Obstacle, quoted};

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let status = match error {
            ClientError::InvalidServerUrl { .. }
            | ClientError::OptionLike { .. }
            | ClientError::WrongTarget { .. }
            | ClientError::CompressionLevel { .. } => Status::Usage,
            ClientError::OutOfTime { .. } => Status::OutOfTime,
            _ => Status::Failed,
        };
        let hint = client_hint(&error);
        let id = error
            .request_id()
            .filter(|_| error.status().is_some_and(|status| status >= 500))
            .map(|id| format!("The server's log has more under the request id {id}."));
        let failure = Self::new(status, error);
        hint.into_iter().chain(id).fold(failure, Self::hint)
    }
}

fn client_hint(error: &ClientError) -> Option<String> {
    let hint = match error {
        ClientError::InvalidServerUrl { .. } => {
            "Write it like https://cache.example.org or http://localhost:8484."
        }
        ClientError::InvalidToken { .. } => {
            "`fh token create` prints a token; give all of it, with `--token-file FILE`."
        }
        ClientError::CaCertificate { .. } => {
            "NIX_SSL_CERT_FILE, SSL_CERT_FILE and --ca-file must name files of PEM certificates."
        }
        ClientError::NoCertificates => {
            "Install the certificates of the usual authorities (`ca-certificates`), or let NIX_SSL_CERT_FILE name a \
             file of PEM certificates."
        }
        ClientError::Unreachable { cause, .. } => return unreachable_hint(cause),
        ClientError::Redirected { location, .. } => {
            return Some(format!(
                "If you trust it, name that address: `--server`. It points to {location}"
            ));
        }
        ClientError::NotAnFhServer { .. } => {
            "Check the address; the server's own is set by `fh serve --public-url`."
        }
        ClientError::UnknownProtocol { .. } => {
            "Check the address, or name the server's protocol with `--protocol`."
        }
        ClientError::WrongTarget { protocol, .. } => {
            return Some(match protocol {
                ServerKind::Attic => "Name the cache: `fh push CACHE`".to_owned(),
                _ => "Name the flake: `fh push ORG/PROJECT`".to_owned(),
            });
        }
        ClientError::NoSuchProject { .. } => {
            "FlakeHub has a flake once it was published there, and shows private ones only to members."
        }
        ClientError::NoIdentity { advice, .. } => {
            return Some(if advice.is_empty() {
                OTHER_THAN_IDENTITY.to_owned()
            } else {
                format!("{advice}\n{OTHER_THAN_IDENTITY}")
            });
        }
        ClientError::ExchangeRefused { .. } => {
            return Some(format!(
                "A trust policy of the server has to match this workload; its administrator can add one.\n\
                 {OTHER_THAN_IDENTITY}"
            ));
        }
        ClientError::Unauthorized { .. } => "Log in with a valid token: `fh login`",
        ClientError::Api { url, body, .. } => return api_hint(body.error, url),
        ClientError::TooLargeForProxy { .. } => PROXY_LIMIT,
        ClientError::Status { status: 431, .. } => {
            "The token may be too long for a proxy in front of the server: nginx's `large_client_header_buffers` has \
             to be at least 32k."
        }
        ClientError::Status { status, .. } if *status >= 500 => "Try again later.",
        ClientError::Status { .. } | ClientError::InvalidAnswer { .. } => {
            "Something between you and the server may have answered in its place: a proxy, a login page."
        }
        ClientError::File { path, source, .. } => {
            return Obstacle::behind(path, source).map(|found| found.hint());
        }
        ClientError::InsecureTokenFile { path, .. } => {
            return Some(format!("Protect it: `chmod 600 {}`", quoted(path)));
        }
        ClientError::UnknownServer { .. } => "Log in to it: `fh login --server URL`",
        ClientError::CannotRun { .. } => "Install Nix, or put it in the PATH.",
        ClientError::InvalidPaths { .. } => {
            "Build them first, or check them: `nix-store --verify-path PATH`"
        }
        ClientError::NoSuchPath { .. } | ClientError::NotInStore { .. } => {
            "Give a store path, a link into the store such as ./result, or an installable such as .#app."
        }
        ClientError::NothingGiven => "Build something (`nix build`), or name what to push.",
        ClientError::OutOfTime { .. } => "Give it more time: `--timeout`",
        ClientError::NixHangs { .. } => {
            "Is the Nix daemon running, and does `nix path-info` answer when you ask it yourself?"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to do where a proxy limits the size of requests.
pub(crate) const PROXY_LIMIT: &str = "Let the proxy in front of the server pass larger bodies: nginx's \
     `client_max_body_size` has to be at least `max-body-size` of `fh serve` (30 MiB by default), and \
     `max-plan-size` for long plans.";

/// What there is besides the identity of a workload.
const OTHER_THAN_IDENTITY: &str =
    "Or use a token: `fh login`, or FH_TOKEN_FILE. With FH_WORKLOAD=off no identity is looked for.";

fn unreachable_hint(cause: &UnreachableCause) -> Option<String> {
    let hint = match cause {
        UnreachableCause::Refused => {
            "Check the address and the port, and that the server runs (`fh serve`)."
        }
        UnreachableCause::Dns { .. } => "Check the address and the network.",
        UnreachableCause::Certificate {
            is_unknown: false, ..
        } => "The server needs another certificate: its administrator has to see to it.",
        UnreachableCause::Certificate { .. } => {
            "If the server has a certificate of your own authority, or one that is self-signed, name its PEM file: \
             `fh login --ca-file FILE`, or NIX_SSL_CERT_FILE."
        }
        UnreachableCause::NotHttp { .. } => {
            "If the server speaks TLS, its address begins with https://."
        }
        UnreachableCause::Tls { .. } => {
            "If the server speaks plain HTTP, its address begins with http://."
        }
        UnreachableCause::TimedOut | UnreachableCause::Closed => {
            "Check the network, and try again."
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn api_hint(code: ErrorCode, url: &str) -> Option<String> {
    let hint = match code {
        ErrorCode::Unauthorized => "Log in: `fh login`",
        ErrorCode::Forbidden => "`fh status` shows what your token may do.",
        ErrorCode::NotFound => return Some(nouns::where_to_look(url)),
        ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::TooManyRequests => {
            "Try again later."
        }
        ErrorCode::Timeout => "The line may be too slow: try again.",
        ErrorCode::BadRequest
        | ErrorCode::InvalidContent
        | ErrorCode::Conflict
        | ErrorCode::TooLarge
        | ErrorCode::MethodNotAllowed
        | ErrorCode::Unknown => return None,
    };
    Some(hint.to_owned())
}

impl From<fh_conf::Error> for CommandError {
    fn from(error: fh_conf::Error) -> Self {
        use fh_conf::Error;
        let hint = match &error {
            Error::NixConfSyntax { path, .. } if path == Path::new(VARIABLE) => Some(format!(
                "Correct the variable {VARIABLE}, or unset it, and try again."
            )),
            Error::NixConfUndone { name, path, .. } => {
                let or = if path == Path::new(VARIABLE) {
                    format!("unset {VARIABLE}")
                } else {
                    "remove that line".to_owned()
                };
                Some(format!(
                    "Write `extra-{name} = …` there in place of `{name} = …`, or {or}."
                ))
            }
            Error::Syntax { .. } | Error::NixConfSyntax { .. } => {
                Some("Correct the file by hand, and try again.".to_owned())
            }
            Error::Locked { .. } => {
                Some("Is another `fh login` waiting for an answer? Try again after it.".to_owned())
            }
            Error::ChangedMeanwhile { .. } => Some("Try again.".to_owned()),
            Error::Io { path, source, .. } => {
                Obstacle::behind(path, source).map(|found| found.hint())
            }
            Error::LinkLoop { path } => Obstacle::on_the_way_to(path).map(|found| found.hint()),
            _ => None,
        };
        let failure = Self::new(Status::Failed, error);
        hint.into_iter().fold(failure, Self::hint)
    }
}
