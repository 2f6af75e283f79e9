//! Errors of any kind.

/// Any error with its chain of causes.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
