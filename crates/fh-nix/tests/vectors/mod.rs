//! What real Nix wrote is read, and what it signed is verified. See `vectors/README.md` for how it was made.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fh_nix::{
    Compression, ListingWriter, NarDecoder, NarHash, NarInfo, NarReader, PathInfo, PathInfos,
    PublicKey, SecretKey, StoreDir, parse_path_infos,
};

const VERSIONS: [&str; 3] = ["2.8.0", "2.26.3", "2.34.8"];

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn bytes(version: &str, name: &str) -> Vec<u8> {
    fs::read(vectors().join(version).join(name)).unwrap()
}

fn text(version: &str, name: &str) -> String {
    String::from_utf8(bytes(version, name)).unwrap()
}

fn path_infos(version: &str, name: &str) -> PathInfos {
    parse_path_infos(&bytes(version, name), &StoreDir::default()).unwrap()
}

fn check_nar(nar: &[u8]) {
    let mut decoder = NarDecoder::default();
    decoder.feed(nar, &mut |_| Ok(())).unwrap();
    decoder.finish().unwrap();
}

fn public_key(version: &str, number: u8) -> PublicKey {
    text(version, &format!("key-{number}.public"))
        .trim_end()
        .parse()
        .unwrap()
}

/// The closure's path infos by name, the version taken out.
fn by_name(version: &str) -> BTreeMap<String, PathInfo> {
    path_infos(version, "path-info-default.json")
        .valid
        .into_iter()
        .map(|info| (info.path.name().replace(version, "X"), info))
        .collect()
}

#[test]
fn path_infos_of_every_version() {
    for version in VERSIONS {
        let infos = path_infos(version, "path-info-default.json");
        assert_eq!(infos.invalid.len(), 1, "{version}");
        assert_eq!(infos.invalid[0].name(), "absent");

        let infos = by_name(version);
        let names: Vec<_> = infos.keys().map(String::as_str).collect();
        let expected = [
            "application-X",
            "flat-sha1",
            "flat-sha256",
            "flat-sha512",
            "library-X",
            "notes-X.txt",
            "recursive",
        ];
        assert_eq!(names, expected, "{version}");

        let application = &infos["application-X"];
        assert_eq!(application.references.len(), 7);
        assert!(
            application.references.contains(&application.path),
            "refers to itself"
        );
        let deriver = application.deriver.as_ref().unwrap();
        assert_eq!(deriver.name(), format!("application-{version}.drv"));
        assert_eq!(application.nar_size, 1272);
        assert_eq!(application.ca, None);
        let library = &infos["library-X"];
        assert!(library.references.is_empty());

        for (name, method) in [
            ("flat-sha1", "fixed:sha1:"),
            ("flat-sha256", "fixed:sha256:"),
            ("flat-sha512", "fixed:sha512:"),
            ("recursive", "fixed:r:sha256:"),
            ("notes-X.txt", "text:sha256:"),
        ] {
            let ca = infos[name].ca.as_ref().unwrap().as_str();
            assert!(ca.starts_with(method), "{version}: {name}: {ca}");
        }
        assert_eq!(
            infos["recursive"].ca.as_ref().unwrap().as_str(),
            format!("fixed:r:{}", infos["recursive"].nar_hash)
        );
    }
}

#[test]
fn both_formats_of_one_nix_say_the_same() {
    let mut keyed = path_infos("2.34.8", "path-info-default.json");
    let mut wrapped = path_infos("2.34.8", "path-info-2.json");
    for infos in [&mut keyed, &mut wrapped] {
        infos.valid.sort_by(|a, b| a.path.cmp(&b.path));
    }
    assert_eq!(keyed, wrapped);
}

#[test]
fn signatures_of_nix_are_verified() {
    let store_dir = StoreDir::default();
    for version in VERSIONS {
        let stranger = public_key(
            if version == "2.8.0" {
                "2.34.8"
            } else {
                "2.8.0"
            },
            1,
        );
        for (name, info) in by_name(version) {
            for number in [1, 2] {
                let key = public_key(version, number);
                assert!(info.verify(&store_dir, &key), "{version}: {name}: {key}");
            }
            assert!(
                !info.verify(&store_dir, &stranger),
                "{version}: {name}: same name, other key"
            );
            assert_eq!(info.signatures.len(), 2);
        }
    }
}

#[test]
fn our_signatures_are_nix_own_byte_for_byte() {
    let store_dir = StoreDir::default();
    for version in VERSIONS {
        let key: SecretKey = text(version, "key-1.secret").parse().unwrap();
        assert_eq!(key.public(), public_key(version, 1));
        assert_eq!(*key.to_secret_string(), text(version, "key-1.secret"));
        for (name, info) in by_name(version) {
            let signature = info.sign(&store_dir, &key);
            assert!(info.signatures.contains(&signature), "{version}: {name}");
        }
    }
}

#[test]
fn narinfos_and_their_nars() {
    let store_dir = StoreDir::default();
    for version in VERSIONS {
        let infos = by_name(version);
        let mut count = 0;
        for entry in fs::read_dir(vectors().join(version).join("narinfo")).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_none_or(|extension| extension != "narinfo")
            {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let nar_info = NarInfo::parse(&text, &store_dir).unwrap();
            assert_eq!(nar_info.to_text(&store_dir), text, "{}", path.display());

            let info = &nar_info.info;
            let name = info.path.name().replace(version, "X");
            let mut expected = infos[&name].clone();
            // Nix sorts signatures in a narinfo, but not always in JSON.
            expected.signatures.sort_by_key(ToString::to_string);
            assert_eq!(*info, expected, "{}", path.display());
            assert!(info.verify(&store_dir, &public_key(version, 1)));

            let stem = path.file_stem().unwrap().to_str().unwrap();
            match stem {
                "xz" => assert_eq!(nar_info.compression, Compression::Xz),
                "zstd" => assert_eq!(nar_info.compression, Compression::Zstd),
                hash => {
                    assert_eq!(info.path.hash().to_string(), hash);
                    assert_eq!(nar_info.compression, Compression::None);
                    let nar = fs::read(path.with_extension("nar")).unwrap();
                    assert_eq!(nar.len() as u64, info.nar_size);
                    assert_eq!(NarHash::of(&nar), info.nar_hash);
                    assert_eq!(nar_info.file_hash, Some(info.nar_hash));
                    assert_eq!(nar_info.file_size, Some(info.nar_size));
                    check_nar(&nar);
                    count += 1;
                }
            }
        }
        assert_eq!(count, 7, "{version}");
    }
}

#[test]
fn nars_of_nix_are_valid_and_have_its_hash() {
    for version in VERSIONS {
        for name in ["tree.nar", "executable.nar", "symlink.nar"] {
            check_nar(&bytes(version, name));
        }
        let hash = NarHash::of(&bytes(version, "tree.nar"));
        assert_eq!(hash.to_hex(), text(version, "tree.base16").trim_end());
        assert_eq!(hash.to_base32(), text(version, "tree.base32").trim_end());
    }
}

#[test]
fn a_tree_is_packed_as_nix_packed_it() {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    let status = Command::new("sh")
        .arg(vectors().join("tree.sh"))
        .arg(&tree)
        .status()
        .unwrap();
    assert!(status.success());
    for version in VERSIONS {
        for (path, name) in [
            (tree.clone(), "tree.nar"),
            (tree.join("executable"), "executable.nar"),
            (tree.join("dangling"), "symlink.nar"),
        ] {
            let mut nar = Vec::new();
            NarReader::new(&path)
                .unwrap()
                .read_to_end(&mut nar)
                .unwrap();
            assert!(nar == bytes(version, name), "{version}: {name}");
        }
    }
}

#[test]
fn listings_are_those_of_nix() {
    for version in VERSIONS {
        let mut listing = ListingWriter::default();
        let mut out = Vec::new();
        let mut decoder = NarDecoder::default();
        decoder
            .feed(&bytes(version, "listed.nar"), &mut |event| {
                listing.write(event, &mut out);
                Ok(())
            })
            .unwrap();
        decoder.finish().unwrap();
        assert!(listing.is_complete(), "{version}");
        let ours = String::from_utf8(out).unwrap();
        let theirs = text(version, "listed.ls");
        // Nix 2.8 puts the keys in another order, and the rest is the same.
        if version == "2.8.0" {
            let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(json(&ours), json(&theirs), "{version}");
        } else {
            assert_eq!(ours, theirs, "{version}");
        }
    }
}
