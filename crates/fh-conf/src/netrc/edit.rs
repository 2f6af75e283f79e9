//! Writing: the edits that set and take back an entry, as byte ranges.

use std::ops::Range;

use super::scan::{Item, Key, Kind, Scanned, is_blank};
use super::value::LONGEST_LINE;
use crate::text::{append_line, line_end, line_start, line_stop, splice, whole_line};
use crate::{Error, Result};

/// What [`Netrc::set`](super::Netrc::set) did to the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The entry had these values; no byte changed.
    Unchanged,
    /// There was no entry of that host that a reader would reach; one was added.
    Added,
    /// The host's entry had other values, which were replaced.
    Updated,
}

/// The first item behind which some reader does not find an entry.
fn barrier(items: &[Item]) -> Option<usize> {
    items
        .iter()
        .position(|item| item.hides_rest || item.kind == Kind::Default)
}

/// Which item is the entry of `host`, if every reader finds it.
pub(super) fn place_in_reach(scanned: &Scanned, host: &str) -> Option<usize> {
    let items = &scanned.items;
    let own = items.iter().position(|item| item.is_machine(host))?;
    let in_reach = barrier(items).is_none_or(|barrier| own <= barrier)
        && scanned.top_barrier.is_none()
        && !items[own].hides_itself;
    in_reach.then_some(own)
}

/// The text with the entry of `host` set. The values are checked already.
pub(super) fn set(
    text: &[u8],
    scanned: &Scanned,
    host: &str,
    login: &str,
    password: &str,
) -> (Vec<u8>, Change) {
    let items = &scanned.items;
    if let Some(own) = place_in_reach(scanned, host) {
        let edits = update(&items[own], login, password);
        let change = if edits.is_empty() {
            Change::Unchanged
        } else {
            Change::Updated
        };
        return (splice(text, &edits), change);
    }
    let entry = format!("machine {host} login {login} password {password}").into_bytes();
    if let Some(top) = scanned.top_barrier {
        let at = above_comments(text, top, 0);
        let line = [entry.as_slice(), line_end(text)].concat();
        return (splice(text, &[(at..at, line)]), Change::Added);
    }
    // Also above an entry of the host that some reader does not understand.
    let own = items.iter().position(|item| item.is_machine(host));
    let Some(barrier) = barrier(items).into_iter().chain(own).min() else {
        let mut text = text.to_vec();
        append_line(&mut text, &entry);
        return (text, Change::Added);
    };
    // A macro belongs to the entry before it: nothing goes in between.
    let entry_before = items[..barrier]
        .iter()
        .rposition(|item| item.kind != Kind::Macro);
    let is_macro = items[barrier].kind == Kind::Macro;
    let barrier = if is_macro {
        entry_before.unwrap_or(0)
    } else {
        barrier
    };
    let start = items[barrier].range.start;
    let begin = line_start(text, start);
    let (at, gap) = if text[begin..start].iter().all(|&byte| is_blank(byte)) {
        let floor = barrier
            .checked_sub(1)
            .map_or(0, |before| items[before].range.end);
        (above_comments(text, begin, floor), line_end(text))
    } else {
        (start, b" ".as_slice())
    };
    (
        splice(text, &[(at..at, [entry.as_slice(), gap].concat())]),
        Change::Added,
    )
}

/// The begin of the comment lines directly above a line, which belong to it, unless they begin the
/// file or part: those are about the whole file.
fn above_comments(text: &[u8], line: usize, floor: usize) -> usize {
    let mut at = line;
    while at > floor {
        let above = line_start(text, at - 1);
        let first = text[above..at].iter().find(|&&byte| !is_blank(byte));
        if above < floor || first != Some(&b'#') {
            return at;
        }
        at = above;
    }
    line
}

fn update(item: &Item, login: &str, password: &str) -> Vec<(Range<usize>, Vec<u8>)> {
    let mut edits = Vec::new();
    let mut missing = Vec::new();
    for (key, keyword, value) in [
        (Key::Login, "login", login),
        (Key::Password, "password", password),
    ] {
        let mut fields = item
            .fields
            .iter()
            .filter(|field| field.key == key)
            .peekable();
        if fields.peek().is_none() {
            missing.extend_from_slice(format!(" {keyword} {value}").as_bytes());
        }
        let other = fields.filter(|field| field.value != value.as_bytes());
        edits.extend(other.map(|field| (field.range.clone(), value.as_bytes().to_vec())));
    }
    if !missing.is_empty() {
        edits.push((item.head_end..item.head_end, missing));
    }
    edits.sort_by_key(|edit| edit.0.start);
    edits
}

/// The text with an entry as it was before [`update`]: `earlier` is that entry alone, read from
/// `before`.
pub(super) fn put_back(text: &[u8], item: &Item, before: &[u8], earlier: &Item) -> Vec<u8> {
    let whole = (item.range.clone(), before.to_vec());
    let now = &text[item.range.clone()];
    let is_untouched = match item.credentials() {
        (Some(login), Some(password)) => {
            let values = [login, password].map(String::from_utf8_lossy);
            splice(before, &update(earlier, &values[0], &values[1])) == now
        }
        _ => false,
    };
    let fields = |item: &Item| -> (Vec<Key>, Vec<Range<usize>>) {
        let fields = item.fields.iter().filter(|field| field.key != Key::Account);
        fields.map(|field| (field.key, field.range.clone())).unzip()
    };
    let ((keys, then), (keys_now, now)) = (fields(earlier), fields(item));
    let has_both = keys.contains(&Key::Login) && keys.contains(&Key::Password);
    if is_untouched || keys != keys_now || !has_both {
        return splice(text, &[whole]);
    }
    // Somebody has changed the entry since, but not what it consists of: the values alone.
    let values = then.into_iter().map(|range| before[range].to_vec());
    let edits: Vec<_> = now.into_iter().zip(values).collect();
    splice(text, &edits)
}

/// Refuses an entry with a line that some curl would skip.
pub(super) fn check_line_lengths(text: &[u8], items: &[Item], host: &str) -> Result<()> {
    let Some(item) = items.iter().find(|item| item.is_machine(host)) else {
        return Ok(());
    };
    let ends = item.fields.iter().map(|field| field.range.end);
    let too_long = ends
        .into_iter()
        .any(|end| line_stop(text, end) - line_start(text, end) > LONGEST_LINE);
    if too_long {
        let reason = "its line would be longer than the 4095 bytes that curl reads";
        return Err(Error::NetrcValue {
            what: "password",
            reason,
        });
    }
    Ok(())
}

/// The text without an item: its lines if it has them to itself, or else its words and the white
/// space on one side.
pub(super) fn remove(text: &[u8], item: &Item) -> Vec<u8> {
    let Range { start, end } = item.range;
    let begin = line_start(text, start);
    let leads = text[begin..start].iter().all(|&byte| is_blank(byte));
    let before = text[..start]
        .iter()
        .rposition(|&byte| !is_blank(byte))
        .map_or(0, |last| last + 1);
    let stop = line_stop(text, end);
    let blanks = text[end..stop]
        .iter()
        .take_while(|&&byte| is_blank(byte))
        .count();
    let trails = end + blanks == stop;
    let range = match (leads, trails) {
        (true, true) => whole_line(text, start, stop),
        (_, false) => start..end + blanks,
        (false, true) if text[..stop].ends_with(b"\r") && stop < text.len() => before..stop - 1,
        (false, true) => before..stop,
    };
    splice(text, &[(range, Vec::new())])
}
