//! The environment variables that `fh` reads: each one a documented constant, and no other is read.
//!
//! The help texts and the man pages take their words from here.

/// An environment variable.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does, for the manual.
    pub(crate) help: &'static str,
}

macro_rules! variables {
    ($($(#[doc = $help:literal])+ $constant:ident,)+) => {
        $(
            $(#[doc = $help])+
            pub(crate) const $constant: Variable = Variable {
                name: stringify!($constant),
                help: concat!($($help, "\n",)+),
            };
        )+

        /// All of them, in the order of the manual.
        pub(crate) const ALL: &[&Variable] = &[$(&$constant),+];
    };
}

variables! {
    /// The server to talk to, as `--server`.
    FH_SERVER,
    /// The token to use instead of the stored one. Environments leak into logs and child processes:
    /// prefer FH_TOKEN_FILE.
    FH_TOKEN,
    /// A file with the token to use instead of the stored one.
    FH_TOKEN_FILE,
    /// FlakeHub's web site, as `--frontend-addr`.
    FH_FRONTEND_ADDR,
    /// Print JSON, as `--json`. Empty, 0, false, no and off mean no.
    FH_OUTPUT_JSON,
    /// The address of FlakeHub's API, as `--api-addr` of `fh push`.
    FH_API_ADDR,
    /// The address of FlakeHub's cache, as `--cache-addr` of `fh push`.
    FH_CACHE_ADDR,
    /// How much to tell of what is being done, 0 to 3, as that many `-v`.
    FH_VERBOSITY,
    /// Not empty: no colours.
    NO_COLOR,
    /// `dumb`: no colours, and no bars.
    TERM,
    /// An X display: there is a browser.
    DISPLAY,
    /// A Wayland display: there is a browser.
    WAYLAND_DISPLAY,
    /// The home directory.
    HOME,
    /// The user's name, for advice that has to name it.
    USER,
    /// Where configuration is kept; ~/.config by default.
    XDG_CONFIG_HOME,
    /// Directories whose nix/nix.conf Nix reads before the user's, separated by colons; /etc/xdg by
    /// default.
    XDG_CONFIG_DIRS,
    /// Where names for completions are remembered; ~/.cache by default.
    XDG_CACHE_HOME,
    /// Where data is kept; ~/.local/share by default.
    XDG_DATA_HOME,
    /// The data directory of `fh serve` under systemd.
    STATE_DIRECTORY,
    /// The configuration file of `fh serve`, as `--config`. Each of its options has a variable too:
    /// see fh-serve(1).
    FH_SERVE_CONFIG,
    /// The shell that asks what can be typed next; set by the scripts of `fh completion`.
    FH_COMPLETE,
    /// The socket on which `fh serve` tells systemd that it serves, and that it is stopping.
    NOTIFY_SOCKET,
    /// Certificate authorities to trust, a PEM file; Nix reads it too.
    NIX_SSL_CERT_FILE,
    /// The same, where NIX_SSL_CERT_FILE is not set.
    SSL_CERT_FILE,
    /// The directory of Nix's system-wide nix.conf and netrc; /etc/nix by default.
    NIX_CONF_DIR,
    /// The nix.conf files of the user, separated by colons, instead of those below XDG_CONFIG_HOME.
    /// `fh login` edits the first.
    NIX_USER_CONF_FILES,
    /// Settings of Nix; `fh push --watch-exec` adds its hook to them for its command.
    NIX_CONFIG,
    /// Where `fh push --watch-exec` keeps its hook while it runs.
    XDG_RUNTIME_DIR,
    /// The same, where XDG_RUNTIME_DIR is not set; /tmp by default.
    TMPDIR,
    /// What was built: Nix tells it to the hook of `fh push --watch-exec`.
    OUT_PATHS,
    /// By which derivation, where Nix does not tell what.
    DRV_PATH,
    /// The Nix store that `fh push` takes paths from, as its `--store`.
    NIX_REMOTE,
    /// Where Nix's daemon listens, where it is not the usual place.
    NIX_DAEMON_SOCKET_PATH,
    /// The directory that Nix names store paths by; /nix/store by default.
    NIX_STORE_DIR,
    /// The directory of Nix's build logs, which `fh push` sends along; /nix/var/log/nix by default.
    NIX_LOG_DIR,
}
