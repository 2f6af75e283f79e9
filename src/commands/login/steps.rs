//! Changing several files, or none: what was written is taken back if a later change fails.

use std::path::{Path, PathBuf};

use fh_conf::atomic::{self, EditOptions};

use crate::error::CommandError;

/// A file as it was before a change, and as the change left it.
struct Written {
    path: PathBuf,
    options: EditOptions,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
}

/// The changes so far. Those that are not kept with [`Steps::keep`] are taken back.
#[derive(Default)]
pub(super) struct Steps {
    written: Vec<Written>,
}

impl Steps {
    /// Carries out one change of one or more files, and remembers what they were.
    pub(super) fn change<T>(
        &mut self,
        files: &[(PathBuf, EditOptions)],
        change: impl FnOnce() -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let mut before = Vec::new();
        for (path, _) in files {
            before.push(content(path)?);
        }
        let result = change();
        // A change of several files may have failed after the first of them.
        for ((path, options), before) in files.iter().zip(before) {
            let after = content(path)?;
            if after != before {
                self.written.push(Written {
                    path: path.clone(),
                    options: options.clone(),
                    before,
                    after,
                });
            }
        }
        result
    }

    /// Nothing failed: what was written stays.
    pub(super) fn keep(mut self) {
        self.written.clear();
    }

    /// Takes everything back, the last change first, and adds to the error what could not be.
    pub(super) fn take_back(mut self, error: CommandError) -> CommandError {
        let mut left = Vec::new();
        while let Some(written) = self.written.pop() {
            if !written.restore() {
                left.push(written.path.display().to_string());
            }
        }
        if left.is_empty() {
            return error.hint("Nothing was changed.");
        }
        error.hint(format!(
            "This was changed and could not be taken back: {}",
            left.join(", ")
        ))
    }
}

impl Written {
    /// Whether the file is as it was before. What another program has written since stays.
    fn restore(&self) -> bool {
        match content(&self.path) {
            Ok(now) if now == self.before => return true,
            Ok(now) if now == self.after => {}
            _ => return false,
        }
        match &self.before {
            None => atomic::remove_file(&self.path, &self.options).is_ok(),
            Some(before) => atomic::edit_file(&self.path, &self.options, |_| {
                Ok::<_, fh_conf::Error>(Some(before.clone()))
            })
            .is_ok(),
        }
    }
}

/// What is in a file; none where there is none.
fn content(path: &Path) -> Result<Option<Vec<u8>>, CommandError> {
    Ok(atomic::read_private(path)?.map(|file| file.content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_wrote_since_is_not_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let files = ["new", "old", "raced"]
            .map(|name| (directory.path().join(name), EditOptions::shared()));
        for (path, _) in &files[1..] {
            std::fs::write(path, "before").unwrap();
        }
        let mut steps = Steps::default();
        for (path, options) in &files {
            steps
                .change(&[(path.clone(), options.clone())], || {
                    std::fs::write(path, "after").unwrap();
                    Ok(())
                })
                .unwrap();
        }
        std::fs::write(&files[2].0, "another").unwrap();
        let error = steps.take_back(CommandError::failed("no")).to_text();
        assert!(!files[0].0.exists());
        assert_eq!(std::fs::read(&files[1].0).unwrap(), b"before");
        assert_eq!(std::fs::read(&files[2].0).unwrap(), b"another");
        assert!(
            error.contains("could not be taken back") && error.contains("raced"),
            "{error}"
        );
    }
}
