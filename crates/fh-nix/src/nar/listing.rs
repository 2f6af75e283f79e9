//! The listing of a NAR, which a binary cache has as `<hash>.ls`: `src/libstore/nar-accessor.cc` (`listNar`) and
//! `BinaryCacheStore::addToStoreCommon`.
//!
//! ```text
//! {"root":NODE,"version":1}
//! directory {"entries":{NAME:NODE,…},"type":"directory"}
//! regular   {"executable":true,"narOffset":N,"size":N,"type":"regular"}     executable only where it is
//! symlink   {"target":TEXT,"type":"symlink"}
//! ```
//!
//! Written while the NAR is decoded, in the NAR's own order, so nothing is kept but the depth. The bytes are those of
//! Nix 2.26 and later; older versions write the same with other orders of keys. A name or target that is not UTF-8 goes
//! in as it is, as Nix 2.8 does: a reader of bytes loses nothing. Newer versions write no listing for it at all.

use super::event::Event;

/// Makes JSON of a NAR's events; by [`Default`], of none yet.
#[derive(Clone, Debug, Default)]
pub struct ListingWriter {
    /// For each directory we are in, whether it has an entry already.
    directories: Vec<bool>,
    begun: bool,
    ended: bool,
}

impl ListingWriter {
    /// Writes what an event adds. To be given all events of one NAR in order.
    pub fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if !self.begun {
            self.begun = true;
            out.extend_from_slice(b"{\"root\":");
        }
        match event {
            Event::DirectoryStart => {
                self.directories.push(false);
                out.extend_from_slice(b"{\"entries\":{");
            }
            Event::Entry { name } => {
                if let Some(has_entries) = self.directories.last_mut()
                    && std::mem::replace(has_entries, true)
                {
                    out.push(b',');
                }
                string(name, out);
                out.push(b':');
            }
            Event::DirectoryEnd => {
                self.directories.pop();
                out.extend_from_slice(b"},\"type\":\"directory\"}");
                self.end_of_node(out);
            }
            Event::RegularStart {
                executable,
                size,
                offset,
            } => {
                out.push(b'{');
                if executable {
                    out.extend_from_slice(b"\"executable\":true,");
                }
                let rest = format!("\"narOffset\":{offset},\"size\":{size},\"type\":\"regular\"}}");
                out.extend_from_slice(rest.as_bytes());
            }
            Event::Data(_) => {}
            Event::RegularEnd => self.end_of_node(out),
            Event::Symlink { target } => {
                out.extend_from_slice(b"{\"target\":");
                string(target, out);
                out.extend_from_slice(b",\"type\":\"symlink\"}");
                self.end_of_node(out);
            }
        }
    }

    /// Whether the listing is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ended
    }

    fn end_of_node(&mut self, out: &mut Vec<u8>) {
        if self.directories.is_empty() {
            self.ended = true;
            out.extend_from_slice(b",\"version\":1}");
        }
    }
}

/// A JSON string, escaped where JSON demands it and nowhere else.
fn string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
