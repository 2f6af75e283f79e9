//! nginx with DAV: the plain HTTP store that `nix copy` writes a binary cache to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fh_testkit::debian::{self, Unpacked};

use crate::process::{Running, finish, free_port};
use crate::{http, interrupt};

/// Where the program is from.
pub(super) enum Program {
    Installed(PathBuf),
    Unpacked(Box<Unpacked>),
}

impl Program {
    /// The machine's nginx, or else that of the machine's Debian release, unpacked below `target`.
    pub(super) fn find(progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
        directories.push("/usr/sbin".into());
        if let Some(program) =
            fh_testkit::find_program("nginx", &std::env::join_paths(directories)?)
        {
            return Ok(Self::Installed(program));
        }
        let directory = fh_testkit::target().join("nginx");
        let unpacked = match Unpacked::open(&directory) {
            Ok(unpacked) if unpacked.has(UNPACKED) => unpacked,
            _ => {
                progress("unpacking nginx of this Debian release");
                let release = debian::Release::read()?;
                debian::unpack(&release.codename, "nginx", &directory).context(
                    "the peer needs nginx with its DAV module, which is not installed here",
                )?
            }
        };
        Ok(Self::Unpacked(Box::new(unpacked)))
    }

    fn command(&self) -> Command {
        match self {
            Self::Installed(program) => Command::new(program),
            Self::Unpacked(unpacked) => unpacked.command("nginx", UNPACKED),
        }
    }

    /// What it says of itself, such as `nginx/1.22.1`.
    pub(super) fn version(&self) -> Result<String> {
        let finished = finish(self.command().arg("-v"))?;
        let text = finished.stderr.trim();
        Ok(text.rsplit(' ').next().unwrap_or(text).to_owned())
    }
}

/// Where Debian puts it.
const UNPACKED: &str = "usr/sbin/nginx";

/// A running nginx that stores what is PUT below `<directory>/cache`.
pub(super) struct Nginx {
    process: Running,
    port: u16,
    storage: PathBuf,
}

impl Nginx {
    /// Starts it in an empty directory.
    pub(super) fn start(program: &Program, directory: &Path) -> Result<Self> {
        let port = free_port()?;
        let storage = directory.join("cache");
        fs::create_dir_all(&storage)?;
        fs::create_dir_all(directory.join("body"))?;
        let configuration = directory.join("nginx.conf");
        fs::write(&configuration, configuration_text(directory, port))?;
        let mut command = program.command();
        command
            .arg("-p")
            .arg(directory)
            .arg("-c")
            .arg(&configuration)
            .arg("-e")
            .arg(directory.join("error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("stderr.log"))?);
        let mut nginx = Self {
            process: Running::start(&mut command)?,
            port,
            storage,
        };
        nginx.wait_until_ready(directory)?;
        Ok(nginx)
    }

    fn wait_until_ready(&mut self, directory: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            interrupt::check()?;
            let ended = self.process.0.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(directory.join("stderr.log")).unwrap_or_default();
                bail!("nginx does not start: {log}");
            }
            if http::get(self.port, "/nothing", None).is_ok_and(|answer| answer.status == 404) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Where the files are that were PUT.
    pub(super) fn storage(&self) -> &Path {
        &self.storage
    }

    pub(super) fn stop(mut self) -> Result<()> {
        self.process.stop(Duration::from_secs(10)).map(drop)
    }
}

/// As somebody would set it up who wants it quick: as many workers as cores, no access log,
/// connections that stay, bodies written to the disk that the cache is on, so that storing one is a
/// rename.
fn configuration_text(directory: &Path, port: u16) -> String {
    let user = if rustix::process::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    };
    let directory = directory.display();
    format!(
        "{user}daemon off;\n\
         worker_processes auto;\n\
         pid {directory}/nginx.pid;\n\
         error_log {directory}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
           access_log off;\n\
           sendfile on;\n\
           tcp_nopush on;\n\
           keepalive_requests 100000000;\n\
           client_max_body_size 0;\n\
           client_body_temp_path {directory}/body;\n\
           proxy_temp_path {directory}/proxy;\n\
           fastcgi_temp_path {directory}/fastcgi;\n\
           uwsgi_temp_path {directory}/uwsgi;\n\
           scgi_temp_path {directory}/scgi;\n\
           server {{\n\
             listen 127.0.0.1:{port};\n\
             root {directory}/cache;\n\
             location / {{\n\
               dav_methods PUT;\n\
               create_full_put_path on;\n\
             }}\n\
           }}\n\
         }}\n"
    )
}
