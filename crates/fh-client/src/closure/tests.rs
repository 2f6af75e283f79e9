use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;

const A: &str = "00000000000000000000000000000000-a";
const B: &str = "11111111111111111111111111111111-b";
const DRV: &str = "22222222222222222222222222222222-c.drv";

/// A shell script that stands in for nix, a store directory, and what the script was asked.
struct Scene {
    directory: tempfile::TempDir,
    tools: NixTools,
}

impl Scene {
    /// `script` sees nix's arguments as `$@`, and `$command` as `build` or `path-info`.
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for path in [A, B, DRV] {
            fs::create_dir_all(root.join("nix/store").join(path).join("bin")).unwrap();
        }
        let text = format!(
            "cd '{}'\nprintf '%s\\n' \"$@\" . >> arguments\n\
             for word; do case $word in build|path-info) command=$word;; esac; done\n{script}\n",
            root.display()
        );
        fs::write(root.join("nix.sh"), text).unwrap();
        let tools = NixTools {
            program: PathBuf::from("sh"),
            extra_args: vec![root.join("nix.sh").into()],
            roots: vec![root.to_owned()],
            ..NixTools::default()
        };
        Self { directory, tools }
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    /// The calls of nix, each as its arguments.
    fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.root().join("arguments")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let calls = lines.split(|line| *line == ".");
        calls
            .filter(|call| !call.is_empty())
            .map(|call| call.iter().map(|&word| word.to_owned()).collect())
            .collect()
    }

    async fn closure(&self, arguments: &[&str]) -> Result<Closure> {
        self.tools.closure(&words(arguments), true).await
    }
}

fn words(arguments: &[&str]) -> Vec<OsString> {
    arguments.iter().map(OsString::from).collect()
}

fn full(base: &str) -> String {
    format!("/nix/store/{base}")
}

fn info(base: &str, references: &[&str]) -> String {
    let references: Vec<String> = references.iter().map(|base| full(base)).collect();
    format!(
        r#"{{"path":"{}","narHash":"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","narSize":120,"references":{}}}"#,
        full(base),
        serde_json::to_string(&references).unwrap()
    )
}

/// Answers every `path-info` with A, which refers to B.
fn two() -> String {
    format!("echo '[{},{}]'", info(A, &[B]), info(B, &[]))
}

fn bases(closure: &Closure) -> Vec<String> {
    let paths = closure.paths.iter();
    paths.map(|path| path.info.path.to_string()).collect()
}

#[tokio::test]
async fn nix_is_asked_once_offline_and_with_its_features() {
    let scene = Scene::new(&two());
    let closure = scene.closure(&[&full(A), &full(A)]).await.unwrap();
    assert_eq!(bases(&closure), [A, B]);
    assert!(closure.paths.iter().all(|path| !path.context));
    assert_eq!(closure.real_store_dir, scene.root().join("nix/store"));
    assert_eq!(
        closure.real_path(&closure.paths[1].info.path),
        scene.root().join("nix/store").join(B)
    );
    assert_eq!(
        scene.calls(),
        [[
            "--extra-experimental-features",
            "nix-command flakes",
            "path-info",
            "--json",
            "-r",
            "--option",
            "substituters",
            "",
            &full(A),
        ]]
    );
}

#[tokio::test]
async fn without_the_closure_the_rest_is_context() {
    let scene = Scene::new(&two());
    let closure = scene.tools.closure(&words(&[&full(A)]), false).await;
    let closure = closure.unwrap();
    let context: Vec<bool> = closure.paths.iter().map(|path| path.context).collect();
    assert_eq!(context, [false, true]);
}

#[tokio::test]
async fn links_and_places_inside_of_a_path_mean_the_path() {
    let scene = Scene::new(&two());
    let root = scene.root();
    // Into the store as the store names it, although it is not there from the outside.
    symlink(full(A), root.join("result")).unwrap();
    symlink("result", root.join("again")).unwrap();
    fs::create_dir(root.join("sub")).unwrap();
    symlink("../again", root.join("sub/up")).unwrap();
    // A link within a path that leads out of it does not count.
    symlink(full(B), root.join("nix/store").join(A).join("out")).unwrap();
    let real = root.join("nix/store").join(A);
    let inside = format!("{}/bin/x", full(A));
    let arguments = [
        root.join("result").into_os_string(),
        root.join("again/bin").into(),
        root.join("sub/up").into(),
        root.join("sub/../result").into(),
        root.join("result/out").into(),
        real.join("bin").into(),
        real.into(),
        inside.into(),
    ];
    for argument in arguments {
        let scene = Scene {
            directory: tempfile::tempdir().unwrap(),
            tools: scene.tools.clone(),
        };
        let named = scene.tools.resolve(std::slice::from_ref(&argument)).await;
        let named: Vec<String> = named.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(named, [A], "{}", argument.display());
    }
}

#[tokio::test]
async fn what_is_no_path_and_no_installable_is_refused_before_nix_runs() {
    let scene = Scene::new(&two());
    let file = scene.root().join("file");
    fs::write(&file, "").unwrap();
    symlink("loop", scene.root().join("loop")).unwrap();
    let file = file.to_str().unwrap();
    let looped = scene.root().join("loop").to_str().unwrap().to_owned();
    let refused = async |argument: &str| scene.closure(&[argument]).await.unwrap_err();
    assert!(matches!(refused("--store").await, Error::OptionLike { .. }));
    assert!(matches!(refused("-").await, Error::OptionLike { .. }));
    assert!(matches!(refused("reslt").await, Error::NoSuchPath { .. }));
    assert!(matches!(refused(file).await, Error::NotInStore { .. }));
    assert!(matches!(refused(&looped).await, Error::File { .. }));
    for bad in [
        "",
        "/",
        "/..",
        "/../x",
        "/short-name",
        "/.links",
        &format!("/{A}/../{B}"),
    ] {
        let error = refused(&format!("/nix/store{bad}")).await;
        assert!(matches!(error, Error::NotInStore { .. }), "{bad}: {error}");
    }
    let nothing = scene.closure(&[]).await.unwrap_err();
    assert!(matches!(nothing, Error::NothingGiven));
    assert!(scene.calls().is_empty());
}

#[tokio::test]
async fn installables_are_built() {
    let script = format!(
        "case \"$command$*\" in build*) echo building >&2; echo '{}';; *--version) echo 'nix (Nix) 2.34.8';; *) {} ;; esac",
        full(A),
        two()
    );
    let mut scene = Scene::new(&script);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    scene.tools.messages = BuildMessages::Told(Arc::new(move |line: &str| {
        log.lock().unwrap().push(line.to_owned());
    }));
    let flake = scene.root().join("flake");
    fs::create_dir(&flake).unwrap();
    fs::write(flake.join("flake.nix"), "{}").unwrap();
    let flake = flake.to_str().unwrap();
    let drv = format!("{}^out", full(DRV));
    let arguments = [".#app", "nixpkgs#hello", "github:acme/app", flake, &drv];
    let closure = scene.closure(&arguments).await.unwrap();
    assert_eq!(bases(&closure), [A, B]);
    let calls = scene.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[0], ["--version"]);
    let expected = ["build", "--no-link", "--print-out-paths"];
    assert_eq!(calls[1][2..5], expected);
    assert_eq!(calls[1][5..], arguments);
    assert_eq!(*heard.lock().unwrap(), ["building"]);
}

/// What an older nix would say of a flag that it does not know is heard by nobody: it is not tried.
#[tokio::test]
async fn an_older_nix_tells_what_it_built_in_json() {
    for (version, older) in [
        ("nix (Nix) 2.8.0", true),
        ("nix (Nix) 2.4", true),
        ("nix (Nix) 2.9.0", false),
        ("nix (Determinate Nix 3.6.2) 2.29.0", false),
        ("nothing of the kind", false),
    ] {
        let refused = if older { "--print-out-paths" } else { "--json" };
        let script = format!(
            "case \"$*\" in\n\
             --version) echo '{version}';;\n\
             *' build '*{refused}*) echo \"error: unrecognised flag '{refused}'\" >&2; exit 1;;\n\
             *' build '*--json*) echo '[{{\"drvPath\":\"x\",\"outputs\":{{\"out\":\"{}\",\"dev\":\"{}\"}}}}]';;\n\
             *' build '*) echo '{}'; echo '{}';;\n\
             *) {} ;; esac",
            full(A),
            full(B),
            full(A),
            full(B),
            two()
        );
        let mut scene = Scene::new(&script);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        scene.tools.messages = BuildMessages::Told(Arc::new(move |line: &str| {
            log.lock().unwrap().push(line.to_owned());
        }));
        let named = scene.tools.resolve(&words(&[".#app"])).await.unwrap();
        assert_eq!(named.len(), 2, "{version}");
        assert_eq!(*heard.lock().unwrap(), [""; 0], "{version}");
        assert_eq!(scene.calls().len(), 2, "{version}");
    }
}

/// What has to be built is known before anything is.
#[test]
fn what_has_to_be_built_is_told_apart() {
    let scene = Scene::new("exit 1");
    let flake = scene.root().join("flake");
    fs::create_dir(&flake).unwrap();
    fs::write(flake.join("flake.nix"), "{}").unwrap();
    let outputs = format!("{}^out", full(DRV));
    for (argument, builds) in [
        (full(A).as_str(), false),
        (full(DRV).as_str(), false),
        (outputs.as_str(), true),
        (".#app", true),
        // A directory that is there, and a flake.
        (flake.to_str().unwrap(), true),
    ] {
        let arguments = words(&[&full(B), argument]);
        assert_eq!(
            scene.tools.has_to_build(&arguments).unwrap(),
            builds,
            "{argument}"
        );
    }
    let refused = scene.tools.has_to_build(&words(&[".#app", "reslt"]));
    assert!(
        matches!(refused, Err(Error::NoSuchPath { .. })),
        "{refused:?}"
    );
    assert!(scene.calls().is_empty());
}

#[tokio::test]
async fn a_nix_that_insists_on_a_format_is_told_one() {
    let script = format!(
        "case \"$*\" in *--json-format*) {} ;;\n\
         *) echo 'error: --json requires --json-format' >&2; exit 1;; esac",
        two()
    );
    let scene = Scene::new(&script);
    scene.closure(&[&full(A)]).await.unwrap();
    let calls = scene.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[1].windows(2).any(|two| two == ["--json-format", "1"]));
}

#[tokio::test]
async fn derivations_are_asked_for_as_themselves() {
    let script = format!(
        "case \"$*\" in *--derivation*) echo '[{}]';; *) {} ;; esac",
        info(DRV, &[]),
        two()
    );
    let scene = Scene::new(&script);
    let closure = scene.closure(&[&full(A), &full(DRV)]).await.unwrap();
    assert_eq!(bases(&closure), [A, B, DRV]);
    let calls = scene.calls();
    assert_eq!(calls[1].last().unwrap(), &full(DRV));
    assert!(!calls[0].contains(&"--derivation".to_owned()));
}

#[tokio::test]
async fn invalid_paths_are_named() {
    for script in [
        format!("echo '[{{\"path\":\"{}\",\"valid\":false}}]'", full(A)),
        format!("echo '{{\"{}\":null}}'", full(A)),
        "echo '[]'".to_owned(),
        format!(
            "echo \"error: path '{}' is not valid\" >&2; exit 1",
            full(A)
        ),
        format!(
            "printf '\\033[31;1merror:\\033[0m path '\"'{}'\"' does not exist' >&2; exit 1",
            full(A)
        ),
    ] {
        let error = Scene::new(&script).closure(&[&full(A)]).await.unwrap_err();
        let Error::InvalidPaths { paths } = &error else {
            panic!("{script}: {error}");
        };
        assert_eq!(paths, &[full(A)]);
        assert_eq!(
            error.to_string(),
            format!("{} is not valid in the local store", full(A))
        );
    }
}

#[tokio::test]
async fn what_nix_says_when_it_fails_is_shown_bounded_and_safe() {
    let script = "yes \"$(printf '\\033[2Jline')\" | head -n 100000 >&2\n\
                  printf '\\033[31merror:\\033[0m out of luck\\n' >&2; exit 3";
    let error = Scene::new(script).closure(&[&full(A)]).await.unwrap_err();
    let Error::ProgramFailed { stderr, status, .. } = &error else {
        panic!("{error}");
    };
    assert!(stderr.ends_with("line\nerror: out of luck"), "{stderr}");
    assert!(stderr.len() <= 8 * 1024 + 3);
    assert_eq!(status, "exit status: 3");

    let error = Scene::new("echo nonsense")
        .closure(&[&full(A)])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::PathInfos(_)));
    let script = "case $command in build) echo /elsewhere/x;; esac";
    let error = Scene::new(script).closure(&[".#x"]).await.unwrap_err();
    assert!(matches!(error, Error::NixOutput { .. }), "{error}");
}

#[tokio::test]
async fn a_nix_that_is_not_there_is_named() {
    let tools = NixTools {
        program: PathBuf::from("/nowhere/nix"),
        ..NixTools::default()
    };
    let error = tools.closure(&words(&[&full(A)]), true).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot run /nowhere/nix");
}

#[tokio::test]
async fn many_paths_are_asked_for_in_several_runs() {
    // Answers for the paths that it was given.
    let script = r#"
sep='['
for word; do case $word in /nix/store/*)
  printf '%s{"path":"%s","narHash":"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","narSize":120,"references":[]}' "$sep" "$word"
  sep=,;;
esac; done
echo ]"#;
    let scene = Scene::new(script);
    let paths: Vec<String> = (0..5000)
        .map(|number| format!("{}{number}", full(&format!("{A}{}", "x".repeat(150)))))
        .collect();
    // The files of the first path are looked for.
    let first = paths.iter().min().unwrap().strip_prefix('/').unwrap();
    fs::create_dir(scene.root().join(first)).unwrap();
    let arguments: Vec<&str> = paths.iter().map(String::as_str).collect();
    let closure = scene.closure(&arguments).await.unwrap();
    assert_eq!(closure.paths.len(), 5000);
    let calls = scene.calls();
    assert_eq!(calls.len(), 4, "1 MB in pieces of 256 KiB");
    for call in calls {
        assert!(call.iter().map(String::len).sum::<usize>() < 260 * 1024);
    }
}

#[tokio::test]
async fn a_chroot_store_is_looked_into() {
    let scene = Scene::new(&two());
    let root = scene.root().to_str().unwrap().to_owned();
    for store in [root.clone(), format!("local?real=x&root={root}")] {
        let tools = NixTools {
            store: Some(store.clone()),
            roots: Vec::new(),
            ..scene.tools.clone()
        };
        let closure = tools.closure(&words(&[&full(A)]), true).await.unwrap();
        assert_eq!(closure.real_store_dir, scene.root().join("nix/store"));
        let call = scene.calls().pop().unwrap();
        assert!(call.windows(2).any(|two| two == ["--store", &store]));
    }
    let tools = NixTools {
        roots: vec![scene.root().join("x"), scene.root().join("y")],
        ..scene.tools.clone()
    };
    let error = tools.closure(&words(&[&full(A)]), true).await.unwrap_err();
    assert!(matches!(error, Error::NoStoreFiles { tried, .. } if tried.len() == 2));
}

#[tokio::test]
async fn nix_dies_with_the_future() {
    let scene = Scene::new("echo $$ > pid; exec sleep 60");
    let pid_file = scene.root().join("pid");
    let arguments = [full(A)];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let running = scene.closure(&arguments);
    let started = async {
        while !fs::read_to_string(&pid_file).is_ok_and(|pid| pid.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        result = running => panic!("{result:?}"),
        () = started => {}
    }
    let pid = fs::read_to_string(&pid_file).unwrap();
    let process = PathBuf::from("/proc").join(pid.trim()).join("cmdline");
    let begin = Instant::now();
    // Empty once it is a zombie, gone once it was waited for.
    while fs::read(&process).is_ok_and(|line| !line.is_empty()) {
        assert!(begin.elapsed() < Duration::from_secs(5), "nix still runs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_nix_that_hangs_is_given_up_and_what_it_said_is_told() {
    let mut scene = Scene::new("echo 'waiting for the big lock' >&2; exec sleep 60");
    scene.tools.patience = Duration::from_millis(300);
    let begin = Instant::now();
    let error = scene.closure(&[&full(A)]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("did not end within 0.3 s"), "{text}");
    assert!(text.contains("waiting for the big lock"), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn what_nix_leaves_behind_is_not_waited_for() {
    let script = format!("{}; sleep 60 & exit", two());
    let scene = Scene::new(&script);
    let begin = Instant::now();
    let closure = scene.closure(&[&full(A)]).await.unwrap();
    assert_eq!(bases(&closure), [A, B]);
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_flood_on_stderr_does_not_stop_nix_nor_fill_memory() {
    // 64 MiB without a line break, and then what was asked for.
    let script = format!("head -c 67108864 /dev/zero >&2; {}", two());
    let scene = Scene::new(&script);
    assert_eq!(bases(&scene.closure(&[&full(A)]).await.unwrap()), [A, B]);
    let scene =
        Scene::new("head -c 67108864 /dev/zero | tr '\\0' x >&2; echo 'error: no' >&2; exit 1");
    let text = scene.closure(&[&full(A)]).await.unwrap_err().to_string();
    assert!(text.ends_with("error: no"), "{}", text.len());
    assert!(text.len() < 20_000, "{}", text.len());
}
