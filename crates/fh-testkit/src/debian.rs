//! Debian packages, used without being installed.
//!
//! [`unpack`] downloads a package of any Debian release with everything it depends on, and unpacks
//! it below a directory of its own. apt works on a state of its own for that (sources, lists,
//! archives, an empty package status), so neither the machine's packages nor its apt state change,
//! and no root is needed. [`Unpacked`] starts the programs in there through their own dynamic loader
//! with their own libraries, whatever C library the machine has.
//!
//! The mirror is the one the machine's apt uses: it is read when needed and written nowhere but into
//! the private apt state. Packages are authenticated by the archive keyring of the machine.

mod release;
mod sources;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

pub use release::Release;

use sources::files_of;

/// Whether this process may install packages: Debian, root, and apt.
///
/// # Errors
/// A sentence that says what is missing.
pub fn may_install() -> Result<()> {
    let release = Release::read()?;
    ensure!(
        release.id == "debian",
        "this is {}, not Debian",
        release.pretty_name
    );
    ensure!(
        rustix::process::geteuid().is_root(),
        "installing packages needs root"
    );
    ensure!(program("apt-get").is_some(), "there is no apt-get");
    Ok(())
}

/// Installs packages on the machine itself by `apt-get`, refreshing the package lists first.
///
/// # Errors
/// When [`may_install`] says no, or apt fails.
pub fn install(packages: &[&str]) -> Result<()> {
    may_install()?;
    let mut update = Command::new("apt-get");
    update.args(["-q", "update"]);
    run(&mut update)?;
    let mut install = Command::new("apt-get");
    install
        .args(["-q", "-y", "--no-install-recommends", "install"])
        .args(packages);
    run(&mut install)
}

/// Downloads `package` of the Debian release `suite` with all it depends on, and unpacks it to
/// `directory/root`, replacing what is there.
///
/// # Errors
/// A sentence that says what is missing: not Debian, no mirror, no such release on the mirror, no
/// such package, no space.
pub fn unpack(suite: &str, package: &str, directory: &Path) -> Result<Unpacked> {
    for tool in ["apt-get", "dpkg"] {
        ensure!(
            program(tool).is_some(),
            "{tool} is missing: {package} of Debian {suite} can only be had on Debian"
        );
    }
    let mirror = sources::mirror(&Release::read()?)?;
    let architecture = Architecture::of_this_machine()?;

    let state = directory.join("apt");
    let root = directory.join("root");
    for old in [&state, &root] {
        remove(old)?;
    }
    let apt = private_state(&state, &mirror, suite)?;

    run(apt.command().args(["-q", "update"]))
        .with_context(|| format!("could not get the package lists of Debian {suite}"))?;
    let mut install = apt.command();
    install.args(["-qq", "-y", "--download-only", "install", package]);
    run(&mut install).with_context(|| format!("could not get {package} of Debian {suite}"))?;

    let unfinished = directory.join("root.unfinished");
    remove(&unfinished)?;
    fs::create_dir_all(&unfinished)?;
    let mut archives = files_of(&apt.archives)?;
    archives.retain(|archive| archive.extension() == Some(OsStr::new("deb")));
    ensure!(
        !archives.is_empty(),
        "apt downloaded nothing for {package} of {suite}"
    );
    for archive in &archives {
        run(Command::new("dpkg").arg("-x").arg(archive).arg(&unfinished))?;
    }
    fs::rename(&unfinished, &root)?;
    // The archives are not needed again, and a third of the whole.
    remove(&state)?;
    Unpacked::at(&root, architecture)
}

/// A directory into which Debian packages were unpacked by [`unpack`].
#[derive(Clone, Debug)]
pub struct Unpacked {
    root: PathBuf,
    loader: PathBuf,
    library_path: OsString,
}

impl Unpacked {
    /// The unpacked packages at `directory/root`, from an earlier [`unpack`].
    ///
    /// # Errors
    /// When there is no dynamic loader, so nothing that could start.
    pub fn open(directory: &Path) -> Result<Self> {
        Self::at(&directory.join("root"), Architecture::of_this_machine()?)
    }

    fn at(root: &Path, architecture: Architecture) -> Result<Self> {
        let libraries = root.join("usr/lib").join(architecture.triplet);
        // /lib became a link to /usr/lib in every package only with trixie.
        let before_merge = root.join("lib").join(architecture.triplet);
        let loader = [&libraries, &before_merge]
            .into_iter()
            .map(|directory| directory.join(architecture.loader))
            .find(|loader| loader.exists())
            .with_context(|| format!("there is no dynamic loader below {}", root.display()))?;
        let library_path = std::env::join_paths([
            libraries.clone(),
            before_merge,
            root.join("usr/lib/nix"),
            libraries.join("nix"),
        ])?;
        Ok(Self {
            root: root.to_owned(),
            loader,
            library_path,
        })
    }

    /// Whether there is such a file, given relative to the root (`usr/bin/nix`).
    #[must_use]
    pub fn has(&self, program: &str) -> bool {
        self.root.join(program).exists()
    }

    /// The words that start `program` (relative to the root) under the name `name`, to which its
    /// arguments are to be added. The name matters to programs like Nix, which do what it says.
    #[must_use]
    pub fn words(&self, name: &str, program: &str) -> Vec<OsString> {
        vec![
            self.loader.clone().into(),
            "--argv0".into(),
            name.into(),
            "--library-path".into(),
            self.library_path.clone(),
            self.root.join(program).into(),
        ]
    }

    /// The same as a command.
    #[must_use]
    pub fn command(&self, name: &str, program: &str) -> Command {
        let words = self.words(name, program);
        let mut command = Command::new(&self.loader);
        command.args(&words[1..]);
        command
    }
}

/// How Debian calls an architecture's library directory, and its dynamic loader in there.
#[derive(Clone, Copy, Debug)]
struct Architecture {
    triplet: &'static str,
    loader: &'static str,
}

impl Architecture {
    fn of_this_machine() -> Result<Self> {
        let (triplet, loader) = match std::env::consts::ARCH {
            "x86_64" => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
            "aarch64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
            "riscv64" => ("riscv64-linux-gnu", "ld-linux-riscv64-lp64d.so.1"),
            other => bail!("no Debian packages are known to run on {other}"),
        };
        Ok(Self { triplet, loader })
    }
}

/// An apt of our own: its configuration file, and where it puts what it downloads.
struct Apt {
    configuration: PathBuf,
    archives: PathBuf,
}

impl Apt {
    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-c").arg(&self.configuration);
        command
    }
}

fn private_state(state: &Path, mirror: &sources::Mirror, suite: &str) -> Result<Apt> {
    let lists = state.join("lists");
    let archives = state.join("archives");
    for directory in [&lists.join("partial"), &archives.join("partial")] {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    let status = state.join("status");
    fs::write(&status, "")?;
    let list = state.join("debian.sources");
    fs::write(&list, mirror.stanza(suite))?;

    let quoted = |path: &Path| format!("\"{}\"", path.display());
    // A mirror that has stood still for weeks, or a snapshot, will do: what is unpacked is still
    // authenticated, and none of it protects anything. The hooks of the machine's own configuration
    // would act on the machine's own state.
    let text = format!(
        "Dir::Etc::SourceList {list};\n\
         Dir::Etc::SourceParts \"/dev/null\";\n\
         Dir::Etc::Preferences \"/dev/null\";\n\
         Dir::Etc::PreferencesParts \"/dev/null\";\n\
         Dir::State {state};\n\
         Dir::State::Lists {lists};\n\
         Dir::State::status {status};\n\
         Dir::Cache {state};\n\
         Dir::Cache::Archives {archives};\n\
         Acquire::Languages \"none\";\n\
         Acquire::Check-Valid-Until \"false\";\n\
         APT::Install-Recommends \"false\";\n\
         APT::Sandbox::User \"root\";\n\
         #clear APT::Update::Pre-Invoke;\n\
         #clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n\
         #clear DPkg::Pre-Install-Pkgs;\n\
         #clear DPkg::Post-Invoke;\n\
         #clear Acquire::IndexTargets::deb::DEP-11;\n",
        list = quoted(&list),
        state = quoted(state),
        lists = quoted(&lists),
        status = quoted(&status),
        archives = quoted(&archives),
    );
    let configuration = state.join("apt.conf");
    fs::write(&configuration, text)?;
    Ok(Apt {
        configuration,
        archives,
    })
}

/// Runs a package tool; when it fails, what it printed is the error.
fn run(command: &mut Command) -> Result<()> {
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C")
        .stdin(std::process::Stdio::null());
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("could not start {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stderr, output.stdout].concat();
    let text = String::from_utf8_lossy(&text);
    let complaints: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("E:") || line.starts_with("Err:"))
        .collect();
    if complaints.is_empty() {
        bail!("{name}: {}: {}", output.status, text.trim());
    }
    bail!("{name}: {}", complaints.join("; "));
}

fn program(name: &str) -> Option<PathBuf> {
    crate::find_program(name, &std::env::var_os("PATH")?)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
