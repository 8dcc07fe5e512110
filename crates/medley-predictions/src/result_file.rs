//! Standard MedMNIST result files: `{flag}{_size}_{split}_[AUC]0.901_[ACC]0.863@{run}.csv`, an index and one score per class on
//! each line, no header.

use std::fmt::Write as _;

use medley_core::{Scores, Split};

use crate::{PredictionError, ScoreTable};

/// A file as the official evaluator writes it, with the shortest decimals that read back to the same numbers. The same scores
/// give the same bytes.
pub fn render(scores: &Scores) -> Vec<u8> {
    let mut text = String::with_capacity(scores.rows() * scores.columns() * 12);
    for row in 0..scores.rows() {
        let _ = write!(text, "{row}");
        for score in scores.row(row) {
            let _ = write!(text, ",{score:?}");
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// Reads a result file; rows may come in any order, as the official reader sorts them. See
/// [`ScoreTable::from_result_file`], which keeps the lines too.
///
/// # Errors
/// With the lines: a wrong number of columns, something that is not a finite number, an index that is no whole number or comes
/// twice. For the file: no rows, or gaps in the indices.
pub fn parse(bytes: &[u8]) -> Result<Scores, PredictionError> {
    ScoreTable::from_result_file(bytes).map(|table| table.scores)
}

/// What the name of a result file says.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultName {
    /// The set, such as `breastmnist`.
    pub flag: String,
    /// Edge length; 28 when the name has none.
    pub size: usize,
    /// The split.
    pub split: Split,
    /// As printed; `None` for `nan`, and where the name has none.
    pub auc: Option<f64>,
    /// As printed; `None` where the name has none.
    pub accuracy: Option<f64>,
    /// What stands after the `@`.
    pub run: String,
}

impl ResultName {
    /// Whether it is of a task of this name. A user's own task may have a number at its end that is no size.
    pub fn is_of(&self, task: &str) -> bool {
        self.flag == task || task.strip_prefix(&self.flag) == Some(&format!("_{}", self.size))
    }
}

/// Reads the name of a result file; `None` when it is not of the standard form, which is what the official evaluator writes.
pub fn parse_name(name: &str) -> Option<ResultName> {
    let (front, back) = name.strip_suffix(".csv")?.split_once("_[AUC]")?;
    let (auc, back) = back.split_once("_[ACC]")?;
    let (accuracy, run) = back.split_once('@')?;
    let (set, split) = front.rsplit_once('_')?;
    let split = Split::ALL.into_iter().find(|known| known.as_str() == split)?;
    let sized = set.rsplit_once('_').and_then(|(flag, size)| Some((flag, size.parse().ok()?)));
    let (flag, size) = sized.unwrap_or((set, 28));
    let auc: f64 = auc.parse().ok()?;
    Some(ResultName {
        flag: flag.to_owned(),
        size,
        split,
        auc: auc.is_finite().then_some(auc),
        accuracy: Some(accuracy.parse().ok()?),
        run: run.to_owned(),
    })
}

/// Reads a name as the official evaluator does when it is to evaluate a file, `{flag}{_size}_{split}*`: what stands between the
/// split and the `@`, and the ending, may be anything. Without an `@` the whole stem is the run. Many names that mean something else
/// are of this form: heed it where the flag is that of a known set.
pub fn parse_evaluator_name(name: &str) -> Option<ResultName> {
    let mut parts = name.split('_');
    let flag = parts.next().filter(|flag| !flag.is_empty())?;
    let split_of = |part: &str| Split::ALL.into_iter().find(|split| part.starts_with(split.as_str()));
    let second = parts.next()?;
    let (size, split) = match split_of(second) {
        Some(split) => (28, split),
        None => (second.parse().ok()?, split_of(parts.next()?)?),
    };
    let run = match name.rsplit_once('@') {
        Some((_, after)) => after.split_once('.').map_or(after, |(run, _)| run),
        None => name.rsplit_once('.').map_or(name, |(stem, _)| stem),
    };
    Some(ResultName { flag: flag.to_owned(), size, split, auc: None, accuracy: None, run: run.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read() {
        let name = parse_name("breastmnist_test_[AUC]0.901_[ACC]0.863@small-three-1-seed0.csv").unwrap();
        assert_eq!((name.flag.as_str(), name.size, name.split), ("breastmnist", 28, Split::Test));
        assert_eq!((name.auc, name.accuracy, name.run.as_str()), (Some(0.901), Some(0.863), "small-three-1-seed0"));
        let sized = parse_name("pathmnist_64_val_[AUC]nan_[ACC]0.500@x.csv").unwrap();
        assert_eq!((sized.size, sized.auc), (64, None));
        let own = parse_name("my_cells_test_[AUC]1.000_[ACC]1.000@x.csv").unwrap();
        assert!((own.flag.as_str(), own.size) == ("my_cells", 28) && own.is_of("my_cells") && !own.is_of("my"));
        assert!(sized.is_of("pathmnist_64") && sized.is_of("pathmnist") && !sized.is_of("pathmnist_6"));
        for wrong in ["x.csv", "a_test_[AUC]1_[ACC]1@r.txt", "a_dev_[AUC]1_[ACC]1@r.csv", "a_test_[AUC]x_[ACC]1@r.csv"]
        {
            assert_eq!(parse_name(wrong), None, "{wrong}");
        }
    }

    /// What `flag, split, *_ = name.split("_")` and `name.split("@")[-1].split(".")[0]` make of them, with medmnist 3.0.2.
    #[test]
    fn names_that_the_evaluator_takes_are_read() {
        for (name, flag, size, split, run) in [
            ("breastmnist_test_rounded@1.csv", "breastmnist", 28, Split::Test, "1"),
            ("breastmnist_test@1.csv", "breastmnist", 28, Split::Test, "1"),
            ("breastmnist_testing@a@b.2.csv", "breastmnist", 28, Split::Test, "b"),
            ("pathmnist_64_val_[AUC]x@resnet_18.txt", "pathmnist", 64, Split::Val, "resnet_18"),
            ("breastmnist_train.csv", "breastmnist", 28, Split::Train, "breastmnist_train"),
            ("breastmnist_val_mine", "breastmnist", 28, Split::Val, "breastmnist_val_mine"),
        ] {
            let found = parse_evaluator_name(name).unwrap();
            assert_eq!(
                (found.flag.as_str(), found.size, found.split, found.run.as_str()),
                (flag, size, split, run),
                "{name}"
            );
            assert_eq!((found.auc, found.accuracy), (None, None));
        }
        for wrong in ["", "x.csv", "_test@1.csv", "breastmnist_x_test@1.csv", "breastmnist_64@1.csv"] {
            assert_eq!(parse_evaluator_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rows_come_in_any_order_and_mistakes_have_a_line() {
        let scores = parse(b"1,0.2,0.8\n0,0.9,0.1\n").unwrap();
        assert_eq!(scores.row(0).to_vec(), [0.9, 0.1]);
        for (text, expected) in [
            ("index,a,b\n0,1,2\n", "line 1: the first cell is \"index\""),
            ("0,1,2\n1,1\n", "line 2: 1 scores"),
            ("0,1,2\n0,1,2\n", "line 2: the index 0 is repeated"),
            ("0,1,x\n", "line 1: the score \"x\""),
            ("0,1,nan\n", "line 1: the score \"nan\""),
            ("0,1\n2,1\n", "rows are missing: 1; there are 2 rows, and the last index is 2"),
            ("", "no rows"),
        ] {
            let message = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(-1e9..1e9_f64, 1..40), columns in 1_usize..4) {
            let rows = values.len() / columns;
            prop_assume!(rows > 0);
            let scores = Scores::new(values[..rows * columns].to_vec(), rows, columns).unwrap();
            prop_assert_eq!(parse(&render(&scores)).unwrap(), scores);
        }

        #[test]
        fn rows_come_in_any_order(values in prop::collection::vec(0.0..1.0_f64, 1..40), keys in prop::collection::vec(any::<u64>(), 40)) {
            let scores = Scores::new(values.clone(), values.len(), 1).unwrap();
            let written = String::from_utf8(render(&scores)).unwrap();
            let mut lines: Vec<(u64, &str)> = keys.into_iter().zip(written.lines()).collect();
            lines.sort_unstable();
            let shuffled: Vec<&str> = lines.into_iter().map(|line| line.1).collect();
            prop_assert_eq!(parse(shuffled.join("\n").as_bytes()).unwrap(), scores);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[0-9,.\n]{0,60}", name in ".{0,60}") {
            let _ = parse(&bytes);
            let _ = parse(text.as_bytes());
            let _ = parse_name(&name);
            let _ = parse_evaluator_name(&name);
        }
    }
}
