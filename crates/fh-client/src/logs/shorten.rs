//! Keeping the beginning and the end of a text that is too long: how a build was configured, and why it
//! failed or what it installed. What is left out is the middle.

/// Bytes kept for the line that says what is left out.
const NOTICE: usize = 160;

/// How far a cut moves to fall between lines.
const NEAR: usize = 4096;

/// A log that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogText {
    pub(crate) bytes: Vec<u8>,
    /// Its middle was left out.
    pub(crate) shortened: bool,
}

/// A text as far as it has come.
pub(super) struct Shortener {
    limit: usize,
    /// All of it as long as it is short enough, else its beginning.
    head: Vec<u8>,
    /// Its end, and somewhat more, where it is longer.
    tail: Vec<u8>,
    length: u64,
}

impl Shortener {
    /// For a text of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            head: Vec::new(),
            tail: Vec::new(),
            length: 0,
        }
    }

    /// Bytes of each end that are kept of a text that is too long.
    fn half(&self) -> usize {
        self.limit.saturating_sub(NOTICE) / 2
    }

    /// Takes more of it.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let was_short = self.is_short();
        self.length += bytes.len() as u64;
        if self.is_short() {
            self.head.extend_from_slice(bytes);
            return;
        }
        if was_short {
            // From now on the beginning stays, and the end moves.
            self.tail = self.head.split_off(self.half().min(self.head.len()));
            let missing = self.half() - self.head.len();
            let (first, rest) = bytes.split_at(missing.min(bytes.len()));
            self.head.extend_from_slice(first);
            self.tail.extend_from_slice(rest);
        } else {
            self.tail.extend_from_slice(bytes);
        }
        // Moved seldom, so that a long text is not moved over and over.
        if self.tail.len() > 2 * self.half() {
            self.tail.drain(..self.tail.len() - self.half());
        }
    }

    fn is_short(&self) -> bool {
        self.length <= self.limit as u64
    }

    /// The text, or its two ends.
    pub(super) fn finish(self) -> LogText {
        if self.is_short() {
            return LogText {
                bytes: self.head,
                shortened: false,
            };
        }
        let half = self.half();
        let (mut bytes, tail) = (self.head, self.tail);
        let near = bytes.len().saturating_sub(NEAR);
        if let Some(end) = bytes[near..].iter().rposition(|&byte| byte == b'\n') {
            bytes.truncate(near + end + 1);
        }
        let tail = &tail[tail.len().saturating_sub(half)..];
        let start = tail[..tail.len().min(NEAR)]
            .iter()
            .position(|&byte| byte == b'\n');
        let tail = &tail[start.map_or(0, |newline| newline + 1)..];
        let left_out = self.length - bytes.len() as u64 - tail.len() as u64;
        let notice = format!(
            "\n[fh left out {left_out} bytes here: the log has {}, and the server takes {}]\n\n",
            self.length, self.limit
        );
        // Only a limit that is smaller than a line leaves no room for it.
        if bytes.len() + notice.len() + tail.len() <= self.limit {
            bytes.extend_from_slice(notice.as_bytes());
        }
        bytes.extend_from_slice(tail);
        LogText {
            bytes,
            shortened: true,
        }
    }
}
