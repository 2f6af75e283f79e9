//! A small closure with every shape that a store path and a NAR can have.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::expression::{self, Node};
use super::{Closure, remove};
use crate::nix::{Home, Nix};

/// Bytes of the one large file.
const BLOB_BYTES: usize = 3 << 20;

/// Builds eight paths (about 3 MiB) that differ from those of every other `seed`: libraries, a
/// program, an executable script, a path that is a single file, one that is a symlink, empty files
/// and directories, names beyond ASCII, a reference to itself.
///
/// `directory` receives the prepared files and the link `result` to the top path, which keeps the
/// closure from being collected until the directory is removed.
///
/// # Errors
/// When the directory cannot be written or Nix fails.
pub fn small(nix: &Nix, home: &Home, seed: &str, directory: &Path) -> Result<Closure> {
    let stage = directory.join("stage");
    remove(&stage)?;
    let write = |relative: &str, content: &[u8], mode: u32| -> Result<()> {
        let file = stage.join(relative);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        Ok(())
    };
    let words = format!("made for {seed}\n");
    write("library/lib/libgreeting.so", &noise(seed, 40_000), 0o755)?;
    write("library/include/greeting.h", words.as_bytes(), 0o644)?;
    write("data/share/blob", &blob(seed), 0o644)?;
    write("data/share/empty", b"", 0o644)?;
    write(
        "settings/settings",
        format!("seed = {seed:?}\n").as_bytes(),
        0o644,
    )?;
    write("pointer/unused", b"", 0o644)?;
    write("tool/libexec/tool.sh", TOOL.as_bytes(), 0o755)?;
    write("documents/doc/Grüße/a b'c.txt", words.as_bytes(), 0o644)?;
    write("documents/doc/deep/er/and/deeper.txt", b"", 0o444)?;
    write("plugin/plugins/one.so", &noise(&words, 1_000), 0o644)?;
    write("application/share/about", words.as_bytes(), 0o644)?;

    let node = |name: &str, script: &'static str, inputs: &[usize]| Node {
        name: format!("{name}-{}", name_part(seed)),
        source: stage.join(name),
        script,
        inputs: inputs.to_vec(),
    };
    let nodes = [
        node("library", COPY, &[]),
        node("data", COPY, &[]),
        node("settings", SINGLE_FILE, &[1]),
        node("pointer", SYMLINK, &[0]),
        node("tool", PROGRAM, &[0, 1, 2]),
        node("documents", SELF_REFERENCE, &[]),
        node("plugin", COPY, &[3, 0]),
        node("application", COPY, &[4, 5, 6]),
    ];
    let top = expression::build(nix, home, &nodes, directory)?;
    Closure::of(nix, home, &top)
}

const COPY: &str = "\
cp -R \"$source\" \"$out\"
chmod -R u+w \"$out\"
mkdir -p \"$out/empty\" \"$out/bin\"
for input in $inputs; do ln -s \"$input\" \"$out/bin/${input##*/}\"; done
";

const SINGLE_FILE: &str = "{ cat \"$source/settings\"; echo \"data = $inputs\"; } > \"$out\"";

const SYMLINK: &str = "ln -s \"$inputs/lib/libgreeting.so\" \"$out\"";

const PROGRAM: &str = "\
cp -R \"$source\" \"$out\"
chmod -R u+w \"$out\"
mkdir \"$out/bin\"
{
  echo '#!/bin/sh'
  for input in $inputs; do echo \"# uses $input\"; done
  echo \"exec $out/libexec/tool.sh \\\"\\$@\\\"\"
} > \"$out/bin/tool\"
chmod 755 \"$out/bin/tool\"
ln -s tool \"$out/bin/alias\"
ln -s /nowhere/at/all \"$out/bin/dangling\"
";

const SELF_REFERENCE: &str = "\
cp -R \"$source\" \"$out\"
chmod -R u+w \"$out\"
echo \"I am $out\" > \"$out/doc/self\"
";

const TOOL: &str = "#!/bin/sh\necho \"hello from a real store path\"\n";

/// What of a seed can stand in the name of a store path.
fn name_part(seed: &str) -> String {
    let name: String = seed
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    if name.is_empty() {
        "0".to_owned()
    } else {
        name
    }
}

/// Half of it compresses as programs do, half of it not at all.
fn blob(seed: &str) -> Vec<u8> {
    let mut bytes = noise(seed, BLOB_BYTES / 2);
    let line = format!("{seed}: the quick brown fox jumps over the lazy dog\n");
    bytes.extend(line.bytes().cycle().take(BLOB_BYTES - bytes.len()));
    bytes
}

/// Pseudo-random bytes that depend on `seed` alone (splitmix64 over an FNV-1a hash of it; both are
/// in the public domain).
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
