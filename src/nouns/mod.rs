//! What several commands do with the nouns of the API: how these are named on a command line, looked up, listed, renamed
//! and freed, and what is said of them.

pub(crate) mod accounts;
pub(crate) mod flakes;
pub(crate) mod found;
pub(crate) mod free_name;
pub(crate) mod held;
pub(crate) mod invited;
pub(crate) mod policies;
pub(crate) mod qualified;
pub(crate) mod rename;
pub(crate) mod scoped;
