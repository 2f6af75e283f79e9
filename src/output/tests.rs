//! What lists look like, in each form.

use time::macros::datetime;

use super::*;
use crate::text::is_unprintable;

#[derive(Serialize)]
struct Row {
    name: &'static str,
    size: u64,
    seen_at: &'static str,
    text: &'static str,
}

const fn row(name: &'static str, size: u64, text: &'static str) -> Row {
    Row {
        name,
        size,
        seen_at: "2026-11-20T12:00:00Z",
        text,
    }
}

fn columns() -> Columns<Row> {
    Columns::<Row>::new()
        .text("name", "NAME")
        .number("size", "SIZE")
        .shown(|row, _| human::bytes(row.size))
        .time("seen_at", "SEEN", "")
        .made("secret_name", "", |_| "x".to_owned())
        .wide()
        .text("text", "TEXT")
        .flexible()
}

const ROWS: [Row; 3] = [
    row(
        "acme/app",
        1_288_490_189,
        "what we sell, and everything that it is made of",
    ),
    row("acme/a", 12, "quoted \"text\", with a comma"),
    row("b/c", 0, "\x1b[31mred\x1b[0m\r\nsecond \u{202e}line"),
];

fn look(width: Option<usize>) -> Look {
    Look {
        width,
        wide: false,
        color: false,
        now: datetime!(2026-11-22 12:00 UTC),
    }
}

fn table(width: Option<usize>) -> String {
    table::table(&columns(), &ROWS, &look(width)).unwrap()
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

#[derive(Serialize)]
struct Token(&'static str, &'static str, &'static str, &'static str);

/// Columns of each kind: an id, a state, one that is often empty, some that are left out where there is no room.
fn tokens() -> Columns<Token> {
    Columns::<Token>::new()
        .made("id", "ID", |token| token.0.to_owned())
        .id()
        .made("state", "STATE", |token| token.1.to_owned())
        .toned(|token, _| (token.1 == "revoked").then_some(Tone::Bad))
        .made("limits", "LIMITED TO", |token| token.2.to_owned())
        .flexible()
        .ranked(1)
        .made("flakes", "FLAKES", |_| {
            "acme/application-server acme/docs".to_owned()
        })
        .flexible()
        .ranked(2)
        .made("used_at", "LAST USED", |_| "12 minutes ago".to_owned())
        .ranked(3)
        .made("text", "DESCRIPTION", |token| token.3.to_owned())
        .flexible()
        .made("parent", "CREATED WITH", |_| "somebody".to_owned())
        .wide()
}

const TOKENS: [Token; 3] = [
    Token(
        "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
        "good",
        "",
        "the laptop of somebody in the office",
    ),
    Token(
        "019353a8-7d1c-7c3e-9f7e-5a4a2c9b1d10",
        "revoked",
        "",
        "日本語の説明、幅は二倍",
    ),
    Token("019353a9-7d1c-7c3e-8f7e-5a4a2c9b1d10", "good", "", ""),
];

/// What a terminal shows of a line: as many columns as there are.
fn widest(text: &str) -> usize {
    let widths = text.lines().map(unicode_width::UnicodeWidthStr::width);
    widths.max().unwrap_or(0)
}

#[test]
fn a_table_fits_the_terminal_and_a_wide_one_has_everything() {
    for width in [60, 80, 100, 120, 200] {
        let text = table::table(&tokens(), &TOKENS, &look(Some(width))).unwrap();
        assert!(widest(&text) <= width, "{width}:\n{text}");
        // What tells one from another is whole; what nobody has is no column.
        for token in &TOKENS {
            assert!(text.contains(&token.0[..20]), "{width}:\n{text}");
        }
        assert!(!text.contains("LIMITED TO"), "{width}:\n{text}");
        assert_eq!(text.contains("LAST USED"), width >= 80, "{width}:\n{text}");
    }
    let wide = Look {
        wide: true,
        ..look(Some(80))
    };
    let text = table::table(&tokens(), &TOKENS, &wide).unwrap();
    for whole in [
        TOKENS[0].0,
        TOKENS[0].3,
        "LIMITED TO",
        "CREATED WITH",
        "acme/application-server acme/docs",
    ] {
        assert!(text.contains(whole), "{whole}:\n{text}");
    }
}

#[test]
fn ids_are_as_short_as_they_are_unambiguous() {
    for (ids, expected) in [
        (
            &["019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10"][..],
            &["019353a8-7d1c"][..],
        ),
        (
            &[
                "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
                "019353a8-7d1d-7c3e-8f7e-5a4a2c9b1d10",
            ],
            &["019353a8-7d1c", "019353a8-7d1d"],
        ),
        // Made in the same millisecond.
        (
            &[
                "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
                "019353a8-7d1c-7c3f-8f7e-5a4a2c9b1d10",
            ],
            &["019353a8-7d1c-7c3e", "019353a8-7d1c-7c3f"],
        ),
        // The same one twice.
        (
            &[
                "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
                "019353a8-7d1c-7c3e-8f7e-5a4a2c9b1d10",
            ],
            &["019353a8-7d1c", "019353a8-7d1c"],
        ),
        (&["short", "shorter"], &["short", "shorter"]),
    ] {
        let tokens: Vec<Token> = ids.iter().map(|&id| Token(id, "", "", "")).collect();
        let columns = Columns::<Token>::new()
            .made("id", "ID", |token| token.0.to_owned())
            .id();
        let text = table::table(&columns, &tokens, &look(None)).unwrap();
        let shown: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(shown, expected);
    }
}

#[test]
fn colours_are_beside_the_words() {
    let colored = Look {
        color: true,
        ..look(Some(80))
    };
    let plain = table::table(&tokens(), &TOKENS, &look(Some(80))).unwrap();
    let text = table::table(&tokens(), &TOKENS, &colored).unwrap();
    assert!(text.contains("\x1b[31mrevoked\x1b[0m  acme"), "{text:?}");
    let without = text.replace("\x1b[31m", "").replace("\x1b[0m", "");
    assert_eq!(without, plain);
    assert!(!plain.contains('\x1b'));
}

/// The columns of a list that goes on stay where they are.
#[test]
fn a_list_that_goes_on_keeps_its_columns() {
    let mut layout = None;
    let mut text = String::new();
    for tokens_now in [&TOKENS[..1], &TOKENS[1..], &[]] {
        text += &table::part(&tokens(), tokens_now, &look(Some(80)), &mut layout).unwrap();
    }
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("ID")).count(),
        1
    );
    let place = lines[0].find("STATE").unwrap();
    for (line, state) in lines[1..].iter().zip(["good", "revoked", "good"]) {
        assert_eq!(&line[place..place + state.len()], state, "{text}");
    }
    assert!(widest(&text) <= 80, "{text}");
}

#[test]
fn csv_is_for_programs() {
    insta::assert_snapshot!(column::csv(&columns(), &ROWS[..2]).unwrap(), @r#"
    name,size,seen_at,secret_name,text
    acme/app,1288490189,2026-11-20T12:00:00Z,x,"what we sell, and everything that it is made of"
    acme/a,12,2026-11-20T12:00:00Z,x,"quoted ""text"", with a comma"
    "#);
    let hostile = row(
        "b/c",
        0,
        "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\r\nsecond line\t.",
    );
    let text = column::csv(&columns(), &[hostile]).unwrap();
    assert!(
        text.chars().all(|c| c == '\n' || !is_unprintable(c)),
        "{text:?}"
    );
    assert!(text.contains("\nsecond line ."), "{text:?}");
    assert_eq!(
        column::csv(&columns(), &[]).unwrap(),
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

#[test]
fn the_properties_of_a_thing_fit_the_terminal_and_a_word_stays_whole() {
    let lines = [
        ("Who", "alice".to_owned()),
        (
            "Answer",
            "alice reads 2 flakes at the root address, and public flakes by their names."
                .to_owned(),
        ),
        (
            "From",
            "/home/alice/.config/fh/tokens/cache.example.org (a file)".to_owned(),
        ),
        ("Empty", String::new()),
    ];
    insta::assert_snapshot!(aligned_within(&lines, Some(40)), @r"
    Who:    alice
    Answer: alice reads 2 flakes at the root
            address, and public flakes by
            their names.
    From:   /home/alice/.config/fh/tokens/cache.example.org
            (a file)
    Empty:
    ");
    // A pipe and a terminal that is too narrow for it get each on one line.
    for room in [None, Some(20)] {
        let text = aligned_within(&lines, room);
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
