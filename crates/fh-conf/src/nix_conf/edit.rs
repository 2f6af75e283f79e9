//! Writing: additions to lists, single settings, and taking them back.

use super::value::{
    base_name, check_list_name, check_list_value, check_value, same_cache, same_value,
};
use super::{NixConf, SetIfUnset};
use crate::text::{append_line, splice};
use crate::{Error, Result};

impl NixConf {
    /// Adds values to a list setting, given as `extra-NAME`: those that [`NixConf::list_contains`]
    /// does not find go to the end of an own `extra-NAME` line that has an effect, or else on a new
    /// line at the end. Gives back what was added; with nothing to add, no byte changes.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for a name that is not `extra-…` or a value that is not one word,
    /// [`Error::NixConfUndone`]; nothing is changed then.
    pub fn add_to_list<V: AsRef<str>>(&mut self, name: &str, values: &[V]) -> Result<Vec<String>> {
        check_list_name(name)?;
        let mut added: Vec<String> = Vec::new();
        for value in values.iter().map(AsRef::as_ref) {
            check_list_value(name, value)?;
            let twice = added.iter().any(|other| same_cache(name, other, value));
            if !twice && !self.list_contains(name, value) {
                added.push(value.to_owned());
            }
        }
        if added.is_empty() {
            return Ok(added);
        }
        let words = added.join(" ");
        let text = if let Some(end) = self.effective_extra_line(base_name(name)) {
            splice(&self.text, &[(end..end, format!(" {words}").into_bytes())])
        } else {
            let mut text = self.text.clone();
            append_line(&mut text, format!("{name} = {words}").as_bytes());
            text
        };
        let edited = self.with_text(text)?;
        if !added.iter().all(|value| edited.list_contains(name, value)) {
            return Err(edited.undone(name));
        }
        *self = edited;
        Ok(added)
    }

    /// What undoes an addition to a list.
    fn undone(&self, name: &str) -> Error {
        let (path, line) = self.set_by(name).unwrap_or((self.path.as_path(), 1));
        Error::NixConfUndone {
            name: base_name(name).to_owned(),
            path: path.to_owned(),
            line,
        }
    }

    /// The end of the last word of the last own `extra-…` line that no later `NAME = …` undoes and
    /// that is not empty.
    fn effective_extra_line(&self, base: &str) -> Option<usize> {
        let of_list = self.assignments_of(base).rev();
        let mut counting = of_list.take_while(|assignment| assignment.extra);
        let own = counting
            .find_map(|assignment| assignment.own.filter(|_| !assignment.words.is_empty()))?;
        self.own.get(own)?.words.last().map(|word| word.end)
    }

    /// Removes values from the file's own lines of a list setting (`NAME` or `extra-NAME`, or its
    /// alias, as given), also where they have no effect. An `extra-NAME` line that has no value
    /// left goes too, unless a comment stands on it; `NAME =` stays, because it makes the list
    /// empty. Gives back what was removed.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for a name or value that cannot be in the file; nothing is changed
    /// then.
    pub fn remove_from_list<V: AsRef<str>>(
        &mut self,
        name: &str,
        values: &[V],
    ) -> Result<Vec<String>> {
        for value in values {
            check_list_value(name, value.as_ref())?;
        }
        let wanted = |present: &str| {
            let mut values = values.iter().map(AsRef::as_ref);
            values.any(|value| same_value(name, present, value))
        };
        self.cut(name, usize::MAX, wanted)
    }

    /// Removes the last value of the file's own lines of a list that is exactly this one: what
    /// [`NixConf::add_to_list`] added, while others that stand there without effect stay. Whether
    /// there was one.
    ///
    /// # Errors
    ///
    /// As [`NixConf::remove_from_list`].
    pub fn take_from_list(&mut self, name: &str, value: &str) -> Result<bool> {
        check_list_value(name, value)?;
        let removed = self.cut(name, 1, |present| present == value)?;
        Ok(!removed.is_empty())
    }

    /// Removes public keys that a server has retired from the file's own lines, given whole, with
    /// their names; a key of that name with another value is somebody else's. Gives back those that
    /// were there.
    ///
    /// # Errors
    ///
    /// As [`NixConf::remove_from_list`].
    pub fn remove_public_keys<K: AsRef<str>>(&mut self, keys: &[K]) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in ["extra-trusted-public-keys", "trusted-public-keys"] {
            removed.extend(self.remove_from_list(name, keys)?);
        }
        removed.sort();
        removed.dedup();
        Ok(removed)
    }

    /// Removes up to `most` values from own lines, the last first.
    fn cut(
        &mut self,
        name: &str,
        most: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        let mut text = self.text.clone();
        // From the end, so that places further up stay right.
        for setting in self
            .own
            .iter()
            .rev()
            .filter(|setting| setting.is(&self.text, name))
        {
            let mut cuts = Vec::new();
            for (index, word) in setting.words.iter().enumerate().rev() {
                let present = String::from_utf8_lossy(&self.text[word.clone()]);
                if removed.len() < most && wanted(&present) {
                    let before = match index.checked_sub(1) {
                        Some(before) => setting.words[before].end,
                        None => setting.equals_end,
                    };
                    cuts.insert(0, (before..word.end, Vec::new()));
                    removed.push(present.into_owned());
                }
            }
            let empties = !cuts.is_empty() && cuts.len() == setting.words.len();
            if empties && !setting.has_comment && setting.is_extra(&self.text) {
                cuts = vec![(setting.lines(&text), Vec::new())];
            }
            text = splice(&text, &cuts);
        }
        if !removed.is_empty() {
            *self = self.with_text(text)?;
        }
        removed.reverse();
        Ok(removed)
    }

    /// Gives a setting a value on a new line at the end, if nothing that was read sets it.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for what cannot stand in the file; nothing is changed then.
    pub fn set_if_unset(&mut self, name: &str, value: &str) -> Result<SetIfUnset> {
        check_value(name, value)?;
        if let Some(present) = self.effective(name) {
            return Ok(SetIfUnset::AlreadySet(present));
        }
        let mut text = self.text.clone();
        append_line(&mut text, format!("{name} = {value}").as_bytes());
        *self = self.with_text(text)?;
        Ok(SetIfUnset::Set)
    }

    /// Removes the file's own lines that give a setting exactly this value; whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::NixConfValue`] for what cannot stand in the file; nothing is changed then.
    pub fn unset(&mut self, name: &str, value: &str) -> Result<bool> {
        check_value(name, value)?;
        let mut text = self.text.clone();
        for setting in self
            .own
            .iter()
            .rev()
            .filter(|setting| setting.is(&self.text, name))
        {
            if setting.value(&self.text) == value {
                text = splice(&text, &[(setting.lines(&text), Vec::new())]);
            }
        }
        let changed = text != self.text;
        *self = self.with_text(text)?;
        Ok(changed)
    }
}
