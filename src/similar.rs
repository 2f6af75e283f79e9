//! Names that look alike: which one was perhaps meant.

use fh_api::Name;

/// The one of these names that was perhaps meant; none where the name is one of them, or none is like it.
pub(crate) fn meant(given: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    nearest(names, |name| distance(given, name))
}

/// The nearest of these, the first of several. What is there as it was given was meant, and is no advice.
pub(crate) fn nearest<T>(
    names: impl IntoIterator<Item = T>,
    far: impl Fn(&T) -> Option<usize>,
) -> Option<T> {
    let near = names
        .into_iter()
        .filter_map(|name| Some((far(&name)?, name)));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance > 0).then_some(name)
}

/// How many letters have to be changed, added, left out or swapped, where these are no more than one in three. Case
/// does not count.
pub(crate) fn distance(given: &str, name: &str) -> Option<usize> {
    let (given, name) = (given.to_lowercase(), name.to_lowercase());
    let most = given.chars().count().max(3) / 3;
    let distance = strsim::damerau_levenshtein(&given, &name);
    (distance <= most).then_some(distance)
}

/// Whether both are one name, as the server compares them: without regard to case.
pub(crate) fn is_same_name(one: &Name, other: &Name) -> bool {
    one.folded() == other.folded()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_was_meant_that_is_a_slip_away() {
        let names = ["web", "website", "App", "ops", "production"];
        for (given, expected) in [
            ("wbe", Some("web")),
            ("we", Some("web")),
            ("webb", Some("web")),
            ("webiste", Some("website")),
            ("app1", Some("App")),
            ("prodcution", Some("production")),
            ("producton", Some("production")),
            // What is there is no slip, whatever its case.
            ("web", None),
            ("APP", None),
            // Other words.
            ("abc", None),
            ("staging", None),
            ("opposite", None),
            ("", None),
        ] {
            let found = meant(given, names.map(str::to_owned));
            assert_eq!(found.as_deref(), expected, "{given:?}");
        }
        assert_eq!(meant("web", []), None);
    }
}
