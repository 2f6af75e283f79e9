//! A second reader of one entry, which others have written: netrc-rs.
//!
//! Programs that are written in Rust read a netrc with it, beside curl. It is given an entry that our own reader has cut
//! out, because of a whole file it would take words in remarks for entries. What it gives back shows the password by
//! `Debug` and `Display`, and so do its errors: none of it leaves this module.

use netrc_rs::Netrc;

/// Whether it finds in the text of an entry the host, the login and the password that we find there. Not where there
/// is something that it does not know: quotes, remarks, repeated values, other words, bytes that are no UTF-8.
pub(super) fn agrees(
    entry: &[u8],
    host: &str,
    (login, password): (Option<&[u8]>, Option<&[u8]>),
) -> bool {
    let Some(read) = str::from_utf8(entry)
        .ok()
        .and_then(|text| Netrc::parse(text, false).ok())
    else {
        return false;
    };
    let [machine] = read.machines.as_slice() else {
        return false;
    };
    let is =
        |found: &Option<String>, ours: Option<&[u8]>| found.as_deref().map(str::as_bytes) == ours;
    let name = machine.name.as_deref();
    name.is_some_and(|name| name.eq_ignore_ascii_case(host))
        && is(&machine.login, login)
        && is(&machine.password, password)
}
