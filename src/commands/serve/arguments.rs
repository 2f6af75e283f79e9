//! The arguments of `fh serve`, made from the server's own table of options.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use fh_settings::{Given, OPTIONS, OptionSpec, Origin};

const ABOUT: &str = "Run the cache server in the foreground";

const LONG_ABOUT: &str = "\
Run the cache server in the foreground

It needs no configuration: the first start creates the data directory, the keys and a token for the
administrator, and prints where that token is. Each option can also be set in the environment or in
a TOML file; a flag overrides the environment, and the environment overrides the file.

SIGTERM and SIGINT stop the server when running requests are done; a second one stops it at once.
SIGHUP reads the TLS certificate again.";

const EXAMPLES: &str = "\
Examples:
  fh serve                                        # on 127.0.0.1:8484, data below ~/.local/share
  fh serve --print-example > fh-server.toml       # a configuration file to begin with
  fh serve --config fh-server.toml --check=settings    # test a configuration
  fh serve --config fh-server.toml --check        # test it, and check the stored data
  fh serve --listen 0.0.0.0:443 --public-url https://cache.example.org \\
           --tls-certificate cert.pem --tls-key key.pem
  fh serve --listen unix:/run/fh/http.sock --public-url https://cache.example.org";

/// How much `--check` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum CheckLevel {
    /// The settings, the addresses, the certificate
    Settings,
    /// Also the database, and that every stored file exists
    Files,
    /// Also every byte of every stored file
    Contents,
}

/// What was typed after `fh serve`.
#[derive(Debug, Args)]
#[command(about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct ServeArguments {
    /// A TOML file with any of these options [env: FH_SERVE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Check the settings and the stored data, and exit (with --json, one object); also works next to a running server
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "contents")]
    pub(super) check: Option<CheckLevel>,

    /// Print a configuration file with every option explained, and exit
    #[arg(long, conflicts_with = "check")]
    pub(super) print_example: bool,

    /// Print the OpenAPI document of the HTTP API, and exit
    #[arg(long, conflicts_with_all = ["check", "print_example"])]
    pub(super) print_openapi: bool,

    #[command(flatten)]
    pub(super) flags: Flags,
}

/// The options of the server's table, as far as they were typed.
#[derive(Debug)]
pub(crate) struct Flags(pub(super) Vec<Given>);

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        command.args(OPTIONS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = OPTIONS.iter().filter_map(|option| {
            let texts: Vec<String> = matches.get_many(option.key)?.cloned().collect();
            Some(Given {
                option,
                texts,
                origin: Origin::Flag,
            })
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(option: &'static OptionSpec) -> Arg {
    let (short, _) = option.help.split_once("\n\n").unwrap_or((option.help, ""));
    let mut notes = format!(" [env: {}]", option.variable);
    if let Some(default) = option.default {
        notes.push_str(&format!(" [default: {default}]"));
    }
    Arg::new(option.key)
        .long(option.key)
        .value_name(option.value_name)
        .help_heading(option.section.title())
        .help(format!("{}{notes}", short.trim_end_matches('.')))
        .long_help(format!("{}\n\n{}", option.help, notes.trim_start()))
        .action(if option.repeated {
            ArgAction::Append
        } else {
            ArgAction::Set
        })
        .value_hint(if option.is_path {
            clap::ValueHint::AnyPath
        } else {
            clap::ValueHint::Other
        })
}
