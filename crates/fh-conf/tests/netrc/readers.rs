//! Models of how the versions of curl read a netrc file, to judge edits by readers that are not
//! installed.
//!
//! Written after the behaviour of `lib/netrc.c` in its ages; the one of Debian 12 is held to that
//! program in `curl.rs`.

use fh_conf::netrc::{Change, Entry, Netrc};
use proptest::prelude::*;

use super::files::file;

pub(crate) type Found = Option<(Option<String>, Option<String>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// What curl was up to 7.83.
    Plain,
    /// What curl was from 7.84 to 8.10.
    Quotes,
    /// The same with the security fixes of Debian 12.
    Fixed,
    /// 8.11 to 8.18 or so.
    InMemory,
    /// What curl is after that.
    Lexer,
}

pub(crate) const AGES: [Age; 5] = [
    Age::Plain,
    Age::Quotes,
    Age::Fixed,
    Age::InMemory,
    Age::Lexer,
];

impl Age {
    /// Whether `#` before a word makes the rest of the line a remark.
    fn has_remarks(self) -> bool {
        matches!(self, Self::Quotes | Self::Fixed)
    }

    /// Whether what an entry said is forgotten at the next one.
    fn forgets(self) -> bool {
        matches!(self, Self::Fixed | Self::InMemory)
    }
}

struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }
}

/// What a line says.
struct Line {
    words: Vec<Word>,
    /// Whether the reader gives up behind these.
    gives_up: bool,
}

/// The words of a line, which has no LF at its end but may have a CR.
fn words(line: &str, age: Age) -> Line {
    let mut words = Vec::new();
    let text = format!("{line}\n");
    let mut rest = text.trim_start_matches([' ', '\t']);
    let mut gives_up = false;
    if rest.starts_with('#') {
        return Line { words, gives_up };
    }
    while !rest.is_empty() {
        match age {
            Age::Quotes | Age::Fixed if rest.starts_with('#') => break,
            // White space is all the same.
            Age::Plain | Age::Lexer => rest = rest.trim_start_matches([' ', '\t', '\r', '\n']),
            Age::InMemory if rest.starts_with('\n') => break,
            Age::InMemory if rest.starts_with('\r') => {
                gives_up = true;
                break;
            }
            Age::Quotes | Age::Fixed | Age::InMemory => {}
        }
        if rest.is_empty() {
            break;
        }
        if age != Age::Plain && rest.starts_with('"') {
            let mut text = String::new();
            let mut letters = rest[1..].char_indices();
            let end = loop {
                let escaped = match letters.next() {
                    Some((at, '"')) => break Some(at + 2),
                    Some((_, '\\')) => letters.next().map(|(_, letter)| match letter {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        other => other,
                    }),
                    other => other.map(|(_, letter)| letter),
                };
                match escaped {
                    Some(letter) => text.push(letter),
                    None => break None,
                }
            };
            let Some(end) = end else {
                gives_up = true;
                break;
            };
            words.push(Word { text, quoted: true });
            rest = &rest[end..];
        } else {
            let end = rest.find([' ', '\t', '\r', '\n']).unwrap_or(rest.len());
            words.push(Word {
                text: rest[..end].to_owned(),
                quoted: false,
            });
            rest = &rest[end..];
        }
        if !matches!(age, Age::Plain | Age::Lexer) {
            // It goes on behind the one character that ended the word. From 7.84 to 8.10, what
            // comes then, be it a line end, begins a word, which may be empty.
            rest = rest.get(1..).unwrap_or("").trim_start_matches([' ', '\t']);
        }
    }
    Line { words, gives_up }
}

/// What the reader of an age sends to a host: login and password.
pub(crate) fn read(text: &str, host: &str, age: Age) -> Found {
    match age {
        Age::Lexer => read_by_entries(text, host),
        _ => read_by_states(text, host, age),
    }
}

fn read_by_states(text: &str, host: &str, age: Age) -> Found {
    #[derive(PartialEq)]
    enum State {
        Between,
        Name,
        Ours,
        Macro,
    }
    let mut state = State::Between;
    let mut pending: Option<bool> = None;
    let (mut login, mut password) = (None, None);
    let mut matched = false;
    for line in text.split('\n') {
        if state == State::Macro {
            let start = if age == Age::InMemory {
                line.trim_start_matches([' ', '\t'])
            } else {
                line
            };
            if start.is_empty() || start.starts_with('\r') {
                state = State::Between;
            }
            if age.has_remarks() {
                continue;
            }
        }
        let line = words(line, age);
        for word in line.words {
            if login.is_some() && password.is_some() {
                return Some((login, password));
            }
            match state {
                State::Between if word.is("machine") => {
                    state = State::Name;
                    if age.forgets() {
                        (login, password) = (None, None);
                    }
                }
                State::Between if word.is("default") => (state, matched) = (State::Ours, true),
                State::Between if word.is("macdef") && age != Age::Plain => state = State::Macro,
                State::Between | State::Macro => {}
                State::Name if word.is(host) => (state, matched) = (State::Ours, true),
                State::Name => state = State::Between,
                State::Ours => match pending.take() {
                    Some(true) => login = Some(word.text),
                    Some(false) => password = Some(word.text),
                    None if word.is("login") => pending = Some(true),
                    None if word.is("password") => pending = Some(false),
                    None if word.is("machine") => {
                        if age.forgets() {
                            if age == Age::InMemory && password.is_some() {
                                return Some((login, password));
                            }
                            (login, password) = (None, None);
                        }
                        state = State::Name;
                    }
                    None if word.is("default") && age == Age::InMemory => {
                        (login, password) = (None, None);
                    }
                    None => {}
                },
            }
        }
        if line.gives_up {
            return Some((login, password))
                .filter(|(login, password)| login.is_some() && password.is_some());
        }
    }
    matched
        .then_some((login, password))
        .filter(|found| age != Age::InMemory || *found != (None, None))
}

fn read_by_entries(text: &str, host: &str) -> Found {
    let mut entries: Vec<(bool, Option<String>, Option<String>)> = vec![(false, None, None)];
    let mut lines = text.split('\n');
    let mut expected: Option<&str> = None;
    while let Some(line) = lines.next() {
        let line = words(line, Age::Lexer);
        if line.gives_up {
            return None;
        }
        for word in line.words {
            let last = entries.len() - 1;
            match expected.take() {
                Some("machine") => entries[last].0 = word.is(host),
                Some("login") => entries[last].1 = Some(word.text),
                Some("password") => entries[last].2 = Some(word.text),
                None if word.quoted => {}
                None if word.is("machine") => {
                    entries.push((false, None, None));
                    expected = Some("machine");
                }
                None if word.is("default") => entries.push((true, None, None)),
                None if word.is("login") => expected = Some("login"),
                None if word.is("password") => expected = Some("password"),
                None if word.is("account") => expected = Some("account"),
                None if word.is("macdef") => {
                    entries.push((false, None, None));
                    lines.find(|line| line.trim_matches('\r').is_empty());
                    break;
                }
                Some(_) | None => {}
            }
        }
    }
    let ours = entries
        .into_iter()
        .find(|entry| entry.0 && (entry.1.is_some() || entry.2.is_some()))?;
    Some((ours.1, ours.2))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_finds_what_was_set_and_all_else_as_before(before in file(true)) {
        let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else { return Ok(()) };
        prop_assert_eq!(netrc.set("new.example", "fh", "secret").unwrap(), Change::Added);
        let after = String::from_utf8(netrc.to_bytes()).unwrap();
        for age in AGES {
            // A file that this reader gives up at is not for us to mend.
            if age != Age::Plain && before.split('\n').any(|line| words(line, age).gives_up && line.contains('"')) {
                continue;
            }
            // The oldest one knows no macros.
            if age == Age::Plain && before.contains("macdef") {
                continue;
            }
            let ours = Some((Some("fh".to_owned()), Some("secret".to_owned())));
            prop_assert_eq!(read(&after, "new.example", age), ours, "{:?} {}", age, after);
            for host in ["a", "b.example", "z42", "other.example"] {
                // For an entry without login, 8.11 goes on to a `default` that follows, but not to
                // a `machine`.
                let whole = |entry: Entry| entry.login().is_some() && entry.password().is_some();
                if age.forgets() && !netrc.get(host).is_none_or(whole) {
                    continue;
                }
                prop_assert_eq!(read(&after, host, age), read(&before, host, age), "{:?} {} {}", age, host, after);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also of an entry that was there: it is edited in its place, or, where some reader would not
    /// find it there, written above.
    #[test]
    fn every_reader_finds_what_was_changed(before in file(true), host in prop::sample::select(&["a", "b.example", "z42"][..])) {
        let Ok(mut netrc) = Netrc::parse(before.as_bytes()) else { return Ok(()) };
        netrc.set(host, "fh", "secret").unwrap();
        let after = String::from_utf8(netrc.to_bytes()).unwrap();
        for age in AGES {
            if age == Age::Plain && (before.contains("macdef") || before.contains('"')) {
                continue;
            }
            let ours = Some((Some("fh".to_owned()), Some("secret".to_owned())));
            prop_assert_eq!(read(&after, host, age), ours, "{:?} {:?} {:?}", age, before, after);
        }
    }
}

/// The parser that other Rust programs use knows neither comments nor macros, but has to read our
/// entries.
#[test]
fn netrc_rs_reads_what_was_set() {
    let mut netrc = Netrc::parse(b"machine a\r\n\tlogin b password c").expect("understood");
    netrc
        .set("new.example", "fh", "fh1_eyJ.a-b_c=")
        .expect("set");
    netrc.set("A", "fh", "fh1_other").expect("set");
    let text = String::from_utf8(netrc.to_bytes()).expect("text");
    let Ok(parsed) = netrc_rs::Netrc::parse(text, false) else {
        panic!("not understood")
    };
    let machine = |name: &str, login: &str, password: &str| netrc_rs::Machine {
        name: Some(name.to_owned()),
        login: Some(login.to_owned()),
        password: Some(password.to_owned()),
        account: None,
    };
    let expected = [
        machine("a", "fh", "fh1_other"),
        machine("new.example", "fh", "fh1_eyJ.a-b_c="),
    ];
    assert_eq!(parsed.machines, expected);
}
