//! What a login changes: worked out of what was seen, without a file system, a network or a
//! terminal.
//!
//! Invariants: a netrc entry that is no token is somebody's password, and is never replaced; a file
//! that is generated is never touched; nothing is written that would have no effect.

mod renewed;
mod retired;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use fh_client::{Reading, ServerEntry, ServerList, ServerUrl, TokenStore};
use fh_conf::ledger::{Ledger, Standing};
use fh_conf::netrc::{Change as NetrcChange, Netrc};
use fh_conf::nix_conf::{FileToEdit, ModuleValue, NixConf, SetIfUnset, module_settings};
use secrecy::{ExposeSecret, SecretString};

use super::site::Site;
use crate::error::{CommandError, Status};
use crate::setup::daemon::Daemon;
use crate::setup::{Change, Changes, Files, KeyringChange, LEDGER, Machine, Privacy, Scope};

pub(crate) use renewed::{Renewed, netrc_files};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) site: &'a Site,
    /// The account, where it is known.
    pub(super) user: Option<&'a str>,
    pub(super) token: &'a SecretString,
    /// The token whose place it takes, where it is a renewed one.
    pub(super) former: Option<&'a SecretString>,
    pub(super) netrc: bool,
    pub(super) nix_conf: bool,
    /// Where the token is to be kept, if that was said.
    pub(super) store: Option<TokenStore>,
    /// Which addresses were chosen, if that was said.
    pub(super) reading: Option<&'a Reading>,
}

/// Where the token is kept, decided before the token store is looked at.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    /// The server as `config.toml` will have it.
    pub(super) entry: ServerEntry,
    /// The file of its token, whether it is used or not.
    pub(super) token_file: PathBuf,
    /// Whether the keyring has to be looked at.
    pub(super) uses_keyring: bool,
    servers: ServerList,
}

/// What is to be done, and what there is to know about it.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) changes: Changes,
    pub(super) warnings: Vec<String>,
    /// Lines for the configuration that generates nix.conf.
    pub(super) snippet: Option<String>,
    /// An administrator has to log in for the machine.
    pub(super) needs_administrator: bool,
    /// For nix.conf, whether or not they are there already.
    pub(super) nix_conf_lines: Vec<String>,
    /// For the netrc; secret.
    pub(super) netrc_lines: Vec<String>,
}

/// Decides where the token is kept. `token_file` gives the token's file by the server's name and kind.
pub(super) fn keeping(
    wanted: &Wanted<'_>,
    machine: &Machine,
    token_file: impl Fn(&ServerEntry) -> PathBuf,
) -> Result<Keeping, CommandError> {
    let text = match machine.files.content(&machine.config) {
        None => None,
        Some(text) => Some(std::str::from_utf8(text).map_err(|_| {
            CommandError::failed(format!("{} is not UTF-8", machine.config.display()))
        })?),
    };
    let mut servers = ServerList::parse(&machine.config, text)?;
    let site = wanted.site;
    let known = servers.entry(&site.server).cloned();
    let was_in_keyring = known
        .as_ref()
        .is_some_and(|entry| entry.store == TokenStore::Keyring);
    let mut entry = known.clone().unwrap_or_else(|| {
        ServerEntry::new(
            servers.name_for(&site.server),
            site.server.clone(),
            site.kind,
        )
    });
    let by_default = known.map(|entry| entry.store).or(servers.preferred_store());
    entry.kind = site.kind;
    entry.store = wanted.store.or(by_default).unwrap_or_default();
    entry.is_default = true;
    if site.substituter.is_some() {
        entry.substituter.clone_from(&site.substituter);
    }
    if !site.public_keys.is_empty() {
        entry.public_keys.clone_from(&site.public_keys);
    }
    if site.audience.is_some() {
        entry.audience.clone_from(&site.audience);
    }
    let lines = site.lines.as_deref().unwrap_or_default();
    let root_alone = lines.iter().map(|line| &line.url).eq(&site.substituter);
    let lines = lines.iter().filter(|_| !root_alone);
    entry.substituters = lines.map(|line| line.url.clone()).collect();
    if let Some(reading) = wanted.reading {
        entry.reading.clone_from(reading);
    }
    servers.record(&entry);
    Ok(Keeping {
        token_file: token_file(&entry),
        uses_keyring: was_in_keyring || entry.store == TokenStore::Keyring,
        entry,
        servers,
    })
}

/// Works out all changes. `in_keyring` is what the keyring has for the server.
pub(super) fn plan(
    wanted: &Wanted<'_>,
    machine: &Machine,
    keeping: &Keeping,
    in_keyring: Option<&SecretString>,
) -> Result<Plan, CommandError> {
    let mut work = Work {
        wanted,
        machine,
        owner: wanted.site.server.to_string(),
        ledger: ledger(machine)?,
        plan: Plan::default(),
    };
    let nix_conf = work.nix_conf()?;
    let netrc = work.netrc(&nix_conf.netrc_file)?;
    let others = work.other_netrcs(&nix_conf.netrc_file)?;
    let mut files = Vec::new();
    let ledger_before = machine.files.content(&machine.ledger);
    if work.ledger != ledger(machine)? {
        files.push(work.change(
            LEDGER,
            &machine.ledger,
            Privacy::Secret,
            Some(ledger_text(&work.ledger)?),
        ));
    } else if ledger_before.is_some() {
        files.push(work.change(
            LEDGER,
            &machine.ledger,
            Privacy::Secret,
            ledger_before.map(<[u8]>::to_vec),
        ));
    }
    files.extend(work.token_store(keeping, in_keyring));
    files.extend(netrc);
    files.extend(others);
    files.extend(nix_conf.change);
    work.plan.changes.files = files;
    Ok(work.plan)
}

fn ledger(machine: &Machine) -> Result<Ledger, CommandError> {
    ledger_of(&machine.files, &machine.ledger)
}

/// What earlier logins have added.
pub(crate) fn ledger_of(files: &Files, path: &Path) -> Result<Ledger, CommandError> {
    let Some(text) = files.content(path) else {
        return Ok(Ledger::default());
    };
    serde_json::from_slice(text).map_err(|error| {
        CommandError::new(Status::Failed, error)
            .context(format!("{} cannot be parsed", path.display()))
            .hint(
                "It records what logins added to your files, and was written by another version of fh. Without \
                 it, `fh logout` cannot remove that; move it away to continue.",
            )
    })
}

pub(crate) fn ledger_text(ledger: &Ledger) -> Result<Vec<u8>, CommandError> {
    let mut text = serde_json::to_vec_pretty(ledger)
        .map_err(|error| CommandError::new(Status::Failed, error))?;
    text.push(b'\n');
    Ok(text)
}

struct Work<'a> {
    wanted: &'a Wanted<'a>,
    machine: &'a Machine,
    owner: String,
    ledger: Ledger,
    plan: Plan,
}

/// What becomes of nix.conf, and which netrc Nix reads then.
struct NixConfPlan {
    change: Option<Change>,
    netrc_file: PathBuf,
}

/// The values that Nix would heed.
#[derive(Default)]
struct Heeded {
    substituters: Vec<String>,
    keys: Vec<String>,
}

fn texts(urls: &[&ServerUrl]) -> Vec<String> {
    urls.iter().map(|url| url.as_str().to_owned()).collect()
}

impl Work<'_> {
    fn change(
        &self,
        kind: &'static str,
        path: &Path,
        privacy: Privacy,
        after: Option<Vec<u8>>,
    ) -> Change {
        Change::new(&self.machine.files, kind, path, privacy, after)
    }

    fn token_store(&mut self, keeping: &Keeping, in_keyring: Option<&SecretString>) -> Vec<Change> {
        let token = self.wanted.token;
        let same = |other: &SecretString| other.expose_secret() == token.expose_secret();
        let entry = &keeping.entry;
        let mut text = None;
        if entry.store == TokenStore::File {
            let present = self.machine.files.content(&keeping.token_file);
            // Blanks around it do not count, and so do not have to be written anew.
            let is_there = present
                .is_some_and(|present| present.trim_ascii() == token.expose_secret().as_bytes());
            text = if is_there {
                present.map(<[u8]>::to_vec)
            } else {
                Some(format!("{}\n", token.expose_secret()).into_bytes())
            };
        }
        let keyring = match entry.store {
            TokenStore::Keyring if !in_keyring.is_some_and(same) => Some(Some(token.clone())),
            TokenStore::File if in_keyring.is_some() => Some(None),
            _ => None,
        };
        self.plan.changes.keyring = keyring.map(|after| KeyringChange {
            server: entry.url.clone(),
            before: in_keyring.cloned(),
            after,
        });
        let mut file = self.change("token", &keeping.token_file, Privacy::Secret, text);
        if file.is_new() {
            file.what.push(match &file.after {
                Some(_) => "the token".to_owned(),
                None => "removed: the token is in the keyring".to_owned(),
            });
        }
        let mut config = self.change(
            "config",
            &self.machine.config,
            Privacy::Kept,
            Some(keeping.servers.to_text().into_bytes()),
        );
        if config.is_new() {
            config.what.push(format!("the server {}", entry.name));
        }
        vec![file, config]
    }

    fn netrc(&mut self, path: &Path) -> Result<Option<Change>, CommandError> {
        let site = self.wanted.site;
        let token = self.wanted.token.expose_secret();
        let understood = |error| {
            CommandError::from(error).context(format!(
                "{} cannot be parsed, and was not changed",
                path.display()
            ))
        };
        let text = self.machine.files.content(path);
        let mut netrc = Netrc::parse(text.unwrap_or_default()).map_err(understood)?;
        let mut what = Vec::new();
        for host in &site.hosts {
            let entry = netrc.get(host);
            let has_token = entry
                .as_ref()
                .is_some_and(|entry| entry.password() == Some(token.as_bytes()));
            // Servers take any login: one that is there already is as good.
            let present = entry
                .as_ref()
                .filter(|_| has_token && self.wanted.user.is_none())
                .and_then(|entry| entry.login())
                .map(|login| String::from_utf8_lossy(login).into_owned());
            let login = present
                .or(site.login.map(str::to_owned))
                .or(self.wanted.user.map(str::to_owned))
                .unwrap_or_else(|| "fh".to_owned());
            self.plan
                .netrc_lines
                .push(format!("machine {host} login {login} password {token}"));
            if !self.wanted.netrc {
                continue;
            }
            if !has_token {
                self.may_replace(path, &netrc, host)?;
            }
            match self
                .ledger
                .set_netrc_entry(path, &self.owner, &mut netrc, host, &login, token)?
            {
                NetrcChange::Unchanged => {}
                NetrcChange::Added => what.push(format!("an entry for {host}")),
                NetrcChange::Updated => what.push(format!("the entry of {host}")),
            }
        }
        if !self.wanted.netrc {
            return Ok(None);
        }
        if text.is_none() && !what.is_empty() {
            self.ledger
                .will_create(path, self.machine.files.missing_directories(path));
        }
        let after = (text.is_some() || !what.is_empty()).then(|| netrc.to_bytes());
        let privacy = netrc_privacy(&self.machine.files, path, self.machine.scope);
        let mut change = self.change("netrc", path, privacy, after);
        if let Some((before, set)) = change.new_mode() {
            self.ledger.will_set_mode(path, &self.owner, before, set);
        }
        change.what = what;
        Ok(Some(change))
    }

    /// The netrc files of earlier logins, which Nix does not read by these settings: a renewed token goes there too.
    fn other_netrcs(&mut self, read: &Path) -> Result<Vec<Change>, CommandError> {
        let Some(former) = self.wanted.former else {
            return Ok(Vec::new());
        };
        let renewed = Renewed {
            owner: &self.owner,
            former,
            token: self.wanted.token,
            scope: self.machine.scope,
        };
        renewed.netrcs(&self.machine.files, &mut self.ledger, Some(read))
    }

    /// Whether the entry of a host may get our token, with a word about whose it was.
    fn may_replace(&mut self, path: &Path, netrc: &Netrc, host: &str) -> Result<(), CommandError> {
        match self.ledger.netrc_standing(path, netrc, host) {
            Standing::Free => Ok(()),
            Standing::Owned(owner) if owner == self.owner => Ok(()),
            Standing::Owned(other) => {
                self.plan.warnings.push(format!(
                    "the netrc entry that Nix used for {other} gets the token of this server.\n\
                     A netrc has one entry for each host, whatever the port: give one of the two \
                     servers another host name."
                ));
                Ok(())
            }
            Standing::Foreign => {
                let entry = netrc.get(host);
                let password = entry.as_ref().and_then(|entry| entry.password());
                if password.is_none_or(is_token) {
                    return Ok(());
                }
                Err(CommandError::failed(format!(
                    "{} has an entry for {host} that is not a token",
                    path.display()
                ))
                .hint(
                    "A netrc has one entry for each host, whatever the port. If this one is not \
                     needed, remove it and try again.",
                )
                .hint("Nothing was changed."))
            }
        }
    }

    fn nix_conf(&mut self) -> Result<NixConfPlan, CommandError> {
        let machine = self.machine;
        let mut conf = machine.parse_nix_conf()?;
        let netrc_file = machine.netrc(&conf)?;
        let sets_netrc_file = conf.effective("netrc-file").is_none()
            && machine.scope == Scope::User
            && self.wanted.netrc;
        let site = self.wanted.site;
        let substituters = texts(&site.substituters());
        if sets_netrc_file {
            self.plan
                .nix_conf_lines
                .push(format!("netrc-file = {}", netrc_file.display()));
        }
        for (name, values) in [
            ("extra-substituters", &substituters),
            ("extra-trusted-public-keys", &site.public_keys),
        ] {
            if !values.is_empty() {
                self.plan
                    .nix_conf_lines
                    .push(format!("{name} = {}", values.join(" ")));
            }
        }
        let unchanged = NixConfPlan {
            change: None,
            netrc_file: netrc_file.clone(),
        };
        if !self.wanted.nix_conf {
            return Ok(unchanged);
        }
        if let FileToEdit::Generated { .. } = machine.nix_conf {
            self.snippet(&conf, sets_netrc_file.then_some(netrc_file.as_path()));
            return Ok(unchanged);
        }
        if sets_netrc_file {
            self.hides_system_netrc(&netrc_file);
        }
        let path = machine.nix_conf_path();
        let mut what = Vec::new();
        let before = conf.to_bytes();
        let keys_of_before = retired::keys(site, machine);
        let removed = self
            .ledger
            .remove_public_keys(path, &mut conf, &keys_of_before)?;
        if !removed.is_empty() {
            what.push("retired keys removed".to_owned());
        }
        if sets_netrc_file {
            let set = self.ledger.set_if_unset(
                path,
                &self.owner,
                &mut conf,
                "netrc-file",
                &netrc_file.to_string_lossy(),
            )?;
            if set == SetIfUnset::Set {
                what.push("netrc-file".to_owned());
            }
        }
        let heeded = self.heeded(&substituters)?;
        for (name, values, heeded) in [
            ("extra-substituters", &substituters, &heeded.substituters),
            ("extra-trusted-public-keys", &site.public_keys, &heeded.keys),
        ] {
            // What an earlier login wrote stays where it is still wanted, heeded or not.
            let values: Vec<&String> = values
                .iter()
                .filter(|value| {
                    heeded.contains(value) || self.ledger.has_value(path, &self.owner, name, value)
                })
                .collect();
            let changed = self
                .ledger
                .set_list(path, &self.owner, &mut conf, name, &values)?;
            what.extend((!changed.is_nothing()).then(|| name.to_owned()));
        }
        let after = conf.to_bytes();
        let is_new = after != before;
        let exists = machine.files.content(path).is_some();
        if is_new && !exists {
            let missing = machine.files.missing_directories(path);
            self.ledger.will_create(path, missing);
        }
        let mut change = self.change(
            "nix.conf",
            path,
            Privacy::Public,
            (exists || is_new).then_some(after),
        );
        change.what = what;
        Ok(NixConfPlan {
            change: Some(change),
            netrc_file,
        })
    }

    /// What of this Nix would heed where it stands in the file. A daemon takes from a user whom it
    /// does not trust only substituters that an administrator has allowed, and no keys.
    fn heeded(&mut self, substituters: &[String]) -> Result<Heeded, CommandError> {
        let keys = &self.wanted.site.public_keys;
        if self.machine.scope == Scope::System || self.machine.daemon != Daemon::Distrusting {
            return Ok(Heeded {
                substituters: substituters.to_vec(),
                keys: keys.clone(),
            });
        }
        // What the daemon has from the machine's own files; the user's are what it does not heed.
        let system = self.system_nix_conf()?;
        let all = |name: &str, values: &[String]| {
            values.iter().all(|value| system.list_contains(name, value))
        };
        let keys_are_there = all("trusted-public-keys", keys);
        if keys_are_there && all("substituters", substituters) {
            return Ok(Heeded::default());
        }
        if keys_are_there && all("trusted-substituters", substituters) {
            return Ok(Heeded {
                substituters: substituters.to_vec(),
                keys: Vec::new(),
            });
        }
        self.plan.needs_administrator = true;
        Ok(Heeded::default())
    }

    fn system_nix_conf(&self) -> Result<NixConf, CommandError> {
        let files = &self.machine.files;
        let path = self
            .machine
            .roots
            .first()
            .map_or(Path::new(""), PathBuf::as_path);
        let text = files.included(path).ok().flatten().unwrap_or_default();
        Ok(NixConf::parse(&text, path, &mut |path| {
            files.included(path)
        })?)
    }

    /// Lines for the configuration that makes nix.conf, if something is missing there.
    fn snippet(&mut self, conf: &NixConf, netrc_file: Option<&Path>) {
        let site = self.wanted.site;
        let mut substituters = texts(&site.substituters());
        substituters.retain(|url| !conf.list_contains("substituters", url));
        let keys: Vec<String> = site
            .public_keys
            .iter()
            .filter(|key| !conf.list_contains("trusted-public-keys", key))
            .cloned()
            .collect();
        let netrc_file = netrc_file.map(|path| path.to_string_lossy().into_owned());
        let mut settings = Vec::new();
        if let Some(path) = &netrc_file {
            settings.push(("netrc-file", ModuleValue::Text(path)));
        }
        for (name, values) in [
            ("extra-substituters", &substituters),
            ("extra-trusted-public-keys", &keys),
        ] {
            if !values.is_empty() {
                settings.push((name, ModuleValue::List(values)));
            }
        }
        if !settings.is_empty() {
            self.plan.snippet = Some(module_settings(&settings));
        }
    }

    /// Says so where a netrc of the system goes out of sight: Nix reads one only.
    fn hides_system_netrc(&mut self, netrc_file: &Path) {
        let system = &self.machine.system_netrc;
        let what = match self.machine.files.included(system) {
            Ok(None) => return,
            Ok(Some(text)) => match Netrc::parse(&text).map(|netrc| netrc.hosts()) {
                Ok(hosts) if hosts.is_empty() => return,
                Ok(hosts) => format!("has entries for {}", hosts.join(", ")),
                Err(_) => "may have entries".to_owned(),
            },
            Err(_) => "may have entries".to_owned(),
        };
        self.plan.warnings.push(format!(
            "Nix reads only one netrc, from now on yours. {} {what}: copy what you need to {}.",
            system.display(),
            netrc_file.display()
        ));
    }
}

/// Who may read a netrc with a token. On a machine with several users a group such as nixbld may have to read root's.
fn netrc_privacy(files: &Files, path: &Path, scope: Scope) -> Privacy {
    match scope {
        Scope::System if files.is_of_root(path) => Privacy::Private,
        Scope::System | Scope::User => Privacy::Secret,
    }
}

/// Whether a password looks like a token: ours, FlakeHub's, or any JWT.
fn is_token(password: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(password) else {
        return false;
    };
    text.starts_with(fh_api::TOKEN_PREFIX)
        || text.starts_with("flakehub1_")
        || (text.starts_with("ey") && text.split('.').count() == 3)
}

/// The address of a server in the words of a command line.
pub(super) fn server_argument(server: &ServerUrl) -> String {
    if server.as_str() == fh_client::FlakeHub::API {
        "flakehub".to_owned()
    } else {
        server.to_string()
    }
}
