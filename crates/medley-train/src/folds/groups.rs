use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::Split;
use medley_predictions::{GroupTable, GroupTableError, Listed};
use medley_storage::ReadError;

/// Which rows of a set belong together, such as the images of one patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// A number per row, training rows first, then validation rows.
    pub(crate) numbers: Vec<u64>,
    /// Of the file.
    pub(crate) sha256: String,
}

/// A file of groups cannot be used, or is not the one that a run began with.
#[derive(Debug, thiserror::Error)]
pub enum GroupsError {
    /// It cannot be read.
    #[error("`folds.groups.{task}`: cannot read `{}`; a path is relative to the folder in which `medley` runs", path.display())]
    Read {
        /// The task.
        task: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// It does not say of every row which group it is of.
    #[error(
        "`folds.groups.{task}`: `{}`: {problem}; the file needs the columns split (train, val) and index (from 0), and the group in \
         the column group, else in the last one",
        path.display()
    )]
    Bad {
        /// The task.
        task: String,
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        problem: String,
    },
    /// Folds of a run that goes on would be others.
    #[error("`folds.groups.{task}`: `{}` is not the file that this run began with: restore it", path.display())]
    Changed {
        /// The task.
        task: String,
        /// The file.
        path: PathBuf,
    },
}

impl Groups {
    /// Reads a CSV file with a header: a column `split`, a column `index`, and the name of the group in the column
    /// `group`, else in the last one; rows of the test split are passed over.
    ///
    /// # Errors
    /// [`GroupsError`], with the line.
    pub fn read(task: &str, path: &Path, train: usize, val: usize) -> Result<Self, GroupsError> {
        let error = |error: GroupTableError| match error {
            GroupTableError::Read(source) => GroupsError::Read { task: task.to_owned(), path: path.to_owned(), source },
            GroupTableError::Content(problem) => {
                GroupsError::Bad { task: task.to_owned(), path: path.to_owned(), problem }
            }
        };
        let table = GroupTable::read(path).map_err(error)?;
        let listed = table.of_all(&[(Split::Train, train), (Split::Val, val)]).map_err(error)?;
        Ok(Self { numbers: numbered(&listed), sha256: table.sha256().to_owned() })
    }
}

/// Groups numbered in the order in which the file names them first for one of these rows: folds depend on it.
fn numbered(listed: &[Listed]) -> Vec<u64> {
    let mut by_line: Vec<&Listed> = listed.iter().collect();
    by_line.sort_by_key(|listed| listed.line);
    let mut numbers = BTreeMap::new();
    for listed in by_line {
        let next = numbers.len() as u64;
        numbers.entry(listed.group).or_insert(next);
    }
    listed.iter().map(|listed| numbers[&listed.group]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
    fn read(text: &str) -> Result<Vec<u64>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        std::fs::write(&path, text).unwrap();
        Groups::read("a", &path, 2, 1).map(|groups| groups.numbers).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_of_one_name_have_one_number() {
        let text = "split,index,image,patient\nval,0,x,P1\ntrain,1,y,P2\ntrain,0,z,P1\ntest,9,t,P9\n";
        assert_eq!(read(text).unwrap(), [0, 1, 0]);
    }

    #[test]
    fn what_is_missing_is_said_with_its_place() {
        for (text, words) in [
            ("", "no column \"split\""),
            ("split,group\n", "no column \"index\""),
            ("split,index,group\ntrain,2,a\n", "line 2: there is no train row 2"),
            ("split,index,group\ntrain,-1,a\n", "there is no train row \"-1\""),
            ("split,index,group\ntrain,0,a\ntrain,0,b\n", "line 3: the train row 0 is listed twice"),
            ("split,index,group\ntrain,0,a\ntrain,1,b\n", "no group of the val row 0"),
            ("split,index,group\ntrain,0\n", "record 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words) && error.contains("folds.groups.a"), "{error}");
        }
        let error = Groups::read("a", Path::new("/nonexistent/groups.csv"), 1, 1).unwrap_err();
        assert!(matches!(error, GroupsError::Read { .. }), "{error}");
    }
}
