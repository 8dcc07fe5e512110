//! What people call a run.

use std::collections::BTreeSet;

use medley_core::RunLayout;
use medley_core::names::is_name;
use medley_core::record::SCHEMA_VERSION;
use medley_predictions::record::read_json;
use medley_storage::{ConfinedFolder, ConfinedFs, Storage, StorageError, write_whole};
use serde::{Deserialize, Serialize};

use crate::RunsError;

/// Largest `tags.json` that is read.
const LARGEST: u64 = 64 << 10;
/// Most tags of a run.
const MOST: usize = 100;
/// Most characters of a note.
const LONGEST_NOTE: usize = 1_000;

/// `tags.json` of a run folder. It is a file of its own, written whole, so that a run may be tagged while it is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// In alphabetical order; each a name as runs have.
    pub tags: BTreeSet<String>,
    /// A sentence or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Default for Tags {
    fn default() -> Self {
        Self { schema_version: SCHEMA_VERSION, tags: BTreeSet::new(), note: None }
    }
}

/// A wish to change the tags of a run. What is added wins over what is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagChange {
    /// Tags to add.
    pub add: Vec<String>,
    /// Tags to remove; one that is not there need not be.
    pub remove: Vec<String>,
    /// A note in place of the old one; an empty one removes it.
    pub note: Option<String>,
}

impl Tags {
    /// Those of a run; none where it has no `tags.json`.
    ///
    /// # Errors
    /// [`RunsError::Record`] where the file cannot be used.
    pub fn read(run: &RunLayout) -> Result<Self, RunsError> {
        Ok(read_json(run, &run.tags(), LARGEST)?.unwrap_or_default())
    }

    /// Writes them whole. Of two who write at the same time, the last one wins.
    ///
    /// # Errors
    /// [`RunsError::Storage`]; the old file is then untouched.
    pub fn write(&self, run: &RunLayout, storage: &dyn Storage) -> Result<(), RunsError> {
        let storage = ConfinedFs::new(ConfinedFolder::new(run.root()), storage);
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| StorageError::io(&run.tags(), error.into()))?;
        json.push(b'\n');
        Ok(write_whole(&storage, &run.tags(), &json)?)
    }
}

impl TagChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what can be checked without a run.
    ///
    /// # Errors
    /// [`RunsError::BadTag`], [`RunsError::BadNote`].
    pub fn check(&self) -> Result<(), RunsError> {
        if let Some(tag) = self.add.iter().find(|tag| !is_name(tag)) {
            return Err(RunsError::BadTag { tag: tag.clone() });
        }
        let note = self.note.as_deref().unwrap_or_default();
        if note.chars().count() > LONGEST_NOTE {
            return Err(RunsError::BadNote { problem: "is longer than 1000 characters; keep long texts elsewhere" });
        }
        if note.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(RunsError::BadNote { problem: "has control characters; leave them out" });
        }
        Ok(())
    }

    /// The tags that `old` become, for the run at a path.
    ///
    /// # Errors
    /// As [`Self::check`], and [`RunsError::TooManyTags`].
    pub fn apply(&self, old: Tags, run: &RunLayout) -> Result<Tags, RunsError> {
        self.check()?;
        let mut tags = old;
        tags.tags.retain(|tag| !self.remove.contains(tag));
        tags.tags.extend(self.add.iter().cloned());
        if tags.tags.len() > MOST {
            let (path, tags) = (run.root().to_owned(), tags.tags.len());
            return Err(RunsError::TooManyTags { path, tags, limit: MOST });
        }
        if let Some(note) = &self.note {
            tags.note = Some(note.trim().to_owned()).filter(|note| !note.is_empty());
        }
        Ok(tags)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use medley_storage::{Fault, FaultyFs, RealFs};
    use proptest::prelude::*;

    use super::*;

    fn change(add: &[&str], remove: &[&str], note: Option<&str>) -> TagChange {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        TagChange { add: owned(add), remove: owned(remove), note: note.map(str::to_owned) }
    }

    #[test]
    fn changes_add_remove_and_note() {
        let run = RunLayout::new("run");
        let first = change(&["b", "a", "a"], &[], Some(" why \n")).apply(Tags::default(), &run).unwrap();
        assert_eq!(
            (first.tags.iter().map(String::as_str).collect::<Vec<_>>(), first.note.as_deref()),
            (vec!["a", "b"], Some("why"))
        );
        let second = change(&["c"], &["a", "absent"], None).apply(first, &run).unwrap();
        assert_eq!(second.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(change(&[], &[], Some("")).apply(second, &run).unwrap().note, None);
    }

    #[test]
    fn bad_tags_and_notes_are_refused() {
        for tag in ["", "a b", "-x", "../x", "a\u{1b}[2J", "nul"] {
            assert!(matches!(change(&[tag], &[], None).check(), Err(RunsError::BadTag { .. })), "{tag:?}");
        }
        for note in ["\u{1b}[2J", &"x".repeat(1_001)] {
            assert!(matches!(change(&[], &[], Some(note)).check(), Err(RunsError::BadNote { .. })), "{note:?}");
        }
        let many: Vec<String> = (0..101).map(|number| format!("t{number}")).collect();
        let change = TagChange { add: many, ..TagChange::default() };
        assert!(matches!(change.apply(Tags::default(), &RunLayout::new("run")), Err(RunsError::TooManyTags { .. })));
    }

    #[test]
    fn whatever_fails_the_file_is_old_or_new() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunLayout::new(folder.path());
        assert_eq!(Tags::read(&run).unwrap(), Tags::default());
        let old = change(&["old"], &[], None).apply(Tags::default(), &run).unwrap();
        let new = change(&["new"], &[], None).apply(Tags::default(), &run).unwrap();
        for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
            for fail_at in 0.. {
                old.write(&run, &RealFs).unwrap();
                let storage = FaultyFs::new(fail_at, fault);
                let written = new.write(&run, &storage).is_ok();
                let read = Tags::read(&run).unwrap();
                assert_eq!(read, if written { new.clone() } else { old.clone() });
                if !storage.tripped() {
                    break;
                }
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_read_or_written_through_a_link() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (run, mine) = (RunLayout::new(folder.path()), other.path().join("mine"));
        std::fs::write(&mine, r#"{"schema_version": 1, "tags": ["secret"]}"#).unwrap();
        std::os::unix::fs::symlink(&mine, run.tags()).unwrap();
        assert!(Tags::read(&run).is_err());
        assert!(Tags::default().write(&run, &RealFs).is_err());
        assert!(std::fs::read_to_string(&mine).unwrap().contains("secret"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            tags in prop::collection::btree_set("[a-z0-9_.]{0,5}[a-z]{2}", 0..5),
            note in prop::option::of("\\PC{1,40}"),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let run = RunLayout::new(folder.path());
            let tags = Tags { schema_version: SCHEMA_VERSION, tags, note };
            tags.write(&run, &RealFs).unwrap();
            prop_assert_eq!(Tags::read(&run).unwrap(), tags);
        }
    }
}
