//! A realisation says which path a derivation's output is, so that whoever says it decides what a reader's Nix installs,
//! as with contents of paths. Somebody who counts for less says it first, or says it elsewhere.

use fh_nix::SecretKey;
use serde_json::{Value, json};

use super::the_same_content_misleads::renamed;
use super::{Stage, builder};
use crate::push::tests::Item;
use crate::push::tests::realisations::{outputs, realised, signed, with_realisations};

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Of acme/app.
    Builder,
    /// Of acme/play.
    OtherBuilder,
    /// May write everywhere in acme.
    Ann,
    /// Writes to acme/play alone.
    Bob,
    /// Writes to acme/app alone.
    Eve,
    /// Of another organisation.
    Mallory,
}

use Who::{Ann, Bob, Builder, Eve, Mallory, OtherBuilder};

/// A key that acme trusts.
fn release() -> SecretKey {
    SecretKey::from_seed("release-1", [5; 32]).unwrap()
}

/// How it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// With the path, and nobody has signed the word.
    Plain,
    /// With the path, and acme's key has signed the word.
    Signed,
    /// Of a path that is left out, because a key of elsewhere has signed it.
    LeftOut,
}

use How::{LeftOut, Plain, Signed};

/// A key of elsewhere.
fn upstream() -> SecretKey {
    SecretKey::from_seed("upstream-1", [7; 32]).unwrap()
}

/// One word: by whom, in which flake, whether it is the right one, and how.
struct Word(Who, &'static str, bool, How);

/// What is said, in its order; and of what rita is told at the root and at some addresses, whether it is the right one.
struct Case {
    name: &'static str,
    words: &'static [Word],
    told: &'static [(&'static str, Option<bool>)],
}

const ROOT: &str = "";
const APP: &str = "/cache/acme/app";
const PLAY: &str = "/cache/acme/play";

const CASES: &[Case] = &[
    Case {
        name: "a builder goes before a colleague who was first",
        words: &[
            Word(Bob, "acme/play", false, Plain),
            Word(Builder, "acme/app", true, Plain),
        ],
        told: &[
            (ROOT, Some(true)),
            (APP, Some(true)),
            (PLAY, Some(false)),
            ("/cache/acme", Some(true)),
        ],
    },
    Case {
        name: "an own organisation goes before what is followed",
        words: &[
            Word(Mallory, "evil/x", false, Plain),
            Word(Eve, "acme/app", true, Plain),
        ],
        told: &[(ROOT, Some(true)), ("/cache/evil/x", Some(false))],
    },
    Case {
        name: "what is followed is told where nobody else says anything",
        words: &[Word(Mallory, "evil/x", true, Plain)],
        told: &[(ROOT, Some(true)), (APP, None)],
    },
    Case {
        name: "what a trusted key has signed goes before a builder",
        words: &[
            Word(Builder, "acme/app", false, Plain),
            Word(Bob, "acme/play", true, Signed),
        ],
        told: &[(ROOT, Some(true)), (APP, Some(false))],
    },
    Case {
        name: "a key means nothing in an organisation that does not trust it",
        words: &[
            Word(Mallory, "evil/x", false, Signed),
            Word(Eve, "acme/app", true, Plain),
        ],
        told: &[(ROOT, Some(true))],
    },
    Case {
        name: "of builders the oldest",
        words: &[
            Word(OtherBuilder, "acme/play", true, Plain),
            Word(Builder, "acme/app", false, Plain),
        ],
        told: &[(ROOT, Some(true)), (APP, Some(false))],
    },
    Case {
        name: "whoever may write both slices goes before one who may not, also later",
        words: &[
            Word(Bob, "acme/play", false, Plain),
            Word(Ann, "acme/app", true, Plain),
        ],
        told: &[(ROOT, Some(true)), (PLAY, Some(false))],
    },
    Case {
        name: "between two of whom neither may write to the other's slice it is ambiguous",
        words: &[
            Word(Bob, "acme/play", false, Plain),
            Word(Eve, "acme/app", true, Plain),
        ],
        told: &[
            (ROOT, None),
            ("/cache/acme", None),
            (APP, Some(true)),
            (PLAY, Some(false)),
        ],
    },
    Case {
        name: "within a slice the first stays",
        words: &[
            Word(Eve, "acme/app", true, Plain),
            Word(Ann, "acme/app", false, Plain),
        ],
        told: &[(ROOT, Some(true)), (APP, Some(true))],
    },
    Case {
        name: "within a slice a builder's takes the place of a person's",
        words: &[
            Word(Eve, "acme/app", false, Plain),
            Word(Builder, "acme/app", true, Plain),
            Word(Eve, "acme/app", false, Plain),
        ],
        told: &[(ROOT, Some(true)), (APP, Some(true))],
    },
    Case {
        name: "a builder who says the same raises what a person said, which is as young from then on",
        words: &[
            Word(Eve, "acme/app", false, Plain),
            Word(OtherBuilder, "acme/play", true, Plain),
            Word(Builder, "acme/app", false, Plain),
        ],
        told: &[(ROOT, Some(true)), (APP, Some(false))],
    },
    Case {
        name: "what a builder left out is that path or nothing, also where a colleague was first",
        words: &[
            Word(Bob, "acme/play", false, Plain),
            Word(Builder, "acme/app", true, LeftOut),
        ],
        told: &[
            (ROOT, None),
            ("/cache/acme", None),
            (APP, None),
            (PLAY, Some(false)),
        ],
    },
    Case {
        name: "or comes later",
        words: &[
            Word(Builder, "acme/app", true, LeftOut),
            Word(Bob, "acme/play", false, Plain),
        ],
        told: &[(ROOT, None), ("/cache/acme", None), (PLAY, Some(false))],
    },
    Case {
        name: "or writes to the very slice, before or after",
        words: &[
            Word(Eve, "acme/app", false, Plain),
            Word(Builder, "acme/app", true, LeftOut),
            Word(Ann, "acme/app", false, Plain),
        ],
        told: &[(ROOT, None), (APP, None)],
    },
    Case {
        name: "or is a builder, who came later",
        words: &[
            Word(Builder, "acme/app", true, LeftOut),
            Word(OtherBuilder, "acme/play", false, Plain),
        ],
        told: &[(ROOT, None), (PLAY, Some(false))],
    },
    Case {
        name: "nor does somebody who is followed say anything else of it",
        words: &[
            Word(Builder, "acme/app", true, LeftOut),
            Word(Mallory, "evil/x", false, Plain),
        ],
        told: &[(ROOT, None), ("/cache/evil/x", Some(false))],
    },
    Case {
        name: "it is told where another slice holds the path and says the same",
        words: &[
            Word(Builder, "acme/app", true, LeftOut),
            Word(Bob, "acme/play", true, Plain),
            Word(Mallory, "evil/x", false, Plain),
        ],
        told: &[(ROOT, Some(true)), (PLAY, Some(true)), (APP, None)],
    },
    Case {
        name: "and where the builder pushes the path after all",
        words: &[
            Word(Builder, "acme/app", true, LeftOut),
            Word(Bob, "acme/play", false, Plain),
            Word(Builder, "acme/app", true, Plain),
        ],
        told: &[(ROOT, Some(true)), (APP, Some(true))],
    },
    Case {
        name: "what a person left out decides no more than what they push",
        words: &[
            Word(Eve, "acme/app", true, LeftOut),
            Word(Bob, "acme/play", false, Plain),
        ],
        told: &[(ROOT, None), (PLAY, Some(false))],
    },
    Case {
        name: "and less than what a builder pushes",
        words: &[
            Word(Eve, "acme/app", false, LeftOut),
            Word(OtherBuilder, "acme/play", true, Plain),
        ],
        told: &[(ROOT, Some(true)), (APP, None)],
    },
    Case {
        name: "what a trusted key has signed goes before what a builder left out",
        words: &[
            Word(Builder, "acme/app", false, LeftOut),
            Word(Bob, "acme/play", true, Signed),
        ],
        told: &[(ROOT, Some(true)), (APP, None)],
    },
    Case {
        name: "what is followed takes nothing away by leaving it out",
        words: &[
            Word(Mallory, "evil/x", false, LeftOut),
            Word(Bob, "acme/play", true, Plain),
        ],
        told: &[(ROOT, Some(true)), ("/cache/evil/x", None)],
    },
];

struct World {
    stage: Stage,
    eve: String,
    mallory: String,
    other_builder: String,
}

impl World {
    async fn new() -> Self {
        let stage = Stage::set("acme/play").await;
        let (server, ann) = (&stage.scene.server, &stage.scene.ann);
        let keys = json!({ "trusted_keys": [release().public().to_string()] });
        server
            .patch("/api/v1/orgs/acme", ann, keys)
            .await
            .expect(200);
        let eve = server.user("eve").await;
        server.member("acme", "eve", "member", ann).await;
        server.grant("acme/app", "eve", "write", ann).await;
        let mallory = server.user("mallory").await;
        server.organization("evil", &mallory).await;
        server.flake("evil/x", "public", &mallory).await;
        server.follow(&stage.rita, &["evil/x"]).await.expect(200);
        let other_builder = builder(&stage.scene, "play").await;
        Self {
            stage,
            eve,
            mallory,
            other_builder,
        }
    }

    fn token(&self, who: Who) -> &str {
        match who {
            Builder => &self.stage.builder,
            OtherBuilder => &self.other_builder,
            Ann => &self.stage.scene.ann,
            Bob => &self.stage.bob,
            Eve => &self.eve,
            Mallory => &self.mallory,
        }
    }
}

#[tokio::test]
async fn realisations_follow_the_order_of_trust() {
    let world = World::new().await;
    let scene = &world.stage.scene;
    for (number, case) in CASES.iter().enumerate() {
        let derivation = format!("tool-{number}");
        let [right, wrong] = ["right", "wrong"].map(|which| {
            let name = format!("{derivation}-{which}");
            Item::new(&name, name.as_bytes()).signed(scene.server.state.store_dir(), &upstream())
        });
        for Word(who, flake, is_right, how) in case.words {
            let item = if *is_right { &right } else { &wrong };
            let mut realisations = realised(&derivation, item);
            if *how == Signed {
                let sign = |pushed| signed(pushed, &release());
                realisations = realisations.into_iter().map(sign).collect();
            }
            let mut wanted = with_realisations(&[item], realisations);
            if *how == LeftOut {
                wanted.skip_signed_by = vec![upstream().public().to_string()];
            }
            let token = world.token(*who);
            let answer = scene.plan_answer(flake, token, &wanted).await;
            assert!(
                answer.status.is_success(),
                "{}: {:?}",
                case.name,
                answer.body
            );
            scene.finish(flake, token, answer.json(), &[item]).await;
        }
        for (root, is_right) in case.told {
            let expected = is_right.map(|is_right| if is_right { &right } else { &wrong });
            for id in outputs(&derivation) {
                let told = scene.out_path(root, &id, &world.stage.rita).await;
                let expected = expected.map(|item| item.base.clone());
                assert_eq!(told, expected, "{}: {root} {id}", case.name);
            }
        }
    }
}

/// Two own organisations that disagree: told by neither's root, and where one is named.
#[tokio::test]
async fn two_own_organisations_that_disagree_are_ambiguous() {
    let stage = Stage::set("acme/play").await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    server.organization("beta", ann).await;
    server.flake("beta/app", "private", ann).await;
    server.member("beta", "rita", "member", ann).await;
    server.grant("beta/app", "rita", "read", ann).await;
    let [right, wrong] = ["right", "wrong"].map(|name| Item::new(name, name.as_bytes()));
    for (flake, item) in [("acme/app", &right), ("beta/app", &wrong)] {
        let realisations = realised("tool", item);
        stage
            .scene
            .push_realised(flake, ann, &[item], realisations)
            .await;
    }
    for id in outputs("tool") {
        for (root, expected) in [
            ("", None),
            ("/cache/acme", Some(right.base.clone())),
            ("/cache/beta", Some(wrong.base.clone())),
        ] {
            let told = stage.scene.out_path(root, &id, &stage.rita).await;
            assert_eq!(told, expected, "{root} {id}");
        }
    }
    assert_eq!(
        server.audited("push.clash").await,
        0,
        "of other organisations"
    );
}

/// Nothing is told of a path that is not served: another name under its hash, or two contents of which none wins.
#[tokio::test]
async fn of_a_path_that_is_not_served_nothing_is_told() {
    let stage = Stage::set("acme/play").await;
    let (server, ann) = (&stage.scene.server, &stage.scene.ann);
    let eve = server.user("eve").await;
    server.member("acme", "eve", "member", ann).await;
    server.grant("acme/app", "eve", "write", ann).await;
    let scene = &stage.scene;

    let tool = Item::new("tool", b"tool");
    let other = renamed(&tool);
    scene
        .push_realised("acme/play", &stage.bob, &[&tool], realised("tool", &tool))
        .await;
    stage
        .push("acme/app", &stage.builder, &[&other], None)
        .await;
    // The builder's name of it is served at the root, and bob's where his slice is named.
    for id in outputs("tool") {
        assert_eq!(scene.out_path("", &id, &stage.rita).await, None);
        let named = scene.out_path(PLAY, &id, &stage.rita).await;
        assert_eq!(named.unwrap(), tool.base);
    }

    let [eves, bobs] = [b"eves", b"bobs"].map(|contents| Item::new("disputed", contents));
    scene
        .push_realised("acme/app", &eve, &[&eves], realised("disputed", &eves))
        .await;
    stage.push("acme/play", &stage.bob, &[&bobs], None).await;
    for id in outputs("disputed") {
        assert_eq!(scene.out_path("", &id, &stage.rita).await, None);
        let named = scene.out_path(APP, &id, &stage.rita).await;
        assert_eq!(named.unwrap(), eves.base);
    }
}

/// The audit log of an organisation tells where its own slices disagree.
#[tokio::test]
async fn an_organisation_hears_of_clashes_among_its_own_slices() {
    let stage = Stage::set("acme/play").await;
    let (scene, ann) = (&stage.scene, &stage.scene.ann);
    let [right, wrong] = ["right", "wrong"].map(|name| Item::new(name, name.as_bytes()));
    for (who, flake, item, clashes) in [
        (ann, "acme/app", &right, 0),
        (ann, "acme/app", &right, 0),
        (&stage.bob, "acme/play", &wrong, 1),
        (ann, "acme/app", &wrong, 2),
    ] {
        let realisations = realised("tool", item);
        scene.push_realised(flake, who, &[item], realisations).await;
        assert_eq!(scene.server.audited("push.clash").await, clashes, "{flake}");
    }
}

/// What a token is limited to holds for realisations as it does for narinfos: what certain keys have signed is told by
/// their word alone, and nobody says to which path of a closure a derivation comes in place of who counts for more.
#[tokio::test]
async fn a_token_is_told_by_nobody_but_those_whom_it_is_limited_to() {
    let stage = Stage::set("acme/play").await;
    let (scene, server) = (&stage.scene, &stage.scene.server);
    let store_dir = server.state.store_dir();
    // The old tool and the new one are both signed; that the new derivation comes to the new one, too.
    let [old, new] = ["tool-1.0", "tool-2.0"]
        .map(|name| Item::new(name, name.as_bytes()).signed(store_dir, &release()));
    let by_key = |name: &str, item: &Item| -> Vec<_> {
        let sign = |pushed| signed(pushed, &release());
        realised(name, item).into_iter().map(sign).collect()
    };
    let minted = async |body: Value| server.mint(&stage.rita, body).await.token;
    let keys = [release().public().to_string()];
    let signed_by = async || minted(json!({ "permissions": ["pull"], "signed_by": keys })).await;
    let told = async |name: &str, token: &str| {
        let mut told = Vec::new();
        for id in outputs(name) {
            for root in [ROOT, "/cache/acme"] {
                told.push(scene.out_path(root, &id, token).await);
            }
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        told.remove(0)
    };
    let bob = &stage.bob;

    // Bob, whose word no key has signed, says that the new one is the old one.
    scene
        .push_realised("acme/play", bob, &[&old], realised("alone", &old))
        .await;
    let closure = minted(json!({ "permissions": ["pull"], "closures": [old.base] })).await;
    let token = signed_by().await;
    assert_eq!(told("alone", &stage.rita).await, Some(old.base.clone()));
    assert_eq!(
        told("alone", &token).await,
        None,
        "nobody's word counts for this token"
    );
    assert_eq!(told("alone", &closure).await, Some(old.base.clone()));
    assert!(scene.narinfo(ROOT, &old, &token).await.is_some());

    // A builder says something else, with and without the key; and bob has said it before.
    for (name, builders) in [
        ("by-a-builder", realised("by-a-builder", &new)),
        ("by-the-key", by_key("by-the-key", &new)),
    ] {
        scene
            .push_realised("acme/play", bob, &[&old], realised(name, &old))
            .await;
        scene
            .push_realised("acme/app", &stage.builder, &[&new], builders)
            .await;
        assert_eq!(
            told(name, &stage.rita).await,
            Some(new.base.clone()),
            "{name}"
        );
        let by_key = (name == "by-the-key").then(|| new.base.clone());
        assert_eq!(told(name, &token).await, by_key, "{name}");
        // Not the old one, which the closure has: that is not what rita is told.
        assert_eq!(told(name, &closure).await, None, "{name}");
    }

    // Where the word that wins is not signed, a signed one of somebody who counts for less is told.
    scene
        .push_realised("acme/play", bob, &[&new], by_key("of-bob", &new))
        .await;
    scene
        .push_realised(
            "acme/app",
            &stage.builder,
            &[&old],
            realised("of-bob", &old),
        )
        .await;
    assert_eq!(told("of-bob", &stage.rita).await, Some(old.base.clone()));
    assert_eq!(told("of-bob", &token).await, Some(new.base.clone()));
    let both = json!({ "permissions": ["pull"], "signed_by": keys, "closures": [old.base] });
    let both = minted(both).await;
    for name in ["alone", "by-a-builder", "by-the-key", "of-bob"] {
        assert_eq!(told(name, &both).await, None, "{name}");
    }
}

/// The own organisation has said what a path is, and nobody has that content. Whoever is followed or was accepted holds
/// another content of it: the reader does not have this path, so saying it takes nobody's word away.
#[tokio::test]
async fn who_says_a_path_that_the_reader_does_not_have_takes_nothing_away() {
    for is_accepted in [false, true] {
        let stage = Stage::set("acme/play").await;
        let (scene, server) = (&stage.scene, &stage.scene.server);
        let (mallory, gus) = (server.user("mallory").await, server.user("gus").await);
        for (organization, owner) in [("evil", &mallory), ("good", &gus)] {
            server.organization(organization, owner).await;
            let flake = format!("{organization}/x");
            server.flake(&flake, "public", owner).await;
        }
        let follows = ["evil/x", "good/x"];
        if is_accepted {
            server.grant("evil/x", "rita", "read", &mallory).await;
        }
        server.follow(&stage.rita, &follows).await.expect(200);
        let left_out = Item::new("libc", b"libc").signed(server.state.store_dir(), &upstream());
        let builder = &stage.builder;
        stage
            .push("acme/app", builder, &[&left_out], Some(&upstream()))
            .await;
        let (other, right) = (Item::new("libc", b"another"), Item::new("tool", b"tool"));
        for (flake, who, item) in [("good/x", &gus, &right), ("evil/x", &mallory, &other)] {
            let said = realised("tool", item);
            scene.push_realised(flake, who, &[item], said).await;
            for id in outputs("tool") {
                let told = scene.out_path(ROOT, &id, &stage.rita).await;
                assert_eq!(told.as_ref(), Some(&right.base), "{flake} {is_accepted}");
            }
        }
        for id in outputs("tool") {
            let named = scene.out_path("/cache/evil/x", &id, &stage.rita).await;
            assert_eq!(named.as_ref(), Some(&other.base), "{is_accepted}");
        }
    }
}
