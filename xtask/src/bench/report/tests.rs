//! Tests of verdicts and of the three forms.

use super::*;

fn row(target: Option<Target>, ours: &[f64], peer: Option<&[f64]>) -> Row {
    let row = Row::new("a.b", "a thing", Unit::Seconds, ours.to_vec());
    let row = Row { target, ..row };
    match peer {
        Some(samples) => row.against("other", samples.to_vec()),
        None => row,
    }
}

#[test]
fn targets_are_judged_by_medians() {
    let met = |target, ours: &[f64], peer| row(Some(target), ours, peer).met();
    let peer = Some(&[2.0, 100.0, 2.0][..]);
    assert_eq!(
        met(Target::RatioAtMost(0.5), &[1.0, 9.0, 0.0], peer),
        Some(true)
    );
    assert_eq!(met(Target::RatioAtMost(0.49), &[1.0], peer), Some(false));
    assert_eq!(met(Target::RatioAtLeast(0.5), &[1.0], peer), Some(true));
    assert_eq!(met(Target::RatioAtLeast(0.51), &[1.0], peer), Some(false));
    assert_eq!(met(Target::AtMost(1.0), &[1.0], None), Some(true));
    assert_eq!(met(Target::AtMost(0.9), &[1.0], None), Some(false));
    assert_eq!(met(Target::TimesPlus(1.5, 0.5), &[3.5], peer), Some(true));
    assert_eq!(met(Target::TimesPlus(1.5, 0.4), &[3.5], peer), Some(false));
    // Without a peer there is nothing to judge, and without a target neither.
    assert_eq!(met(Target::RatioAtMost(0.5), &[1.0], None), None);
    assert_eq!(row(None, &[1.0], peer).met(), None);
    // What was never measured is not met.
    assert_eq!(met(Target::AtMost(1.0), &[], None), Some(false));
}

#[test]
fn numbers_are_written_for_people() {
    for (unit, value, text) in [
        (Unit::Seconds, 0.000_091_4, "91 µs"),
        (Unit::Seconds, 0.0812, "81.2 ms"),
        (Unit::Seconds, 4.9, "4.90 s"),
        (Unit::Bytes, 3_145_728.0, "3.0 MiB"),
        (Unit::BytesPerSecond, 2.5e9, "2500 MB/s"),
        (Unit::PerSecond, 69_012.3, "69012/s"),
        (Unit::Count, 11.0, "11"),
    ] {
        assert_eq!(unit.text(value), text);
    }
}

fn report() -> Report {
    Report {
        machine: Machine::of_a_test(),
        sections: vec![Section {
            name: "small",
            title: "500 paths".to_owned(),
            rows: vec![
                row(
                    Some(Target::RatioAtMost(0.5)),
                    &[2.0, 1.0, 3.0],
                    Some(&[4.0, 4.0, 4.0]),
                ),
                row(Some(Target::AtMost(0.01)), &[0.02], None),
            ],
            notes: vec!["a note".to_owned()],
        }],
    }
}

#[test]
fn the_table_shows_medians_ratios_targets_and_verdicts() {
    let table = report().table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[2], "small: 500 paths");
    let words = |line: &str| {
        line.split("  ")
            .filter(|word| !word.is_empty())
            .map(|word| word.trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(lines[4]),
        [
            "a thing",
            "2.00 s",
            "other 4.00 s",
            "0.50 (0.25 to 0.75)",
            "≤ 0.50",
            "met"
        ]
    );
    assert_eq!(
        words(lines[5]),
        ["a thing", "20.0 ms", "≤ 10.0 ms", "missed"]
    );
    assert_eq!(lines[6], "note: a note");
    assert_eq!(report().missed().len(), 1);
}

#[test]
fn markdown_has_as_many_columns_in_every_line() {
    let markdown = report().markdown();
    let columns: Vec<usize> = markdown
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.matches('|').count())
        .collect();
    assert_eq!(columns, [7; 5], "{markdown}");
    assert!(
        markdown.contains(
            "- **small**: 500 paths.\n  a note.\n- atticd: not on this machine.\n- harmonia: on"
        ),
        "{markdown}"
    );
}

#[test]
fn json_holds_every_sample() {
    let json: Value = serde_json::from_str(&report().json()).unwrap();
    let row = &json["sections"][0]["rows"][0];
    assert_eq!(
        row["fh"],
        json!({"median": 2.0, "samples": [2.0, 1.0, 3.0]})
    );
    assert_eq!(row["peer"]["ratios"], json!([0.5, 0.25, 0.75]));
    assert_eq!(row["ratio"], 0.5);
    assert_eq!(row["target"], json!({"ratio_at_most": 0.5}));
    assert_eq!(row["met"], true);
    assert_eq!(json["sections"][0]["rows"][1]["peer"], Value::Null);
}
