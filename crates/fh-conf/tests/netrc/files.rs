//! Random netrc files: most are understood, many are awkward.

use proptest::prelude::*;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&["a", "b.example", "fh1_x", "p#q", "it's", "c-d", "z42", "#hash", "B.Example"][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(&["\"a b\"", "\"\"", "\"#x\"", "\"\\\"q\\\\\"", "\"b.example\""][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(&["default", "\"machine\"", "login", "password", "macdef", "account", "Default"][..])
            .prop_map(str::to_owned),
    ]
}

fn gap() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            " ",
            " ",
            " ",
            "  ",
            "\t",
            "\n",
            "\n\t",
            "\n  # the token\n  ",
        ][..],
    )
}

fn entry() -> impl Strategy<Value = String> {
    (word(), word(), word(), gap(), gap(), gap(), 0..6_usize).prop_map(
        |(host, login, password, one, two, three, kind)| match kind {
            0 => format!("machine {host}"),
            1 => format!("machine {host}{one}password {password}"),
            2 => format!("MACHINE{one}{host}{two}password{one}{password}{three}login{one}{login}"),
            _ => format!("machine {host}{one}login {login}{two}password{three}{password}"),
        },
    )
}

fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        "default login x password y",
        "default",
        "macdef init\ncd /pub\nmachine no\n\n",
        "macdef init\ncd /pub",
        " account z port 22",
        " # a remark",
        " # not the default",
        "# a whole line",
        "# machine a login b password c",
        "",
        "  ",
    ];
    prop_oneof![3 => entry(), 1 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned)]
}

/// A netrc file, perhaps. With `crlf`, some have that line end.
pub(crate) fn file(crlf: bool) -> impl Strategy<Value = String> {
    let end = prop::sample::select(&["\n", "\n", "\n", "\n\n", " ", ""][..]);
    let pieces = prop::collection::vec((piece(), end), 0..8);
    (pieces, any::<bool>()).prop_map(move |(pieces, windows)| {
        let text: String = pieces.into_iter().map(|(piece, end)| piece + end).collect();
        if crlf && windows {
            text.replace('\n', "\r\n")
        } else {
            text
        }
    })
}
