//! Uploads made to exhaust a server: refused with words, with bounded memory, in bounded time.

use std::fs;

use fh_nix::NarHash;
use serde_json::json;

use crate::nix::http::Answer;
use crate::nix::invariants::{assert_none, files_without_row};
use crate::nix::served::Served;
use crate::scene::Scene;

const FLAKE: &str = "acme/app";

/// By how many KiB the server may grow over one bomb: two bodies of [`BODY`] bytes and what two
/// decompressions need.
const GROWTH: u64 = 96 << 10;

/// The largest body that the bombs have, near what the server takes.
const BODY: usize = 28 << 20;

/// Bytes that a frame's header says its content has.
#[derive(Clone, Copy)]
enum Claim {
    /// Nothing; the window has this size, a power of two.
    Window(u8),
    /// So many bytes, all of which are the window.
    Content(u64),
}

/// A zstd frame (RFC 8878) of blocks that each repeat one byte up to 128 KiB times: four bytes for
/// 128 KiB, and the smallest blocks there are.
fn frame(claim: Claim, repeated: &[(u8, u32)]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD];
    match claim {
        Claim::Window(log) => frame.extend([0x00, (log - 10) << 3]),
        Claim::Content(size) => {
            frame.push(0xE0);
            frame.extend(size.to_le_bytes());
        }
    }
    if repeated.is_empty() {
        frame.extend([0x01, 0, 0]);
    }
    for (index, (byte, times)) in repeated.iter().enumerate() {
        let last = u32::from(index + 1 == repeated.len());
        let header = last | 1 << 1 | times << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(*byte);
    }
    frame
}

/// Blocks of zeros: so many times 128 KiB.
fn zeros(blocks: usize) -> Vec<(u8, u32)> {
    vec![(0, 128 << 10); blocks]
}

/// A string of a NAR.
fn string(nar: &mut Vec<u8>, text: &[u8]) {
    nar.extend((text.len() as u64).to_le_bytes());
    nar.extend(text);
    nar.resize(nar.len().next_multiple_of(8), 0);
}

fn strings(words: &[&str]) -> Vec<u8> {
    let mut nar = Vec::new();
    for word in words {
        string(&mut nar, word.as_bytes());
    }
    nar
}

/// A NAR of directories in directories.
fn deep(levels: usize) -> Vec<u8> {
    let mut nar = strings(&["nix-archive-1"]);
    for _ in 0..levels {
        let begin = ["(", "type", "directory", "entry", "(", "name", "d", "node"];
        nar.extend(strings(&begin));
    }
    nar.extend(strings(&["(", "type", "directory", ")"]));
    for _ in 0..levels {
        nar.extend(strings(&[")", ")"]));
    }
    nar
}

fn compress(data: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(data, 1).unwrap()
}

/// What is sent, what it was announced to be, and a word of the refusal.
struct Bomb {
    name: &'static str,
    announced: (NarHash, u64),
    body: Vec<u8>,
    refusal: &'static str,
}

/// Bombs that fit into a batch, and into a part as well.
fn bombs() -> Vec<Bomb> {
    let some = NarHash::of(b"something else");
    let plain = fs_nar(b"content");
    let plain_facts = (NarHash::of(&plain), plain.len() as u64);
    let bomb = |name, announced, body, refusal| Bomb {
        name,
        announced,
        body,
        refusal,
    };
    let deep = deep(50_000);
    let mut long_string = strings(&["nix-archive-1", "(", "type"]);
    long_string.extend(u64::MAX.to_le_bytes());
    let mut long_content = strings(&["nix-archive-1", "(", "type", "regular", "contents"]);
    long_content.extend((1_u64 << 62).to_le_bytes());
    long_content.resize(20_000, 0);
    let mut empty_frames = frame(Claim::Content(0), &[]).repeat(BODY / 17);
    empty_frames.extend(compress(&plain));
    let small_claim = frame(Claim::Content(20), &zeros(1));
    let large_claim = frame(Claim::Content(1 << 40), &zeros(1));
    // Of what is sent in place of 50 000 bytes, of a NAR that is announced as it is, and of a small one.
    let claims = |name, body, refusal| bomb(name, (some, 50_000), body, refusal);
    let packed = |name, nar: &[u8], refusal| {
        let facts = (NarHash::of(nar), nar.len() as u64);
        bomb(name, facts, compress(nar), refusal)
    };
    let small = |name, body, refusal| bomb(name, plain_facts, body, refusal);
    let announced = |name, announced, body| bomb(name, announced, body, "");
    let window = |log: u8, content: Vec<(u8, u32)>| frame(Claim::Window(log), &content);
    let memory = "too much memory: a window of";
    let skipped = [0x50, 0x2A, 0x4D, 0x18, 0xFF, 0xFF, 0xFF, 0xFF];
    let packed_plain = compress(&plain);
    let (plain_hash, plain_size) = plain_facts;
    vec![
        claims("a megabyte that is 32 GiB", window(17, zeros(1 << 18)), ""),
        claims(
            "frames without end",
            window(17, zeros(1)).repeat(1 << 20),
            "",
        ),
        claims("a window of 128 GiB", window(37, zeros(1)), memory),
        claims("a window of 256 MiB", window(28, zeros(1)), memory),
        claims(
            "the largest window there may be",
            window(27, zeros(1 << 18)),
            "",
        ),
        claims(
            "a frame with more than it claims",
            small_claim,
            "decompressed",
        ),
        claims(
            "a frame that claims a terabyte",
            large_claim,
            "decompressed",
        ),
        claims(
            "a frame that claims a little more",
            frame(Claim::Content(40_000), &[(0, 30_000)]),
            "decompressed",
        ),
        small(
            "a skippable frame",
            [&skipped, &packed_plain[..]].concat(),
            "zstd frame",
        ),
        small("no frame at all", plain.clone(), "zstd frame"),
        small(
            "the beginning of a frame",
            packed_plain[..20].to_vec(),
            "zstd frame",
        ),
        small("nothing", Vec::new(), ""),
        small(
            "empty frames and nothing else",
            frame(Claim::Content(0), &[]).repeat(1000),
            "",
        ),
        packed("directories nested deeply", &deep, "nested"),
        packed("a string of the largest length", &long_string, ""),
        packed("a file of the largest size", &long_content, ""),
        announced(
            "shorter than announced",
            (plain_hash, plain_size + 8),
            packed_plain.clone(),
        ),
        announced(
            "longer than announced",
            (plain_hash, plain_size - 8),
            packed_plain.clone(),
        ),
        announced("another content", (some, plain_size), packed_plain),
        announced(
            "a million empty frames before another content",
            (some, plain_size),
            empty_frames,
        ),
    ]
}

/// The NAR of a file.
fn fs_nar(content: &[u8]) -> Vec<u8> {
    let mut nar = strings(&["nix-archive-1", "(", "type", "regular", "contents"]);
    string(&mut nar, content);
    nar.extend(strings(&[")"]));
    nar
}

/// A plan for one path with this NAR: the id of the push.
fn plan(scene: &Scene, number: usize, (nar_hash, nar_size): (NarHash, u64)) -> String {
    let path = json!({
        "path": format!("{}-bomb", fh_nix::base32::encode(&[u8::try_from(number).unwrap(); 20])),
        "nar_hash": nar_hash.to_sri(),
        "nar_size": nar_size,
    });
    let pushes = format!("/api/v1/flakes/{FLAKE}/pushes");
    let planned = scene
        .admin()
        .send("POST", &pushes, &json!({ "paths": [path] }));
    planned.expect(201).json()["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn upload(scene: &Scene, push: &str, below: &str, body: &[u8]) -> Answer {
    let path = format!("/api/v1/flakes/{FLAKE}/pushes/{push}/nars{below}");
    let (method, media_type) = if below.is_empty() {
        ("POST", "application/vnd.fh.nar-batch")
    } else {
        ("PUT", "application/octet-stream")
    };
    let answer = scene.admin().request(method, &path, media_type, body);
    answer.unwrap()
}

/// Why a batch of one NAR was refused.
fn refusal_of_batch(scene: &Scene, push: &str, nar_hash: &NarHash, body: &[u8]) -> String {
    let mut record = nar_hash.as_bytes().to_vec();
    record.extend((body.len() as u64).to_le_bytes());
    record.extend(body);
    let answer = upload(scene, push, "", &record);
    if answer.status == 200 {
        let message = answer.json()["nars"][0]["rejected"]["message"].clone();
        return message.as_str().unwrap_or_default().to_owned();
    }
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    answer.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Why a part was refused.
fn refusal_of_part(scene: &Scene, push: &str, nar_hash: &NarHash, body: &[u8]) -> String {
    let below = format!("/{}/parts/0", nar_hash.to_base32());
    let answer = upload(scene, push, &below, body);
    if answer.status == 200 {
        return String::new();
    }
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    answer.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Runs one, and sees to what it costs.
fn defuse(scene: &Scene, name: &str, ignite: impl FnOnce() -> String, refusal: &str) {
    // From here on the peak is a new one.
    fs::write(format!("/proc/{}/clear_refs", scene.served.pid()), "5").unwrap();
    let before = scene.served.peak();
    let refused = ignite();
    assert!(!refused.is_empty(), "{name} was taken");
    assert!(refused.contains(refusal), "{name}: {refused}");
    assert!(refused.len() < 1000, "{name}: {refused}");
    let grown = scene.served.peak().saturating_sub(before);
    assert!(grown < GROWTH, "{name}: the server grew by {grown} KiB");
}

#[test]
fn bombs_are_refused_with_bounded_memory() {
    let mut scene = Scene::with(
        Served::start(&["--part-size", "16MiB", "--batched-nar-size", "16MiB"]),
        &[FLAKE],
    );
    for (number, bomb) in bombs().iter().enumerate() {
        let Bomb {
            name,
            announced,
            body,
            refusal,
        } = bomb;
        // Small enough that the server wants it in a batch, and takes it as a part all the same.
        let push = plan(&scene, number, *announced);
        let batch = || refusal_of_batch(&scene, &push, &announced.0, body);
        defuse(&scene, &format!("{name}, in a batch"), batch, refusal);
        let part = || refusal_of_part(&scene, &push, &announced.0, body);
        defuse(&scene, &format!("{name}, as a part"), part, refusal);
    }
    assert_eq!(scene.admin().get("/readyz").status, 200);

    // Larger than a batch takes: parts that are not as long as they must be.
    let size = 20 << 20;
    let hash = NarHash::of(b"large");
    let push = plan(&scene, 100, (hash, size));
    for (name, body) in [
        (
            "a part of 32 GiB",
            frame(Claim::Window(17), &zeros(1 << 18)),
        ),
        ("an empty part", frame(Claim::Content(0), &[])),
        ("two parts in one", frame(Claim::Window(17), &zeros(2))),
    ] {
        let part = || refusal_of_part(&scene, &push, &hash, &body);
        defuse(&scene, name, part, "");
    }

    // Batches and plans that are bombs by themselves.
    let endless = [&hash.as_bytes()[..], &u64::MAX.to_le_bytes()].concat();
    let batch = || {
        let answer = upload(&scene, &push, "", &endless);
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.text()
    };
    defuse(&scene, "a record of the largest length", batch, "");
    let plans = format!("/api/v1/flakes/{FLAKE}/pushes");
    let shapes = [
        ("arrays in arrays", "[".repeat(BODY)),
        ("objects in objects", "{\"paths\":".repeat(BODY / 9)),
        (
            "a path of many bytes",
            format!("{{\"paths\":[{{\"path\":\"{}\"", "a".repeat(BODY)),
        ),
        ("a plan that is too long", " ".repeat(31 << 20)),
    ];
    for (name, body) in &shapes {
        let plan = || {
            let answer = scene
                .admin()
                .request("POST", &plans, "application/json", body.as_bytes())
                .unwrap();
            assert!(
                (400..500).contains(&answer.status),
                "{name}: {}",
                answer.text()
            );
            answer.text()
        };
        defuse(&scene, name, plan, "");
    }

    // It goes on as if nothing had been, and nothing is left of it.
    let new = scene.stock.add(&mut scene.random, &[100, 300_000]);
    scene.push_rest(FLAKE, &[new.last().unwrap().clone()]);
    scene.check();
    scene.served.kill();
    assert_none(&files_without_row(&scene.served.data()));
    scene.served.start_again();
    scene.check_storage();
}
