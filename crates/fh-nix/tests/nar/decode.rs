//! The decoder, and that it is strict.

use fh_nix::nar::Event;
use fh_nix::{Error, Limits, NarDecoder};
use proptest::prelude::*;

use super::tree::{
    any_tree, decode, decode_pieces, directory, link, menagerie, regular, string, strings,
};

/// Asserts that these bytes are refused, at this offset, with a message that holds this, however they are cut.
#[track_caller]
fn refused(nar: &[u8], offset: usize, problem: &str) {
    for size in [nar.len().max(1), 1, 5] {
        let error = decode_pieces(Limits::default(), nar.chunks(size)).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(problem),
            "{message}\ninstead of: {problem}"
        );
        let Error::Nar { offset: found, .. } = error else {
            panic!("{message}")
        };
        assert_eq!(found, offset as u64, "{message}, in pieces of {size}");
    }
}

fn archive(list: &[&[u8]]) -> Vec<u8> {
    [string(b"nix-archive-1"), strings(list)].concat()
}

const FILE: [&[u8]; 6] = [b"(", b"type", b"regular", b"contents", b"x", b")"];

/// A directory with regular files of these names, in this order.
fn with_names(names: &[&[u8]]) -> Vec<u8> {
    let mut list: Vec<&[u8]> = vec![b"(", b"type", b"directory"];
    for name in names {
        list.extend([b"entry", b"(".as_slice(), b"name", name, b"node"]);
        list.extend(FILE);
        list.push(b")");
    }
    list.push(b")");
    archive(&list)
}

#[test]
fn one_of_each_in_pieces_of_every_size() {
    let tree = menagerie();
    let nar = tree.nar();
    for size in [1, 2, 3, 7, 8, 9, 64, 1000, 1 << 20] {
        let decoded = decode_pieces(Limits::default(), nar.chunks(size)).unwrap();
        assert!(decoded == tree, "pieces of {size}");
    }
}

#[test]
fn events_in_order() {
    let nar = directory([
        (b"a", regular(b"12")),
        (b"b", link("a")),
        (b"c", directory([])),
    ])
    .nar();
    let mut events = Vec::new();
    let mut decoder = NarDecoder::default();
    assert!(!decoder.is_complete());
    decoder
        .feed(&nar, &mut |event| {
            events.push(format!("{event:?}"));
            Ok(())
        })
        .unwrap();
    assert!(decoder.is_complete());
    decoder.finish().unwrap();
    let expected = [
        Event::DirectoryStart,
        Event::Entry { name: b"a" },
        Event::RegularStart {
            executable: false,
            size: 2,
            offset: 232,
        },
        Event::Data(b"12"),
        Event::RegularEnd,
        Event::Entry { name: b"b" },
        Event::Symlink { target: b"a" },
        Event::Entry { name: b"c" },
        Event::DirectoryStart,
        Event::DirectoryEnd,
        Event::DirectoryEnd,
    ];
    assert_eq!(events, expected.map(|event| format!("{event:?}")));
}

#[test]
fn names_out_of_order_or_twice() {
    let first = 24 + 56 + 48;
    let second = first + 16 + 16 + 64 + 16 + 16 + 16 + 48;
    refused(
        &with_names(&[b"b", b"a"]),
        second,
        "the entry \"a\" is not in order",
    );
    refused(
        &with_names(&[b"a", b"a"]),
        second,
        "the entry \"a\" appears twice",
    );
    refused(&with_names(&[b"ab", b"a"]), second, "not in order");
    // As bytes, and not as signed ones.
    refused(&with_names(&[b"\xff", b"z"]), second, "not in order");
    decode(&with_names(&[b"Z", b"a", b"a-", b"a.", b"aa", b"\xff"])).unwrap();
}

#[test]
fn each_directory_has_an_order_of_its_own() {
    let inner = directory([(b"z", regular(b""))]);
    let tree = directory([(b"b", inner.clone()), (b"c", directory([(b"a", inner)]))]);
    assert_eq!(decode(&tree.nar()).unwrap(), tree);
}

#[test]
fn names_that_are_none() {
    let at = 24 + 56 + 48;
    for name in [b"".as_slice(), b".", b".."] {
        refused(&with_names(&[name]), at, "is not a file name");
    }
    for name in [b"a/b".as_slice(), b"/", b"../x", b"x/"] {
        refused(&with_names(&[name]), at, "has a slash");
    }
    for name in [b"\0".as_slice(), b"a\0", b"a\0b"] {
        refused(&with_names(&[name]), at, "has a NUL");
    }
    decode(&with_names(&[b"\n", b"...", b"..a", b"\\"])).unwrap();
    decode(&with_names(&[&[b'x'; 255]])).unwrap();
    refused(
        &with_names(&[&[b'x'; 256]]),
        at,
        "a name has 256 bytes, the limit being 255",
    );
}

#[test]
fn targets_that_are_none() {
    let symlink = |target: &[u8]| archive(&[b"(", b"type", b"symlink", b"target", target, b")"]);
    let at = 24 + 64;
    refused(&symlink(b""), at, "is not a link's target");
    refused(&symlink(b"a\0"), at, "\"a\\x00\" is not a link's target");
    decode(&symlink(&[b'x'; 4095])).unwrap();
    refused(
        &symlink(&[b'x'; 4096]),
        at,
        "a link's target has 4096 bytes, the limit being 4095",
    );
}

#[test]
fn padding_that_is_not_zero() {
    let nar = regular(b"12345").nar();
    for (index, byte) in nar.iter().enumerate() {
        let is_padding = *byte == 0 && {
            let mut flipped = nar.clone();
            flipped[index] = 1;
            decode(&flipped).is_err_and(|error| error.to_string().contains("padding"))
        };
        if is_padding {
            let mut flipped = nar.clone();
            flipped[index] = 0x80;
            refused(&flipped, index, "the padding is not zero");
        }
    }
    let contents = nar.windows(5).position(|bytes| bytes == b"12345").unwrap();
    for index in contents + 5..contents + 8 {
        let mut flipped = nar.clone();
        flipped[index] = b'6';
        refused(&flipped, index, "the padding is not zero");
    }
}

#[test]
fn wrong_strings() {
    refused(
        &strings(&[b"nix-archive-2"]),
        0,
        "\"nix-archive-2\" instead of \"nix-archive-1\"",
    );
    refused(
        &strings(&[b"nix-archive-10"]),
        0,
        "a string of 14 bytes instead of \"nix-archive-1\"",
    );
    for (list, offset, problem) in [
        (&[b")".as_slice()] as &[&[u8]], 24, "\")\" instead of \"(\""),
        (&[b"(", b"kind"], 40, "\"kind\" instead of \"type\""),
        (
            &[b"(", b"type", b"fifo"],
            56,
            "instead of \"regular\", \"symlink\" or \"directory\"",
        ),
        (
            &[b"(", b"type", b"regular", b")"],
            72,
            "\"executable\" or \"contents\"",
        ),
        (
            &[b"(", b"type", b"regular", b"executable", b"x"],
            96,
            "\"x\" instead of an empty string",
        ),
        (
            &[b"(", b"type", b"regular", b"executable", b"", b"executable"],
            104,
            "instead of \"contents\"",
        ),
        (
            &[b"(", b"type", b"regular", b"contents", b"", b"contents"],
            96,
            "instead of \")\"",
        ),
        (
            &[b"(", b"type", b"regular", b"contents", b"", b"executable"],
            96,
            "instead of \")\"",
        ),
        (
            &[b"(", b"type", b"symlink", b")"],
            72,
            "instead of \"target\"",
        ),
        (
            &[b"(", b"type", b"symlink", b"target", b"x", b"target"],
            104,
            "instead of \")\"",
        ),
        (
            &[b"(", b"type", b"directory", b"name"],
            80,
            "\"entry\" or \")\"",
        ),
        (
            &[b"(", b"type", b"directory", b"entry", b"name"],
            96,
            "instead of \"(\"",
        ),
        (
            &[b"(", b"type", b"directory", b"entry", b"(", b"node"],
            112,
            "instead of \"name\"",
        ),
        (
            &[
                b"(",
                b"type",
                b"directory",
                b"entry",
                b"(",
                b"name",
                b"x",
                b"(",
            ],
            144,
            "instead of \"node\"",
        ),
    ] {
        refused(&archive(list), offset, problem);
    }
    refused(
        &[0xff; 64],
        0,
        "a string of 18446744073709551615 bytes instead of",
    );
}

#[test]
fn bytes_after_the_end() {
    let nar = regular(b"x").nar();
    for more in [b"\0".as_slice(), b"\0\0\0\0\0\0\0\0", &nar] {
        refused(
            &[nar.as_slice(), more].concat(),
            nar.len(),
            "bytes follow its end",
        );
    }
}

#[test]
fn every_truncation() {
    let nar = directory([(b"a", regular(b"12345")), (b"b", link("x"))]).nar();
    for length in 0..nar.len() {
        refused(&nar[..length], length, "it ends too early");
    }
}

#[test]
fn limits() {
    let tree = directory([(b"abc", directory([(b"d", link("target"))]))]);
    let nar = tree.nar();
    let exact = Limits {
        name: 3,
        target: 6,
        depth: 2,
        size: nar.len() as u64,
    };
    assert_eq!(decode_pieces(exact, [nar.as_slice()]).unwrap(), tree);
    for (limits, problem) in [
        (
            Limits { name: 2, ..exact },
            "a name has 3 bytes, the limit being 2",
        ),
        (
            Limits { target: 5, ..exact },
            "a link's target has 6 bytes, the limit being 5",
        ),
        (Limits { depth: 1, ..exact }, "nested deeper than 1 levels"),
        (
            Limits {
                size: exact.size - 1,
                ..exact
            },
            "it is larger than",
        ),
        (Limits { size: 0, ..exact }, "it is larger than 0 bytes"),
    ] {
        let error = decode_pieces(limits, [nar.as_slice()])
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
    // Of no limit at all, nothing overflows.
    let none = Limits {
        name: usize::MAX,
        target: usize::MAX,
        depth: usize::MAX,
        size: u64::MAX,
    };
    assert_eq!(decode_pieces(none, [nar.as_slice()]).unwrap(), tree);
}

#[test]
fn lengths_that_lie() {
    let header = archive(&[b"(", b"type", b"regular", b"contents"]);
    for length in [u64::MAX, u64::MAX - 7, u64::MAX - 20] {
        let nar = [header.as_slice(), &length.to_le_bytes()].concat();
        refused(&nar, header.len(), "it is larger than");
    }
    // As large as can be: believed, but nothing is set aside for it.
    let nar = [header.as_slice(), &(1_u64 << 62).to_le_bytes(), b"xyz"].concat();
    refused(&nar, nar.len(), "it ends too early");
    // Over the limit: refused before the first byte.
    let limits = Limits {
        size: 1000,
        ..Limits::default()
    };
    let nar = [header.as_slice(), &1000_u64.to_le_bytes()].concat();
    let error = decode_pieces(limits, [nar.as_slice()]).unwrap_err();
    assert!(
        error.to_string().contains("larger than 1000 bytes"),
        "{error}"
    );
    // A name with a length limit that only the caller's memory bounds.
    let limits = Limits {
        name: usize::MAX,
        ..Limits::default()
    };
    let list = archive(&[b"(", b"type", b"directory", b"entry", b"(", b"name"]);
    for length in [u64::MAX, 1 << 62] {
        let nar = [list.as_slice(), &length.to_le_bytes(), b"xyz"].concat();
        decode_pieces(limits, nar.chunks(3)).unwrap_err();
    }
}

#[test]
fn a_refusal_by_the_receiver_ends_it() {
    let nar = regular(b"x").nar();
    let mut decoder = NarDecoder::default();
    let error = decoder
        .feed(&nar, &mut |_| {
            Err(Error::Refused {
                problem: "no files, please".to_owned(),
            })
        })
        .unwrap_err();
    assert!(error.to_string().contains("no files, please"), "{error}");
    decoder.feed(&nar, &mut |_| Ok(())).unwrap_err();
    assert!(!decoder.is_complete());
    decoder.finish().unwrap_err();
}

#[test]
fn once_invalid_always_invalid() {
    let nar = regular(b"x").nar();
    let ignored = &mut |_: Event<'_>| Ok(());
    let mut decoder = NarDecoder::default();
    let nonsense = b"nonsense that is long enough";
    decoder.feed(nonsense, ignored).unwrap_err();
    decoder.feed(&nar, ignored).unwrap_err();
    decoder.finish().unwrap_err();
    let mut decoder = NarDecoder::default();
    decoder.feed(&nar, ignored).unwrap();
    decoder.feed(&nar, ignored).unwrap_err();
    decoder.finish().unwrap_err();
}

/// A way to damage a NAR.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Swap(usize, usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    // Mostly whole words, which leave the rest aligned.
    let length = prop_oneof![Just(8_usize), Just(16), Just(48), 1..9_usize];
    prop_oneof![
        (any::<usize>(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (any::<usize>(), length.clone()).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<usize>(), prop::collection::vec(0..3_u8, 1..17))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), any::<usize>(), length).prop_map(|(a, b, n)| Damage::Swap(a, b, n)),
    ]
}

impl Damage {
    fn apply(&self, nar: &mut Vec<u8>) {
        let size = nar.len();
        let word = |at: usize| at % size / 8 * 8;
        match self {
            Self::Flip(at, bits) => nar[at % size] ^= bits,
            Self::Remove(at, length) => {
                nar.drain(word(*at)..(word(*at) + length).min(size));
            }
            Self::Insert(at, bytes) => {
                nar.splice(word(*at)..word(*at), bytes.iter().copied());
            }
            Self::Swap(a, b, length) => {
                for offset in 0..*length {
                    nar.swap((word(*a) + offset) % size, (word(*b) + offset) % size);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_tree_in_any_pieces(tree in any_tree(), cuts in prop::collection::vec(1..50_usize, 1..20)) {
        let nar = tree.nar();
        let mut rest = nar.as_slice();
        let mut pieces = Vec::new();
        for length in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            pieces.push(piece);
            pieces.push(&[]);
            rest = after;
        }
        prop_assert_eq!(decode_pieces(Limits::default(), pieces).unwrap(), tree);
    }

    /// What strictness means: whatever is accepted is the one NAR of what it holds.
    #[test]
    fn a_damaged_nar_is_refused_or_the_nar_of_another_tree(tree in any_tree(), damage in damage()) {
        let mut nar = tree.nar();
        damage.apply(&mut nar);
        let whole = decode(&nar);
        let pieces = decode_pieces(Limits::default(), nar.chunks(3));
        match (whole, pieces) {
            (Ok(decoded), Ok(in_pieces)) => {
                prop_assert_eq!(decoded.nar(), nar);
                prop_assert_eq!(decoded, in_pieces);
            }
            (Err(error), Err(in_pieces)) => {
                prop_assert_eq!(error.to_string(), in_pieces.to_string());
            }
            (whole, pieces) => prop_assert!(false, "{:?} but in pieces {:?}", whole, pieces),
        }
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        let _ = decode(&bytes);
        let _ = decode(&[string(b"nix-archive-1"), strings(&[b"(", b"type"]), bytes].concat());
    }
}
