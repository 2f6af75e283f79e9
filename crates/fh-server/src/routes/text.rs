//! Free text that people give to things.

use fh_access::ApiError;
use fh_api::text::MAX_LINE;

/// A line for people: trimmed, none where it is empty.
///
/// # Errors
/// 400 for what is no line: it would end up on terminals and in tables.
pub(crate) fn line(field: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(text) = text else {
        return Ok(None);
    };
    if text.chars().any(char::is_control) {
        return Err(ApiError::BadRequest(format!(
            "the field {field} must be one line without control characters"
        )));
    }
    if text.chars().count() > MAX_LINE {
        return Err(ApiError::BadRequest(format!(
            "the field {field} must have at most {MAX_LINE} characters"
        )));
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
