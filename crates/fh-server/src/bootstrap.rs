//! The first start, and every start: the keys, the administrator.
//!
//! Every step can be repeated: each looks at what is there and makes what is missing, so a start
//! that was cut off half-way is completed by the next one.
//!
//! ```text
//! database ─▶ server id + keys ─▶ account, token's row ─▶ admin.token
//!             one transaction      one transaction       0600, renamed
//! ```
//!
//! The token itself is in no database. Between its row and its file a setting remembers the id, and
//! the same token is signed again from the row.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fh_access::keys::{KeyError, KeyNames, Keys, ensure, ensure_for_organizations, token_secret};
use fh_api::{Name, Signing, UserKind};
use fh_auth::{Claims, TokenKey, TokenScope};
use fh_persistence::database::audit::{self, Event};
use fh_persistence::database::keys::{KeyOwner, KeyState, Purpose};
use fh_persistence::database::tokens::{self, NewToken, Token};
use fh_persistence::database::{
    AccessChange, Database, DatabaseError, Decided, accounts, keys, now, settings,
};
use fh_sql::Tx;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::server_error::ServerError;

/// The administrator's token in the data directory.
const ADMIN_TOKEN_FILE: &str = "admin.token";

/// The account that the first start makes.
const ADMIN: &str = "admin";

/// Makes the server's id and the keys where they are missing, and reads them. With a key pair for each
/// organisation, it makes those of the organisations that have none.
pub(crate) async fn server_keys(
    database: &Database,
    names: KeyNames,
    mode: Signing,
) -> Result<Keys, ServerError> {
    let made = database
        .write(Decided::by_server(), move |tx| make_keys(tx, &names, mode))
        .await?;
    if made > 0 {
        tracing::info!(
            organizations = made,
            "created signing keys of organisations"
        );
    }
    let keys = database
        .read(move |read| Ok(Keys::load(read, mode)))
        .await?;
    keys.map_err(|error| ServerError::Keys(error.into()))
}

fn make_keys(tx: &Tx<'_>, names: &KeyNames, mode: Signing) -> Result<usize, ServerError> {
    if settings::get(tx, settings::SERVER_ID)?.is_none() {
        let id = Uuid::now_v7().to_string();
        settings::set(tx, settings::SERVER_ID, &id)?;
    }
    let unusable = |error: KeyError| ServerError::Keys(error.into());
    ensure(tx, KeyOwner::Server, names).map_err(unusable)?;
    if keys::list(tx, Purpose::Token)?.is_empty() {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|error| ServerError::Keys(error.into()))?;
        let id = Uuid::now_v7().to_string();
        let secret = token_secret(&seed);
        let owner = KeyOwner::Server;
        keys::insert(tx, Purpose::Token, owner, &id, &secret, KeyState::Active)?;
    }
    match mode {
        Signing::Shared => Ok(0),
        Signing::PerOrganization => ensure_for_organizations(tx, names).map_err(unusable),
    }
}

/// Makes sure that somebody can manage the server: where no administrator has a working token, makes
/// one and writes it to `admin.token`. Returns the file if it was written.
pub(crate) async fn administrator(
    database: &Database,
    signing: &Keys,
    data_dir: &Path,
    public_url: &str,
    lifetime: Duration,
) -> Result<Option<PathBuf>, ServerError> {
    let token = database
        .change_access(Decided::by_server(), move |change| {
            administrator_token(change, lifetime)
        })
        .await?;
    let Some((token, account)) = token else {
        return Ok(None);
    };
    let text = sign(
        signing.token(),
        signing.audience(),
        public_url,
        &token,
        account,
    )
    .map_err(|error| ServerError::Keys(error.into()))?;
    let path = data_dir.join(ADMIN_TOKEN_FILE);
    write_secret(data_dir, &path, &text).map_err(|source| ServerError::DataDirectory {
        path: path.clone(),
        source,
    })?;
    database
        .write(Decided::by_server(), |tx| {
            settings::remove(tx, settings::PENDING_ADMIN_TOKEN)
        })
        .await?;
    Ok(Some(path))
}

/// The token that is to be written, and its account's id.
fn administrator_token(
    change: &AccessChange<'_>,
    lifetime: Duration,
) -> Result<Option<(Token, Uuid)>, DatabaseError> {
    let administrators: Vec<_> = accounts::list(change)?
        .into_iter()
        .filter(|account| account.server_admin && account.disabled_at.is_none())
        .collect();
    let pending = settings::get(change, settings::PENDING_ADMIN_TOKEN)?;
    let mut provided = false;
    for account in &administrators {
        for token in tokens::list(change, Some(account.id))? {
            let works = token.revoked_at.is_none()
                && token.expires_at > now()
                && token.scope.includes(&TokenScope::unrestricted());
            if works && pending.as_deref() == Some(&token.uuid.to_string()) {
                return Ok(Some((token, account.uuid)));
            }
            provided |= works;
        }
    }
    if provided {
        return Ok(None);
    }
    let account = match administrators.into_iter().next() {
        Some(account) => account,
        None => make_administrator(change)?,
    };
    let created_at = now().whole_seconds();
    let uuid = tokens::insert(
        change,
        &NewToken {
            account_id: account.id,
            parent_id: None,
            description: Some("created by the server for its administrator"),
            scope: &TokenScope::unrestricted(),
            path_set_id: None,
            claims: None,
            acting: None,
            created_at,
            created_by: None,
            expires_at: created_at.plus_seconds(lifetime.as_secs()),
            terms: tokens::RenewalTerms::default(),
        },
    )?;
    settings::set(change, settings::PENDING_ADMIN_TOKEN, &uuid.to_string())?;
    audit::record(
        change,
        &Event {
            action: "token.create",
            subject: account.name.as_str(),
            detail: json!({ "token": uuid, "by": "server" }),
            ..Event::default()
        },
    )?;
    Ok(tokens::find(change, uuid)?.map(|token| (token, account.uuid)))
}

fn make_administrator(change: &AccessChange<'_>) -> Result<accounts::Account, DatabaseError> {
    let name: Name = ADMIN
        .parse()
        .map_err(|error: fh_api::InvalidName| DatabaseError::invalid("account name", error))?;
    let account = accounts::insert(change, &name, UserKind::Human, true)?;
    audit::record(
        change,
        &Event {
            action: "user.create",
            subject: account.name.as_str(),
            detail: json!({ "server_admin": true, "by": "server" }),
            ..Event::default()
        },
    )?;
    Ok(account)
}

/// The token that a row stands for. The same row always gives the same token.
pub(crate) fn sign(
    key: &TokenKey,
    audience: &str,
    issuer: &str,
    token: &Token,
    account: Uuid,
) -> Result<Zeroizing<String>, fh_auth::TokenError> {
    key.sign(&Claims {
        iss: issuer.to_owned(),
        aud: audience.to_owned(),
        sub: account,
        jti: token.uuid,
        iat: token.created_at.as_seconds(),
        nbf: token.created_at.as_seconds(),
        exp: token.expires_at.as_seconds(),
    })
}

/// Writes a file that its owner alone can read from its first moment on, whole or not at all.
fn write_secret(directory: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    // Always the same name: what a cut-off start left there is replaced, no secret lies about.
    let new = path.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
