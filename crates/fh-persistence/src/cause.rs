//! Errors of any kind, and how the log tells of them.

/// Any error with its chain of causes.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error and its causes on one line, for the log.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
