//! The YAML of documents: as much of it as workflows and manifests use. What it does not understand is an error, so that
//! nothing is passed over: maps and lists by indentation, plain words, comments.

/// A document or a part of it. Lines are counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Yaml {
    Empty,
    Text(usize, String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

/// What a step of a job runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    pub(crate) number: usize,
    pub(crate) line: &'a str,
    pub(crate) variables: Vec<(&'a str, &'a str)>,
}

/// The number of a line, and what is wrong with it.
type Problem = (usize, String);

struct Line {
    number: usize,
    indent: usize,
    text: String,
}

struct Reader {
    lines: Vec<Line>,
    at: usize,
}

impl Yaml {
    pub(crate) fn read(lines: &[&str]) -> Result<Self, Problem> {
        let mut kept = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let number = index + 1;
            if line.contains('\t') {
                return Err((number, "a tab".to_owned()));
            }
            let text = line.trim_start();
            if !text.is_empty() && !text.starts_with('#') {
                let indent = line.len() - text.len();
                let text = text.trim_end().to_owned();
                kept.push(Line {
                    number,
                    indent,
                    text,
                });
            }
        }
        let mut reader = Reader { lines: kept, at: 0 };
        let first = reader.lines.first();
        let indent = first.ok_or((1, "nothing in it".to_owned()))?.indent;
        let read = reader.node(indent)?;
        match reader.lines.get(reader.at) {
            Some(line) => Err((line.number, "indented less than what it is in".to_owned())),
            None => Ok(read),
        }
    }

    /// The steps of GitHub's jobs (`run`) and of GitLab's (`script`), with the variables that stand beside them.
    pub(crate) fn commands(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        if let Self::List(items) = self {
            steps.extend(items.iter().flat_map(Self::commands));
        }
        let Self::Map(pairs) = self else {
            return steps;
        };
        for (key, value) in pairs {
            let (lines, beside) = match (key.as_str(), value) {
                ("run", Self::Text(..)) => (std::slice::from_ref(value), "env"),
                ("script", Self::List(items)) => (items.as_slice(), "variables"),
                _ => {
                    steps.extend(value.commands());
                    continue;
                }
            };
            let variables = pairs.iter().find(|(key, _)| key == beside);
            let variables: Vec<(&str, &str)> = match variables {
                Some((_, Self::Map(pairs))) => pairs
                    .iter()
                    .filter_map(|(key, value)| match value {
                        Self::Text(_, value) => Some((key.as_str(), value.as_str())),
                        _ => None,
                    })
                    .collect(),
                _ => Vec::new(),
            };
            for line in lines {
                if let Self::Text(number, line) = line {
                    steps.push(Step {
                        number: *number,
                        line,
                        variables: variables.clone(),
                    });
                }
            }
        }
        steps
    }

    /// Every word or sentence in it.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Empty => Vec::new(),
            Self::Text(_, text) => vec![text],
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
            Self::Map(pairs) => pairs.iter().flat_map(|(_, value)| value.texts()).collect(),
        }
    }
}

impl Reader {
    /// What begins at the present line and is indented so far.
    fn node(&mut self, indent: usize) -> Result<Yaml, Problem> {
        let line = &self.lines[self.at];
        let read = if line.text.starts_with("- ") {
            self.list(indent)?
        } else if key_of(&line.text).is_some() {
            self.map(indent)?
        } else {
            self.at += 1;
            Yaml::Text(line.number, plain(line.number, &line.text)?)
        };
        match self.lines.get(self.at) {
            Some(line) if line.indent > indent => {
                Err((line.number, "indented more than what it is in".to_owned()))
            }
            _ => Ok(read),
        }
    }

    fn list(&mut self, indent: usize) -> Result<Yaml, Problem> {
        let mut items = Vec::new();
        while let Some(line) = self.lines.get_mut(self.at) {
            let item = line
                .text
                .strip_prefix("- ")
                .filter(|_| line.indent == indent);
            let Some(item) = item else { break };
            // What stands behind the dash begins there, and goes on below it.
            let item = item.trim_start().to_owned();
            line.indent += line.text.len() - item.len();
            line.text = item;
            let indent = line.indent;
            items.push(self.node(indent)?);
        }
        Ok(Yaml::List(items))
    }

    fn map(&mut self, indent: usize) -> Result<Yaml, Problem> {
        let mut pairs: Vec<(String, Yaml)> = Vec::new();
        while let Some(line) = self.lines.get(self.at) {
            if line.indent != indent || line.text.starts_with("- ") {
                break;
            }
            let number = line.number;
            let found = key_of(&line.text);
            let (key, value) = found.ok_or((number, "no key".to_owned()))?;
            let (key, value) = (key.to_owned(), value.to_owned());
            if pairs.iter().any(|(there, _)| *there == key) {
                return Err((number, format!("{key} is said twice")));
            }
            self.at += 1;
            let value = match (value.as_str(), self.lines.get(self.at)) {
                ("", Some(next)) if next.indent > indent => self.node(next.indent)?,
                // A list may stand as far to the left as its key.
                ("", Some(next)) if next.indent == indent && next.text.starts_with("- ") => {
                    self.list(indent)?
                }
                ("", _) => Yaml::Empty,
                (value, _) => Yaml::Text(number, plain(number, value)?),
            };
            pairs.push((key, value));
        }
        Ok(Yaml::Map(pairs))
    }
}

/// A key with what stands behind it.
fn key_of(text: &str) -> Option<(&str, &str)> {
    let (key, value) = match text.split_once(": ") {
        Some((key, value)) => (key, value.trim_start()),
        None => (text.strip_suffix(':')?, ""),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_key = !key.is_empty() && key.chars().all(is_plain);
    is_key.then_some((key, if value.starts_with('#') { "" } else { value }))
}

/// A scalar without quotes, without its comment.
fn plain(number: usize, text: &str) -> Result<String, Problem> {
    let text = text.split(" #").next().unwrap_or_default().trim_end();
    // YAML gives a meaning to all of these.
    let special = text.starts_with(|c: char| "&*!|>%@`'\"{}[],?".contains(c));
    if special || text.contains(": ") || text.ends_with(':') {
        return Err((number, format!("not a plain word or sentence: {text}")));
    }
    Ok(text.to_owned())
}

#[test]
fn what_is_understood_is_read_and_the_rest_is_refused() {
    let text = "# a job\njob:\n  script:\n  - fh a -- b   # why\n  - nix build .#x\n  variables:\n    A: ${{ s.B }}\n    \
                C: https://d.example\nsteps:\n  - run: fh e\n    env:\n      F: g\n  - uses: h\n  - run: fh i\n";
    let read = Yaml::read(&text.lines().collect::<Vec<_>>()).unwrap();
    let given = [("A", "${{ s.B }}"), ("C", "https://d.example")];
    let step = |number, line, variables: &[(&'static str, &'static str)]| Step {
        number,
        line,
        variables: variables.to_vec(),
    };
    assert_eq!(
        read.commands(),
        [
            step(4, "fh a -- b", &given),
            step(5, "nix build .#x", &given),
            step(10, "fh e", &[("F", "g")]),
            step(14, "fh i", &[]),
        ]
    );
    assert_eq!(read.texts().len(), 8);
    for (text, line) in [
        ("a: b\n  c: d", 2),
        ("  a: b\nc: d", 2),
        ("a: b\na: c", 2),
        ("a:\tb", 1),
        ("- run: fh a: b", 1),
        ("- run: 'fh a'", 1),
        ("a: [ b ]", 1),
        ("a: |\n  b", 1),
        ("a: b\nc", 2),
        ("a:\n  b\n  c", 3),
        ("a:\n  - b\n c: d", 3),
        ("", 1),
    ] {
        let refused = Yaml::read(&text.lines().collect::<Vec<_>>());
        assert_eq!(refused.unwrap_err().0, line, "{text:?}");
    }
}
