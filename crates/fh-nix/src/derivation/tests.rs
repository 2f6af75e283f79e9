//! Derivations as Nix 2.8.0 and 2.34.8 wrote them: `b` depends on `a`, both content-addressed; `c` depends on `b` and is not.

use proptest::prelude::*;

use super::*;

const B: &str = r#"Derive([("dev","","r:sha256",""),("out","","r:sha256","")],[("/nix/store/l7bvxgp06nnwlrr3awv1h5c5dnpp4mb0-r18-bookworm-1-a.drv",["out"])],[],"x86_64-linux","/bin/sh",["-euc","echo r18-bookworm-1 /1kdjxhz7drqj3fr7v3b2zb0dkxfxvb3jjixpyn8mnkcmkr724c6k > $out; echo dev $out > $dev"],[("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("dev","/02qcpld1y6xhs5gz9bchpxaw0xdhmsp5dv88lh25r2ss44kh8dxz"),("name","r18-bookworm-1-b"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","recursive"),("outputs","out dev"),("preferLocalBuild","1"),("system","x86_64-linux")])"#;

const RESOLVED_B: &str = r#"Derive([("dev","","r:sha256",""),("out","","r:sha256","")],[],["/nix/store/h5mli54shqxn4zxippjkwvrhd8rsylfv-r18-bookworm-1-a"],"x86_64-linux","/bin/sh",["-euc","echo r18-bookworm-1 /nix/store/h5mli54shqxn4zxippjkwvrhd8rsylfv-r18-bookworm-1-a > $out; echo dev $out > $dev"],[("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("dev","/02qcpld1y6xhs5gz9bchpxaw0xdhmsp5dv88lh25r2ss44kh8dxz"),("name","r18-bookworm-1-b"),("out","/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"),("outputHashAlgo","sha256"),("outputHashMode","recursive"),("outputs","out dev"),("preferLocalBuild","1"),("system","x86_64-linux")])"#;

const C: &str = r#"Derive([("out","","","")],[("/nix/store/mbnibfkv8hgfdvwivj022spyvraip5q6-r18-bookworm-1-b.drv",["out"])],[],"x86_64-linux","/bin/sh",["-euc","echo r18-bookworm-1 /0yqpd89i5x4qjvr1grsq1xkrkkka5nd9lf5fbnjfa4pfgnac3p06 > $out"],[("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("name","r18-bookworm-1-c"),("out",""),("preferLocalBuild","1"),("system","x86_64-linux")])"#;

const RESOLVED_C: &str = r#"Derive([("out","/nix/store/503fmm5f0kd6zjrbigm4hkdzx2zwiva0-r18-bookworm-1-c","","")],[],["/nix/store/4djgm8b7pp70dhidbrqya94d8y5k6hbg-r18-bookworm-1-b"],"x86_64-linux","/bin/sh",["-euc","echo r18-bookworm-1 /nix/store/4djgm8b7pp70dhidbrqya94d8y5k6hbg-r18-bookworm-1-b > $out"],[("PATH","/bin:/usr/bin"),("builder","/bin/sh"),("name","r18-bookworm-1-c"),("out","/nix/store/503fmm5f0kd6zjrbigm4hkdzx2zwiva0-r18-bookworm-1-c"),("preferLocalBuild","1"),("system","x86_64-linux")])"#;

fn parsed(text: &str) -> Derivation {
    Derivation::parse(text.as_bytes()).unwrap()
}

#[test]
fn what_needs_realisations() {
    let fixed = r#"Derive([("out","/nix/store/x","r:sha256","00")],[],[],"s","b",[],[])"#;
    let impure = r#"Derive([("out","","r:sha256","impure")],[],[],"s","b",[],[])"#;
    let addressed_by_text =
        r#"Derive([("out","","text:sha256","")],[],[],"s","b",[],[("a","\"\\\n")])"#;
    for (text, needs, may_be_resolved) in [
        (B, true, false),
        (RESOLVED_B, true, true),
        (C, true, false),
        (RESOLVED_C, false, true),
        (fixed, false, false),
        (impure, false, false),
        (addressed_by_text, true, true),
    ] {
        let derivation = parsed(text);
        assert_eq!(derivation.needs_realisations(), needs, "{text}");
        assert_eq!(derivation.may_be_resolved(), may_be_resolved, "{text}");
    }
}

#[test]
fn a_derivation_is_recognised_in_what_it_resolves_to() {
    for (before, after, expected) in [
        (B, RESOLVED_B.to_owned(), true),
        (C, RESOLVED_C.to_owned(), true),
        // Not itself, not the other way round, not another one.
        (B, B.to_owned(), false),
        (RESOLVED_B, B.to_owned(), false),
        (RESOLVED_B, RESOLVED_B.to_owned(), false),
        (C, RESOLVED_B.to_owned(), false),
        // Something beside the placeholder differs.
        (B, RESOLVED_B.replace("> $out;", ">> $out;"), false),
        (B, RESOLVED_B.replace("echo r18", "printf r18"), false),
        (B, RESOLVED_B.replace("/bin:/usr/bin", "/bin"), false),
        (B, RESOLVED_B.replace("x86_64-linux", "i686-linux"), false),
        (
            B,
            RESOLVED_B.replace("(\"preferLocalBuild\",\"1\"),", ""),
            false,
        ),
        (B, RESOLVED_B.replace("[\"-euc\",", "["), false),
        (
            C,
            RESOLVED_C.replace("(\"out\",\"/nix", "(\"lib\",\"/nix"),
            false,
        ),
        // The inputs may be any paths.
        (B, RESOLVED_B.replace("-bookworm-1-a", "-other"), true),
    ] {
        let found = parsed(before).resolves_to(&parsed(&after));
        assert_eq!(found, expected, "{before}\n{after}");
    }
}

#[test]
fn placeholders_are_replaced_one_by_one() {
    let p = format!("/{}", "1".repeat(PLACEHOLDER));
    for (before, after, expected) in [
        (format!("a {p} b {p}"), "a X b Y", true),
        (format!("{p}{p}"), "anything", true),
        (format!("{p}/bin:{p}/lib"), "/x/bin:/y/lib", true),
        (format!("{p}/bin:{p}/lib"), "/x/lib:/y/bin", false),
        (format!("ab{p}ba"), "aba", false),
        ("no placeholder".to_owned(), "no placeholder", true),
        ("/0123".to_owned(), "X", false),
    ] {
        let found = replaced(before.as_bytes(), after.as_bytes());
        assert_eq!(found, expected, "{before} {after}");
    }
}

#[test]
fn what_is_not_a_derivation_is_refused_where_it_ends_to_be_one() {
    for end in 0..B.len() {
        assert!(Derivation::parse(&B.as_bytes()[..end]).is_err(), "{end}");
    }
    let dynamic = r#"DrvWithVersion("xp-dyn-drv",[],[],[],"s","b",[],[])"#;
    let error = Derivation::parse(dynamic.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the derivation cannot be read at byte 0: something else is expected there"
    );
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        cut in 0..B.len(),
        byte in any::<u8>(),
        text in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut changed = B.as_bytes().to_vec();
        changed[cut] = byte;
        let _ = Derivation::parse(&changed);
        let _ = replaced(&text, &changed);
        let _ = replaced(&changed, &text);
    }
}
