//! The fenced blocks that nobody types: each language has a way in which it is checked.
//!
//! ```text
//! toml   a server's configuration, which `fh serve --check=settings` takes with every key of it; or what
//!        `fh provision --dry-run` takes, if it has organisations or users
//! nix    parsed by every version of Nix; what is no whole expression is what stands in a module of NixOS, and is
//!        evaluated with those of the flake
//! json   what the command prints that `stage.toml` names (`printed`)
//! ini    a unit of systemd, which `systemd-analyze verify` takes; one without a command adds to the one before it
//! ```
//!
//! Shells and YAML are played as examples. A block without a language is a drawing. Every other language is an error
//! here: it needs a way of its own, or a reason, `<!-- not run: REASON -->`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use fh_testkit::nix::{Home, versions};
use serde_json::Value;

use crate::nixos::{evaluate, newest};
use crate::reader::{self, Block};
use crate::script::Script;
use crate::stage::Stage;

/// How a language is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// It is typed into a shell, as an example.
    Played,
    Drawing,
    Configuration,
    Nix,
    Printed,
    Unit,
}

/// The way of a block; none where nothing here holds its language.
fn way(language: &str) -> Option<Way> {
    Some(match language {
        "console" | "sh" | "bash" | "yaml" => Way::Played,
        "" => Way::Drawing,
        "toml" => Way::Configuration,
        "nix" => Way::Nix,
        "json" => Way::Printed,
        "ini" => Way::Unit,
        _ => return None,
    })
}

#[test]
fn every_block_of_the_documents_is_checked() {
    let texts = reader::texts();
    let script = Script::load();
    let mut stage = Stage::new(&script, versions().first().unwrap());
    let mut failures = String::new();
    let mut checked = BTreeSet::new();
    for (name, text) in &texts {
        let mut unit = String::new();
        let mut printed = script.printed.iter().filter(|one| one.at == *name);
        for block in reader::blocks(name, text) {
            if block.not_run.is_some() {
                continue;
            }
            let Some(way) = way(block.language) else {
                let language = block.language;
                let _ = writeln!(
                    failures,
                    "{name}:{}: nothing holds {language}",
                    block.number
                );
                continue;
            };
            checked.insert(way);
            let lines = block.lines.join("\n");
            let result = match (way, &mut stage) {
                // Without a stage this machine lacks what one needs, which was said.
                (Way::Played, _) | (Way::Configuration | Way::Printed, None) => Ok(()),
                (Way::Drawing, _) => drawing(&block),
                (Way::Nix, _) => nix(&lines),
                (Way::Unit, _) => unit_of(&mut unit, &lines),
                (Way::Configuration, Some(stage)) => configuration(stage, &lines),
                (Way::Printed, Some(stage)) => match printed.next() {
                    Some(one) => prints(stage, &one.run, &lines),
                    None => Err("no `printed` of stage.toml is about it".to_owned()),
                },
            };
            if let Err(problem) = result {
                let _ = writeln!(failures, "{name}:{}: {problem}", block.number);
            }
        }
        let is_used = stage.is_none() || printed.next().is_none();
        assert!(is_used, "{name}: one `printed` too many");
    }
    assert!(failures.is_empty(), "{failures}");
    assert_eq!(checked.len(), 6, "{checked:?}");
}

fn drawing(block: &Block<'_>) -> Result<(), String> {
    let typed = |line: &&&str| line.starts_with("$ ");
    match block.lines.iter().find(typed) {
        Some(line) => Err(format!("this is typed, so it needs a language: {line}")),
        None => Ok(()),
    }
}

/// The settings of a server, or what a file of `fh provision` says.
fn configuration(stage: &mut Stage<'_>, text: &str) -> Result<(), String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    stage.put_back("company")?;
    stage.write("block.toml", text);
    if table.contains_key("org") || table.contains_key("users") {
        let run = stage.shell("admin", "fh provision block.toml --dry-run");
        return (run.code == Some(0)).then_some(()).ok_or(run.to_string());
    }
    let run = stage.shell(
        "admin",
        "fh serve --config block.toml --check=settings --data-dir nothing --json",
    );
    if run.code != Some(0) {
        return Err(run.to_string());
    }
    let answer: Value = serde_json::from_str(&run.text).map_err(|error| error.to_string())?;
    for key in table.keys() {
        let origin = answer["settings"][key]["origin"].as_str();
        if !origin.is_some_and(|origin| origin.contains("block.toml")) {
            return Err(format!("{key} is not what the server uses: {answer}"));
        }
    }
    Ok(())
}

fn nix(text: &str) -> Result<(), String> {
    let first = text.lines().find(|line| !line.trim().is_empty());
    // `attribute.path = …;`, as it stands between the braces of a module.
    let is_part = !first.is_some_and(|line| line.starts_with('{'));
    let whole = if is_part {
        format!("{{\n{text}\n}}")
    } else {
        text.to_owned()
    };
    for nix in versions() {
        let home = Home::new().unwrap();
        nix.run("nix-instantiate", &home, ["--parse", "--expr", &whole])
            .map_err(|error| format!("{error:#}"))?;
    }
    if is_part {
        // Every option exists, has a value of its type, and fits the others.
        let wanted = "{ inherit (config) nix warnings systemd; }";
        let config = evaluate(newest(), "nixos", text, wanted)?;
        if config["warnings"] != serde_json::json!([]) {
            return Err(config["warnings"].to_string());
        }
    }
    Ok(())
}

/// Whether a command prints this object: all of it but the ids of requests.
fn prints(stage: &mut Stage<'_>, command: &str, text: &str) -> Result<(), String> {
    let object = |text: &str| -> Result<Value, String> {
        let mut value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if let Some(id) = value.get_mut("request_id") {
            let given = id.as_str().ok_or("an id is text")?;
            *id = given.len().into();
        }
        Ok(value)
    };
    stage.put_back("company")?;
    let run = stage.shell("admin", &format!("{command} 2>/dev/null || true"));
    let (shown, printed) = (object(text)?, object(&run.text)?);
    let same = shown == printed;
    same.then_some(())
        .ok_or_else(|| format!("{command} prints {printed}"))
}

/// A unit, which goes on with the one before it on the page unless it has a command itself.
fn unit_of(before: &mut String, text: &str) -> Result<(), String> {
    let mut section = None;
    let mut starts = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']');
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| line.to_owned())?;
        if section.is_none() || key.is_empty() || !key.chars().all(char::is_alphanumeric) {
            return Err(format!("no setting: {line}"));
        }
        if key == "ExecStart" {
            starts.push(value);
        }
    }
    if !starts.is_empty() {
        before.clear();
    }
    before.push_str(text);
    before.push('\n');
    let directory = tempfile::tempdir().unwrap();
    for start in starts {
        // The command line is one that the program takes; its file is an example's.
        let (program, words) = start.split_once(' ').unwrap_or((start, ""));
        let file = directory.path().join("server.toml");
        fs::write(&file, "").unwrap();
        let is_fh = program.ends_with("/fh");
        let words = words.split(' ').map(|word| match word.strip_prefix('/') {
            Some(_) => file.display().to_string(),
            None => word.to_owned(),
        });
        let checked = Command::new(env!("CARGO_BIN_EXE_fh"))
            .args(words)
            .args(["--check=settings", "--data-dir"])
            .arg(directory.path())
            .env("HOME", directory.path())
            .output()
            .unwrap();
        if !is_fh || !checked.status.success() {
            return Err(format!("{start}: {checked:?}"));
        }
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let Some(analyze) = fh_testkit::find_program("systemd-analyze", &search) else {
        fh_testkit::skipped(
            "systemd-analyze is not here: the units of the documents were not verified (Debian: systemd)",
        );
        return Ok(());
    };
    let unit = directory.path().join("example.service");
    let real = before.replace("/usr/bin/fh", env!("CARGO_BIN_EXE_fh"));
    fs::write(&unit, real).unwrap();
    let verified = Command::new(analyze)
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(&unit)
        .output()
        .unwrap();
    // What it does not know it only warns of.
    let said = String::from_utf8_lossy(&verified.stderr);
    let is_right = verified.status.success() && !said.contains("example.service");
    is_right.then_some(()).ok_or_else(|| said.into_owned())
}

/// Of each way, something wrong that it must find.
#[test]
fn wrong_blocks_are_found() {
    for language in ["xml", "text", "yml", "Nix", "toml,ignore"] {
        assert_eq!(way(language), None, "{language}");
    }
    for (text, wrong) in [
        ("programs.fh.enable = true", "unexpected"),
        ("{ a = 1; }}", "unexpected"),
        ("programs.fh.tokenfile = \"/run/x\";", "does not exist"),
        ("services.fh = { enable = true; port = \"443\"; };", "port"),
        (
            "services.fh = { enable = true; openFirewall = true; };",
            "opens no port",
        ),
    ] {
        let told = nix(text).unwrap_err();
        assert!(told.contains(wrong), "{text}: {told}");
    }
    for text in [
        "Type=notify",
        "[Service]\nno setting",
        "[Service]\nExecStart=/usr/bin/fh serve --confg /etc/a.toml",
        "[Service]\nExecStart=/usr/bin/other serve",
    ] {
        assert!(unit_of(&mut String::new(), text).is_err(), "{text}");
    }
    let lines = "```\n$ fh status\n```\n";
    assert!(drawing(&reader::blocks("x", lines)[0]).is_err());
    let indented = reader::blocks(
        "x",
        "- a\n\n  <!-- not run: b -->\n  ```ini\n  [A]\n   c\n  ```\n",
    );
    assert_eq!(indented[0].language, "ini");
    assert_eq!(indented[0].not_run, Some("b"));
    assert_eq!(indented[0].lines, ["[A]", " c"]);

    let script = Script::load();
    let Some(mut stage) = Stage::new(&script, versions().first().unwrap()) else {
        return;
    };
    for (text, wrong) in [
        ("listen = [\"0.0.0.0:443\"\n", "unclosed"),
        ("listn = \"127.0.0.1:0\"", "listn"),
        ("stop-timeout = \"soon\"", "soon"),
        ("[org.acme]\npsh = \"writers\"", "psh"),
        ("users = [\"no name\"]", "no name"),
    ] {
        let told = configuration(&mut stage, text).unwrap_err();
        assert!(told.contains(wrong), "{text}: {told}");
    }
    for text in ["{}", "{\"code\": 404}", "not json"] {
        assert!(prints(&mut stage, "fh flake create acme/app --json", text).is_err());
    }
}
