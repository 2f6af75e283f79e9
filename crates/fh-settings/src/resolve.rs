//! From what was given to [`Settings`].

use std::path::Path;

use super::address::ListenAddress;
use super::draft::Draft;
use super::error::ConfigError;
use super::option_spec::OptionSpec;
use super::options::{OPTIONS, option};
use super::origin::Origin;
use super::settings::Settings;

/// One option as it was given in one place.
#[derive(Debug, Clone)]
pub struct Given {
    /// The option of the table that was given.
    pub option: &'static OptionSpec,
    /// Its values: several only where the option is repeated.
    pub texts: Vec<String>,
    /// Where it was given, for an error.
    pub origin: Origin,
}

/// The settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// All settings, given or by default.
    pub settings: Settings,
    /// What counted of each option that has a value, in the order of the table.
    pub given: Vec<Given>,
}

impl Resolved {
    /// Where the value of an option came from; `None` where it has none.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.given
            .iter()
            .find(|given| given.option.key == key)
            .map(|given| &given.origin)
    }
}

/// Lets the strongest origin of each option win, and parses and validates what is left.
///
/// # Errors
/// When a value makes no sense, alone or with the others.
pub fn resolve(given: &[Given]) -> Result<Resolved, ConfigError> {
    let mut draft = Draft::new();
    let mut counted = Vec::with_capacity(OPTIONS.len());
    for option in OPTIONS {
        let strongest = given
            .iter()
            .filter(|given| given.option.key == option.key)
            .max_by_key(|given| given.origin.precedence())
            .cloned()
            .or_else(|| {
                option.default.map(|text| Given {
                    option,
                    texts: vec![text.to_owned()],
                    origin: Origin::Default,
                })
            });
        let Some(given) = strongest else { continue };
        apply(&mut draft, &given)?;
        counted.push(given);
    }
    let tls = draft.tls().map_err(|key| ConfigError::Missing {
        key,
        message: "a certificate and its key are needed together".to_owned(),
    })?;
    let data_dir = draft.data_dir.ok_or_else(|| ConfigError::Missing {
        key: "data-dir",
        message: "name the directory for the server's data".to_owned(),
    })?;
    let resolved = Resolved {
        settings: Settings {
            data_dir,
            tls,
            ..draft.settings
        },
        given: counted,
    };
    agree(&resolved)?;
    Ok(resolved)
}

fn apply(draft: &mut Draft, given: &Given) -> Result<(), ConfigError> {
    let refused = |message: String| ConfigError::Value {
        key: given.option.key,
        origin: given.origin.clone(),
        message,
    };
    let mut texts: Vec<&str> = given.texts.iter().map(String::as_str).collect();
    if given.option.repeated {
        texts = texts
            .iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .collect();
        texts.retain(|text| !text.is_empty());
        if texts.is_empty() {
            return Err(refused("at least one is needed".to_owned()));
        }
    } else if texts.len() > 1 {
        return Err(refused("only one is allowed".to_owned()));
    }
    for text in texts {
        (given.option.set)(draft, text).map_err(refused)?;
    }
    Ok(())
}

/// What options say of each other, such as that a key needs its certificate.
fn agree(resolved: &Resolved) -> Result<(), ConfigError> {
    let settings = &resolved.settings;
    let limits = &settings.limits;
    let refused = |key: &'static str, message: String| {
        Err(ConfigError::Value {
            key,
            origin: resolved.origin(key).cloned().unwrap_or(Origin::Default),
            message,
        })
    };
    // zstd adds at most one byte in 256, and a little for each frame.
    let compressed = limits.part_size + limits.part_size / 128 + (64 << 10);
    if compressed > limits.body_size {
        return refused(
            "part-size",
            format!(
                "a part that does not compress would be larger than a body may be \
                 (max-body-size is {} bytes)",
                limits.body_size
            ),
        );
    }
    if limits.batched_nar_size > limits.part_size {
        return refused(
            "batched-nar-size",
            format!(
                "it must not be larger than part-size, {} bytes",
                limits.part_size
            ),
        );
    }
    if settings.tokens.default_lifetime > settings.tokens.max_lifetime {
        return refused(
            "token-lifetime",
            "it must not be longer than max-token-lifetime".to_owned(),
        );
    }
    for (index, address) in settings.listen.iter().enumerate() {
        if settings
            .listen
            .iter()
            .take(index)
            .any(|other| same(other, address))
        {
            return refused("listen", format!("{address} is listed twice"));
        }
    }
    if let Some(address) = &settings.metrics_listen
        && settings.listen.iter().any(|other| same(other, address))
    {
        return refused(
            "metrics-listen",
            format!("{address} is also an address of `listen`"),
        );
    }
    Ok(())
}

fn same(left: &ListenAddress, right: &ListenAddress) -> bool {
    match (left, right) {
        // Each is given a port of its own.
        (ListenAddress::Tcp(left), ListenAddress::Tcp(right)) => left == right && left.port() != 0,
        (ListenAddress::Unix { path: left, .. }, ListenAddress::Unix { path: right, .. }) => {
            left == right
        }
        _ => false,
    }
}

/// The defaults, with this data directory and one ephemeral port on loopback: what an in-process
/// server in a test wants.
///
/// # Errors
/// When the defaults contradict each other.
pub fn ephemeral(data_dir: &Path) -> Result<Settings, ConfigError> {
    let given = |key: &'static str, text: String| {
        option(key).map(|option| Given {
            option,
            texts: vec![text],
            origin: Origin::Program,
        })
    };
    let given = [
        given("data-dir", data_dir.display().to_string()),
        given("listen", "127.0.0.1:0".to_owned()),
    ];
    let given: Vec<Given> = given.into_iter().flatten().collect();
    Ok(resolve(&given)?.settings)
}
