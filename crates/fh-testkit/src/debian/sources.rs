//! Which Debian mirror this machine uses: apt's source lists, in both of their formats
//! (sources.list(5): one line per source, and deb822 stanzas).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::release::Release;

/// A mirror of the Debian archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    uri: String,
    signed_by: Option<String>,
}

impl Mirror {
    /// A source for `suite` on this mirror, as deb822.
    pub(super) fn stanza(&self, suite: &str) -> String {
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n",
            self.uri
        );
        if let Some(keyring) = &self.signed_by {
            let _ = writeln!(text, "Signed-By: {keyring}");
        }
        text
    }
}

/// One source of packages: addresses × suites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) uris: Vec<String>,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
}

/// The mirror from which this machine gets Debian itself.
pub(super) fn mirror(release: &Release) -> Result<Mirror> {
    ensure!(
        release.id == "debian",
        "this is {}, not Debian: other Nix versions are unpacked from Debian's packages",
        release.pretty_name
    );
    let mut sources = Vec::new();
    let etc = Path::new("/etc/apt");
    if let Ok(text) = fs::read_to_string(etc.join("sources.list")) {
        sources.extend(parse_list(&text));
    }
    for file in files_of(&etc.join("sources.list.d")).unwrap_or_default() {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        match file
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default()
        {
            "list" => sources.extend(parse_list(&text)),
            "sources" => sources.extend(parse_stanzas(&text)),
            _ => {}
        }
    }
    let uri = choose(&sources, &release.codename);
    ensure!(
        uri.is_some(),
        "apt has no source for Debian itself: none in /etc/apt/sources.list and /etc/apt/sources.list.d \
         has a release of Debian with the component main"
    );
    let signed_by = ["gpg", "pgp"]
        .map(|extension| format!("/usr/share/keyrings/debian-archive-keyring.{extension}"))
        .into_iter()
        .find(|keyring| Path::new(keyring).exists());
    Ok(Mirror {
        uri: uri.unwrap_or_default(),
        signed_by,
    })
}

/// The address of the first source that offers a release of Debian, not its updates, its security
/// archive or anybody else's packages.
pub(super) fn choose(sources: &[Source], codename: &str) -> Option<String> {
    let releases = [
        codename,
        "stable",
        "oldstable",
        "testing",
        "unstable",
        "sid",
    ];
    sources
        .iter()
        .filter(|source| source.components.iter().any(|name| name == "main"))
        .filter(|source| {
            source
                .suites
                .iter()
                .any(|suite| releases.contains(&suite.as_str()))
        })
        .flat_map(|source| &source.uris)
        .find(|uri| !uri.starts_with("cdrom:"))
        .cloned()
}

/// `deb [option=value …] URI SUITE COMPONENT…`, one per line.
pub(super) fn parse_list(text: &str) -> Vec<Source> {
    text.lines()
        .filter_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let rest = line.trim().strip_prefix("deb")?;
            let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
            let rest = match rest.strip_prefix('[') {
                Some(options) => options.split_once(']')?.1,
                None => rest,
            };
            let mut words = rest.split_whitespace().map(str::to_owned);
            Some(Source {
                uris: vec![words.next()?],
                suites: vec![words.next()?],
                components: words.collect(),
            })
        })
        .collect()
}

/// `Field: value` stanzas separated by empty lines; a value goes on in lines that begin with a blank.
pub(super) fn parse_stanzas(text: &str) -> Vec<Source> {
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |all, line| all + line.trim_end() + "\n");
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(text: &str) -> Option<Source> {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        let words = |value: &str| value.split_whitespace().map(str::to_owned).collect();
        if line.starts_with([' ', '\t']) {
            let more: Vec<String> = words(line);
            fields.last_mut()?.1.extend(more);
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_ascii_lowercase(), words(value)));
        }
    }
    let field = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, values)| values.clone())
    };
    let disabled = field("enabled").is_some_and(|words| words.iter().any(|word| word == "no"));
    let binary = field("types")?.iter().any(|kind| kind == "deb");
    (binary && !disabled).then_some(Source {
        uris: field("uris")?,
        suites: field("suites")?,
        components: field("components").unwrap_or_default(),
    })
}

/// The files and directories in a directory, sorted by name.
pub(super) fn files_of(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
