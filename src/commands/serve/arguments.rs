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
#[derive(Debug)]
pub(crate) struct ServeArguments {
    /// A TOML file.
    pub(super) config: Option<PathBuf>,
    /// Only check, and how much.
    pub(super) check: Option<CheckLevel>,
    /// Only print a commented file.
    pub(super) print_example: bool,
    /// Only print the OpenAPI document.
    pub(super) print_openapi: bool,
    /// The options of the table.
    pub(super) given: Vec<Given>,
}

impl Args for ServeArguments {
    fn augment_args(command: Command) -> Command {
        let command = command
            .about(ABOUT)
            .long_about(LONG_ABOUT)
            .after_help(EXAMPLES)
            .arg(
                Arg::new("config")
                    .long("config")
                    .value_name("FILE")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("A TOML file with any of these options [env: FH_SERVE_CONFIG]"),
            )
            .arg(
                Arg::new("check")
                    .long("check")
                    .value_name("WHAT")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("contents")
                    .value_parser(clap::builder::EnumValueParser::<CheckLevel>::new())
                    .help("Check the settings and the stored data, and exit (with --json, one object); also works next to a running server"),
            )
            .arg(
                Arg::new("print-example")
                    .long("print-example")
                    .action(ArgAction::SetTrue)
                    .conflicts_with("check")
                    .help("Print a configuration file with every option explained, and exit"),
            )
            .arg(
                Arg::new("print-openapi")
                    .long("print-openapi")
                    .action(ArgAction::SetTrue)
                    .conflicts_with_all(["check", "print-example"])
                    .help("Print the OpenAPI document of the HTTP API, and exit"),
            );
        command.args(OPTIONS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = OPTIONS.iter().filter_map(|option| {
            let texts: Vec<String> = matches.get_many(option.key)?.cloned().collect();
            Some(Given {
                option,
                texts,
                origin: Origin::Flag,
            })
        });
        Ok(Self {
            config: matches.get_one("config").cloned(),
            check: matches.get_one("check").copied(),
            print_example: matches.get_flag("print-example"),
            print_openapi: matches.get_flag("print-openapi"),
            given: given.collect(),
        })
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
