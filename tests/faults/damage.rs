//! Stored files that are altered or lost behind the server's back.

use std::fs;
use std::path::Path;

use fh_testkit::nix::{ScratchStore, versions};

use crate::nix::Person;
use crate::nix::invariants::{Hashed, objects, stored};
use crate::scene::{SIZES, Scene, assert_sound};

const FLAKE: &str = "acme/app";

/// What becomes of a file; given the directory of all.
type Damage = (&'static str, fn(&Path, &Path));

const DAMAGES: [Damage; 6] = [
    ("one bit in the middle", |file, _| {
        flip(file, |length| length / 2);
    }),
    ("one bit at the end", |file, _| {
        flip(file, |length| length - 1);
    }),
    ("cut to a half", |file, _| {
        let length = file.metadata().unwrap().len();
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_len(length / 2).unwrap();
    }),
    ("empty", |file, _| fs::write(file, b"").unwrap()),
    ("removed", |file, _| fs::remove_file(file).unwrap()),
    ("another NAR", |file, data| {
        let other = objects(data).into_values().find(|other| other != file);
        fs::copy(other.unwrap(), file).unwrap();
    }),
];

fn flip(file: &Path, at: fn(usize) -> usize) {
    let mut bytes = fs::read(file).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

/// Damages a large NAR and a small one in each way. Each version of Nix is refused rather than given
/// what is not right, the check names the file, and the next push heals it.
#[test]
fn a_damaged_nar_is_never_taken_as_good_and_healed_by_the_next_push() {
    let mut scene = Scene::new(&[FLAKE], &[]);
    let new = scene.stock.add(&mut scene.random, &SIZES);
    let top = new.last().unwrap().clone();
    let paths = [top.clone()];
    scene.push_rest(FLAKE, &paths);
    scene.check();
    scene.served.check().ok();
    let people: Vec<Person> = versions()
        .iter()
        .map(|nix| {
            let person = Person::new(None, nix);
            person.log_in(&scene.served.url(), &scene.served.admin_token());
            // Else Nix remembers for an hour that the cache did not have the path.
            let settings = "download-attempts = 2\nnarinfo-cache-negative-ttl = 0";
            person.home.configure(settings).unwrap();
            person
        })
        .collect();
    let data = scene.served.data();
    let url = scene.served.url();
    for (number, (name, damage)) in DAMAGES.iter().enumerate() {
        // The large one comes in parts, the small one in a batch.
        let damaged = &new[if number % 2 == 0 { 3 } else { 1 }];
        let nar_hash = scene.stock.info(damaged).nar_hash;
        let file = objects(&data)[&nar_hash].clone();
        damage(&file, &data);
        // What looks for damage in all these tests sees it.
        assert!(!stored(&data, &mut Hashed::new()).is_empty(), "{name}");

        for person in &people {
            let store = ScratchStore::new().unwrap();
            let copied = person.copy(&url, &store.uri(), &top);
            assert!(!copied.status.success(), "{name}: {copied}");
            assert_sound(person.nix, &store);
            assert!(!store.physical(&top).exists(), "{name}: {copied}");
        }
        let checked = scene.served.check().code(1);
        let told = file.file_name().unwrap().to_str().unwrap();
        assert!(checked.stderr.contains(told), "{name}: {checked}");

        let wrong = scene.watcher.flake(
            FLAKE,
            &scene.acknowledged[FLAKE],
            &scene.stock,
            &scene.stock.paths(),
        );
        assert!(!wrong.is_empty(), "{name}");

        let pushed = scene.push_rest(FLAKE, &paths).json();
        assert_eq!(pushed["uploaded"], 1, "{name}: {pushed}");
        scene.check();
        scene.served.check().ok();
        for person in &people {
            let store = ScratchStore::new().unwrap();
            person.copy(&url, &store.uri(), &top).ok();
            assert_sound(person.nix, &store);
        }
    }
    scene.check_storage();
}
