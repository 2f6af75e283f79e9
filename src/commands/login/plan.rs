//! What a login changes: worked out of what was seen, without a file system, a network or a
//! terminal.
//!
//! Invariants: a netrc entry that is no token is somebody's password, and is never replaced; a file
//! that is generated is never touched; nothing is written that would have no effect.

mod netrc;
mod netrc_writer;
mod retired;
#[cfg(test)]
mod tests;
mod variable;

use std::path::{Path, PathBuf};

use fh_client::{Reading, ServerEntry, ServerList, ServerUrl, TokenStore};
use fh_conf::ledger::Ledger;
use fh_conf::nix_conf::{FileToEdit, ModuleValue, NixConf, SetIfUnset, module_settings};
use secrecy::{ExposeSecret, SecretString};

use crate::error::CommandError;
use crate::setup::daemon::Daemon;
use crate::setup::{
    Change, Changes, KeyringChange, Machine, Privacy, Scope, ledger_change, ledger_of,
};
use crate::site::Site;

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
    /// The file of certificates for the server, if that was said.
    pub(super) ca_file: Option<&'a Path>,
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
    /// The netrc of the machine that only an administrator can have written, if the token is not there.
    pub(super) netrc_of_machine: Option<PathBuf>,
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
    let text = machine.files.content(&machine.config);
    let text = text
        .map(std::str::from_utf8)
        .transpose()
        .map_err(|_| CommandError::failed(format!("{} is not UTF-8", machine.config.display())))?;
    let mut servers = ServerList::parse(&machine.config, text)?;
    let site = wanted.site;
    let known = servers.entry(&site.server).cloned();
    let former_store = known.as_ref().map(|entry| entry.store);
    let mut entry = known.unwrap_or_else(|| {
        let name = servers.name_for(&site.server);
        ServerEntry::new(name, site.server.clone(), site.kind)
    });
    let store = wanted.store.or(former_store).or(servers.preferred_store());
    entry.kind = site.kind;
    entry.store = store.unwrap_or_default();
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
    if let Some(ca_file) = wanted.ca_file {
        // config.toml is text.
        if ca_file.to_str().is_none() {
            return Err(CommandError::usage(format!(
                "the path {} is not UTF-8",
                ca_file.display()
            )));
        }
        entry.ca_file = Some(ca_file.to_owned());
    }
    if let Some(reading) = wanted.reading {
        entry.reading.clone_from(reading);
    }
    servers.record(&entry);
    Ok(Keeping {
        token_file: token_file(&entry),
        uses_keyring: [former_store, Some(entry.store)].contains(&Some(TokenStore::Keyring)),
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
    let ledger = ledger_of(&machine.files, &machine.ledger)?;
    let mut work = Work {
        wanted,
        machine,
        owner: wanted.site.server.to_string(),
        ledger: ledger.clone(),
        plan: Plan::default(),
    };
    let nix_conf = work.nix_conf()?;
    let read = machine.netrcs(&machine.parse_nix_conf()?)?;
    let mut netrcs = Vec::new();
    for path in &read {
        netrcs.extend(work.netrc_of_keeper(path)?);
    }
    let others = work.other_netrcs(read, &netrcs)?;
    let noted = ledger_change(&machine.files, &machine.ledger, &ledger, &work.ledger)?;
    let mut files = vec![noted];
    files.extend(work.token_store(keeping, in_keyring));
    files.extend(netrcs);
    files.extend(others);
    files.extend(nix_conf);
    work.plan.changes.files = files;
    Ok(work.plan)
}

struct Work<'a> {
    wanted: &'a Wanted<'a>,
    machine: &'a Machine,
    owner: String,
    ledger: Ledger,
    plan: Plan,
}

/// A list of nix.conf, and what of it lets Nix read from a server.
struct List {
    name: &'static str,
    /// The setting that adds to it.
    extra: &'static str,
    values: Vec<String>,
}

/// The addresses and the keys of a server.
fn lists(site: &Site) -> [List; 2] {
    let substituters = site.substituters().into_iter();
    [
        List {
            name: "substituters",
            extra: "extra-substituters",
            values: substituters.map(|url| url.as_str().to_owned()).collect(),
        },
        List {
            name: "trusted-public-keys",
            extra: "extra-trusted-public-keys",
            values: site.public_keys.clone(),
        },
    ]
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
        let present = self.machine.files.content(&keeping.token_file);
        // Blanks around it do not count, and so do not have to be written anew.
        let present = present.filter(|text| text.trim_ascii() == token.expose_secret().as_bytes());
        let text = (entry.store == TokenStore::File).then(|| match present {
            Some(present) => present.to_vec(),
            None => format!("{}\n", token.expose_secret()).into_bytes(),
        });
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

    fn nix_conf(&mut self) -> Result<Option<Change>, CommandError> {
        let machine = self.machine;
        let mut conf = machine.parse_nix_conf()?;
        let netrc_file = machine.default_netrc.as_path();
        let sets_netrc_file =
            !machine.names_netrc(&conf) && machine.scope == Scope::User && self.wanted.netrc;
        let site = self.wanted.site;
        let lists = lists(site);
        let lines = &mut self.plan.nix_conf_lines;
        lines.extend(sets_netrc_file.then(|| format!("netrc-file = {}", netrc_file.display())));
        for List { extra, values, .. } in lists.iter().filter(|list| !list.values.is_empty()) {
            lines.push(format!("{extra} = {}", values.join(" ")));
        }
        if !self.wanted.nix_conf {
            return Ok(None);
        }
        self.heeds_variable(&lists)?;
        if let FileToEdit::Generated { path, .. } = &machine.nix_conf {
            if site.public_keys.is_empty() && site.lines.is_none() && !site.is_read_by(&conf) {
                self.plan.warnings.push(format!(
                    "{} is generated from a configuration, and was not changed. Set the substituter and the \
                     public keys of {} there, in `nix.settings`: `fh login` without --offline prints them.",
                    path.display(),
                    site.server
                ));
            }
            let netrc_file = sets_netrc_file.then_some(netrc_file);
            self.plan.snippet = snippet(lists, &conf, netrc_file);
            return Ok(None);
        }
        if sets_netrc_file {
            self.hides_system_netrc(netrc_file);
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
        let heeded = self.heeded(&lists)?;
        for (List { extra, values, .. }, is_heeded) in lists.iter().zip(heeded) {
            let (ledger, owner) = (&mut self.ledger, &self.owner);
            // What an earlier login wrote stays where it is still wanted, heeded or not.
            let stays = |value: &&String| is_heeded || ledger.has_value(path, owner, extra, value);
            let values: Vec<&String> = values.iter().filter(stays).collect();
            let changed = ledger.set_list(path, owner, &mut conf, extra, &values)?;
            what.extend((!changed.is_nothing()).then(|| (*extra).to_owned()));
        }
        let after = conf.to_bytes();
        let is_written = self.note_file(path, after != before);
        let after = is_written.then_some(after);
        let mut change = self.change("nix.conf", path, Privacy::Public, after);
        change.what = what;
        Ok(Some(change))
    }

    /// Which of the lists Nix would heed where they stand in the file. A daemon takes from a user whom it
    /// does not trust only substituters that an administrator has allowed, and no keys.
    fn heeded(&mut self, [substituters, keys]: &[List; 2]) -> Result<[bool; 2], CommandError> {
        if self.machine.scope == Scope::System || self.machine.daemon != Daemon::Distrusting {
            return Ok([true; 2]);
        }
        // What the daemon has from the machine's own files; the user's are what it does not heed.
        let system = self.system_nix_conf()?;
        let has = |name: &str, list: &List| {
            let mut values = list.values.iter();
            values.all(|value| system.list_contains(name, value))
        };
        let has_keys = has(keys.name, keys);
        if has_keys && has(substituters.name, substituters) {
            return Ok([false; 2]);
        }
        let may_add = has_keys && has("trusted-substituters", substituters);
        self.plan.needs_administrator = !may_add;
        Ok([may_add, false])
    }

    fn system_nix_conf(&self) -> Result<NixConf, CommandError> {
        let files = &self.machine.files;
        let first = self.machine.roots.first();
        let path = first.map_or(Path::new(""), PathBuf::as_path);
        let text = files.included(path).ok().flatten().unwrap_or_default();
        let conf = NixConf::parse(&text, path, &mut |path| files.included(path));
        Ok(conf?)
    }

    /// Notes a file that is made new, with the directories for it; whether there is one afterwards. `has_more`: a login
    /// adds something to it.
    fn note_file(&mut self, path: &Path, has_more: bool) -> bool {
        let files = &self.machine.files;
        let exists = files.content(path).is_some();
        if has_more && !exists {
            let missing = files.missing_directories(path);
            self.ledger.will_create(path, missing);
        }
        exists || has_more
    }
}

/// Lines for the configuration that makes nix.conf, if something is missing there.
fn snippet(mut lists: [List; 2], conf: &NixConf, netrc_file: Option<&Path>) -> Option<String> {
    let netrc_file = netrc_file.map(Path::to_string_lossy);
    let netrc_file = netrc_file.as_deref().map(ModuleValue::Text);
    let mut settings = Vec::from_iter(netrc_file.map(|path| ("netrc-file", path)));
    for List {
        name,
        extra,
        values,
    } in &mut lists
    {
        values.retain(|value| !conf.list_contains(name, value));
        if !values.is_empty() {
            settings.push((*extra, ModuleValue::List(values)));
        }
    }
    (!settings.is_empty()).then(|| module_settings(&settings))
}

/// The address of a server in the words of a command line.
pub(super) fn server_argument(server: &ServerUrl) -> String {
    if server.as_str() == fh_client::FlakeHub::API {
        "flakehub".to_owned()
    } else {
        server.to_string()
    }
}
