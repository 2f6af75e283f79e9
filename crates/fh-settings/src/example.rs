//! The commented configuration file, `docs/fh-server.toml`.

use std::fmt::Write as _;

use super::{OPTIONS, OptionSpec};

const WIDTH: usize = 100;

/// A configuration file with every option, each explained and commented out.
#[must_use]
pub fn example_file() -> String {
    let mut text = String::from(
        "# The configuration of `fh serve`, read with `fh serve --config FILE` or FH_SERVE_CONFIG.\n\
         #\n\
         # Every option is also a flag (--KEY VALUE) and an environment variable (FH_SERVE_KEY, in\n\
         # capitals, with underscores). A flag overrides the environment, which overrides this\n\
         # file. A key that is not known is an error. `fh serve --check` tests everything.\n\
         #\n\
         # Sizes are written like 512KiB, 8MiB or 1GiB, times like 20s, 15m, 12h or 90d. A relative\n\
         # path counts from the directory of this file.\n",
    );
    let mut section = None;
    for option in OPTIONS {
        if section != Some(option.section) {
            section = Some(option.section);
            let _ = write!(text, "\n\n# ## {}\n", option.section.title());
        }
        text.push('\n');
        for paragraph in option.help.split("\n\n") {
            for line in wrap(paragraph, WIDTH - 2) {
                let _ = writeln!(text, "# {line}");
            }
        }
        let value = option.default.unwrap_or(option.example);
        let _ = writeln!(text, "#{} = {}", option.key, toml_value(option, value));
    }
    text
}

fn toml_value(option: &OptionSpec, text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number, option.repeated) {
        (true, _) => text.to_owned(),
        // Debug of such plain texts is a TOML string.
        (false, false) => format!("{text:?}"),
        (false, true) => format!("[{text:?}]"),
    }
}

fn wrap(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
