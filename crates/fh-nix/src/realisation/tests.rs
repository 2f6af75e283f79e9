//! What Nix itself has written: the data of its own tests (`src/libstore-tests/data/realisation`, in 2.34.8 and 2.35.2),
//! and realisations that Nix 2.8.0, 2.26.3 and 2.34.8 signed with `secret-key-files`.

use proptest::prelude::*;

use super::*;

/// Of `src/libstore-tests/realisation.cc` in 2.35.2.
const TEST_KEY: &str = "test-key:tU7tTvLcScf8pmz/eTV0BEtLmRsPpZfKaRcd0nCN+pysBZPHSeg61/u2oc7mIOewfuAY1V1BiX32homTaDJ2Jw==";

/// What signed below as `test-1`.
const SIGNER: &str = "test-1:cj8P0iH0rH9DT7+HastqbL3ecfkZsaLWPpx1q2sVIqg=";

fn realisation(id: &str, out_path: &str, signatures: &[&str]) -> Realisation {
    Realisation {
        id: id.parse().unwrap(),
        out_path: out_path.parse().unwrap(),
        signatures: signatures
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
    }
}

#[test]
fn what_nix_2_35_signs() {
    let key: SecretKey = TEST_KEY.parse().unwrap();
    let bar = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv^foo";
    // simple-fingerprint.txt and simple-sig.json, with-signature-fingerprint.txt and with-signature-sig.json
    for (out_path, fingerprint, signature) in [
        (
            "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo",
            r#"{"key":{"drvPath":"g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv","outputName":"foo"},"value":{"outPath":"g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo"}}"#,
            "WsjxK4/EI74COtzMDI+VCjQU9O4FydK0+YeY1CE5hUevogd+T+CPvNXza7oog3GTMS+ZlBwsC2S3ppwusKnJDg==",
        ),
        (
            "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo.drv",
            r#"{"key":{"drvPath":"g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv","outputName":"foo"},"value":{"outPath":"g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo.drv"}}"#,
            "ZE30UrOh26/EYvUaczjJtz6c4WcRYke6IEhDNN5TiFRF6Uu+H8lHofponlhfZxDDrCUlfstS/vtv3Xm2F6M/AA==",
        ),
    ] {
        let unsigned = realisation(bar, out_path, &[]);
        assert_eq!(unsigned.fingerprint(), fingerprint);
        let made = unsigned.sign(&key);
        assert_eq!(made.to_string(), format!("test-key:{signature}"));
        let signed = Realisation {
            signatures: vec![made],
            ..unsigned
        };
        assert!(signed.verify(&key.public()));
        // unkeyed-with-signature.json, with this signature, without blanks
        assert_eq!(
            signed.to_json(),
            format!(
                r#"{{"outPath":"{out_path}","signatures":[{{"keyName":"test-key","sig":"{signature}"}}]}}"#
            )
        );
    }
}

#[test]
fn what_older_versions_signed() {
    let key: PublicKey = SIGNER.parse().unwrap();
    for (nix, id, out_path, signature) in [
        (
            "2.8.0",
            "sha256:62957d5e8dcaf4716cab09c9d2a8d7fe9d183b6ef6267fd99320ba3e121e78f9!dev",
            "vvdpgvg5gmbp67n89bx9ml1f966z8yh6-r18-bookworm-2-b-dev",
            "TOO1aK0uRijpZ8be3QVps6lb72NNouJagj82E3AqCW7MVIuUm4ih0QbS5wosjOKplweps5rfQXN8HS8raPFUDw==",
        ),
        (
            "2.26.3",
            "sha256:d020a645ae95b11dea3db91d800f970b8cdcc99838d2142b1bdde7e58418bed6!dev",
            "xhh2dlrsjd6dvdkp6qd2cl525d5gplc0-r18-trixie-2-b-dev",
            "UfT+1L8udwYObqIvXDZRjitT0eX8iuBakmqe2WpkKlHgDKFnPpXZzC2PkFqCQdJXjucdEgTIe0fajArriuSMCg==",
        ),
        (
            "2.34.8",
            "sha256:9be3fea9ef91f53be8524da411ad206b3f20976a402f7c80424c83d120cbe99b!out",
            "jz3wcai93wldmy2m7lg3s75kysr72lwh-r18-sid-2-b",
            "NnqoZfC4P+r/U3JVYYt/dg0NKPgSmnysqKgR7kiOP/1WOBg8wvRWQdcHq+CwqKz7mWnmUllg1losE8vtZe7xDA==",
        ),
    ] {
        let signature = format!("test-1:{signature}");
        let signed = realisation(id, out_path, &[&signature]);
        assert!(signed.verify(&key), "{nix}");
        let other = Realisation {
            out_path: "vvdpgvg5gmbp67n89bx9ml1f966z8yh6-other".parse().unwrap(),
            ..signed.clone()
        };
        assert!(!other.verify(&key), "{nix}");
        // What is served is what these versions print, and read.
        let json = signed.to_json();
        assert_eq!(
            json,
            format!(
                r#"{{"dependentRealisations":{{}},"id":"{id}","outPath":"{out_path}","signatures":["{signature}"]}}"#
            )
        );
        let printed = format!("[{json}]");
        assert_eq!(parse_realisations(printed.as_bytes()).unwrap(), [signed]);
    }
}

#[test]
fn what_the_versions_print_is_read() {
    let zeroes = "A".repeat(86) + "==";
    let asdf = format!("asdf:{zeroes}");
    let foo = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-foo.drv";
    let hashed = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad!foo";
    let by_path = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv^foo";
    for (name, entry, expected) in [
        (
            "with-signature.json of 2.34.8",
            format!(
                r#"{{"dependentRealisations": {{}}, "id": "{hashed}", "outPath": "{foo}", "signatures": ["{asdf}"]}}"#
            ),
            vec![realisation(hashed, foo, &[&asdf])],
        ),
        (
            "with-dependent-realisations.json of 2.34.8, signed: the signature is of something else",
            format!(
                r#"{{"dependentRealisations": {{"{hashed}": "{foo}"}}, "id": "{hashed}", "outPath": "{foo}", "signatures": ["{asdf}"]}}"#
            ),
            vec![realisation(hashed, foo, &[])],
        ),
        (
            "with-signature.json of 2.35.2",
            format!(
                r#"{{"key": {{"drvPath": "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv", "outputName": "foo"}},
                    "value": {{"outPath": "{foo}", "signatures": [{{"keyName": "asdf", "sig": "{zeroes}"}}]}}}}"#
            ),
            vec![realisation(by_path, foo, &[&asdf])],
        ),
        (
            "with-signature-unstructured.json of 2.35.2",
            format!(
                r#"{{"key": {{"drvPath": "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv", "outputName": "foo"}},
                    "value": {{"outPath": "{foo}", "signatures": ["{asdf}"]}}}}"#
            ),
            vec![realisation(by_path, foo, &[&asdf])],
        ),
        (
            "a path that is no output",
            format!(r#"{{"opaquePath": "/nix/store/{foo}"}}"#),
            Vec::new(),
        ),
    ] {
        let read = parse_realisations(format!("[{entry}]").as_bytes()).unwrap();
        assert_eq!(read, expected, "{name}");
    }
    for bad in [
        "",
        "{}",
        "[1]",
        "[{}]",
        r#"[{"id": "sha256:00!out"}]"#,
        r#"[{"key": {}, "value": {}}]"#,
    ] {
        let error = parse_realisations(bad.as_bytes()).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Invalid {
                    what: "a realisation",
                    ..
                }
            ),
            "{bad}: {error}"
        );
    }
}

#[test]
fn only_canonical_keys_are_read() {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let drv = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar.drv";
    let longest = "o".repeat(211);
    for good in [
        format!("sha256:{hex}!out"),
        format!("sha256:{hex}!{longest}"),
        format!("{drv}^dev+_1.0"),
        format!("{drv}^out"),
    ] {
        let key: DrvOutput = good.parse().unwrap();
        assert_eq!(key.to_string(), good);
    }
    for bad in [
        String::new(),
        hex.to_owned(),
        format!("sha256:{hex}"),
        format!("sha256:{hex}!"),
        format!("sha256:{}!out", hex.to_uppercase()),
        format!("sha256:{}!out", &hex[1..]),
        format!("sha512:{hex}!out"),
        format!("{hex}!out"),
        format!("sha256:{hex}!out!dev"),
        format!("sha256:{hex}!../out"),
        format!("sha256:{hex}!out\n"),
        format!("sha256:{hex}!o\"t"),
        format!("sha256:{hex}!{longest}o"),
        format!("sha256:{hex}^out"),
        format!("{drv}!out"),
        format!("{drv}^"),
        format!("{drv}^.."),
        format!("/nix/store/{drv}^out"),
        "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar^out".to_owned(),
    ] {
        assert!(bad.parse::<DrvOutput>().is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_key_panic(text in "\\PC{0,90}|sha256:[0-9a-f]{60,66}!.{0,5}") {
        if let Ok(key) = text.parse::<DrvOutput>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn no_output_of_nix_makes_the_reader_panic(json in ".{0,200}") {
        let _ = parse_realisations(json.as_bytes());
    }
}
