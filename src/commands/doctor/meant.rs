//! The server that is looked at, and as whom.

use crate::context::FoundToken;
use crate::site::Site;

/// Why nothing is tried where the server does not answer.
pub(super) const NOT_REACHED: &str = "the server was not reached";

/// What is known of the server and of the person, whether the server was reached or not.
pub(super) struct Meant {
    pub(super) site: Site,
    pub(super) token: Option<FoundToken>,
    /// Why nothing can be tried now; a part of a sentence.
    pub(super) untried: Option<&'static str>,
}
