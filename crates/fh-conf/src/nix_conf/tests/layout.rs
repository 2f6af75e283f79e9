//! Which file is edited: the decision on its own, and on real files and links.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::{
    Decision, FileToEdit, Generator, ModuleValue, Seen, file_to_edit, module_settings,
};
use super::*;

const PATH: &str = "/etc/nix/nix.conf";

fn seen(links: &[&str], text: Option<&str>) -> Seen {
    let target = PathBuf::from(links.last().unwrap_or(&PATH));
    Seen {
        path: PATH.into(),
        links: links.iter().map(PathBuf::from).collect(),
        in_store: target.starts_with("/nix/store"),
        target,
        text: text.map(|text| text.as_bytes().to_vec()),
        is_mac: false,
    }
}

#[test]
fn the_file_of_the_person_is_edited() {
    let edit = Decision::Edit(PATH.into());
    let custom = Decision::GoOn("/etc/nix/nix.custom.conf".into());
    for (text, decision) in [
        (None, &edit),
        (Some("cores = 3\n!include secrets.conf\n"), &edit),
        (Some("# !include nix.custom.conf\n"), &edit),
        (Some("include nix.conf.d/my-nix.custom.conf"), &edit),
        (
            Some("# Generated\ncores = 3\n!include nix.custom.conf\n"),
            &custom,
        ),
        (Some("include ../nix/./nix.custom.conf # x\n"), &custom),
    ] {
        assert_eq!(seen(&[], text).decide().unwrap(), *decision, "{text:?}");
    }
    let elsewhere = seen(&["/home/me/dotfiles/nix.conf"], Some(""));
    assert_eq!(elsewhere.decide().unwrap(), edit);
    assert!(matches!(
        seen(&[], Some("cores 3\n!include nix.custom.conf")).decide(),
        Err(Error::NixConfSyntax {
            line: 1,
            column: 7,
            ..
        })
    ));
}

#[test]
fn what_makes_a_file_in_the_store_is_known_by_its_links() {
    let store = "/nix/store/00000000000000000000000000000000-nix.conf";
    let home =
        "/nix/store/00000000000000000000000000000000-home-manager-files/.config/nix/nix.conf";
    for (links, is_mac, generator) in [
        (
            &["/etc/static/nix/nix.conf", store][..],
            false,
            Generator::NixOs,
        ),
        (
            &["/etc/static/nix/nix.conf", store],
            true,
            Generator::NixDarwin,
        ),
        (&[home, store], false, Generator::HomeManager),
        (&[home], true, Generator::HomeManager),
        (&[store], false, Generator::Unknown),
    ] {
        let seen = Seen {
            is_mac,
            // Never read where the store has it.
            ..seen(links, Some("not understood"))
        };
        assert_eq!(
            seen.decide().unwrap(),
            Decision::Generated(generator),
            "{links:?}"
        );
    }
}

#[test]
fn real_files_and_links_are_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let path = |name: &str| root.join(name);
    let store = path("store");
    for name in ["store/x-home-manager-files", "nix", "dotfiles"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    let edited = |path: &Path, included_by: Option<&Path>| FileToEdit::Path {
        path: path.to_owned(),
        included_by: included_by.map(Path::to_owned),
    };
    let conf = path("nix/nix.conf");
    let custom = path("nix/nix.custom.conf");
    let decide = || file_to_edit(&conf, &store);
    assert_eq!(decide().unwrap(), edited(&conf, None));
    // Determinate Nix, without and with the file that is included.
    fs::write(&conf, "!include nix.custom.conf\n").unwrap();
    assert_eq!(decide().unwrap(), edited(&custom, Some(&conf)));
    fs::write(&custom, "cores = 3\n").unwrap();
    assert_eq!(decide().unwrap(), edited(&custom, Some(&conf)));
    // It includes itself, or is made from a configuration.
    fs::write(&custom, "include nix.custom.conf\n").unwrap();
    assert_eq!(decide().unwrap(), edited(&custom, Some(&conf)));
    fs::create_dir(path("more")).unwrap();
    fs::write(&custom, "include ../more/nix.custom.conf\n").unwrap();
    fs::write(
        path("more/nix.custom.conf"),
        "include ../nix/nix.custom.conf\n",
    )
    .unwrap();
    assert!(matches!(decide(), Err(Error::IncludeCycle { .. })));
    fs::remove_file(&custom).unwrap();
    let generated = path("store/x-home-manager-files/nix.conf");
    fs::write(&generated, "cores = 3\n").unwrap();
    symlink(&generated, path("dotfiles/nix.conf")).unwrap();
    symlink("../dotfiles/nix.conf", &custom).unwrap();
    let expected = FileToEdit::Generated {
        path: custom.clone(),
        target: generated,
        by: Generator::HomeManager,
    };
    assert_eq!(decide().unwrap(), expected);
    let seen = Seen::look(&custom, &store).unwrap();
    assert_eq!(seen.links.len(), 2);
    assert!(!format!("{seen:?}").contains("cores"));
    // A link to elsewhere is edited where it leads, under the name by which Nix opens it.
    fs::remove_file(path("dotfiles/nix.conf")).unwrap();
    fs::write(path("dotfiles/nix.conf"), "cores = 3\n").unwrap();
    assert_eq!(decide().unwrap(), edited(&custom, Some(&conf)));
}

#[test]
fn settings_for_a_module_are_nix() {
    let list = ["https://x".to_owned(), "a\"\\${b}\n".to_owned()];
    let text = module_settings(&[
        ("netrc-file", ModuleValue::Text("/home/me/the $netrc")),
        ("extra-substituters", ModuleValue::List(&list)),
    ]);
    assert_eq!(
        text,
        "nix.settings = {\n  netrc-file = \"/home/me/the \\$netrc\";\n  extra-substituters = [ \"https://x\" \"a\\\"\\\\\\${b}\\n\" ];\n};"
    );
}
