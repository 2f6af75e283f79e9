//! Netrc entries: who put a token there, and what stood there before.
//!
//! The servers of one host share its one entry. Their records lie on each other in the order of
//! their logins: the uppermost has its token in the file; when it goes, the next one's token comes
//! back, and when the last goes, what was there before all of them.

use serde::{Deserialize, Serialize};

use super::secret::{Secret, digest};
use crate::Result;
use crate::netrc::{Change, Entry, Netrc};

/// Whose the entry of a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is no entry that a reader would find.
    Free,
    /// It has the token that this owner's login put there.
    Owned(String),
    /// No login that is known here wrote it, or somebody has changed it since.
    Foreign,
}

/// What became of a host's entry when an owner went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenBack {
    /// The entry is gone, as it was before.
    Removed,
    /// The entry is again what it was before the first login.
    GivenBack,
    /// The token of another owner, which this one's had replaced, is there again.
    HandedTo(String),
    /// Another owner's token had replaced this one's: nothing changed.
    NotInUse,
    /// Somebody has put another password there since: it is theirs, and nothing changed.
    Foreign,
    /// There was no entry any more.
    Gone,
}

/// The entry of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostRecord {
    host: String,
    /// The text of the entry that was there before the first login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Secret>,
    /// Who has logged in, the last one last; never empty.
    holders: Vec<Holder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder {
    owner: String,
    login: String,
    /// The [`digest`] of the token.
    token: String,
    /// The token itself, while another one's has taken its place in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced: Option<Secret>,
}

impl HostRecord {
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.holders.iter().map(|holder| holder.owner.as_str())
    }

    fn is_of(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }

    /// Whether the entry of a netrc is the one noted here.
    fn holds(&self, netrc: &Netrc) -> bool {
        let entry = netrc.get(&self.host);
        entry.is_some_and(|entry| self.holder_of(&entry).is_some())
    }

    /// Whose token an entry has: that of the last who logged in, or nobody's.
    fn holder_of(&self, entry: &Entry) -> Option<&Holder> {
        let token = digest(entry.password()?);
        self.holders.last().filter(|last| last.token == token)
    }
}

/// Whose the entry of a host in a netrc is now.
pub(super) fn standing(records: &[HostRecord], netrc: &Netrc, host: &str) -> Standing {
    let Some(entry) = netrc.get(host) else {
        return Standing::Free;
    };
    let record = records.iter().find(|record| record.is_of(host));
    match record.and_then(|record| record.holder_of(&entry)) {
        Some(holder) => Standing::Owned(holder.owner.clone()),
        None => Standing::Foreign,
    }
}

/// [`Netrc::set`] for an owner. An entry that was right already without a login is the person's own, and not noted.
pub(super) fn set(
    records: &mut Vec<HostRecord>,
    owner: &str,
    netrc: &mut Netrc,
    host: &str,
    login: &str,
    password: &str,
) -> Result<Change> {
    if let Some(index) = records.iter().position(|record| record.is_of(host)) {
        bring_into_reach(&mut records[index], netrc)?;
        if !records[index].holds(netrc) {
            // What was noted is not what is there: somebody else has changed it.
            records.remove(index);
        }
    }
    let entry = netrc.get(host);
    let before = netrc.entry_text(host).map(<[u8]>::to_vec);
    let change = netrc.set(host, login, password)?;
    let known = records.iter().position(|record| record.is_of(host));
    let index = match known {
        Some(index) => index,
        // Right already, and not by us.
        None if change == Change::Unchanged => return Ok(change),
        None => {
            records.push(HostRecord {
                host: host.to_owned(),
                before: before.filter(|_| change == Change::Updated).map(Secret),
                holders: Vec::new(),
            });
            records.len() - 1
        }
    };
    let holders = &mut records[index].holders;
    if let Some(last) = holders.last_mut().filter(|last| last.owner != owner) {
        let token = entry.as_ref().and_then(Entry::password);
        last.replaced = token.map(|token| Secret(token.to_vec()));
    }
    holders.retain(|holder| holder.owner != owner);
    holders.push(Holder {
        owner: owner.to_owned(),
        login: login.to_owned(),
        token: digest(password.as_bytes()),
        replaced: None,
    });
    Ok(change)
}

/// Puts an owner's new token wherever its former one is; the hosts whose entry is another one now.
pub(super) fn renew(
    records: &mut [HostRecord],
    owner: &str,
    netrc: &mut Netrc,
    former: &str,
    token: &str,
) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    let former = digest(former.as_bytes());
    for record in records {
        if !record.owners().any(|holder| holder == owner) {
            continue;
        }
        bring_into_reach(record, netrc)?;
        let is_there = record.holds(netrc);
        let last = record.holders.len().saturating_sub(1);
        for (place, holder) in record.holders.iter_mut().enumerate() {
            if holder.owner != owner || holder.token != former {
                continue;
            }
            if place == last {
                if !is_there {
                    continue;
                }
                netrc.set(&record.host, &holder.login, token)?;
                changed.push(record.host.clone());
            } else {
                holder.replaced = Some(Secret(token.as_bytes().to_vec()));
            }
            holder.token = digest(token.as_bytes());
        }
    }
    Ok(changed)
}

/// Takes back what an owner's logins did to a netrc, for each host.
pub(super) fn take_back(
    records: &mut Vec<HostRecord>,
    owner: &str,
    netrc: &mut Netrc,
) -> Result<Vec<(String, TakenBack)>> {
    let mut results = Vec::new();
    // The last entry first, as it is undone the other way round.
    for record in records.iter_mut().rev() {
        if let Some(result) = take_back_host(record, owner, netrc)? {
            results.push((record.host.clone(), result));
        }
    }
    records.retain(|record| !record.holders.is_empty());
    // What was given back may hide other entries of ours from some reader.
    for record in records {
        bring_into_reach(record, netrc)?;
    }
    results.reverse();
    Ok(results)
}

/// Moves an entry of ours above what hides it from some reader, if there is anything.
fn bring_into_reach(record: &mut HostRecord, netrc: &mut Netrc) -> Result<()> {
    let host = record.host.clone();
    if netrc.is_in_reach(&host) || !record.holds(netrc) {
        return Ok(());
    }
    let Some(holder) = record.holders.last() else {
        return Ok(());
    };
    let password = netrc.get(&host).and_then(|entry| {
        let password = entry.password()?;
        Some(String::from_utf8_lossy(password).into_owned())
    });
    let before = record.before.as_ref().map(|before| before.0.as_slice());
    netrc.put_back(&host, before)?;
    netrc.set(&host, &holder.login, &password.unwrap_or_default())?;
    // What was there before is behind what hides it, and stays as it is.
    record.before = None;
    Ok(())
}

/// Takes an owner out of the record of a host; `None` if it is not in there.
fn take_back_host(
    record: &mut HostRecord,
    owner: &str,
    netrc: &mut Netrc,
) -> Result<Option<TakenBack>> {
    let Some(place) = record.owners().position(|holder| holder == owner) else {
        return Ok(None);
    };
    let is_last = place + 1 == record.holders.len();
    let standing = netrc
        .get(&record.host)
        .map(|entry| record.holder_of(&entry).is_some());
    record.holders.remove(place);
    Ok(Some(match (is_last, standing) {
        (false, _) => TakenBack::NotInUse,
        (true, None) => TakenBack::Gone,
        (true, Some(false)) => TakenBack::Foreign,
        (true, Some(true)) => {
            let next = record.holders.last_mut();
            let next = next.and_then(|next| Some((next.replaced.take()?, next)));
            if let Some((token, next)) = next {
                let token = String::from_utf8_lossy(&token.0);
                netrc.set(&record.host, &next.login, &token)?;
                TakenBack::HandedTo(next.owner.clone())
            } else {
                let before = record.before.as_ref().map(|before| before.0.as_slice());
                netrc.put_back(&record.host, before)?;
                match before {
                    Some(_) => TakenBack::GivenBack,
                    None => TakenBack::Removed,
                }
            }
        }
    }))
}
