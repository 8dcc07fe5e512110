use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::text::hex;
use medley_storage::{ReadError, read_file};
use sha2::{Digest as _, Sha256};

/// Largest file of groups, in bytes.
const LARGEST: u64 = 256 << 20;

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
        "`folds.groups.{task}`: `{}`: {problem}; the file needs the columns split (train, val) and index (from 0), and the group in the \
         last one",
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
    /// Reads a CSV file with a header: a column `split` (`train`, `val`; others are passed over), a column `index`, and the name of the
    /// group in the last column.
    ///
    /// # Errors
    /// [`GroupsError`], with the line.
    pub fn read(task: &str, path: &Path, train: usize, val: usize) -> Result<Self, GroupsError> {
        let bad = |problem: String| GroupsError::Bad { task: task.to_owned(), path: path.to_owned(), problem };
        let bytes = read_file(path, LARGEST).map_err(|source| GroupsError::Read {
            task: task.to_owned(),
            path: path.to_owned(),
            source,
        })?;
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let header = reader.headers().map_err(|error| bad(error.to_string()))?.clone();
        let column = |name: &str| {
            header.iter().position(|column| column == name).ok_or_else(|| bad(format!("it has no column {name:?}")))
        };
        let (split, index) = (column("split")?, column("index")?);
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut numbers: Vec<Option<u64>> = vec![None; train + val];
        for record in reader.records() {
            let record = record.map_err(|error| bad(error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let (start, rows) = match &record[split] {
                "train" => (0, train),
                "val" => (train, val),
                _ => continue,
            };
            let row = record[index].trim().parse::<usize>().ok().filter(|row| *row < rows);
            let Some(row) = row else {
                return Err(bad(format!("line {line}: there is no {} row {:?}", &record[split], &record[index])));
            };
            let next = names.len() as u64;
            let number = *names.entry(record[record.len() - 1].to_owned()).or_insert(next);
            if numbers[start + row].replace(number).is_some() {
                return Err(bad(format!("line {line}: the {} row {row} is listed twice", &record[split])));
            }
        }
        let missing = numbers.iter().position(Option::is_none);
        if let Some(row) = missing {
            let (split, row) = if row < train { ("train", row) } else { ("val", row - train) };
            return Err(bad(format!("it has no group of the {split} row {row}")));
        }
        Ok(Self { numbers: numbers.into_iter().flatten().collect(), sha256: hex(&Sha256::digest(&bytes)) })
    }
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
            ("split,index,group\ntrain,2,a\n", "line 2: there is no train row \"2\""),
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
