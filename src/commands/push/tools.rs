//! The Nix that finds out what to push.

use fh_client::NixTools;
use fh_nix::StoreDir;

use super::arguments::PushArguments;
use crate::context::Context;
use crate::error::{CommandError, Status};

/// The Nix that is asked, and about which store.
pub(super) fn silent_tools(
    arguments: &PushArguments,
    context: &Context,
) -> Result<NixTools, CommandError> {
    let mut tools = NixTools {
        store: arguments.store.clone().or(context.settings.nix_remote()?),
        ..NixTools::default()
    };
    if let Some(directory) = context.settings.nix_store_dir()? {
        tools.store_dir = StoreDir::new(&directory).map_err(|error| {
            CommandError::new(Status::Usage, error)
                .context("NIX_STORE_DIR is not a store directory")
        })?;
    }
    Ok(tools)
}
