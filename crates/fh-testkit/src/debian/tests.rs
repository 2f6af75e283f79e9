//! Tests of what is read from the machine; unpacking itself is proved by every use of a Nix version.

use super::Release;
use super::sources::{Source, choose, parse_list, parse_stanzas};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn source(uris: &str, suites: &str, components: &str) -> Source {
    Source {
        uris: words(uris),
        suites: words(suites),
        components: words(components),
    }
}

#[test]
fn one_line_sources_with_options_and_comments() {
    let text = "# deb http://old.example/debian bookworm main\n\
                deb [arch=amd64 signed-by=/a/b.gpg] http://a.example/debian trixie main contrib # why\n\
                deb-src http://a.example/debian trixie main\n\
                \tdeb http://b.example/security trixie-security main\n\
                nonsense\n";
    assert_eq!(
        parse_list(text),
        [
            source("http://a.example/debian", "trixie", "main contrib"),
            source("http://b.example/security", "trixie-security", "main"),
        ]
    );
}

#[test]
fn stanzas_with_comments_folding_and_switched_off() {
    let text = "Types: deb\n# http://snapshot.example/\nURIs: http://a.example/debian\n\
                Suites: bookworm\n bookworm-updates\nComponents: main\n\n\
                Types: deb-src\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n\n\
                Enabled: no\nTypes: deb\nURIs: http://c.example/debian\nSuites: sid\nComponents: main\n";
    assert_eq!(
        parse_stanzas(text),
        [source(
            "http://a.example/debian",
            "bookworm bookworm-updates",
            "main"
        )]
    );
}

#[test]
fn only_debian_itself_is_chosen_as_mirror() {
    let sources = [
        source("http://security.example/", "bookworm-security", "main"),
        source("http://tools.example/", "nodistro", "main"),
        source("http://contrib.example/", "bookworm", "contrib"),
        source("cdrom:[Debian] http://a.example/debian", "bookworm", "main"),
    ];
    assert_eq!(
        choose(&sources, "bookworm").as_deref(),
        Some("http://a.example/debian"),
        "a cdrom is passed over"
    );
    assert_eq!(choose(&sources[..3], "bookworm"), None);
    let sid = [source("http://a.example/debian", "sid", "main")];
    assert_eq!(choose(&sid, "").as_deref(), Some("http://a.example/debian"));
}

#[test]
fn os_release_is_read_with_and_without_quotes() {
    let release =
        Release::parse("PRETTY_NAME=\"Some Linux 1\"\nID=debian\nVERSION_CODENAME='trixie'\n");
    assert_eq!(release.id, "debian");
    assert_eq!(release.codename, "trixie");
    assert_eq!(release.pretty_name, "Some Linux 1");
}
