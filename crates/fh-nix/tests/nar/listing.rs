//! Listings, read back as JSON and compared with the tree that the NAR was made of.

use fh_nix::{ListingWriter, NarDecoder};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tree::{Tree, any_tree, directory, executable, link, menagerie, regular};

/// The listing of a NAR, decoded in pieces of that size.
fn list(nar: &[u8], piece: usize) -> Vec<u8> {
    let mut decoder = NarDecoder::default();
    let mut listing = ListingWriter::default();
    let mut out = Vec::new();
    for piece in nar.chunks(piece) {
        assert!(!listing.is_complete() || !decoder.is_complete());
        decoder
            .feed(piece, &mut |event| {
                listing.write(event, &mut out);
                Ok(())
            })
            .unwrap();
    }
    decoder.finish().unwrap();
    assert!(listing.is_complete());
    out
}

/// What a node of a listing says, with the contents that its offset points at.
fn expected(tree: &Tree) -> Value {
    match tree {
        Tree::Regular {
            executable,
            contents,
        } => {
            json!({"type": "regular", "size": contents.len(), "executable": executable, "contents": contents})
        }
        Tree::Symlink(target) => {
            json!({"type": "symlink", "target": String::from_utf8_lossy(target)})
        }
        Tree::Directory(entries) => {
            let entries: serde_json::Map<_, _> = entries
                .iter()
                .map(|(name, tree)| (String::from_utf8_lossy(name).into_owned(), expected(tree)))
                .collect();
            json!({"type": "directory", "entries": entries})
        }
    }
}

fn found(node: &Value, nar: &[u8]) -> Value {
    match node["type"].as_str().unwrap() {
        "regular" => {
            let number = |key: &str| usize::try_from(node[key].as_u64().unwrap()).unwrap();
            let (offset, size) = (number("narOffset"), number("size"));
            let executable = node.get("executable").is_some_and(|value| value == true);
            json!({"type": "regular", "size": size, "executable": executable, "contents": nar[offset..offset + size]})
        }
        "directory" => {
            let entries: serde_json::Map<_, _> = node["entries"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, node)| (name.clone(), found(node, nar)))
                .collect();
            json!({"type": "directory", "entries": entries})
        }
        _ => node.clone(),
    }
}

#[test]
fn every_shape() {
    let tree = directory([
        (b"a", executable(b"12")),
        (b"b \"\\\x01", regular(b"")),
        (b"c", link("../\n")),
        (b"d", directory([])),
        (b"e", directory([(b"f", regular(b"3")), (b"g", link("f"))])),
    ]);
    let listing = String::from_utf8(list(&tree.nar(), 7)).unwrap();
    let expected = [
        r#"{"root":{"entries":{"a":{"executable":true,"narOffset":264,"size":2,"type":"regular"},"#,
        r#""b \"\\\u0001":{"narOffset":456,"size":0,"type":"regular"},"#,
        r#""c":{"target":"../\n","type":"symlink"},"#,
        r#""d":{"entries":{},"type":"directory"},"#,
        r#""e":{"entries":{"f":{"narOffset":1136,"size":1,"type":"regular"},"#,
        r#""g":{"target":"f","type":"symlink"}},"type":"directory"}},"type":"directory"},"version":1}"#,
    ];
    assert_eq!(listing, expected.concat());
}

#[test]
fn a_name_that_is_not_utf8_stays_as_it_is() {
    let nar = directory([(b"\xff", link("a"))]).nar();
    assert!(
        list(&nar, 1)
            .windows(4)
            .any(|window| window == b"{\"\xff\"")
    );
    // Every shape there is, such names included: what is not escaped is lossy at worst.
    let nar = menagerie().nar();
    let listing = String::from_utf8_lossy(&list(&nar, 100)).into_owned();
    let listing: Value = serde_json::from_str(&listing).unwrap();
    assert_eq!(found(&listing["root"], &nar), expected(&menagerie()));
}

proptest! {
    #[test]
    fn a_listing_tells_the_tree(tree in any_tree(), piece in 1_usize..200) {
        let nar = tree.nar();
        let listing = list(&nar, piece);
        prop_assert_eq!(&listing, &list(&nar, nar.len()));
        if let Ok(text) = String::from_utf8(listing) {
            let listing: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&listing["version"], 1);
            prop_assert_eq!(found(&listing["root"], &nar), expected(&tree));
        }
    }
}
