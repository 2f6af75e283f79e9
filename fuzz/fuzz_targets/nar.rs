//! A NAR that is accepted is, byte for byte, the one that its events describe, and how it was cut makes no difference.
#![no_main]

use fh_nix::nar::Event;
use fh_nix::{Limits, NarDecoder, Result};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|nar: &[u8]| {
    let whole = describe(&mut std::iter::once(nar));
    let pieces = describe(&mut nar.chunks(nar.len() % 13 + 1));
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole, nar);
            assert_eq!(pieces, nar);
        }
        (Err(whole), Err(pieces)) => assert_eq!(whole.to_string(), pieces.to_string()),
        (whole, pieces) => panic!("whole {whole:?}, in pieces {pieces:?}"),
    }
});

/// Decodes, and encodes what was found again.
fn describe(pieces: &mut dyn Iterator<Item = &[u8]>) -> Result<Vec<u8>> {
    let limits = Limits {
        depth: 20,
        ..Limits::default()
    };
    let mut decoder = NarDecoder::new(limits);
    let mut nar = string(b"nix-archive-1");
    let mut depth = 0_usize;
    let mut padding = 0;
    for piece in pieces {
        decoder.feed(piece, &mut |event| {
            match event {
                Event::DirectoryStart => {
                    nar.extend(strings(&[b"(", b"type", b"directory"]));
                    depth += 1;
                }
                Event::Entry { name } => {
                    nar.extend(strings(&[b"entry", b"(", b"name", name, b"node"]));
                }
                Event::DirectoryEnd => {
                    depth -= 1;
                    close(&mut nar, depth);
                }
                Event::RegularStart {
                    executable, size, ..
                } => {
                    nar.extend(strings(&[b"(", b"type", b"regular"]));
                    if executable {
                        nar.extend(strings(&[b"executable", b""]));
                    }
                    nar.extend(string(b"contents"));
                    nar.extend(size.to_le_bytes());
                    padding = size.wrapping_neg() % 8;
                }
                Event::Data(data) => nar.extend(data),
                Event::RegularEnd => {
                    nar.extend((0..padding).map(|_| 0));
                    close(&mut nar, depth);
                }
                Event::Symlink { target } => {
                    nar.extend(strings(&[b"(", b"type", b"symlink", b"target", target]));
                    close(&mut nar, depth);
                }
            }
            Ok(())
        })?;
    }
    decoder.finish()?;
    Ok(nar)
}

/// Closes a node, and the entry that it is in.
fn close(nar: &mut Vec<u8>, depth: usize) {
    nar.extend(string(b")"));
    if depth > 0 {
        nar.extend(string(b")"));
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u64).to_le_bytes().to_vec();
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn strings(list: &[&[u8]]) -> Vec<u8> {
    list.iter().flat_map(|bytes| string(bytes)).collect()
}
