//! What the server says of the names in the file.

use std::collections::BTreeMap;

use fh_api::{AccountInfo, FlakeName, Name};

use super::super::file::File;
use super::super::state::PresentFlake;
use crate::similar::is_same_name;

/// What the server answers, by the names in lower case: what is there, as far as the caller may know.
#[derive(Debug, Default)]
pub(in crate::commands::provision) struct Answers {
    pub(in crate::commands::provision) accounts: BTreeMap<String, AccountInfo>,
    pub(in crate::commands::provision) flakes: BTreeMap<String, PresentFlake>,
    pub(in crate::commands::provision) organizations: BTreeMap<String, Name>,
}

impl Answers {
    /// The flake of a name, whatever it is called now.
    pub(super) fn flake(&self, name: &FlakeName) -> Option<&PresentFlake> {
        self.flakes.get(&name.folded())
    }
}

/// The present name of an organisation of the file, which is said by any name that the file has for it.
pub(super) fn stands_in<'a>(file: &'a File, org: &Name) -> Option<&'a Name> {
    let mut orgs = file.org.keys();
    let said = orgs.find(|said| is_same_name(said, org) || is_same_name(said.written(), org))?;
    Some(&said.value)
}

/// The flake of an organisation.
pub(super) fn in_org(org: &Name, project: &Name) -> FlakeName {
    FlakeName {
        org: org.clone(),
        project: project.clone(),
    }
}
