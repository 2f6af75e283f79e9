//! A store of derivation files, and shell scripts that answer as versions of Nix do. Real Nix is asked in `tests/end_to_end/realisations.rs`.

use std::fs;

use fh_nix::{NarHash, PathInfo, SecretKey, StoreDir};

use super::*;

/// Answers what the file says that is named as the output asked for, and fails where there is none.
const ANSWERS: &str = r#"
answer() {
    file=answers/${1##*/}
    [ -e "$file" ] || { echo "error: cannot operate on an output of the unbuilt derivation" >&2; exit 1; }
    told="$told,$(cat "$file")"
}
"#;

/// As from 2.13 to 2.34.
const INSTALLABLES: &str = r#"
for word; do case $word in *^*) answer "$word";; esac; done
echo "[${told#,}]"
"#;

/// As up to 2.12.
const EXPRESSIONS: &str = r#"
for word; do case $word in
    *^*) echo "error: '$word' is not a valid URL" >&2; exit 1;;
    *drvPath*)
        for output in $(printf '%s' "$word" | grep -o '/nix/store/[^"]*\.drv"; outputName = "[a-z]*' | sed 's/"; outputName = "/^/'); do
            answer "$output"
        done;;
esac; done
echo "[${told#,}]"
"#;

/// As from 2.35 on.
const BUILD_TRACE: &str = r#"
case " $* " in *" realisation info "*) echo "error: 'realisation' is not a recognised command" >&2; exit 1;; esac
case " $* " in *" store build-trace info "*) ;; *) exit 1;; esac
for word; do case $word in *^*) answer "$word";; esac; done
echo "[${told#,}]"
"#;

struct Scene {
    directory: tempfile::TempDir,
    tools: NixTools,
    paths: Vec<ClosurePath>,
}

fn base(letter: char, name: &str) -> String {
    format!("{}-{name}", letter.to_string().repeat(32))
}

fn full(letter: char, name: &str) -> String {
    format!("/nix/store/{}", base(letter, name))
}

/// The text of a derivation. `argument`: what it does with its inputs.
fn derivation(outputs: &str, inputs: &str, sources: &str, argument: &str) -> String {
    format!(
        r#"Derive([{outputs}],[{inputs}],[{sources}],"s","/bin/sh",["{argument}"],[("k","v")])"#
    )
}

const FLOATING: &str = r#"("dev","","r:sha256",""),("out","","r:sha256","")"#;
const DEFERRED: &str = r#"("out","","","")"#;

impl Scene {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("nix/store")).unwrap();
        fs::create_dir(root.join("answers")).unwrap();
        let text = format!(
            "cd '{}'\necho . >> calls\n{ANSWERS}{script}",
            root.display()
        );
        fs::write(root.join("nix.sh"), text).unwrap();
        let tools = NixTools {
            program: "sh".into(),
            extra_args: vec![root.join("nix.sh").into()],
            roots: vec![root.to_owned()],
            ..NixTools::default()
        };
        Self {
            directory,
            tools,
            paths: Vec::new(),
        }
    }

    fn derive(&self, letter: char, name: &str, text: &str) {
        let file = self.directory.path().join(&full(letter, name)[1..]);
        fs::write(file, text).unwrap();
    }

    /// A path of the closure with its deriver. `address`: whether it has a content address.
    fn path(&mut self, letter: char, name: &str, deriver: Option<String>, address: bool) {
        let hash = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        let info = PathInfo {
            path: base(letter, name).parse().unwrap(),
            nar_hash: NarHash::of(b""),
            nar_size: 120,
            references: BTreeSet::new(),
            deriver: deriver.map(|deriver| deriver.parse().unwrap()),
            signatures: Vec::new(),
            ca: address.then(|| format!("fixed:r:{hash}").parse().unwrap()),
        };
        self.paths.push(ClosurePath {
            info,
            context: false,
        });
    }

    /// What Nix answers of an output, under both forms of its key.
    fn answer(&self, digit: char, derivation: &str, output: &str, out_path: &str, by_path: bool) {
        let drv = base(digit, derivation);
        let hex = digit.to_string().repeat(64);
        let text = if by_path {
            format!(
                r#"{{"key":{{"drvPath":"{drv}","outputName":"{output}"}},"value":{{"outPath":"{out_path}","signatures":[]}}}}"#
            )
        } else {
            format!(
                r#"{{"dependentRealisations":{{}},"id":"sha256:{hex}!{output}","outPath":"{out_path}","signatures":[]}}"#
            )
        };
        let file = self
            .directory
            .path()
            .join("answers")
            .join(format!("{drv}^{output}"));
        fs::write(file, text).unwrap();
    }

    async fn realisations(&self) -> Realisations {
        let closure = Closure {
            store_dir: StoreDir::default(),
            real_store_dir: self.directory.path().join("nix/store"),
            paths: self.paths.clone(),
        };
        self.tools.realisations(&closure).await
    }

    fn calls(&self) -> usize {
        let calls = fs::read_to_string(self.directory.path().join("calls"));
        calls.unwrap_or_default().lines().count()
    }
}

/// `b` was built by 2 and evaluated as 3; `b-dev` by the same, and nobody has asked for it as an output of 3; `c`, which
/// has no content address, was built by 6 and evaluated as 7.
fn inhabited(script: &str, by_path: bool) -> Scene {
    let placeholder = format!("/{}", "1".repeat(52));
    let mut scene = Scene::new(script);
    let input = |letter, name: &str| format!(r#"("{}",["out"])"#, full(letter, name));
    let source = |letter, name: &str| format!(r#""{}""#, full(letter, name));
    let used = |path: &str| format!("use {path}/bin");

    scene.derive('1', "a.drv", &derivation(FLOATING, "", "", "make a"));
    scene.path('a', "a", Some(base('1', "a.drv")), true);
    scene.answer('1', "a.drv", "out", &base('a', "a"), by_path);

    let resolved = used(&full('a', "a"));
    scene.derive(
        '2',
        "b.drv",
        &derivation(FLOATING, "", &source('a', "a"), &resolved),
    );
    let evaluated = |of: char, what: &str| derivation(FLOATING, &input(of, "a.drv"), "", what);
    scene.derive('3', "b.drv", &evaluated('1', &used(&placeholder)));
    // Of the same name: another one, and one that was never built.
    scene.derive(
        '4',
        "b.drv",
        &evaluated('1', &format!("misuse {placeholder}/bin")),
    );
    scene.derive('5', "b.drv", &evaluated('9', &used(&placeholder)));
    scene.path('b', "b", Some(base('2', "b.drv")), true);
    scene.path('c', "b-dev", Some(base('2', "b.drv")), true);
    for (digit, output, path) in [
        ('2', "out", base('b', "b")),
        ('2', "dev", base('c', "b-dev")),
        ('3', "out", base('b', "b")),
    ] {
        scene.answer(digit, "b.drv", output, &path, by_path);
    }
    // Were it asked, it would say something.
    scene.answer('4', "b.drv", "out", &base('b', "b"), by_path);

    let known = format!(r#"("out","{}","","")"#, full('d', "c"));
    let resolved = used(&full('b', "b"));
    scene.derive(
        '6',
        "c.drv",
        &derivation(&known, "", &source('b', "b"), &resolved),
    );
    scene.derive(
        '7',
        "c.drv",
        &derivation(DEFERRED, &input('3', "b.drv"), "", &used(&placeholder)),
    );
    scene.path('d', "c", Some(base('6', "c.drv")), false);
    scene.answer('7', "c.drv", "out", &base('d', "c"), by_path);

    // Came from another cache, and was evaluated here.
    scene.derive('8', "far.drv", &evaluated('1', "far"));
    scene.path('f', "far", Some(base('0', "far.drv")), true);
    scene.answer('8', "far.drv", "out", &base('f', "far"), by_path);
    scene
}

fn told(realisations: &Realisations) -> BTreeMap<String, String> {
    let found = realisations.found.iter();
    found
        .map(|it| (it.id.to_string(), it.out_path.to_string()))
        .collect()
}

#[tokio::test]
async fn each_version_is_asked_in_its_way() {
    let outputs = [
        ('1', "a.drv", "out", base('a', "a")),
        ('2', "b.drv", "out", base('b', "b")),
        ('2', "b.drv", "dev", base('c', "b-dev")),
        ('3', "b.drv", "out", base('b', "b")),
        ('7', "c.drv", "out", base('d', "c")),
        ('8', "far.drv", "out", base('f', "far")),
    ];
    for (name, script, by_path) in [
        ("2.26", INSTALLABLES, false),
        ("2.8", EXPRESSIONS, false),
        ("2.35", BUILD_TRACE, true),
    ] {
        let scene = inhabited(script, by_path);
        let found = scene.realisations().await;
        let mut expected = BTreeMap::new();
        for (digit, derivation, output, path) in &outputs {
            let key = format!("{}^{output}", base(*digit, derivation));
            expected.insert(key, path.clone());
            if !by_path {
                let hex = digit.to_string().repeat(64);
                expected.insert(format!("sha256:{hex}!{output}"), path.clone());
            }
        }
        assert_eq!(told(&found), expected, "{name}");
        assert_eq!(found.unknown, BTreeMap::new(), "{name}");
    }
}

#[tokio::test]
async fn what_nix_does_not_tell_is_named() {
    let scene = inhabited(INSTALLABLES, false);
    let answers = scene.directory.path().join("answers");
    fs::remove_file(answers.join(format!("{}^dev", base('2', "b.drv")))).unwrap();
    let found = scene.realisations().await;
    let unknown: Vec<String> = found.unknown.keys().map(ToString::to_string).collect();
    assert_eq!(unknown, [base('c', "b-dev")]);
    let why = found.unknown.values().next().unwrap();
    assert!(why.contains("unbuilt"), "{why}");
    // The others are told all the same, those of the same derivation among them.
    assert_eq!(told(&found).len(), 10, "{found:?}");

    // One that is there and of another path is not this one's.
    let scene = inhabited(INSTALLABLES, false);
    scene.answer('1', "a.drv", "out", &base('z', "a"), false);
    let found = scene.realisations().await;
    let unknown: Vec<String> = found.unknown.keys().map(ToString::to_string).collect();
    assert_eq!(unknown, [base('a', "a")]);

    // Where there is no Nix that answers, nothing fails.
    let scene = inhabited("echo nonsense", false);
    let found = scene.realisations().await;
    assert_eq!(
        (found.found.len(), found.unknown.len()),
        (0, 3),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_closure_without_them_costs_no_process() {
    let fixed = format!(r#"("out","{}","r:sha256","00")"#, full('b', "source.tar"));
    let known = format!(r#"("out","{}","","")"#, full('a', "tool"));
    let input = format!(r#"("{}",["out"])"#, full('9', "sh.drv"));
    let mut scene = Scene::new("exit 1");
    scene.derive('1', "tool.drv", &derivation(&known, &input, "", "make"));
    scene.path('a', "tool", Some(base('1', "tool.drv")), false);
    scene.derive('2', "source.tar.drv", &derivation(&fixed, "", "", "fetch"));
    scene.path('b', "source.tar", Some(base('2', "source.tar.drv")), true);
    scene.path('c', "script", None, true);
    // Has no inputs, and was not resolved from anything; its deriver is not here; has another name than its deriver; is no
    // derivation.
    scene.derive('3', "seed.drv", &derivation(&known, "", "", "make"));
    scene.path('d', "seed", Some(base('3', "seed.drv")), false);
    scene.path('f', "gone", Some(base('4', "gone.drv")), true);
    scene.path('g', "other", Some(base('1', "tool.drv")), true);
    scene.derive('5', "broken.drv", "Derive([");
    scene.path('h', "broken", Some(base('5', "broken.drv")), true);
    assert_eq!(scene.realisations().await, Realisations::default());
    assert_eq!(scene.calls(), 0);
    // Neither does one whose paths are told only because others refer to them, and that nobody has signed.
    let mut scene = inhabited(INSTALLABLES, false);
    for path in &mut scene.paths {
        path.context = true;
    }
    assert_eq!(scene.realisations().await, Realisations::default());
    assert_eq!(scene.calls(), 0);
}

/// A server leaves out what another cache has signed, and remembers of which derivation it is.
#[tokio::test]
async fn what_is_only_told_of_and_signed_is_asked_about() {
    let mut scene = inhabited(INSTALLABLES, false);
    let all = scene.realisations().await;
    let key = SecretKey::from_seed("upstream-1", [7; 32]).unwrap();
    for path in &mut scene.paths {
        path.context = true;
        path.info.signatures = vec![path.info.sign(&StoreDir::default(), &key)];
    }
    assert_eq!(told(&scene.realisations().await), told(&all));
    // Of these it is no loss where Nix knows nothing.
    fs::remove_dir_all(scene.directory.path().join("answers")).unwrap();
    assert_eq!(scene.realisations().await, Realisations::default());
    scene.paths[0].context = false;
    let unknown = scene.realisations().await.unknown;
    let first = scene.paths[0].info.path.clone();
    assert_eq!(unknown.into_keys().collect::<Vec<_>>(), [first]);
}
