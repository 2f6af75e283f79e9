//! `cargo xtask demo`: the main job, end to end, with real Nix and the server's embedded default.
//!
//! It plays four parties, each with a home directory of its own below one scratch directory: the
//! server, the *owner* who builds and pushes, another machine, the *builder*, that was granted the flake, and a
//! *stranger* who was not. What is printed is what one would type, and what came of it.
//!
//! Invariant: nothing of the person who runs it is read or changed, but for the store paths that are
//! built into `/nix/store`; those are deleted again, and everything else is in the scratch directory,
//! which goes away whether the demonstration succeeds, fails or is interrupted.

mod compare;
mod party;

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fh_testkit::nix::closure::{self, Closure};
use fh_testkit::nix::{Home, Install, Nix, ScratchStore, one};

use crate::cargo::{Profile, build_fh};
use crate::server::Server;
use crate::{http, interrupt, say};
use party::Party;

/// Shows the main job: serve, log in, push a real closure, let real Nix substitute it; cleans up
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Use this `fh` instead of building one
    #[arg(long, value_name = "FILE")]
    fh: Option<std::path::PathBuf>,
}

const FLAKE: &str = "acme/app";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    say::line("This shows the main job of fh, end to end, in a scratch directory.");
    say::line("Lines that begin with $ are what one would type; below them is what came of it.");

    say::step("Nix, and a build of fh");
    let nix = one(Install::Allowed, &mut |step| say::line(step))?;
    say::line(&format!("Nix {} ({})", nix.version(), nix.origin()));
    let fh = match &arguments.fh {
        Some(fh) => std::path::absolute(fh)?,
        None => {
            say::command("cargo build");
            build_fh(Profile::Development)?
        }
    };
    interrupt::check()?;

    let scratch = tempfile::Builder::new().prefix("fh-demo-").tempdir()?;
    say::line(&format!(
        "From here on $PWD is {}.",
        scratch.path().display()
    ));
    let stage = Stage {
        nix: &nix,
        fh: &fh,
        scratch: scratch.path(),
    };
    let mut built = None;
    let result = stage.play(&mut built);
    let cleaned = clean_up(&nix, built, scratch);
    result?;
    cleaned?;

    say::step("Done");
    say::line("The server has stopped; the scratch directory and the demo's store paths are gone.");
    Ok(())
}

/// What all acts need.
struct Stage<'a> {
    nix: &'a Nix,
    fh: &'a Path,
    scratch: &'a Path,
}

impl Stage<'_> {
    fn party(&self, name: &'static str) -> Result<Party<'_>> {
        Party::new(name, self.nix, self.fh, self.scratch)
    }

    fn play(&self, built: &mut Option<Closure>) -> Result<()> {
        let server = self.serve()?;
        let owner = self.party("owner")?;
        self.log_in_and_make_a_flake(&owner, &server)?;
        let closure = self.build(&owner)?;
        let closure = built.insert(closure);
        push(&owner, closure)?;
        self.substitute(&owner, &server, closure)?;
        self.probe(&owner, &server, closure)?;

        say::step("Stop the server");
        say::command(&format!("kill {}", server.pid()));
        server.stop()?;
        say::output("it finished what it was doing and ended with exit status 0");
        Ok(())
    }

    fn serve(&self) -> Result<Server> {
        say::step("Start a server: no configuration, SQLite and files in one directory");
        let home = Home::at(&self.scratch.join("server-home"))?;
        let data = self.scratch.join("server");
        let server = Server::start(self.fh, &data, self.nix, &home)?;
        say::command(&format!(
            "fh serve --data-dir server --listen 127.0.0.1:{} &",
            server.port()
        ));
        let discovery = http::get(server.port(), "/.well-known/fh", None)?;
        ensure!(
            discovery.status == 200,
            "the server answers {} to /.well-known/fh",
            discovery.status
        );
        say::command(&format!("curl {}/.well-known/fh", server.url()));
        say::output(&String::from_utf8_lossy(&discovery.body));
        Ok(server)
    }

    fn log_in_and_make_a_flake(&self, owner: &Party<'_>, server: &Server) -> Result<()> {
        owner.enter("The owner logs in with the token that the first start wrote");
        let token = server.admin_token()?;
        let token = token.strip_prefix(self.scratch).unwrap_or(&token);
        owner.log_in(server, &token.to_string_lossy())?;
        owner.fh(&["status"])?;
        say::line("\nand makes an organisation and a private flake in it.");
        owner.fh(&["org", "create", "acme"])?;
        owner.fh(&["flake", "create", FLAKE, "--visibility", "private"])?;
        owner.fh(&["list", "flakes"])?;
        Ok(())
    }

    fn build(&self, owner: &Party<'_>) -> Result<Closure> {
        owner.enter("The owner builds something: eight store paths that refer to each other");
        let directory = self.scratch.join("build");
        std::fs::create_dir(&directory)?;
        let closure = closure::small(self.nix, owner.home(), &unique(), &directory)?;
        std::os::unix::fs::symlink("build/result", self.scratch.join("result"))?;
        say::command("nix-build build/closure.nix --out-link result");
        say::output(&closure.top);
        say::command("nix-store --query --requisites ./result");
        say::output(&closure.paths.join("\n"));
        Ok(closure)
    }

    fn substitute(&self, owner: &Party<'_>, server: &Server, closure: &Closure) -> Result<()> {
        owner.enter(
            "The owner lets another machine, `builder`, read the flake, and makes a token for it",
        );
        owner.fh(&["user", "create", "builder", "--kind", "service"])?;
        owner.fh(&["grant", "add", FLAKE, "builder", "read"])?;
        owner.token("builder")?;

        let builder = self.party("builder")?;
        builder.enter("The other machine logs in; that writes what Nix needs to know");
        builder.log_in(server, "builder.token")?;
        builder.show_nix_configuration()?;

        builder.enter("Its Nix, which knows nothing else, gets the path into an empty store");
        let store = ScratchStore::new_in(self.scratch)?;
        let finished = builder.realise(&store, closure)?;
        ensure!(
            finished.status.success(),
            "Nix could not substitute {}:\n{}",
            closure.top,
            finished.stderr
        );
        compare::closure(closure, &store)?;
        say::line(&format!(
            "\n{} paths, {}: every file, mode and link is as it was built.",
            closure.paths.len(),
            say::bytes(closure.nar_bytes)
        ));
        self.signatures(&builder, &store, closure)
    }

    /// That Nix checked signatures is shown by what is recorded for the path.
    fn signatures(
        &self,
        builder: &Party<'_>,
        store: &ScratchStore,
        closure: &Closure,
    ) -> Result<()> {
        let mut command = self.nix.command("nix", builder.home());
        command
            .args(["path-info", "--sigs", "--store", &store.uri(), &closure.top])
            .current_dir(self.scratch);
        let finished = crate::process::finish(&mut command)?;
        ensure!(finished.status.success(), "{}", finished.stderr);
        let line = finished.stdout.trim();
        ensure!(
            line.contains(':'),
            "the path in the second store has no signature: {line}"
        );
        say::line(
            "Nix had checked the server's signature of each (`require-sigs` is its default):",
        );
        say::output(line);
        Ok(())
    }

    fn probe(&self, owner: &Party<'_>, server: &Server, closure: &Closure) -> Result<()> {
        owner.enter("A stranger gets a token too, but nobody grants them the flake");
        owner.fh(&["user", "create", "stranger"])?;
        let token = owner.token("stranger")?;

        let stranger = self.party("stranger")?;
        stranger.enter("The stranger logs in, sees nothing and gets nothing");
        stranger.log_in(server, "stranger.token")?;
        stranger.fh(&["list", "flakes"])?;
        let store = ScratchStore::new_in(self.scratch)?;
        let finished = stranger.realise(&store, closure)?;
        if finished.status.success() {
            bail!("the stranger's Nix got {} without a grant", closure.top);
        }
        ensure!(
            !store.physical(&closure.top).exists(),
            "something of it arrived in the stranger's store"
        );

        say::line("\nWhat is there looks to them exactly like what is not:");
        let existing = hash_of(&closure.top)?;
        let invented = "0123456789abcdfghijklmnpqrsvwxyz";
        let mut answers = Vec::new();
        for hash in [existing, invented] {
            let path = format!("/{hash}.narinfo");
            say::command(&format!(
                "curl -H \"Authorization: Bearer $(cat stranger.token)\" {}{path}",
                server.url()
            ));
            let answer = http::get(server.port(), &path, Some(&token))?;
            say::output(&format!(
                "{}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body).trim_end()
            ));
            ensure!(answer.status == 404, "404 was expected");
            answers.push(comparable(answer));
        }
        ensure!(
            answers[0] == answers[1],
            "the two answers differ: {answers:?}"
        );
        say::line("Both answers are the same, byte for byte.");
        Ok(())
    }
}

fn push(owner: &Party<'_>, closure: &Closure) -> Result<()> {
    owner.enter("The owner pushes the closure of ./result (which is the default)");
    owner.fh(&["push", FLAKE])?;
    say::line("\nA second time there is nothing to send:");
    owner.fh(&["push", FLAKE, &closure.top])?;
    Ok(())
}

/// The answer without the two headers that differ between any two requests.
fn comparable(mut answer: http::Answer) -> http::Answer {
    answer.headers.retain(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["date", "x-request-id"].contains(&name.to_ascii_lowercase().as_str())
    });
    answer
}

fn hash_of(store_path: &str) -> Result<&str> {
    store_path
        .strip_prefix("/nix/store/")
        .and_then(|base| base.split_once('-'))
        .map(|(hash, _)| hash)
        .with_context(|| format!("{store_path} is no store path"))
}

/// Differs from run to run, so that each demonstration pushes something new.
fn unique() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("demo {}", now.as_millis())
}

fn clean_up(nix: &Nix, built: Option<Closure>, scratch: tempfile::TempDir) -> Result<()> {
    let home = Home::at(&scratch.path().join("cleaner"))?;
    let deleted = match built {
        None => Ok(()),
        Some(closure) => {
            // The link that kept the paths from being collected.
            let _ = std::fs::remove_file(scratch.path().join("build/result"));
            closure.delete(nix, &home)
        }
    };
    let path = scratch.path().to_owned();
    scratch
        .close()
        .with_context(|| format!("cannot remove {}", path.display()))?;
    deleted.context("the demo's store paths could not be deleted; Nix's garbage collector will")
}
