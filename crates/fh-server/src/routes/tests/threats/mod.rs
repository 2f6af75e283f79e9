//! One file a threat, named by it.

mod a_closure_token_grows;
mod a_thief_outlives_the_stolen_token;
