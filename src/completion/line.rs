//! The line that is being typed, as the script of a shell tells it.

use std::ffi::OsString;

/// The words of the line that is being typed: what the script gives after `--`.
pub(super) fn words() -> Vec<OsString> {
    std::env::args_os()
        .skip_while(|word| word != "--")
        .skip(1)
        .collect()
}

/// The server that the line being typed names, as `--server URL` or `--server=URL`.
pub(super) fn server_on_the_line(words: &[OsString]) -> Option<String> {
    let mut found = None;
    let mut words = words.iter().filter_map(|word| word.to_str()).peekable();
    while let Some(word) = words.next() {
        if let Some(value) = word.strip_prefix("--server=") {
            found = Some(value.to_owned());
        } else if word == "--server"
            && let Some(value) = words.peek()
        {
            found = Some((*value).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_the_line(words: &[&str]) -> Option<String> {
        server_on_the_line(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_last_server_on_the_line_counts() {
        assert_eq!(on_the_line(&["fh", "push", "a"]), None);
        assert_eq!(on_the_line(&["fh", "--server"]), None);
        assert_eq!(
            on_the_line(&["fh", "--server", "x", "--server=y", "push"]),
            Some("y".to_owned())
        );
    }
}
