use jsonwebtoken::{EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Keys and tokens that another implementation (OpenSSL) has made: issuer `https://issuer.example`,
/// end 2000.
fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn token(vectors: &Value, algorithm: &str) -> Unverified {
    Unverified::read(vectors["tokens"][algorithm].as_str().unwrap()).unwrap()
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn encoded(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

fn jwt(header: &Value, claims: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", encoded(header), encoded(claims))
}

const ALGORITHMS: [&str; 8] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
];

#[test]
fn every_algorithm_of_public_keys_is_verified() {
    let vectors = vectors();
    let keys = KeySet::read(&vectors).unwrap();
    for algorithm in ALGORITHMS {
        let token = token(&vectors, algorithm);
        assert_eq!(keys.verify(&token), Ok(()), "{algorithm}");
        assert_eq!(token.issuer(), "https://issuer.example");
        assert_eq!(token.claims()["sub"], "me");
    }
}

#[test]
fn an_edwards_curve_is_verified_too() {
    use ed25519_dalek::{Signer as _, SigningKey};

    let key = SigningKey::from_bytes(&[7; 32]);
    let public = BASE64URL_NOPAD.encode(key.verifying_key().as_bytes());
    let with = |curve: &str| {
        let key = json!({ "kty": "OKP", "crv": curve, "x": public, "kid": "one" });
        KeySet::read(&json!({ "keys": [key] }))
    };
    let header = json!({ "alg": "EdDSA", "kid": "one" });
    let claims = json!({ "iss": "https://issuer.example", "exp": 2000 });
    let unsigned = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = BASE64URL_NOPAD.encode(&key.sign(unsigned.as_bytes()).to_bytes());
    let token = Unverified::read(&format!("{unsigned}.{signature}")).unwrap();
    assert_eq!(with("Ed25519").unwrap().verify(&token), Ok(()));
    let forged = BASE64URL_NOPAD.encode(&[1; 64]);
    let forged = Unverified::read(&format!("{unsigned}.{forged}")).unwrap();
    let verified = with("Ed25519").unwrap().verify(&forged);
    assert_eq!(verified, Err(IdentityError::Signature));
    assert!(with("P-256").is_err());
}

#[test]
fn a_changed_token_is_not_verified() {
    let vectors = vectors();
    let keys = KeySet::read(&vectors).unwrap();
    for algorithm in ALGORITHMS {
        let text = vectors["tokens"][algorithm].as_str().unwrap();
        let (header, rest) = text.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let claims = json!({ "iss": "https://issuer.example", "sub": "you", "exp": 2000 });
        let forged = format!("{header}.{}.{signature}", encoded(&claims));
        let forged = Unverified::read(&forged).unwrap();
        assert_eq!(
            keys.verify(&forged),
            Err(IdentityError::Signature),
            "{algorithm}"
        );
    }
}

#[test]
fn no_algorithm_without_a_public_key_is_taken() {
    let claims = json!({ "iss": "https://issuer.example", "exp": 2000 });
    for algorithm in ["none", "None", "NONE", "HS256", "HS384", "HS512", "", "RS1"] {
        let text = jwt(&json!({ "alg": algorithm }), &claims, "");
        assert_eq!(
            Unverified::read(&text).unwrap_err(),
            IdentityError::Algorithm,
            "{algorithm}"
        );
    }
    let critical = jwt(
        &json!({ "alg": "RS256", "crit": ["b64"], "b64": false }),
        &claims,
        "",
    );
    assert_eq!(
        Unverified::read(&critical).unwrap_err(),
        IdentityError::Algorithm
    );
    // Signed with the public key as the secret.
    let public = vectors()["keys"][0]["n"].as_str().unwrap().to_owned();
    let secret = EncodingKey::from_secret(public.as_bytes());
    let text = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap();
    assert_eq!(
        Unverified::read(&text).unwrap_err(),
        IdentityError::Algorithm
    );
}

#[test]
fn a_key_takes_its_own_algorithms_alone() {
    let vectors = vectors();
    let with = |change: Value| {
        let mut key = vectors["keys"][0].clone();
        key.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        KeySet::read(&json!({ "keys": [key] }))
    };
    let rs256 = token(&vectors, "RS256");
    assert_eq!(
        with(json!({ "alg": "RS256" })).unwrap().verify(&rs256),
        Ok(())
    );
    assert_eq!(with(json!({ "kid": null })).unwrap().verify(&rs256), Ok(()));
    for (change, refusal) in [
        (json!({ "alg": "PS256" }), IdentityError::UnknownKey),
        (json!({ "kid": "other" }), IdentityError::UnknownKey),
    ] {
        assert_eq!(with(change).unwrap().verify(&rs256), Err(refusal));
    }
    for unusable in [
        json!({ "use": "enc" }),
        json!({ "key_ops": ["encrypt"] }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RSA-OAEP" }),
        json!({ "alg": "none" }),
        json!({ "kty": "EC" }),
        json!({ "n": "AQAB" }),
    ] {
        assert_eq!(
            with(unusable.clone()).unwrap_err(),
            KeySetError::Empty,
            "{unusable}"
        );
    }
    // The curve of another key.
    let mut swapped = vectors["keys"][1].clone();
    swapped["kid"] = json!("ec384");
    let keys = KeySet::read(&json!({ "keys": [swapped] })).unwrap();
    let es384 = token(&vectors, "ES384");
    assert_eq!(keys.verify(&es384), Err(IdentityError::UnknownKey));
}

#[test]
fn a_set_without_public_keys_is_refused() {
    let vectors = vectors();
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] });
    assert_eq!(KeySet::read(&symmetric).unwrap_err(), KeySetError::Secret);
    let mut private = vectors["keys"][0].clone();
    private["d"] = json!("AAAA");
    let private = json!({ "keys": [private] });
    assert_eq!(KeySet::read(&private).unwrap_err(), KeySetError::Secret);
    let small = json!({ "keys": [vectors["small"]] });
    assert_eq!(
        KeySet::read(&small).unwrap_err(),
        KeySetError::Empty,
        "1024 bits"
    );
    for malformed in [json!({}), json!([]), json!({ "keys": {} }), json!("x")] {
        assert_eq!(
            KeySet::read(&malformed).unwrap_err(),
            KeySetError::Malformed
        );
    }
    let mixed = json!({ "keys": [{ "kty": "new" }, 7, vectors["keys"][0]] });
    assert!(
        KeySet::read(&mixed).is_ok(),
        "what is not known is passed over"
    );
}

#[test]
fn the_times_are_checked_with_a_minute_of_leeway_at_the_beginning() {
    let read = |claims: Value| {
        let mut all = json!({ "iss": "i" });
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        Unverified::read(&jwt(&json!({ "alg": "RS256" }), &all, ""))
    };
    let check = |claims: Value, now| read(claims).and_then(|token| token.check_time(at(now)));
    assert_eq!(check(json!({ "exp": 2000 }), 1999), Ok(()));
    assert_eq!(
        check(json!({ "exp": 2000 }), 2000),
        Err(IdentityError::Expired)
    );
    assert_eq!(
        check(json!({ "exp": 2000.9 }), 2000),
        Err(IdentityError::Expired)
    );
    assert_eq!(check(json!({ "exp": 1e300 }), 2000), Ok(()));
    for name in ["nbf", "iat"] {
        assert_eq!(check(json!({ "exp": 2000, name: 1060 }), 1000), Ok(()));
        let early = check(json!({ "exp": 2000, name: 1061 }), 1000);
        assert_eq!(early, Err(IdentityError::NotYetValid), "{name}");
    }
    assert_eq!(check(json!({}), 1), Err(IdentityError::NoEnd));
    for odd in [json!("2000"), json!(null), json!([])] {
        assert_eq!(
            check(json!({ "exp": odd }), 1),
            Err(IdentityError::Malformed)
        );
    }
}

#[test]
fn what_is_too_long_or_no_jwt_is_not_read() {
    let padding = "x".repeat(MAX_IDENTITY);
    let long = json!({ "iss": "i", "exp": 1, "pad": padding });
    for bad in ["", "a.b", "a.b.c.d", ".."] {
        assert_eq!(Unverified::read(bad).unwrap_err(), IdentityError::Malformed);
    }
    let long = jwt(&json!({ "alg": "RS256" }), &long, "");
    let error = Unverified::read(&long).unwrap_err();
    assert_eq!(error, IdentityError::TooLong(long.len()));
    let told = error.to_string();
    assert!(
        told.contains(&long.len().to_string()) && told.contains("16384"),
        "{told}"
    );
    let short = jwt(
        &json!({ "alg": "RS256" }),
        &json!({ "iss": "i", "exp": 1 }),
        "",
    );
    let to = |length: usize| format!("{short}{}", "x".repeat(length - short.len()));
    assert!(Unverified::read(&to(MAX_IDENTITY)).is_ok());
    assert_eq!(
        Unverified::read(&to(MAX_IDENTITY + 1)).unwrap_err(),
        IdentityError::TooLong(MAX_IDENTITY + 1)
    );
    let nobody = jwt(&json!({ "alg": "RS256" }), &json!({ "exp": 1 }), "");
    assert_eq!(
        Unverified::read(&nobody).unwrap_err(),
        IdentityError::Malformed
    );
}

#[test]
fn keys_are_found_by_their_ids_and_a_set_has_100_at_most() {
    let vectors = vectors();
    let rs256 = token(&vectors, "RS256");
    let id = rs256.key_id().unwrap().to_owned();
    let first = &vectors["keys"][0];
    assert_eq!(first["kid"], id.as_str());
    let of = |keys: Vec<Value>| KeySet::read(&json!({ "keys": keys })).unwrap();
    let named = |id: &str| {
        let mut key = first.clone();
        key["kid"] = json!(id);
        key
    };
    let keys = of(vec![first.clone()]);
    assert_eq!(
        format!("{keys:?}"),
        format!("KeySet {{ keys: [Some({id:?})] }}")
    );
    assert!(!keys.lacks_key_of(&rs256));
    assert!(of(vec![named("other")]).lacks_key_of(&rs256));
    assert!(keys.lacks_key_of(&token(&vectors, "ES256")));
    // Two of one id, as in the days when one follows the other: either may have signed.
    let mut another = vectors["keys"][1].clone();
    another["kid"] = json!(id);
    assert_eq!(
        of(vec![another.clone(), first.clone()]).verify(&rs256),
        Ok(())
    );
    assert_eq!(of(vec![first.clone(), another]).verify(&rs256), Ok(()));
    let behind = |count: usize| {
        let mut keys = vec![named("other"); count];
        keys.push(first.clone());
        of(keys).verify(&rs256)
    };
    assert_eq!(behind(99), Ok(()));
    assert_eq!(behind(100), Err(IdentityError::UnknownKey));
    // An operation beside others, and leading zeros, which are no bits of a modulus.
    let mut usable = first.clone();
    usable["key_ops"] = json!(["sign", "verify"]);
    assert_eq!(of(vec![usable]).verify(&rs256), Ok(()));
    let zeros = |key: &Value| {
        let modulus = BASE64URL_NOPAD
            .decode(key["n"].as_str().unwrap().as_bytes())
            .unwrap();
        let mut key = key.clone();
        key["n"] = json!(BASE64URL_NOPAD.encode(&[&[0; 200][..], &modulus].concat()));
        json!({ "keys": [key] })
    };
    assert_eq!(
        KeySet::read(&zeros(&vectors["small"])).unwrap_err(),
        KeySetError::Empty
    );
    assert!(KeySet::read(&zeros(first)).is_ok());
}

#[test]
fn a_token_tells_its_parts_and_no_more_than_its_issuer_to_a_log() {
    let text = jwt(
        &json!({ "alg": "RS256", "kid": "k7" }),
        &json!({ "iss": "i", "exp": 2000.9, "sub": "me" }),
        "c2ln",
    );
    let token = Unverified::read(&format!(" {text}\n")).unwrap();
    assert_eq!(token.key_id(), Some("k7"));
    assert_eq!((token.issuer(), token.expires_at()), ("i", 2000));
    assert_eq!(Some(token.signed_part()), text.strip_suffix(".c2ln"));
    assert_eq!(format!("{token:?}"), "Unverified { issuer: \"i\", .. }");
    assert_eq!(claims(&text).unwrap()["sub"], "me");
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}", header in "[a-zA-Z0-9_-]{0,20}") {
        let _ = Unverified::read(&text);
        let _ = Unverified::read(&format!("{header}.e30.x"));
    }

    #[test]
    fn no_changed_byte_passes(position in 0usize..600, byte in 33u8..127) {
        let vectors = vectors();
        let keys = KeySet::read(&vectors).unwrap();
        let original = vectors["tokens"]["ES256"].as_str().unwrap();
        let mut changed = original.as_bytes().to_vec();
        let position = position % changed.len();
        changed[position] = byte;
        let changed = String::from_utf8(changed).unwrap();
        if let Ok(token) = Unverified::read(&changed)
            && keys.verify(&token).is_ok()
        {
            prop_assert_eq!(token.signed_part(), original.rsplit_once('.').unwrap().0);
        }
    }
}
