//! Tests of the plan and the expression; the closures themselves are proved by those who use them.

use std::path::PathBuf;

use super::expression::{Node, text};
use super::plan::{LARGE, MANY_SMALL, units};
use super::trees::{SourceFile, Tree};

const MIB: u64 = 1 << 20;

/// `count` files whose sizes go round from 700 bytes to 40 MiB.
fn forest(count: u64) -> Vec<Tree> {
    let file = |tree: u64, index: u64| SourceFile {
        path: PathBuf::from(format!("/t{tree}/d{}/f{index}", index % 50)),
        relative: PathBuf::from(format!("d{}/f{index}", index % 50)),
        bytes: 700 << (index % 17),
    };
    (0..3)
        .map(|tree| (0..count).map(|index| file(tree, index)).collect())
        .collect()
}

#[test]
fn the_large_closure_has_a_heavy_tail() {
    let sizes = LARGE.sizes();
    let total: u64 = sizes.iter().sum();
    assert_eq!(sizes.len(), 400);
    assert!((1279 * MIB..=1280 * MIB).contains(&total), "{total}");
    assert!(sizes.iter().filter(|size| **size < 100 << 10).count() >= 300);
    let huge = sizes.iter().filter(|size| **size > 50_000_000).count();
    assert!((4..=12).contains(&huge), "{huge}");
}

#[test]
fn many_small_paths_are_small() {
    let sizes = MANY_SMALL.sizes();
    assert_eq!(sizes.len(), 500);
    assert!(sizes.iter().all(|size| (1_000..=20_480).contains(size)));
}

#[test]
fn a_plan_uses_each_file_once_and_the_last_path_reaches_all() {
    let forest = forest(2_000);
    let planned = units(&forest, &LARGE).unwrap();
    assert_eq!(planned, units(&forest, &LARGE).unwrap(), "deterministic");
    assert_eq!(planned.len(), 400);

    let mut files: Vec<_> = planned.iter().flat_map(|unit| &unit.files).collect();
    let all = files.len();
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files.dedup();
    assert_eq!(files.len(), all);

    let mut reached = vec![false; 400];
    reached[399] = true;
    for (index, unit) in planned.iter().enumerate().rev() {
        assert!(unit.references.iter().all(|reference| *reference < index));
        assert!(reached[index], "{index} is out of reach");
        for reference in &unit.references {
            reached[*reference] = true;
        }
    }
}

#[test]
fn a_machine_with_too_few_files_is_told_so() {
    let forest = forest(20);
    let error = units(&forest, &LARGE).unwrap_err().to_string();
    assert!(error.contains("not enough"), "{error}");
}

#[test]
fn nothing_in_a_name_becomes_nix_code() {
    let node = Node {
        name: "a".to_owned(),
        source: PathBuf::from("/x/\"${builtins.abort \"no\"}\\"),
        script: "true",
        inputs: vec![],
    };
    let text = text(&[node], "/bin");
    assert!(
        text.contains(r#""/x/\"\${builtins.abort \"no\"}\\""#),
        "{text}"
    );
}
