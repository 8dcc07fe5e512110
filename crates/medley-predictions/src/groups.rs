//! Rows that belong together, such as the images of one patient or near duplicates, as a CSV file says.
//!
//! The file has a header, a column `split` (`train`, `val` or `test`), a column `index` (from 0), and the name of the group in the column
//! `group`, else in the last one; a row without a name is a group by itself. `medley data audit --groups` writes such files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use medley_core::Split;
use medley_core::text::hex;
use medley_storage::{ReadError, read_file};
use sha2::{Digest as _, Sha256};

/// Largest file of groups, in bytes.
const LARGEST: u64 = 256 << 20;

/// Why a file of groups cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GroupTableError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is wrong with it, with the line.
    #[error("{0}")]
    Content(String),
}

/// Where a row is listed, and its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Equal for rows of one group, and for no others.
    pub group: u64,
    /// Line of the file, from 1.
    pub line: u64,
}

/// A file of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTable {
    rows: BTreeMap<(Split, usize), Listed>,
    sha256: String,
}

impl GroupTable {
    /// Reads a file.
    ///
    /// # Errors
    /// [`GroupTableError`]: a missing column, an index that is no number, a row that is listed twice.
    pub fn read(path: &Path) -> Result<Self, GroupTableError> {
        let bytes = read_file(path, LARGEST)?;
        let bad = GroupTableError::Content;
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let header = reader.headers().map_err(|error| bad(error.to_string()))?.clone();
        let column = |name: &str| {
            header.iter().position(|column| column == name).ok_or_else(|| bad(format!("it has no column {name:?}")))
        };
        let (split, index) = (column("split")?, column("index")?);
        let group = header.iter().position(|column| column == "group").unwrap_or(header.len() - 1);
        if group == split || group == index {
            return Err(bad("it has no column with groups: name it `group`, or put it last".to_owned()));
        }
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut rows = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| bad(error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let of = Split::of_word(&record[split]).ok_or_else(|| {
                bad(format!("line {line}: there is no split {:?}; it is train, val or test", &record[split]))
            })?;
            let row = record[index].trim().parse::<usize>();
            let row = row.map_err(|_| bad(format!("line {line}: there is no {of} row {:?}", &record[index])))?;
            let name = record[group].trim();
            // No name is that of a line.
            let name = if name.is_empty() { format!("\n{line}") } else { name.to_owned() };
            let next = names.len() as u64;
            let group = *names.entry(name).or_insert(next);
            if rows.insert((of, row), Listed { group, line }).is_some() {
                return Err(bad(format!("line {line}: the {of} row {row} is listed twice")));
            }
        }
        Ok(Self { rows, sha256: hex(&Sha256::digest(&bytes)) })
    }

    /// Of the file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The groups of all rows of these splits, which have so many, in their order. A file of another set has other rows.
    ///
    /// # Errors
    /// [`GroupTableError::Content`]: a row that the split does not have, with its line, or a row that is not listed.
    pub fn of_all(&self, splits: &[(Split, usize)]) -> Result<Vec<Listed>, GroupTableError> {
        let bad = GroupTableError::Content;
        let beyond = splits.iter().flat_map(|&(split, rows)| self.beyond(split, rows));
        if let Some((line, split, row)) = beyond.min() {
            return Err(bad(format!("line {line}: there is no {split} row {row}")));
        }
        let all = splits.iter().flat_map(|&(split, rows)| (0..rows).map(move |row| (split, row)));
        let missing = |split, row| bad(format!("it has no group of the {split} row {row}"));
        all.map(|(split, row)| self.of(split, row).ok_or_else(|| missing(split, row))).collect()
    }

    /// The lines that name a row of this split beyond so many.
    fn beyond(&self, split: Split, rows: usize) -> impl Iterator<Item = (u64, Split, usize)> {
        let listed = self.rows.range((split, rows)..).take_while(move |((of, _), _)| *of == split);
        listed.map(|((of, row), listed)| (listed.line, *of, *row))
    }

    fn of(&self, split: Split, row: usize) -> Option<Listed> {
        self.rows.get(&(split, row)).copied()
    }

    /// Of so many rows of a split, those whose group has no row in another split. A row that is not listed is a group by itself.
    pub fn apart(&self, split: Split, rows: usize) -> Vec<usize> {
        let others = self.rows.iter().filter(|((of, _), _)| *of != split);
        let others: BTreeSet<u64> = others.map(|(_, listed)| listed.group).collect();
        (0..rows).filter(|&row| self.of(split, row).is_none_or(|listed| !others.contains(&listed.group))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
    fn read(text: &str) -> Result<GroupTable, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        std::fs::write(&path, text).unwrap();
        GroupTable::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_whose_group_is_in_another_split_are_not_apart() {
        let text = "split,index,image,patient\ntest,0,x,P1\ntest,1,y,P2\ntrain,0,z,P1\ntest,2,t,P3\nval,4,u,P3\n";
        let table = read(text).unwrap();
        assert_eq!(table.apart(Split::Test, 4), [1, 3], "a row that is not listed is by itself");
        assert_eq!(table.apart(Split::Val, 5), [0, 1, 2, 3]);
        assert_eq!(table.of(Split::Test, 0).unwrap().group, table.of(Split::Train, 0).unwrap().group);
    }

    #[test]
    fn the_column_is_known_by_its_name_and_rows_without_one_are_by_themselves() {
        let table = read("group,split,index\nP1,test,0\n,Test,1\n, validation ,0\nP1,valid,1\n").unwrap();
        assert_eq!(table.apart(Split::Test, 2), [1]);
        assert_ne!(table.of(Split::Test, 1).unwrap().group, table.of(Split::Val, 0).unwrap().group);
    }

    #[test]
    fn a_file_has_to_list_every_row_and_no_other() {
        let table = read("split,index,patient\nval,1,P1\ntrain,0,P2\nval,0,P2\ntest,7,P1\n").unwrap();
        let listed = table.of_all(&[(Split::Train, 1), (Split::Val, 2)]).unwrap();
        assert_eq!(listed.iter().map(|one| (one.group, one.line)).collect::<Vec<_>>(), [(1, 3), (1, 4), (0, 2)]);
        let refused = |rows| table.of_all(&[(Split::Train, 1), (Split::Val, rows)]).unwrap_err().to_string();
        assert_eq!(refused(0), "line 2: there is no val row 1", "the first line that is wrong");
        assert_eq!(refused(3), "it has no group of the val row 2");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, words) in [
            ("", "no column \"split\""),
            ("split,group\n", "no column \"index\""),
            ("split,index,group\ntrain,-1,a\n", "line 2: there is no train row \"-1\""),
            ("split,index,group\ntrain,0,a\ntrain,0,b\n", "line 3: the train row 0 is listed twice"),
            ("split,index,group\ntrain,0\n", "record 1"),
            ("split,index,group\ntrian,0,a\n", "line 2: there is no split \"trian\"; it is train, val or test"),
            ("patient,index,split\nP1,0,test\n", "no column with groups"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(matches!(GroupTable::read("/nonexistent/groups.csv".as_ref()), Err(GroupTableError::Read(_))));
    }
}
