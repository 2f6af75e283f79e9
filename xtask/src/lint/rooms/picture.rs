//! The picture of the house at the top of docs/ARCHITECTURE.md: crates, and the rooms of each from the
//! top floor down. It is the declared order that the imports are held to.
//!
//! ```text
//! fh-conf             what the crate is
//!   ledger            what the room holds
//!   netrc, nix_conf   rooms that stand on one floor: they do not know each other
//! ```

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

/// What opens and ends the picture.
const OPENING: &str = "```house";
const END: &str = "```";

/// The floors of one crate, the top one first; each has the names of its rooms.
pub(super) type Floors = Vec<Vec<String>>;

/// The floors of each crate in the text of docs/ARCHITECTURE.md.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Floors>> {
    let mut lines = text.lines().skip_while(|line| *line != OPENING).skip(1);
    let mut house = BTreeMap::new();
    let mut last: Option<String> = None;
    loop {
        let line = lines
            .next()
            .with_context(|| format!("docs/ARCHITECTURE.md has no picture ({OPENING} … {END})"))?;
        if line == END {
            return Ok(house);
        }
        let (names, _) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
        if line.starts_with(' ') {
            let floors = last
                .as_ref()
                .and_then(|name| house.get_mut(name))
                .with_context(|| format!("the room {names} stands in no crate"))?;
            let floor: Vec<String> = names.split(", ").map(str::to_owned).collect();
            Floors::push(floors, floor);
        } else {
            let again = house.insert(names.to_owned(), Floors::new());
            ensure!(again.is_none(), "the crate {names} stands there twice");
            last = Some(names.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_and_their_floors_are_read_from_the_top_down() {
        let text = "# Title\n```house\nfh        the command line\n  commands  one for each\n  output, setup\nxtask\n```\nmore\n";
        let house = read(text).unwrap();
        assert_eq!(
            house["fh"],
            [vec!["commands"], vec!["output", "setup"]] as [Vec<&str>; 2]
        );
        assert!(house["xtask"].is_empty());
    }

    #[test]
    fn a_page_without_its_picture_is_refused() {
        assert!(read("# Title\n").is_err());
        assert!(read("```house\n  room\n```\n").is_err());
    }
}
