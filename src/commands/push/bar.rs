//! The bar on a terminal.
//!
//! Invariant: it is one line, and the cursor rests within it with some room to the right. So what the
//! terminal itself shows there, such as the `^C` of Ctrl-C, stays on that line and goes with it: at
//! the right edge it would begin a new one, and leave the bar behind. What does not fit is cut, so the text beside the
//! bar is made for [`room`].

use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use rustix::termios;

/// Columns that stay free.
const FREE: u16 = 4;

/// Where the terminal does not say.
const USUAL_WIDTH: u16 = 80;

/// How often the bar is drawn in a second.
const RATE: u8 = 15;

const WAITING: &str = "{spinner} {wide_msg}";
const MOVING: &str = "[{bar:12}] {wide_msg}";

/// The columns of `MOVING` before the text.
const BAR: u16 = 12 + 3;

/// How often it turns.
const TURN: Duration = Duration::from_millis(100);

/// Shows what is waited for.
pub(super) fn new() -> ProgressBar {
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(Stderr), RATE);
    let bar = ProgressBar::with_draw_target(None, target).with_style(style(WAITING));
    bar.enable_steady_tick(TURN);
    bar
}

/// Takes it off the terminal, which somebody else writes to for a while.
pub(super) fn pause(bar: &ProgressBar) {
    bar.disable_steady_tick();
    bar.finish_and_clear();
}

/// Shows the bar again, after lines were printed above it.
pub(super) fn resume(bar: &ProgressBar) {
    bar.reset();
    bar.enable_steady_tick(TURN);
}

/// How many columns a text has beside the bar.
pub(super) fn room() -> usize {
    usize::from(room_in(columns()))
}

/// How many those are on a terminal of so many columns.
pub(super) fn room_in(columns: u16) -> u16 {
    columns.saturating_sub(FREE).saturating_sub(BAR)
}

/// The columns of the terminal that stderr is.
fn columns() -> u16 {
    let columns = termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    if columns == 0 { USUAL_WIDTH } else { columns }
}

/// Makes it a bar for so much.
pub(super) fn begin(bar: &ProgressBar, length: u64) {
    bar.set_style(style(MOVING).progress_chars("=> "));
    bar.set_length(length);
    bar.set_position(0);
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants, which a test reads.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The terminal that stderr is, as if it were a little narrower.
#[derive(Debug)]
struct Stderr;

impl Stderr {
    fn move_cursor(count: usize, direction: char) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        write!(io::stderr(), "\x1b[{count}{direction}")
    }
}

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        columns().saturating_sub(FREE).max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{s}")
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        io::stderr().write_all(s.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_understood() {
        assert!(ProgressStyle::with_template(WAITING).is_ok());
        assert!(ProgressStyle::with_template(MOVING).is_ok());
        let before = MOVING.replace("{bar:12}", "============");
        let before = before.strip_suffix("{wide_msg}").unwrap();
        assert_eq!(before.len(), usize::from(BAR));
    }
}
