use std::io::Read as _;

use tempfile::TempDir;

use super::*;

fn storage() -> (TempDir, FileStorage) {
    let directory = TempDir::new().unwrap();
    let storage = FileStorage::open(directory.path()).unwrap();
    (directory, storage)
}

fn staged(storage: &FileStorage, bytes: &[u8]) -> StagedFile {
    let mut file = storage.stage().unwrap();
    file.append(bytes).unwrap();
    file.close();
    file
}

fn read(storage: &FileStorage, nar_hash: &NarHash) -> Option<Vec<u8>> {
    let object = storage.object(nar_hash).unwrap().ok()?;
    let mut bytes = Vec::new();
    object.reader().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, object.size());
    Some(bytes)
}

fn place(storage: &FileStorage, nar_hash: NarHash, file: StagedFile) -> PlacedFile {
    let mut placed = storage.place([(nar_hash, file)]);
    placed.pop().unwrap().1.unwrap()
}

fn staging(directory: &TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory.path().join("objects/staging"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success(), "{}", path.display());
}

#[test]
fn files_become_objects_one_by_one_or_many_at_once() {
    let (directory, storage) = storage();
    for count in [1_u64, 3, 200] {
        let files: Vec<_> = (0..count)
            .map(|index| {
                let bytes = format!("{count} {index}").into_bytes();
                (NarHash::of(&bytes), bytes)
            })
            .collect();
        let placed = storage.place(
            files
                .iter()
                .map(|(hash, bytes)| (*hash, staged(&storage, bytes))),
        );
        assert!(placed.iter().all(|(_, one)| one.is_ok()));
        for (hash, bytes) in &files {
            assert_eq!(read(&storage, hash).as_ref(), Some(bytes));
            assert_eq!(storage.object_size(hash).unwrap(), Some(bytes.len() as u64));
        }
    }
    assert!(staging(&directory).is_empty());
}

#[test]
fn an_object_is_replaced_and_removed() {
    let (directory, storage) = storage();
    let hash = NarHash::of(b"x");
    assert_eq!(read(&storage, &hash), None);
    drop(storage.set_aside(&hash).unwrap());
    place(&storage, hash, staged(&storage, b"one"));
    let open = storage.object(&hash).unwrap().unwrap();
    assert!(storage.is_still(&hash, Some(&open)).unwrap());
    assert!(!storage.is_still(&hash, None).unwrap());
    place(&storage, hash, staged(&storage, b"two"));
    assert_eq!(read(&storage, &hash).unwrap(), b"two");
    // Who has begun to read the old one reads it to its end.
    let mut old = Vec::new();
    open.reader().read_to_end(&mut old).unwrap();
    assert!(!storage.is_still(&hash, Some(&open)).unwrap());
    assert_eq!(old, b"one");
    // It is gone at once, and its room is given back by whoever took it away.
    let aside = storage.set_aside(&hash).unwrap();
    assert_eq!(staging(&directory).len(), 1);
    drop(aside);
    assert!(staging(&directory).is_empty());
    assert!(storage.is_still(&hash, None).unwrap());
    assert_eq!(storage.object_size(&hash).unwrap(), None);
}

#[test]
fn what_is_not_placed_leaves_nothing() {
    let (directory, storage) = storage();
    drop(staged(&storage, b"dropped"));
    staged(&storage, b"discarded").discard().unwrap();
    assert!(staging(&directory).is_empty());
    // Half-written by a process that died.
    std::mem::forget(staged(&storage, b"half"));
    assert_eq!(staging(&directory).len(), 1);
    let next = FileStorage::open(directory.path()).unwrap();
    let own = staged(&next, b"under way");
    next.remove_leftovers().unwrap();
    assert_eq!(staging(&directory).len(), 1);
    drop(own);
    assert!(staging(&directory).is_empty());
}

#[test]
fn parts_outlive_the_process_and_are_cut_to_what_counts() {
    let (directory, storage) = storage();
    let key = UploadKey {
        flake_id: 3,
        account_id: 14,
        nar_hash: NarHash::of(b"x"),
        nar_size: 159,
    };
    assert_eq!(UploadKey::from_file_name(&key.file_name()), Some(key));
    let partial = storage.partial(&key);
    assert_eq!(partial.length().unwrap(), 0);
    let mut open = partial.open_at(0).unwrap();
    open.append(b"first, ").unwrap();
    open.append(b"garbage").unwrap();
    open.flusher().unwrap()().unwrap();
    // Nobody else goes on with it meanwhile.
    assert!(partial.is_taken().unwrap());
    assert!(partial.open_at(0).unwrap_err().is_taken());
    drop(open);
    assert!(!partial.is_taken().unwrap());
    let storage = FileStorage::open(directory.path()).unwrap();
    let partial = storage.partial(&key);
    assert_eq!(partial.length().unwrap(), 14);
    assert!(partial.open_at(15).is_err());
    let mut open = partial.open_at(7).unwrap();
    open.append(b"second").unwrap();
    let mut tail = String::new();
    open.reader(7).read_to_string(&mut tail).unwrap();
    assert_eq!(tail, "second");
    let file = open.into_staged().unwrap();
    assert_eq!(file.length(), 13);
    // Not removed when it could not be placed: it was worth a long upload.
    drop(file);
    assert_eq!(partial.length().unwrap(), 13);
    let file = partial.open_at(13).unwrap().into_staged().unwrap();
    let placed = place(&storage, key.nar_hash, file);
    assert_eq!(read(&storage, &key.nar_hash).unwrap(), b"first, second");
    assert_eq!(partial.length().unwrap(), 0);
    // And back, where no row can be written.
    placed.take_back().unwrap();
    assert_eq!(read(&storage, &key.nar_hash), None);
    assert_eq!(partial.length().unwrap(), 13);
}

#[test]
fn only_parts_that_are_old_are_stale() {
    let (_directory, storage) = storage();
    let key = UploadKey {
        flake_id: 1,
        account_id: 2,
        nar_hash: NarHash::of(b"x"),
        nar_size: 3,
    };
    storage.partial(&key).open_at(0).unwrap();
    let day = Duration::from_secs(86_400);
    assert_eq!(storage.stale_partials(day).unwrap(), []);
    assert_eq!(storage.stale_partials(Duration::ZERO).unwrap(), [key]);
}

#[test]
fn names_that_are_no_uploads_are_none() {
    for name in [
        "",
        ".parts",
        "1-2-x-3.parts",
        "../1-2-3-4.parts",
        "1-2-3.parts",
        "7.tmp",
    ] {
        assert_eq!(UploadKey::from_file_name(name), None, "{name}");
    }
}

#[test]
fn the_probe_really_writes() {
    let (directory, storage) = storage();
    storage.probe().unwrap();
    assert!(staging(&directory).is_empty());
    let staging = directory.path().join("objects/staging");
    fs::remove_dir(&staging).unwrap();
    // A success holds for some seconds; a failure is never remembered.
    storage.probe().unwrap();
    let storage = FileStorage::open(directory.path()).unwrap();
    fs::remove_dir(&staging).unwrap();
    let error = storage.probe().unwrap_err();
    assert!(error.to_string().starts_with("cannot make "), "{error}");
    assert!(!error.is_full());
}

#[test]
fn one_file_that_cannot_be_placed_keeps_no_other_from_it() {
    let (directory, storage) = storage();
    let files: Vec<_> = (0..20_u8)
        .map(|index| (NarHash::of(&[index]), staged(&storage, &[index])))
        .collect();
    let lost = files[7].0;
    fs::remove_file(files[7].1.path()).unwrap();
    for (nar_hash, placed) in storage.place(files) {
        assert_eq!(placed.is_ok(), nar_hash != lost);
        assert_eq!(read(&storage, &nar_hash).is_some(), nar_hash != lost);
    }
    assert!(staging(&directory).is_empty());
}

#[test]
fn whatever_lies_under_a_name_of_ours_is_not_waited_for_and_gives_way() {
    let (directory, storage) = storage();
    let hash = NarHash::of(b"x");
    let path = storage.object_path(&hash);
    let listing = storage.listing_path(&hash);
    let make_directory = |path: &Path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("notes"), b"of a person").unwrap();
    };
    for (make, what) in [
        (&make_pipe as &dyn Fn(&Path), "a pipe"),
        (&make_directory, "a directory"),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        make(&path);
        make(&listing);
        let strange = storage.object(&hash).unwrap().unwrap_err();
        assert_eq!(strange, NoObject::Strange(what));
        assert!(storage.is_still(&hash, None).unwrap());
        assert_eq!(storage.object_size(&hash).unwrap(), None);
        assert!(storage.listing(&hash).unwrap().is_none());
        place(&storage, hash, staged(&storage, b"one"));
        storage
            .place_listing(&hash, staged(&storage, b"listing"))
            .unwrap();
        assert_eq!(read(&storage, &hash).unwrap(), b"one");
        assert!(storage.listing(&hash).unwrap().is_some());
        drop(storage.set_aside(&hash).unwrap());
        // Also where nothing replaces it.
        make(&path);
        drop(storage.set_aside(&hash).unwrap());
        assert!(path.symlink_metadata().is_err());
    }
    // What a person had put there is there still.
    let kept = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(kept, 3);

    // A directory of objects that is none.
    let other = NarHash::of(b"other");
    let shard = storage.object_path(&other).parent().unwrap().to_owned();
    fs::write(&shard, b"a file").unwrap();
    assert_eq!(
        storage.object(&other).unwrap().unwrap_err(),
        NoObject::Missing
    );
    place(&storage, other, staged(&storage, b"other"));
    assert_eq!(read(&storage, &other).unwrap(), b"other");

    // The staging area.
    let key = UploadKey {
        flake_id: 1,
        account_id: 2,
        nar_hash: hash,
        nar_size: 3,
    };
    let staging = directory.path().join("objects/staging");
    for make in [&make_pipe as &dyn Fn(&Path), &make_directory] {
        make(&staging.join(key.file_name()));
        let partial = storage.partial(&key);
        assert_eq!(partial.length().unwrap(), 0);
        let mut open = partial.open_at(0).unwrap();
        open.append(b"part").unwrap();
        assert_eq!(partial.length().unwrap(), 4);
        partial.remove().unwrap();
    }
    for number in 0..100 {
        make_directory(&staging.join(format!("{number}.tmp")));
    }
    make_pipe(&staging.join("100.tmp"));
    storage.remove_leftovers().unwrap();
    for entry in fs::read_dir(&staging).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_str().unwrap().ends_with(".tmp"), "{name:?}");
    }
}
