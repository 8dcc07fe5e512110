//! What the header of a table says of its columns.
//!
//! Tables of scores are exchanged with the classes in any order, and only their header tells which. So a header that names classes is
//! followed; one that names some of them and not the others is refused, as no reading of it is safe; and one that names none says
//! nothing.

use std::borrow::Cow;

use crate::PredictionError;
use medley_core::message::{listed, quoted};

/// What the first line of a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Header {
    /// The first row: there is no header.
    Absent,
    /// A header that says nothing of classes.
    Unnamed,
    /// A header that says where each class stands.
    Named(Columns),
}

/// Where things stand in each line, 0-based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// The index of the row, if there is a column of it.
    pub(crate) index: Option<usize>,
    /// The score of each class; of the positive class alone where a binary task has one column.
    pub(crate) classes: Vec<usize>,
}

impl Columns {
    /// Classes in their own order, with or without an index before them.
    pub(crate) fn in_order(width: usize, indexed: bool) -> Self {
        Self { index: indexed.then_some(0), classes: (usize::from(indexed)..width).collect() }
    }

    /// Whether the classes stand in their own order.
    pub(crate) fn are_in_order(&self) -> bool {
        self.classes.is_sorted()
    }

    pub(crate) fn width(&self) -> usize {
        self.classes.len() + usize::from(self.index.is_some())
    }
}

/// What a header may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The classes by name, as far as they are known.
    pub(crate) classes: Option<&'a [String]>,
    /// Whether there may be one column alone, of the last class.
    pub(crate) last_alone: bool,
    /// Whether the file has one line more than rows are expected: then numbers alone can be a header too.
    pub(crate) one_line_more: bool,
}

/// Reads the first line of a table.
///
/// # Errors
/// When it names a class twice, some classes and not all, or the wrong one of two.
pub(crate) fn read(cells: &[Cow<'_, str>], expected: Expected<'_>) -> Result<Header, PredictionError> {
    let named = by_name(cells, expected.classes.unwrap_or_default());
    if named.iter().any(Option::is_some) {
        let classes = expected.classes.unwrap_or_default();
        return columns(cells, &named, classes, expected.last_alone).map(Header::Named);
    }
    if let Some(columns) = by_number(cells, expected) {
        return Ok(Header::Named(columns));
    }
    let words = cells.iter().all(|cell| cell.parse::<f64>().is_err());
    Ok(if words { Header::Unnamed } else { Header::Absent })
}

/// The class that each cell names. A class that is called by a number cannot be told from a score.
fn by_name(cells: &[Cow<'_, str>], classes: &[String]) -> Vec<Option<usize>> {
    let classes: Vec<String> = classes.iter().map(|class| plain(class)).collect();
    let find = |cell: &Cow<'_, str>| {
        let cell = plain(cell);
        let is_word = !cell.is_empty() && cell.parse::<f64>().is_err();
        classes.iter().position(|class| is_word && *class == cell)
    };
    cells.iter().map(find).collect()
}

/// Letters and digits, however they are written and parted: programs write `Normal_Benign` for `normal, benign`.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

fn columns(
    cells: &[Cow<'_, str>],
    named: &[Option<usize>],
    classes: &[String],
    last_alone: bool,
) -> Result<Columns, PredictionError> {
    let refuse = |problem: String| {
        let all = listed(classes.iter().map(String::as_str));
        Err(PredictionError::File {
            problem: format!("line 1: {problem}; the classes are {all}: name each once, or none"),
        })
    };
    let mut places: Vec<Option<usize>> = vec![None; classes.len()];
    for (column, class) in named.iter().enumerate() {
        let Some(class) = *class else { continue };
        if places[class].replace(column).is_some() {
            return refuse(format!("the header names the class {} twice", quoted(&classes[class])));
        }
    }
    let others: Vec<usize> = (0..cells.len()).filter(|&column| named[column].is_none()).collect();
    let found: Vec<usize> = places.iter().flatten().copied().collect();
    let complete = found.len() == classes.len();
    let only_last = last_alone && found.len() == 1 && places.last().is_some_and(Option::is_some);
    if last_alone && !only_last && cells.len() == 1 {
        let (given, needed) = (&cells[found[0]], classes.last().map_or("", String::as_str));
        return refuse(format!(
            "the only scores are of {}, but one column must be of {}",
            quoted(given),
            quoted(needed)
        ));
    }
    match (complete || only_last, others.as_slice()) {
        (true, []) => Ok(Columns { index: None, classes: found }),
        (true, [index]) => Ok(Columns { index: Some(*index), classes: found }),
        (true, others) => {
            let others = listed(others.iter().map(|&column| cells[column].as_ref()));
            refuse(format!(
                "beside the classes there may be one column, the index of the row, but the header has {others}"
            ))
        }
        (false, _) => {
            let missing = classes.iter().zip(&places).filter(|(_, place)| place.is_none());
            let missing = listed(missing.map(|(name, _)| name.as_str()));
            refuse(format!("the header names only some of the classes, not {missing}"))
        }
    }
}

/// Classes by number: `0,1`, `,0,1` (as pandas writes it), `class_1,class_0`, `id,score 1,score 2`. All numbers follow one word, and
/// count from 0, or after a word from 1.
fn by_number(cells: &[Cow<'_, str>], expected: Expected<'_>) -> Option<Columns> {
    let numbered: Vec<Option<(&str, usize)>> = cells.iter().map(|cell| number_at_end(cell)).collect();
    let &(word, _) = numbered.iter().rev().flatten().next()?;
    let number = |&(own, number): &(&str, usize)| own.eq_ignore_ascii_case(word).then_some(number);
    let numbers: Vec<Option<usize>> = numbered.iter().map(|found| found.as_ref().and_then(number)).collect();
    let others: Vec<usize> = (0..cells.len()).filter(|&column| numbers[column].is_none()).collect();
    let index = match others.as_slice() {
        [] if word.is_empty() && !expected.one_line_more => return None,
        [] => None,
        [index] if cells[*index].parse::<f64>().is_err() => Some(*index),
        _ => return None,
    };
    let count = cells.len() - others.len();
    if count < 2 || expected.classes.is_some_and(|classes| classes.len() != count) {
        return None;
    }
    let first = usize::from(!word.is_empty() && !numbers.contains(&Some(0)));
    let place = |class: usize| numbers.iter().position(|&number| number == Some(class + first));
    Some(Columns { index, classes: (0..count).map(place).collect::<Option<_>>()? })
}

/// `class_12` is `class_` and 12.
fn number_at_end(cell: &str) -> Option<(&str, usize)> {
    let word = cell.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = cell[word.len()..].parse().ok()?;
    // The digits of `0.5` and `1e-7` are the end of a score.
    (word.is_empty() || cell.parse::<f64>().is_err()).then_some((word, number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lines::cells;

    const CLASSES: [&str; 3] = ["normal, benign", "Malignant", "drusen"];

    fn header(line: &str, classes: &[&str], one_line_more: bool) -> Result<Header, String> {
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        let cells: Vec<_> = cells(line).collect();
        let expected = Expected { classes: Some(&classes), last_alone: classes.len() == 2, one_line_more };
        read(&cells, expected).map_err(|error| error.to_string())
    }

    fn named(line: &str, classes: &[&str]) -> (Option<usize>, Vec<usize>) {
        match header(line, classes, false) {
            Ok(Header::Named(Columns { index, classes })) => (index, classes),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn classes_stand_where_the_header_says() {
        assert_eq!(named(r#""normal, benign",malignant,DRUSEN"#, &CLASSES), (None, vec![0, 1, 2]));
        assert_eq!(named("drusen;normal_benign;Malignant", &CLASSES), (None, vec![1, 2, 0]));
        assert_eq!(named("id,drusen,Normal Benign,malignant", &CLASSES), (Some(0), vec![2, 3, 1]));
        assert_eq!(named("drusen,normal-benign,malignant,", &CLASSES), (Some(3), vec![1, 2, 0]));
        assert_eq!(named("malignant", &["benign", "malignant"]), (None, vec![0]));
        assert_eq!(named("image,malignant", &["benign", "malignant"]), (Some(0), vec![1]));
    }

    #[test]
    fn classes_may_be_numbered() {
        assert_eq!(named(",2,0,1", &CLASSES), (Some(0), vec![2, 3, 1]));
        assert_eq!(named("class_1,class_0,class_2", &CLASSES), (None, vec![1, 0, 2]));
        assert_eq!(named("id,p3,P1,p2", &CLASSES), (Some(0), vec![2, 3, 1]));
        assert_eq!(header("1,0,2", &CLASSES, false), Ok(Header::Absent));
        assert_eq!(header("1,0,2", &CLASSES, true), Ok(Header::Named(Columns { index: None, classes: vec![1, 0, 2] })));
        // Rows of scores that look like numbers of classes.
        for row in ["0,1", "1,0", "0,0,1", "5,1,0", "1.0,0.0", "-1,0"] {
            assert_eq!(header(row, &["benign", "malignant"], false), Ok(Header::Absent), "{row}");
        }
    }

    #[test]
    fn what_names_no_class_says_nothing() {
        for line in ["a,b,c", "id,a,b,c", "image,class_0,class_2,class_3", "x1,x5,x2"] {
            assert_eq!(header(line, &CLASSES, false), Ok(Header::Unnamed), "{line}");
        }
        assert_eq!(header("0.5,0.2,0.3", &CLASSES, true), Ok(Header::Absent));
        assert_eq!(header("0,x,0.3", &CLASSES, true), Ok(Header::Absent));
    }

    #[test]
    fn half_a_header_is_refused() {
        let refused = |line: &str, classes: &[&str]| header(line, classes, false).unwrap_err();
        let message = refused("drusen,malignant,other", &CLASSES);
        assert!(message.contains(r#"names only some of the classes, not "normal, benign""#), "{message}");
        assert!(message.contains(r#"the classes are "normal, benign", "Malignant", "drusen""#), "{message}");
        assert!(refused("drusen,malignant,drusen", &CLASSES).contains("names the class \"drusen\" twice"));
        let message = refused(r#"id,file,"normal, benign",malignant,drusen"#, &CLASSES);
        assert!(message.contains("one column, the index of the row, but the header has \"id\", \"file\""), "{message}");
        assert!(refused("id,benign", &["benign", "malignant"]).contains("some of the classes, not \"malignant\""));
        let message = refused("benign", &["benign", "malignant"]);
        assert!(
            message.contains("only scores are of \"benign\", but one column must be of \"malignant\""),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn any_order_is_followed(order in Just([0_usize, 1, 2]).prop_shuffle(), index in prop::option::of(0_usize..4)) {
            let mut written: Vec<String> = order.iter().map(|&class| format!("\"{}\"", CLASSES[class])).collect();
            if let Some(index) = index {
                written.insert(index, "row".to_owned());
            }
            let (found, places) = named(&written.join(","), &CLASSES);
            prop_assert_eq!(found, index);
            for (class, &place) in places.iter().enumerate() {
                prop_assert!(written[place].contains(CLASSES[class]));
            }
        }

        #[test]
        fn no_line_makes_it_panic(line in "[a-z0-9.,\"_ -]{0,40}", more: bool) {
            let _ = header(&line, &CLASSES, more);
            let _ = header(&line, &["0", "1"], more);
        }
    }
}
