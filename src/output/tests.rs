//! What lists look like, in each form.

use time::macros::datetime;

use super::*;

struct Row(&'static str, u64, &'static str);

fn columns() -> Vec<Column<Row>> {
    vec![
        column("name", "NAME", |row: &Row| row.0.to_owned()),
        number("size", "SIZE", |row: &Row| row.1.to_string()).shown(|row, _| human::bytes(row.1)),
        column("seen_at", "SEEN", |_: &Row| {
            "2026-11-20T12:00:00Z".to_owned()
        })
        .shown(|_, now| human::relative(datetime!(2026-11-20 12:00 UTC), now)),
        column("secret_name", "", |_: &Row| "x".to_owned()).hidden(),
        column("text", "TEXT", |row: &Row| row.2.to_owned()).flexible(),
    ]
}

const ROWS: [Row; 3] = [
    Row(
        "acme/app",
        1_288_490_189,
        "what we sell, and everything that it is made of",
    ),
    Row("acme/a", 12, "quoted \"text\", with a comma"),
    Row("b/c", 0, "\x1b[31mred\x1b[0m\r\nsecond \u{202e}line"),
];

fn table(width: Option<usize>) -> String {
    table::table(&columns(), &ROWS, datetime!(2026-11-22 12:00 UTC), width)
}

#[test]
fn a_table_is_for_people() {
    insta::assert_snapshot!(table(None), @r#"
    NAME          SIZE  SEEN        TEXT
    acme/app  1.20 GiB  2 days ago  what we sell, and everything that it is made of
    acme/a        12 B  2 days ago  quoted "text", with a comma
    b/c            0 B  2 days ago  �[31mred�[0m��second �line
    "#);
}

#[test]
fn a_narrow_table_cuts_what_may_be_cut() {
    insta::assert_snapshot!(table(Some(60)), @r#"
    NAME          SIZE  SEEN        TEXT
    acme/app  1.20 GiB  2 days ago  what we sell, and everythin…
    acme/a        12 B  2 days ago  quoted "text", with a comma
    b/c            0 B  2 days ago  �[31mred�[0m��second �line
    "#);
    insta::assert_snapshot!(table(Some(10)), @r"
    NAME          SIZE  SEEN        TEXT
    acme/app  1.20 GiB  2 days ago  what we…
    acme/a        12 B  2 days ago  quoted …
    b/c            0 B  2 days ago  �[31mre…
    ");
}

#[test]
fn csv_is_for_programs() {
    insta::assert_snapshot!(table::csv(&columns(), &ROWS[..2]).unwrap(), @r#"
    name,size,seen_at,secret_name,text
    acme/app,1288490189,2026-11-20T12:00:00Z,x,"what we sell, and everything that it is made of"
    acme/a,12,2026-11-20T12:00:00Z,x,"quoted ""text"", with a comma"
    "#);
    let hostile = Row(
        "b/c",
        0,
        "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\r\nsecond line\t.",
    );
    let text = table::csv(&columns(), &[hostile]).unwrap();
    assert!(
        text.chars().all(|c| c == '\n' || !is_unprintable(c)),
        "{text:?}"
    );
    assert!(text.contains("\nsecond line ."), "{text:?}");
    assert_eq!(
        table::csv(&columns(), &[]).unwrap(),
        "name,size,seen_at,secret_name,text\n"
    );
}

#[test]
fn json_says_what_it_was_told_without_a_character_that_a_terminal_heeds() {
    let told = "\u{1b}[31m\u{9b}31m\u{202e}\u{7f}\u{e0041}\r\nä \\ \" \u{1f600}\t";
    let value = serde_json::json!({ told: [told, { "a": told }] });
    for text in [
        serde_json::to_string_pretty(&value).unwrap(),
        serde_json::to_string(&value).unwrap(),
    ] {
        let escaped = escaped(&text);
        assert!(
            escaped.chars().all(|c| c == '\n' || !is_unprintable(c)),
            "{escaped:?}"
        );
        assert!(escaped.contains("\\u009b31m\\u202e\\u007f\\udb40\\udc41"));
        assert!(escaped.contains("ä"));
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, value);
    }
}
