//! What must be true of a server whatever happened to it, seen from outside: by its answers to those
//! who may read and those who may not, and by its files once it has stopped.
//!
//! Everything that is wrong is listed, in words that say what it is; see [`assert_none`].

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use fh_nix::{Hasher, NarHash, NarInfo, PublicKey, StoreDir};
use rusqlite::Connection;
use serde_json::json;

use super::hash_part;
use super::http::Http;
use super::stock::Stock;

/// Fails the test if something is wrong.
#[track_caller]
pub(crate) fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What was acknowledged: the paths of each flake.
pub(crate) type Acknowledged = BTreeMap<String, BTreeSet<String>>;

/// Files whose content was right, when they had this size and were written to at that time.
pub(crate) type Hashed = HashSet<(NarHash, u64, std::time::SystemTime)>;

/// Looks at a server that runs.
pub(crate) struct Watcher {
    /// The administrator, who reads every flake.
    pub(crate) admin: Http,
    /// Nobody, and somebody who was granted nothing.
    strangers: [Http; 2],
    keys: Vec<PublicKey>,
}

impl Watcher {
    /// Makes the stranger too.
    pub(crate) fn new(admin: Http) -> Self {
        let nobody = Http {
            token: None,
            ..admin.clone()
        };
        let stranger = admin.account("stranger", &["pull", "push"]);
        let discovery = admin.get("/.well-known/fh").expect(200).json();
        let keys = discovery["public_keys"].as_array().unwrap();
        Self {
            strangers: [nobody, stranger],
            keys: keys
                .iter()
                .map(|key| key["public_key"].as_str().unwrap().parse().unwrap())
                .collect(),
            admin,
        }
    }

    /// How many of these paths a flake shows to who may read it: all, none, or a number that is
    /// neither, which no push may ever lead to.
    pub(crate) fn visible(&self, flake: &str, paths: &BTreeSet<String>) -> usize {
        let shown = |path: &&String| self.narinfo(flake, path).status == 200;
        paths.iter().filter(shown).count()
    }

    fn narinfo(&self, flake: &str, path: &str) -> super::http::Answer {
        let narinfo = format!("/cache/{flake}/{}.narinfo", hash_part(path));
        self.admin.get(&narinfo)
    }

    /// Everything that is wrong with a flake that shall hold these paths and no other of the stock; of
    /// the paths one by one, with those in `looked_at`.
    pub(crate) fn flake(
        &self,
        flake: &str,
        paths: &BTreeSet<String>,
        stock: &Stock,
        looked_at: &BTreeSet<String>,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let shown = self.admin.get(&format!("/api/v1/flakes/{flake}"));
        let shown = shown.expect(200).json();
        let expected = json!([paths.len(), stock.nar_size(paths)]);
        let found = json!([shown["paths"], shown["nar_size"]]);
        if found != expected {
            wrong.push(format!(
                "{flake}: paths and size should be {expected}, are {found}"
            ));
        }
        let nothing = self
            .admin
            .get("/cache/no/thing/00000000000000000000000000000000.narinfo");
        for path in looked_at {
            if paths.contains(path) {
                wrong.extend(self.served(flake, path, stock));
            } else {
                let answer = self.narinfo(flake, path);
                if answer != nothing {
                    wrong.push(format!(
                        "{flake}: {path} was not pushed, and is answered with {answer}"
                    ));
                }
            }
            for stranger in &self.strangers {
                for place in ["", &format!("/cache/{flake}")] {
                    let hash = hash_part(path);
                    let answer = stranger.get(&format!("{place}/{hash}.narinfo"));
                    if answer != nothing {
                        wrong.push(format!(
                            "{flake}: a stranger asks for {path}, and gets {answer}"
                        ));
                    }
                }
            }
        }
        wrong
    }

    /// What is wrong with one path that is there: its narinfo, signature and NAR.
    fn served(&self, flake: &str, path: &str, stock: &Stock) -> Option<String> {
        let truth = stock.info(path);
        let answer = self.narinfo(flake, path);
        if answer.status != 200 {
            return Some(format!(
                "{flake}: {path} was acknowledged, and is answered with {answer}"
            ));
        }
        let directory = StoreDir::default();
        let narinfo = match NarInfo::parse(&answer.text(), &directory) {
            Ok(narinfo) => narinfo,
            Err(error) => return Some(format!("{flake}: the narinfo of {path}: {error}")),
        };
        let info = &narinfo.info;
        if (info.nar_hash, info.nar_size) != (truth.nar_hash, truth.nar_size)
            || info.path != truth.path
            || info.references != truth.references
        {
            return Some(format!("{flake}: {path} should be {truth:?}, is {info:?}"));
        }
        if !self.keys.iter().any(|key| info.verify(&directory, key)) {
            return Some(format!("{flake}: {path} is not signed by the server"));
        }
        let nar = self.admin.get(&format!("/cache/{flake}/{}", narinfo.url));
        if nar.status != 200 {
            return Some(format!("{flake}: the NAR of {path}: {nar}"));
        }
        if narinfo
            .file_size
            .is_some_and(|size| size != nar.body.len() as u64)
        {
            return Some(format!("{flake}: the NAR of {path} has another FileSize"));
        }
        let found = hash_and_size(&nar.body);
        (found != Ok((truth.nar_hash, truth.nar_size)))
            .then(|| format!("{flake}: the NAR of {path}: {found:?}"))
    }
}

fn hash_and_size(compressed: &[u8]) -> Result<(NarHash, u64), String> {
    let nar = zstd::stream::decode_all(compressed).map_err(|error| error.to_string())?;
    let mut hasher = Hasher::new();
    hasher.update(&nar);
    Ok((hasher.finish(), nar.len() as u64))
}

/// Everything that is wrong with the data directory of a server that does not run: the database by
/// itself, its rows against each other and against the files. Files that no row names are not wrong,
/// but left for a collection; see [`files_without_row`].
///
/// What was found to be right once and has not been written to since is not hashed again.
pub(crate) fn stored(data: &Path, hashed: &mut Hashed) -> Vec<String> {
    let database = Copy::of(data);
    let connection = &database.connection;
    let mut wrong = database.complaints();
    let objects = objects(data);
    for (nar_hash, (nar_size, file_size)) in rows(connection) {
        let name = nar_hash.to_base32();
        let Some(path) = objects.get(&nar_hash) else {
            wrong.push(format!("the database has the NAR {name}, which is no file"));
            continue;
        };
        let metadata = fs::metadata(path).unwrap();
        if metadata.len() != file_size {
            let length = metadata.len();
            wrong.push(format!(
                "{name} should have {file_size} bytes, has {length}"
            ));
        }
        let state = (nar_hash, metadata.len(), metadata.modified().unwrap());
        if hashed.contains(&state) {
            continue;
        }
        let found = hash_and_size(&fs::read(path).unwrap());
        if found == Ok((nar_hash, nar_size)) {
            hashed.insert(state);
        } else {
            wrong.push(format!("the file of the NAR {name} is {found:?}"));
        }
    }
    wrong
}

/// The names of all files of the storage that nothing in the database refers to, as after a crash, or
/// while a push is under way.
pub(crate) fn files_without_row(data: &Path) -> Vec<String> {
    let database = Copy::of(data);
    let rows = rows(&database.connection);
    let mut orphans: Vec<String> = files(data)
        .into_iter()
        .filter(|(nar_hash, _)| !rows.contains_key(nar_hash))
        .map(|(_, path)| path.display().to_string())
        .collect();
    let staging = fs::read_dir(data.join("objects/staging")).unwrap();
    orphans.extend(staging.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    orphans
}

/// The NARs that the database has, which are only those of these paths after a collection.
pub(crate) fn rows_beyond(data: &Path, paths: &BTreeSet<String>, stock: &Stock) -> Vec<String> {
    let needed: HashSet<NarHash> = paths.iter().map(|path| stock.info(path).nar_hash).collect();
    rows(&Copy::of(data).connection)
        .into_keys()
        .filter(|nar_hash| !needed.contains(nar_hash))
        .map(|nar_hash| nar_hash.to_base32())
        .collect()
}

/// Makes every file of the storage as old as a collection wants it to be.
pub(crate) fn age_files(data: &Path) {
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86400);
    let mut open = vec![data.join("objects")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }
}

/// The database as the server would find it: copied, since to open it is to recover it.
struct Copy {
    connection: Connection,
    _directory: tempfile::TempDir,
}

impl Copy {
    fn of(data: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut database = None;
        for entry in fs::read_dir(data).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.contains(".db") || name.contains(".sqlite") {
                let copy = directory.path().join(&name);
                fs::copy(&path, &copy).unwrap();
                if !name.ends_with("-wal") && !name.ends_with("-shm") {
                    database = Some(copy);
                }
            }
        }
        Self {
            connection: Connection::open(database.unwrap()).unwrap(),
            _directory: directory,
        }
    }

    fn complaints(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let all = |sql: &str| -> Vec<String> {
            let mut statement = self.connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(0));
            rows.unwrap().map(Result::unwrap).collect()
        };
        let integrity = all("PRAGMA integrity_check");
        if integrity != ["ok"] {
            wrong.extend(integrity);
        }
        wrong.extend(all(
            "SELECT 'a row of ' || \"table\" || ' refers to nothing in ' || parent \
             FROM pragma_foreign_key_check",
        ));
        wrong.extend(all(
            "SELECT 'the flake ' || name || ' counts ' || path_count || ' paths and ' || nar_size \
             || ' bytes, and has ' || paths || ' and ' || bytes \
             FROM (SELECT flake.*, (SELECT count(*) FROM slice_path WHERE flake_id = flake.id) paths, \
                   (SELECT coalesce(sum(nar.nar_size), 0) FROM slice_path \
                    JOIN nar ON nar.id = nar_id WHERE flake_id = flake.id) bytes FROM flake) \
             WHERE path_count != paths OR nar_size != bytes",
        ));
        wrong.extend(all(
            "SELECT 'an open push has a summary, or a committed one has none: ' || uuid FROM push \
             WHERE (state = 'committed') != (summary IS NOT NULL)",
        ));
        wrong
    }
}

/// The rows of NARs: NAR size and file size.
fn rows(connection: &Connection) -> BTreeMap<NarHash, (u64, u64)> {
    let sql = "SELECT nar_hash, nar_size, file_size FROM nar";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        Ok((
            NarHash::from_bytes(row.get(0)?),
            (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?),
        ))
    });
    rows.unwrap()
        .map(|row| {
            let (hash, (nar_size, file_size)) = row.unwrap();
            let sizes = (nar_size.try_into().unwrap(), file_size.try_into().unwrap());
            (hash, sizes)
        })
        .collect()
}

/// The files of objects.
pub(crate) fn objects(data: &Path) -> BTreeMap<NarHash, PathBuf> {
    let is_object = |(_, path): &(NarHash, PathBuf)| path.to_str().unwrap().ends_with(".nar.zst");
    files(data).into_iter().filter(is_object).collect()
}

/// All files that stand for NARs, such as their listings, by the NAR in their name.
fn files(data: &Path) -> Vec<(NarHash, PathBuf)> {
    let mut files = Vec::new();
    for directory in fs::read_dir(data.join("objects/nar")).unwrap() {
        for file in fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let hash = name.split('.').next().unwrap();
            files.push((NarHash::from_base32(hash).unwrap(), path.clone()));
        }
    }
    files
}
