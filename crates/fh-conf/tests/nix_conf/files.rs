//! Random nix.conf files that Nix accepts, with an included file.

use proptest::prelude::*;

/// The name of the file that random files include.
pub(crate) const INCLUDED: &str = "included.conf";

fn url() -> impl Strategy<Value = &'static str> {
    let urls = [
        "https://a.example",
        "https://b.example/",
        "https://c.example/d?priority=3",
        "https://x.example",
        "https://x.example/",
    ];
    prop::sample::select(urls.to_vec())
}

fn setting() -> impl Strategy<Value = String> {
    let lists = [
        "substituters",
        "extra-substituters",
        "extra-substituters",
        "binary-caches",
        "extra-binary-caches",
        "trusted-substituters",
        "extra-trusted-substituters",
    ];
    let equals = prop::sample::select(&[" = ", " = ", " =\t", "\t= ", "  =  "][..]);
    let list = (
        prop::sample::select(lists.to_vec()),
        equals,
        prop::collection::vec(url(), 0..3),
    );
    let keys = [
        "trusted-public-keys = a-1:AAAA b-1:BBBB",
        "extra-trusted-public-keys = c-1:CCCC",
        "binary-cache-public-keys =",
    ];
    let others = [
        "cores = 3",
        "max-jobs = auto",
        "netrc-file = /some where/netrc",
        "sandbox = false",
        "trusted-users = root @wheel",
        "extra-experimental-features = nix-command flakes",
    ];
    prop_oneof![
        4 => list.prop_map(|(name, equals, urls)| format!("{name}{equals}{}", urls.join(" "))),
        1 => prop::sample::select(keys.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(others.to_vec()).prop_map(str::to_owned),
    ]
}

fn line(includes: bool) -> impl Strategy<Value = String> {
    let indent = prop::sample::select(&["", "", "", "  ", "\t"][..]);
    let tail = prop::sample::select(&["", "", "", " ", "# glued", "  # a remark = x", "\r"][..]);
    let other = prop::sample::select(&["", "# cores = 9", "   ", "#"][..]);
    let include = if includes { 1 } else { 0 };
    let file = prop::sample::select(vec![
        format!("include {INCLUDED}"),
        format!("!include ./{INCLUDED}"),
        "!include missing.conf".to_owned(),
    ]);
    let content = prop_oneof![5 => setting(), 2 => other.prop_map(str::to_owned), include => file];
    (indent, content, tail).prop_map(|(indent, content, tail)| format!("{indent}{content}{tail}"))
}

/// Text of a file, with or without includes, with or without CRLF and final line end.
pub(crate) fn file(includes: bool) -> impl Strategy<Value = String> {
    let lines = prop::collection::vec(line(includes), 0..7);
    (lines, any::<bool>(), 0..4_u8).prop_map(|(lines, ended, style)| {
        let mut text = lines.join("\n");
        if ended && !text.is_empty() {
            text.push('\n');
        }
        if style == 0 {
            text.replace("\r\n", "\n").replace('\n', "\r\n")
        } else {
            text
        }
    })
}
