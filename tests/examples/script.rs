//! `stage.toml`, which says itself what its parts are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::reader::{Example, Page};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    pub(crate) people: Vec<String>,
    pub(crate) substitutes: Vec<(String, String)>,
    pub(crate) server: Vec<String>,
    pub(crate) answers: Vec<(String, String)>,
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) programs: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) stage: BTreeMap<String, String>,
    pub(crate) printed: Vec<Printed>,
    cue: Vec<Cue>,
}

/// A command that prints what a document shows as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Printed {
    pub(crate) at: String,
    pub(crate) run: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Cue {
    at: String,
    example: Option<String>,
    #[serde(default)]
    each: bool,
    anew: Option<String>,
    #[serde(rename = "as")]
    person: Option<String>,
    run: Option<String>,
    until: Option<String>,
    meanwhile: Option<String>,
    #[serde(default)]
    terminal: bool,
    answer: Option<String>,
    exit: Option<i32>,
    #[serde(default)]
    server: Vec<String>,
    with: Option<String>,
}

impl Cue {
    fn is_about(&self, page: &Page, example: &Example) -> bool {
        let begins = |beginning: &String| example.line.starts_with(beginning.as_str());
        self.at == page.name && self.example.as_ref().is_none_or(begins)
    }
}

/// What is to be done for one example: what all cues that are about it say, a later one before an earlier.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    pub(crate) anew: Option<String>,
    pub(crate) person: Option<String>,
    pub(crate) server: Vec<String>,
    pub(crate) run: Vec<String>,
    pub(crate) with: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) meanwhile: Option<String>,
    pub(crate) terminal: bool,
    pub(crate) answer: Option<String>,
    pub(crate) exit: i32,
}

impl Script {
    pub(crate) fn load() -> Self {
        toml::from_str(include_str!("stage.toml")).unwrap()
    }

    /// Every cue for one of these pages, or for a page of their kind, has an example.
    pub(crate) fn check(&self, pages: &[Page]) {
        let documents: BTreeSet<bool> = pages.iter().map(|page| is_document(&page.name)).collect();
        for cue in &self.cue {
            let mut examples = pages
                .iter()
                .flat_map(|page| page.examples.iter().map(move |example| (page, example)));
            let found = examples.any(|(page, example)| cue.is_about(page, example));
            let elsewhere = !documents.contains(&is_document(&cue.at));
            assert!(found || elsewhere, "no example for {cue:?}");
        }
    }

    pub(crate) fn direction(&self, page: &Page, example: &Example, first: bool) -> Direction {
        let mut direction = Direction::default();
        let cues = self.cue.iter().filter(|cue| cue.is_about(page, example));
        for cue in cues.clone() {
            // What is about the whole page is done once; but how its examples are typed holds for all of them.
            let once = cue.example.is_none() && !cue.each && !first;
            direction.terminal |= cue.terminal;
            set(&mut direction.with, cue.with.as_ref());
            if once {
                continue;
            }
            set(&mut direction.anew, cue.anew.as_ref());
            set(&mut direction.person, cue.person.as_ref());
            set(&mut direction.until, cue.until.as_ref());
            set(&mut direction.meanwhile, cue.meanwhile.as_ref());
            set(&mut direction.answer, cue.answer.as_ref());
            direction.run.extend(cue.run.clone());
            direction.exit = cue.exit.unwrap_or(direction.exit);
            if !cue.server.is_empty() {
                direction.server.clone_from(&cue.server);
            }
        }
        if first || cues.clone().any(|cue| cue.each) {
            direction.anew.get_or_insert_with(|| "company".to_owned());
        }
        if direction.anew.is_some() {
            direction.person.get_or_insert_with(|| "admin".to_owned());
        }
        direction
    }
}

fn is_document(page: &str) -> bool {
    page.ends_with(".md")
}

fn set(field: &mut Option<String>, value: Option<&String>) {
    if value.is_some() {
        *field = value.cloned();
    }
}
