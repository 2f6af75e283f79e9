//! A stored token that somebody else may replace while it is used.

use fh_client::{CredentialStore, Error, IssuedToken, Result, ServerUrl, TokenSource};
use futures_util::future::BoxFuture;

/// The token that is in the file of a server when it is asked for.
#[derive(Debug)]
pub(crate) struct StoredToken {
    pub(crate) credentials: CredentialStore,
    pub(crate) server: ServerUrl,
}

impl TokenSource for StoredToken {
    fn fetch(&self) -> BoxFuture<'_, Result<IssuedToken>> {
        let found = self.credentials.get_token(&self.server);
        Box::pin(async move {
            match found? {
                Some(token) => Ok(IssuedToken::found(token)),
                None => Err(Error::UnknownServer {
                    server: self.server.to_string(),
                }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::{ExposeSecret as _, SecretString};

    use super::*;

    #[tokio::test]
    async fn what_was_stored_meanwhile_is_what_counts() {
        let directory = tempfile::tempdir().unwrap();
        let server: ServerUrl = "https://cache.example.org".parse().unwrap();
        let credentials = CredentialStore::new(
            directory.path().join("fh"),
            directory.path().join("flakehub"),
        );
        let source = StoredToken {
            credentials: credentials.clone(),
            server: server.clone(),
        };
        source.fetch().await.unwrap_err();
        for token in ["first", "second"] {
            credentials
                .set(&server, &SecretString::from(token))
                .unwrap();
            let issued = source.fetch().await.unwrap();
            assert_eq!(issued.token.expose_secret(), token);
        }
    }
}
