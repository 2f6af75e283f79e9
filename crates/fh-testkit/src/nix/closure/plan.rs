//! Which files go into which store path of a large closure, and what it refers to.
//!
//! Pure and deterministic: the same files and the same profile give the same plan.

use anyhow::{Result, ensure};

use super::trees::{SourceFile, Tree};

/// The shape of a closure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    /// Names the directory it is kept in.
    pub(super) name: &'static str,
    /// How many store paths.
    pub(super) paths: usize,
    /// How many bytes of files altogether.
    pub(super) bytes: u64,
    /// Paths from large to small: how many, and the sizes in bytes of the largest and the smallest
    /// of them; between those, sizes fall geometrically.
    pub(super) classes: &'static [Class],
    /// Sizes of this many bytes and more are stretched so that the sum comes out as `bytes`.
    pub(super) stretched_from: u64,
}

/// A run of sizes within a [`Profile`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub(super) paths: usize,
    pub(super) largest: u64,
    pub(super) smallest: u64,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// As a system's closure: three quarters of the paths are below 100 KiB, seven hold half of the
/// bytes.
pub(super) const LARGE: Profile = Profile {
    name: "large",
    paths: 400,
    bytes: 1280 * MIB,
    classes: &[
        Class {
            paths: 7,
            largest: 140 * MIB,
            smallest: 55 * MIB,
        },
        Class {
            paths: 20,
            largest: 30 * MIB,
            smallest: 8 * MIB,
        },
        Class {
            paths: 63,
            largest: 6 * MIB,
            smallest: 300 * KIB,
        },
        Class {
            paths: 310,
            largest: 96 * KIB,
            smallest: KIB,
        },
    ],
    stretched_from: 8 * MIB,
};

/// 500 paths of 1 to 20 KiB, where round trips show.
pub(super) const MANY_SMALL: Profile = Profile {
    name: "many-small",
    paths: 500,
    bytes: 500 * 6 * KIB,
    classes: &[Class {
        paths: 500,
        largest: 20 * KIB,
        smallest: KIB,
    }],
    stretched_from: u64::MAX,
};

impl Profile {
    /// Changes with everything that decides what the closure contains.
    pub(super) fn fingerprint(&self) -> String {
        format!("plan 2: {self:?}")
    }

    /// The wanted size of each path, largest first.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self
            .classes
            .iter()
            .flat_map(|class| {
                let steps = (class.paths.max(2) - 1) as f64;
                let ratio = class.smallest as f64 / class.largest as f64;
                (0..class.paths).map(move |step| {
                    (class.largest as f64 * ratio.powf(step as f64 / steps)) as u64
                })
            })
            .collect();
        let (mut fixed, mut elastic) = (0, 0);
        for size in &sizes {
            if *size >= self.stretched_from {
                elastic += size;
            } else {
                fixed += size;
            }
        }
        if elastic > 0 {
            let factor = self.bytes.saturating_sub(fixed) as f64 / elastic as f64;
            for size in sizes
                .iter_mut()
                .filter(|size| **size >= self.stretched_from)
            {
                *size = (*size as f64 * factor) as u64;
            }
        }
        sizes
    }
}

/// One store path, with its size and what it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit<'a> {
    /// Its files; no two of the same name.
    pub(super) files: Vec<&'a SourceFile>,
    /// Indices of units before this one.
    pub(super) references: Vec<usize>,
}

impl Unit<'_> {
    /// A name for the store path, after what is in it.
    pub(super) fn name(&self, index: usize) -> String {
        let about = self
            .files
            .iter()
            .max_by_key(|file| file.bytes)
            .and_then(|file| file.path.file_stem())
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let about: String = about
            .chars()
            .filter(|character| character.is_ascii_alphanumeric() || *character == '-')
            .take(40)
            .collect();
        format!("unit-{index:03}-{about}")
    }
}

/// Distributes the files of `forest` (each is used at most once) so that every unit comes near its
/// size. The units are in an order in which references come first; the last reaches all.
pub(super) fn units<'a>(forest: &'a [Tree], profile: &Profile) -> Result<Vec<Unit<'a>>> {
    let sizes = profile.sizes();
    let mut trees: Vec<Vec<Option<&SourceFile>>> = forest
        .iter()
        .map(|tree| tree.iter().map(Some).collect())
        .collect();
    let mut filled = Vec::with_capacity(sizes.len());
    for (index, size) in sizes.iter().enumerate() {
        let mut files: Vec<&SourceFile> = Vec::new();
        let mut missing = *size;
        // Each unit begins with another tree, so that every size holds programs, libraries and text.
        for turn in 0..trees.len() {
            let tree = &mut trees[(index + turn) % forest.len()];
            missing = take(tree, missing, *size, &mut files);
            if is_filled(missing, *size) {
                break;
            }
        }
        files.sort_by(|left, right| left.relative.cmp(&right.relative));
        files.dedup_by(|later, earlier| collide(&later.relative, &earlier.relative));
        filled.push(files);
    }
    let bytes: u64 = filled.iter().flatten().map(|file| file.bytes).sum();
    ensure!(
        bytes >= sizes.iter().sum::<u64>() / 20 * 19,
        "this machine's files are not enough for the closure `{}`: {} MiB of {} MiB",
        profile.name,
        bytes / MIB,
        sizes.iter().sum::<u64>() / MIB
    );

    let order = shuffled(filled.len());
    Ok(order
        .iter()
        .zip(references(filled.len()))
        .map(|(original, references)| Unit {
            files: std::mem::take(&mut filled[*original]),
            references,
        })
        .collect())
}

/// Takes files in their order that still fit into `missing` bytes, and returns what is missing then.
fn take<'a>(
    tree: &mut Vec<Option<&'a SourceFile>>,
    mut missing: u64,
    size: u64,
    files: &mut Vec<&'a SourceFile>,
) -> u64 {
    for slot in tree.iter_mut() {
        if is_filled(missing, size) {
            break;
        }
        if slot.is_some_and(|file| file.bytes <= missing)
            && let Some(file) = slot.take()
        {
            missing -= file.bytes;
            files.push(file);
        }
    }
    tree.retain(Option::is_some);
    missing
}

/// Whether so few of `size` bytes are missing that looking for another file is not worth it.
fn is_filled(missing: u64, size: u64) -> bool {
    missing <= size / 50
}

/// Whether two places cannot both exist below one directory: the same, or one below the other.
/// `earlier` sorts before `later`.
fn collide(later: &std::path::Path, earlier: &std::path::Path) -> bool {
    later.starts_with(earlier)
}

/// A fixed permutation, so that large and small paths are mixed.
fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = Random(7);
    for index in (1..count).rev() {
        order.swap(index, random.below(index + 1));
    }
    order
}

/// What each of `count` units refers to. As in real closures: nearly everything refers to a few base
/// libraries, a few things refer to many, and the last refers to all that nothing else refers to.
fn references(count: usize) -> Vec<Vec<usize>> {
    let mut random = Random(1_000);
    let mut all: Vec<Vec<usize>> = Vec::with_capacity(count);
    let mut referred = vec![false; count];
    for index in 0..count {
        let mut references = std::collections::BTreeSet::new();
        if index + 1 == count {
            references.extend((0..index).filter(|earlier| !referred[*earlier]));
        } else if index > 0 {
            references.extend((0..3.min(index)).filter(|_| random.below(10) < 7));
            let more = match random.below(10) {
                0..=5 => random.below(4),
                6..=8 => random.below(12),
                _ => random.below(60),
            };
            // The smaller of two draws: earlier paths are referred to more often.
            references.extend((0..more).map(|_| random.below(index).min(random.below(index))));
        }
        for reference in &references {
            referred[*reference] = true;
        }
        all.push(references.into_iter().collect());
    }
    all
}

/// A small generator (splitmix64, public domain): plans must not change with a library's version.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % bound as u64) as usize
    }
}
