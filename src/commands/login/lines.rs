//! The options of `fh login` that choose from which addresses of the server Nix is to read.

use clap::Args;
use fh_api::Name;
use fh_client::{Reading, ServerKind};

use crate::context::Selected;
use crate::error::CommandError;
use crate::site::Site;

/// The options that choose the addresses.
#[derive(Debug, Args)]
pub(super) struct LineOptions {
    /// Read only from these organisations, in this order: names separated by commas, or '*' for the server's
    /// list
    ///
    /// If two organisations have different contents for a path, Nix takes that of the first one. The default is
    /// all your organisations, in the order in which you joined them. Later logins do the same.
    #[arg(long, value_name = "ORG,…", value_parser = organizations, conflicts_with_all = ["offline", "root"])]
    organizations: Option<Reading>,

    /// Read from the root address of the server: everything that you may read there, together
    ///
    /// It does not serve paths for which two of your organisations have different contents. Later logins do the same.
    #[arg(long, conflicts_with = "offline")]
    root: bool,

    /// Read only from this organisation, with a token that is limited to it
    #[arg(long, value_name = "ORG", conflicts_with_all = ["offline", "root", "organizations"], add = crate::completion::organizations())]
    pub(super) org: Option<Name>,
}

fn organizations(text: &str) -> Result<Reading, fh_api::InvalidName> {
    if text == "*" {
        return Ok(Reading::Usual);
    }
    let names = text.split(',').map(|name| name.trim().parse());
    Ok(Reading::Organizations(names.collect::<Result<_, _>>()?))
}

impl LineOptions {
    /// What was chosen now; none where nothing was.
    pub(super) fn chosen(&self) -> Option<Reading> {
        match &self.org {
            Some(org) => Some(Reading::Organizations(vec![org.clone()])),
            None if self.root => Some(Reading::Root),
            None => self.organizations.clone(),
        }
    }

    /// What was chosen now, else at an earlier login to the server.
    pub(super) fn reading(&self, selected: &Selected) -> Reading {
        match (self.chosen(), selected) {
            (Some(chosen), _) => chosen,
            (None, Selected::Known(entry)) => entry.reading.clone(),
            (None, _) => Reading::Usual,
        }
    }

    /// That nothing was chosen: another kind of server has no organisations.
    ///
    /// # Errors
    /// Where something was.
    pub(super) fn refuse_elsewhere(&self, site: &Site) -> Result<(), CommandError> {
        if self.chosen().is_none() || site.kind == ServerKind::Fh {
            return Ok(());
        }
        Err(CommandError::usage(format!(
            "{} is not an fh server: --org, --organizations and --root do not apply to it",
            site.server
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_are_given_in_their_order() {
        let names = |text: &str| organizations(text).unwrap();
        let order = ["b".parse().unwrap(), "A".parse().unwrap()];
        assert_eq!(names("b, A"), Reading::Organizations(order.to_vec()));
        assert_eq!(names("*"), Reading::Usual);
        assert!(organizations("").is_err());
        assert!(organizations("a,,b").is_err());
        assert!(organizations("a/b").is_err());
    }
}
