//! Pushing and reading over HTTP, in process: the protocol, bad input, faults, and who sees what.

mod access;
mod bad_input;
mod collection;
mod damage;
mod logs;
mod parts;
mod protocol;
mod reading;
pub(crate) mod realisations;
mod removed;
mod shares;

use std::io::Write as _;

use axum::body::Body;
use fh_api::{
    BatchAnswer, CommitSummary, NAR_BATCH_MEDIA_TYPE, PartAnswer, PathStatus, PushPath, PushPlan,
    PushRequest,
};
use fh_nix::{NarHash, NarInfo, PathInfo, SecretKey, StoreDir};
use fh_persistence::database::Decided;
use fh_settings::Settings;
use http::{Method, Request};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::testing::{Answer, TestServer};

/// Bytes of a part in these tests, uncompressed.
const PART: u64 = 64 << 10;

/// Largest NAR of a batch in these tests.
const BATCHED: u64 = 32 << 10;

/// A store path with its content.
#[derive(Clone)]
pub(crate) struct Item {
    /// `<hash>-<name>`.
    pub(crate) base: String,
    pub(crate) nar: Vec<u8>,
    pub(crate) info: PushPath,
}

/// The NAR of a regular file.
pub(crate) fn nar_of(contents: &[u8]) -> Vec<u8> {
    let mut nar = Vec::new();
    let mut string = |bytes: &[u8]| {
        nar.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        nar.extend_from_slice(bytes);
        nar.resize(nar.len().next_multiple_of(8), 0);
    };
    for word in ["nix-archive-1", "(", "type", "regular", "contents"] {
        string(word.as_bytes());
    }
    string(contents);
    string(b")");
    nar
}

/// Bytes that do not compress, always the same for a seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

impl Item {
    /// A path whose hash part is made from its name, with a file of these contents.
    pub(crate) fn new(name: &str, contents: &[u8]) -> Self {
        let nar = nar_of(contents);
        let hash = NarHash::of(name.as_bytes());
        let base = format!("{}-{name}", fh_nix::base32::encode(&hash.as_bytes()[..20]));
        Self {
            info: PushPath {
                path: base.clone(),
                nar_hash: NarHash::of(&nar).to_sri(),
                nar_size: nar.len() as u64,
                references: Vec::new(),
                deriver: None,
                signatures: Vec::new(),
                ca: None,
                context: false,
            },
            base,
            nar,
        }
    }

    /// The same path, referring to another one.
    pub(crate) fn referring_to(mut self, other: &Item) -> Self {
        self.info.references.push(other.base.clone());
        self
    }

    /// With a signature of this key.
    pub(crate) fn signed(mut self, store_dir: &StoreDir, key: &SecretKey) -> Self {
        let references = self.info.references.iter();
        let info = PathInfo {
            path: self.base.parse().unwrap(),
            nar_hash: self.nar_hash(),
            nar_size: self.info.nar_size,
            references: references.map(|path| path.parse().unwrap()).collect(),
            deriver: None,
            signatures: Vec::new(),
            ca: None,
        };
        let signature = info.sign(store_dir, key).to_string();
        self.info.signatures.push(signature);
        self
    }

    /// The hash part of its path.
    pub(crate) fn hash(&self) -> &str {
        &self.base[..32]
    }

    pub(crate) fn nar_hash(&self) -> NarHash {
        NarHash::of(&self.nar)
    }

    /// As in addresses.
    pub(crate) fn nar_name(&self) -> String {
        self.nar_hash().to_base32()
    }

    pub(crate) fn compressed(&self) -> Vec<u8> {
        compress(&self.nar)
    }

    /// The compressed parts.
    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        let size = usize::try_from(PART).unwrap();
        self.nar.chunks(size).map(compress).collect()
    }
}

/// One frame, with a checksum of its content.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    compressor.include_checksum(true).unwrap();
    compressor.compress(bytes).unwrap()
}

/// A batch of records.
pub(crate) fn batch_body(records: &[(NarHash, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (hash, bytes) in records {
        body.write_all(hash.as_bytes()).unwrap();
        body.write_all(&(bytes.len() as u64).to_le_bytes()).unwrap();
        body.write_all(bytes).unwrap();
    }
    body
}

pub(crate) fn request(items: &[&Item]) -> PushRequest {
    PushRequest {
        paths: items.iter().map(|item| item.info.clone()).collect(),
        skip_signed_by: Vec::new(),
        dry_run: false,
        logs: Vec::new(),
        realisations: Vec::new(),
    }
}

/// A server with the flake `acme/app`, and a token of `ann`, who owns `acme`.
pub(crate) struct Scene {
    pub(crate) server: TestServer,
    pub(crate) ann: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings than those of these tests.
    pub(crate) async fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        let server = Self::start(TempDir::new().unwrap(), adjust).await;
        let ann = server.user("ann").await;
        server.organization("acme", &ann).await;
        server.flake("acme/app", "private", &ann).await;
        Self { server, ann }
    }

    /// Where the object of an item lies.
    pub(crate) fn object(&self, item: &Item) -> std::path::PathBuf {
        let name = item.nar_name();
        let objects = self.server.directory.path().join("data/objects/nar");
        objects.join(&name[..2]).join(format!("{name}.nar.zst"))
    }

    /// Writes to the object of an item behind the server's back, into the same file.
    pub(crate) fn alter(&self, item: &Item, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.object(item);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
    }

    /// Makes the rows what they were before there were checksums.
    pub(crate) async fn forget_checksums(&self) {
        let changed = self
            .server
            .state
            .database()
            .write(Decided::by_server(), |tx| {
                tx.execute("UPDATE nar SET checksum = NULL", &[])?;
                Ok::<_, fh_persistence::database::DatabaseError>(())
            });
        changed.await.unwrap();
    }

    async fn start(directory: TempDir, adjust: impl FnOnce(&mut Settings)) -> TestServer {
        TestServer::start_with(directory, |settings| {
            settings.limits.part_size = PART;
            settings.limits.batched_nar_size = BATCHED;
            settings.limits.body_size = 1 << 20;
            settings.limits.nar_size = 4 << 20;
            settings.timeouts.stall = std::time::Duration::from_millis(300);
            adjust(settings);
        })
        .await
    }

    /// Stops the server and starts it again on the same data.
    pub(crate) async fn restarted(self) -> Self {
        let server = Self::start(self.server.stop(), |_| {}).await;
        Self {
            server,
            ann: self.ann,
        }
    }

    pub(crate) async fn plan_answer(
        &self,
        flake: &str,
        token: &str,
        wanted: &PushRequest,
    ) -> Answer {
        let path = format!("/api/v1/flakes/{flake}/pushes");
        self.server.post(&path, token, json!(wanted)).await
    }

    /// A plan for `acme/app` by ann.
    pub(crate) async fn plan(&self, items: &[&Item]) -> PushPlan {
        let answer = self
            .plan_answer("acme/app", &self.ann, &request(items))
            .await;
        assert!(answer.status.is_success(), "{:?}", answer.body);
        answer.json()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        media_type: &str,
        body: impl Into<Body>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", media_type)
            .body(body.into());
        self.server.send(request.unwrap()).await
    }

    pub(crate) async fn batch_answer(
        &self,
        flake: &str,
        token: &str,
        id: Uuid,
        body: impl Into<Body>,
    ) -> Answer {
        let path = format!("/api/v1/flakes/{flake}/pushes/{id}/nars");
        self.send(Method::POST, &path, token, NAR_BATCH_MEDIA_TYPE, body)
            .await
    }

    /// Sends the NARs of these items in one batch to `acme/app`.
    pub(crate) async fn batch(&self, id: Uuid, items: &[&Item]) -> BatchAnswer {
        let records: Vec<_> = items
            .iter()
            .map(|item| (item.nar_hash(), item.compressed()))
            .collect();
        self.batch_answer("acme/app", &self.ann, id, batch_body(&records))
            .await
            .expect(200)
            .json()
    }

    pub(crate) async fn part_answer(
        &self,
        id: Uuid,
        item: &Item,
        number: u64,
        body: impl Into<Body>,
    ) -> Answer {
        let path = format!(
            "/api/v1/flakes/acme/app/pushes/{id}/nars/{}/parts/{number}",
            item.nar_name()
        );
        let media_type = "application/octet-stream";
        self.send(Method::PUT, &path, &self.ann, media_type, body)
            .await
    }

    pub(crate) async fn part(&self, id: Uuid, item: &Item, number: u64) -> PartAnswer {
        let body = item.parts()[usize::try_from(number).unwrap()].clone();
        self.part_answer(id, item, number, body)
            .await
            .expect(200)
            .json()
    }

    pub(crate) async fn commit_answer(&self, id: Uuid) -> Answer {
        let path = format!("/api/v1/flakes/acme/app/pushes/{id}/commit");
        self.server.call(Method::POST, &path, &self.ann, None).await
    }

    pub(crate) async fn commit(&self, id: Uuid) -> CommitSummary {
        self.commit_answer(id).await.expect(200).json()
    }

    /// Pushes these to a flake, from plan to commit, by someone.
    pub(crate) async fn push_as(&self, flake: &str, token: &str, items: &[&Item]) -> CommitSummary {
        let plan: PushPlan = self.plan_answer(flake, token, &request(items)).await.json();
        self.finish(flake, token, plan, items).await
    }

    /// Sends what a plan asks for, and commits.
    pub(crate) async fn finish(
        &self,
        flake: &str,
        token: &str,
        plan: PushPlan,
        items: &[&Item],
    ) -> CommitSummary {
        let Some(id) = plan.id else {
            return plan.committed.unwrap();
        };
        let wanted: Vec<_> = plan.uploads.iter().map(|need| &need.nar_hash).collect();
        let mut records: Vec<(NarHash, Vec<u8>)> = Vec::new();
        for item in items {
            let known = records.iter().any(|(hash, _)| *hash == item.nar_hash());
            if wanted.contains(&&item.nar_name()) && !known {
                records.push((item.nar_hash(), item.compressed()));
            }
        }
        let answer: BatchAnswer = self
            .batch_answer(flake, token, id, batch_body(&records))
            .await
            .expect(200)
            .json();
        assert!(
            answer.nars.iter().all(|nar| nar.rejected.is_none()),
            "{answer:?}"
        );
        let path = format!("/api/v1/flakes/{flake}/pushes/{id}/commit");
        let answer = self.server.call(Method::POST, &path, token, None).await;
        answer.expect(200).json()
    }

    /// Pushes these to `acme/app`.
    pub(crate) async fn push(&self, items: &[&Item]) -> CommitSummary {
        self.push_as("acme/app", &self.ann, items).await
    }

    /// The narinfo of a path as a token sees it.
    pub(crate) async fn narinfo(&self, root: &str, item: &Item, token: &str) -> Option<NarInfo> {
        let path = format!("{root}/{}.narinfo", item.hash());
        let answer = self.server.get(&path, token).await;
        if answer.status == 404 {
            return None;
        }
        let text = String::from_utf8(answer.expect(200).body.to_vec()).unwrap();
        Some(NarInfo::parse(&text, &StoreDir::default()).unwrap())
    }

    /// The NAR itself, decompressed.
    pub(crate) async fn nar(&self, item: &Item, token: &str) -> Option<Vec<u8>> {
        let path = format!("/nar/{}.nar.zst", item.nar_name());
        let answer = self.server.get(&path, token).await;
        if answer.status == 404 {
            return None;
        }
        Some(zstd::decode_all(&answer.expect(200).body[..]).unwrap())
    }

    /// All files below the storage, as paths from there.
    pub(crate) fn files(&self) -> Vec<String> {
        let root = self.server.directory.path().join("data/objects");
        let mut found = Vec::new();
        let mut directories = vec![root.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

/// The statuses of a plan, in order.
pub(crate) fn statuses(plan: &PushPlan) -> Vec<PathStatus> {
    plan.paths.iter().map(|path| path.status).collect()
}
