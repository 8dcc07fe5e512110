//! What stands in the column of labels. A list has many rows and few different cells, so each is kept, and understood, once.

use std::collections::BTreeMap;

use medley_core::TaskKind;
use medley_core::message::quoted;

use super::TableOptions;
use crate::import::listing::{class_index, class_names, indices};

/// Different cells, in the order in which they first occur.
#[derive(Debug, Default)]
pub(super) struct Cells {
    texts: Vec<String>,
    known: BTreeMap<String, u32>,
    /// Whether each holds columns of 0 and 1, joined by commas.
    flags: bool,
}

/// What the cells mean.
pub(super) struct Meaning {
    pub(super) classes: Vec<String>,
    pub(super) multi_label: bool,
    /// The classes of each cell, or what is wrong with it.
    pub(super) of_cells: Vec<Result<Vec<u16>, String>>,
}

impl Cells {
    /// The number of a cell.
    pub(super) fn add(&mut self, text: &str) -> u32 {
        if let Some(&known) = self.known.get(text) {
            return known;
        }
        let fresh = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.known.insert(text.to_owned(), fresh);
        fresh
    }

    /// The number of a label, or of a column of 0 and 1 for each label.
    pub(super) fn add_flags<'a>(&mut self, columns: impl Iterator<Item = &'a str>) -> u32 {
        let columns: Vec<&str> = columns.collect();
        self.flags |= columns.len() > 1;
        self.add(&columns.join(","))
    }

    /// Understands all cells. Without a kind, cells with a separator in them are several labels.
    pub(super) fn meaning(
        &self,
        options: &TableOptions,
        kind: Option<TaskKind>,
        given: Option<&[String]>,
        notes: &mut Vec<String>,
    ) -> Meaning {
        if self.flags {
            return self.columns(given);
        }
        let separator = options.separator.as_str();
        let several = |text: &&String| !separator.is_empty() && text.contains(separator);
        let multi_label = match kind {
            Some(kind) => kind == TaskKind::MultiLabel,
            None => match self.texts.iter().find(several) {
                None => false,
                Some(first) => {
                    let first = quoted(first);
                    notes.push(format!(
                        "labels such as {first} are several, so the set is multi-label; --kind multi-class takes them whole"
                    ));
                    true
                }
            },
        };
        self.names(options, multi_label, given, notes)
    }

    /// Labels by name.
    fn names(
        &self,
        options: &TableOptions,
        multi_label: bool,
        given: Option<&[String]>,
        notes: &mut Vec<String>,
    ) -> Meaning {
        let none = |text: &str| {
            multi_label
                && !options.none.is_empty()
                && text.to_lowercase() == options.none.to_lowercase()
                && !given.is_some_and(|given| given.iter().any(|name| name == text))
        };
        let parts = |text: &str| -> Vec<String> {
            match (multi_label, text) {
                (true, "") => Vec::new(),
                (true, _) if options.separator.is_empty() => vec![text.to_owned()],
                (true, _) => text.split(options.separator.as_str()).map(|part| part.trim().to_owned()).collect(),
                (false, _) => vec![text.to_owned()],
            }
        };
        let parts: Vec<Vec<String>> = self.texts.iter().map(|text| parts(text)).collect();
        let occurring = parts.iter().flatten().map(String::as_str).filter(|label| !label.is_empty() && !none(label));
        let classes = class_names(occurring, given);
        let known = indices(&classes);
        let understand = |parts: &Vec<String>| -> Result<Vec<u16>, String> {
            if parts.iter().any(|label| none(label)) {
                let alone = parts.len() == 1;
                return if alone {
                    Ok(Vec::new())
                } else {
                    Err(format!("it has {} beside other labels", quoted(&options.none)))
                };
            }
            let mut found = Vec::with_capacity(parts.len());
            for label in parts {
                found.push(class_index(&known, label).ok_or_else(|| match label.as_str() {
                    "" => "it has no label".to_owned(),
                    label => format!("the label {} is none of the classes", quoted(label)),
                })?);
            }
            found.sort_unstable();
            found.dedup();
            Ok(found)
        };
        let of_cells = parts.iter().map(understand).collect();
        if let Some(word) = parts.iter().flatten().find(|label| none(label)) {
            notes.push(format!("{} is no label: such images have none (--none names another word)", quoted(word)));
        }
        drop(known);
        Meaning { classes, multi_label, of_cells }
    }

    /// Labels as a column of 0 and 1 each.
    fn columns(&self, given: Option<&[String]>) -> Meaning {
        let width = self.texts.first().map_or(0, |text| text.split(',').count());
        let classes: Vec<String> =
            given.map_or_else(|| (0..width).map(|label| format!("label {label}")).collect(), <[String]>::to_vec);
        let understand = |text: &String| -> Result<Vec<u16>, String> {
            let mut found = Vec::new();
            for (label, flag) in (0..).zip(text.split(',')) {
                match flag {
                    "0" => {}
                    "1" if usize::from(label) < classes.len() => found.push(label),
                    _ => return Err(format!("label {label} is {}, not 0 or 1", quoted(flag))),
                }
            }
            Ok(found)
        };
        let of_cells = self.texts.iter().map(understand).collect();
        Meaning { classes, multi_label: true, of_cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(texts: &[&str], kind: Option<TaskKind>) -> (Meaning, Vec<String>) {
        let (mut cells, mut notes) = (Cells::default(), Vec::new());
        for text in texts {
            cells.add(text);
        }
        (cells.meaning(&TableOptions::default(), kind, None, &mut notes), notes)
    }

    #[test]
    fn several_labels_are_told_by_their_separator() {
        let texts = ["No Finding", "Mass", "Edema | Mass", "", "no finding"];
        let (found, notes) = meaning(&texts, None);
        assert_eq!((found.classes, found.multi_label), (vec!["Edema".to_owned(), "Mass".to_owned()], true));
        assert_eq!(found.of_cells, [Ok(vec![]), Ok(vec![1]), Ok(vec![0, 1]), Ok(vec![]), Ok(vec![])]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        let (whole, notes) = meaning(&texts[..3], Some(TaskKind::MultiClass));
        assert_eq!((whole.classes.len(), whole.multi_label, notes.len()), (3, false, 0));
        // Without a separator the words are classes like any other.
        let (single, notes) = meaning(&["No Finding", "Mass"], None);
        assert_eq!((single.classes.len(), single.multi_label, notes.len()), (2, false, 0));
        let (both, _) = meaning(&["Mass|No Finding"], None);
        assert!(both.of_cells[0].as_ref().is_err_and(|problem| problem.contains("beside other labels")));
    }
}
