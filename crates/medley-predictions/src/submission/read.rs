//! Reading a submission.
//!
//! Public entries order the tasks in two ways, and both were accepted. What a row says is decided by its task and image, so
//! either order is read, and so is any other. A file of `id,label` alone is read beside the sample whose ids it uses.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use medley_core::message::quoted;

use crate::PredictionError;
use crate::lines::{cells, lines, text, whole_number};
use crate::problems::{Problems, some};

/// A submission, its rows sorted by task. Labels are checked when the task is known, by [`Self::labels`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    tasks: BTreeMap<String, Vec<Row>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    line: usize,
    image: usize,
    label: usize,
}

/// Where each column stands.
struct Columns {
    id: usize,
    place: Option<(usize, usize)>,
    label: Option<usize>,
    count: usize,
}

impl Columns {
    fn of(header: &str) -> Result<Self, PredictionError> {
        let names: Vec<_> = cells(header).collect();
        let find = |name: &str| names.iter().position(|found| *found == name);
        let problem = |missing: &str| PredictionError::File {
            problem: format!(
                "no column `{missing}`: the header is {}, but a submission begins with `id,id_image_in_task,task_name,label`",
                quoted(header)
            ),
        };
        Ok(Self {
            id: find("id").ok_or_else(|| problem("id"))?,
            place: find("task_name").zip(find("id_image_in_task")),
            label: find("label"),
            count: names.len(),
        })
    }
}

/// Whether a header is that of a submission. The first bytes of a file are enough.
pub fn is_submission(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).map(str::from_utf8);
    matches!(first, Some(Ok(header)) if Columns::of(header).is_ok_and(|columns| columns.label.is_some()))
}

impl Submission {
    /// Reads a submission; `sample` is the competition's sample file, needed where the submission has ids and labels alone.
    /// Where both name tasks and images, they must agree.
    ///
    /// # Errors
    /// With the lines: wrong numbers of cells, ids that come twice or are not in the sample, images and labels that are no whole
    /// numbers. For the file: missing columns, no rows.
    pub fn parse(bytes: &[u8], sample: Option<&[u8]>) -> Result<Self, PredictionError> {
        let places = sample.map(sample_places).transpose()?;
        let text = text(bytes)?;
        let mut lines = lines(text);
        let header = lines.next().map_or("", |(_, header)| header);
        let columns = Columns::of(header)?;
        let whole = |problem: &str| PredictionError::File { problem: problem.to_owned() };
        let label = columns.label.ok_or_else(|| whole("no column `label`"))?;
        if columns.place.is_none() && places.is_none() {
            return Err(whole(
                "no columns `id_image_in_task` and `task_name`: give the sample whose ids it uses (`--like SAMPLE.csv`)",
            ));
        }
        let mut problems = Problems::default();
        let mut tasks: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        let mut ids: HashMap<Cow<'_, str>, usize> = HashMap::new();
        for (line, content) in lines {
            let cells: Vec<_> = cells(content).collect();
            if cells.len() != columns.count {
                problems.add(line, format!("{} cells, but the header has {}", cells.len(), columns.count));
                continue;
            }
            let id = &cells[columns.id];
            if let Some(first) = ids.insert(id.clone(), line) {
                problems.add(line, format!("the id {} is repeated; it is on line {first} too", quoted(id)));
                continue;
            }
            let Some(label) = whole_number(&cells[label]) else {
                problems.add(line, format!("the label {} is not a class index", quoted(&cells[label])));
                continue;
            };
            match place(&cells, &columns, places.as_ref()) {
                Ok((task, image)) => tasks.entry(task.into_owned()).or_default().push(Row { line, image, label }),
                Err(problem) => problems.add(line, problem),
            }
        }
        problems.check()?;
        if tasks.is_empty() {
            return Err(whole("the submission has no rows"));
        }
        if let Some(places) = &places
            && let Some(missing) = places.keys().filter(|id| !ids.contains_key(id.as_ref())).min()
        {
            let count = places.len() - ids.len();
            let problem =
                format!("{count} ids of the sample are not in the submission, {} among them", quoted(missing));
            return Err(PredictionError::File { problem });
        }
        Ok(Self { tasks })
    }

    /// The tasks, by name.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.tasks.keys().map(String::as_str)
    }

    /// Rows of a task.
    pub fn rows(&self, task: &str) -> usize {
        self.tasks.get(task).map_or(0, Vec::len)
    }

    /// The labels of a task with so many test images and classes, image by image.
    ///
    /// # Errors
    /// With the lines: images that there are not or that come twice, labels outside the classes. For the task: images that are
    /// missing.
    pub fn labels(&self, task: &str, images: usize, classes: usize) -> Result<Vec<u16>, PredictionError> {
        let rows = self.tasks.get(task).map_or(&[][..], Vec::as_slice);
        let mut problems = Problems::default();
        let mut labels: Vec<Option<u16>> = vec![None; images];
        for row in rows {
            let Some(place) = labels.get_mut(row.image) else {
                problems.add(row.line, format!("image {} of `{task}`, which has {images} test images", row.image));
                continue;
            };
            if row.label >= classes {
                problems.add(row.line, format!("label {} is outside 0 to {} of `{task}`", row.label, classes - 1));
            }
            if place.replace(row.label as u16).is_some() {
                problems.add(row.line, format!("image {} of `{task}` is repeated", row.image));
            }
        }
        problems.check()?;
        let missing = labels.iter().enumerate().filter(|(_, label)| label.is_none()).map(|(image, _)| image);
        match some(missing) {
            None => Ok(labels.into_iter().flatten().collect()),
            Some(missing) => Err(PredictionError::File {
                problem: format!("images of `{task}` are missing: {missing}; {} of {images} are there", rows.len()),
            }),
        }
    }
}

type Places<'a> = HashMap<Cow<'a, str>, (Cow<'a, str>, usize)>;

/// Task and image of a row: as it says, as the sample says, or as both say.
fn place<'a>(
    cells: &[Cow<'a, str>],
    columns: &Columns,
    places: Option<&Places<'a>>,
) -> Result<(Cow<'a, str>, usize), String> {
    let own = columns.place.map(|(task, image)| {
        let number =
            whole_number(&cells[image]).ok_or_else(|| format!("{} is not an image number", quoted(&cells[image])))?;
        Ok::<_, String>((cells[task].clone(), number))
    });
    let own = own.transpose()?;
    let id = &cells[columns.id];
    let sampled = places
        .map(|places| places.get(id).cloned().ok_or_else(|| format!("the id {} is not in the sample", quoted(id))));
    match (own, sampled.transpose()?) {
        (Some(own), Some(sampled)) if own != sampled => Err(format!(
            "image {} of `{}`, but the sample gives this id to image {} of `{}`",
            own.1, own.0, sampled.1, sampled.0
        )),
        (Some(place), _) | (None, Some(place)) => Ok(place),
        (None, None) => Err("neither the row nor a sample says which image it is".to_owned()),
    }
}

fn sample_places(bytes: &[u8]) -> Result<Places<'_>, PredictionError> {
    let in_sample = |error: PredictionError| PredictionError::File { problem: format!("the sample: {error}") };
    let mut lines = lines(text(bytes).map_err(in_sample)?);
    let columns = Columns::of(lines.next().map_or("", |(_, header)| header)).map_err(in_sample)?;
    if columns.place.is_none() {
        let problem = "the sample has no columns `id_image_in_task` and `task_name`".to_owned();
        return Err(PredictionError::File { problem });
    }
    let (mut places, mut problems) = (HashMap::new(), Problems::default());
    for (line, content) in lines {
        let cells: Vec<_> = cells(content).collect();
        if cells.len() != columns.count {
            problems.add(line, format!("{} cells, but the header has {}", cells.len(), columns.count));
            continue;
        }
        match place(&cells, &columns, None) {
            Ok(place) => {
                if places.insert(cells[columns.id].clone(), place).is_some() {
                    problems.add(line, format!("the id {} is repeated", quoted(&cells[columns.id])));
                }
            }
            Err(problem) => problems.add(line, problem),
        }
    }
    problems.check().map_err(in_sample)?;
    Ok(places)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "id,id_image_in_task,task_name,label\n";

    fn parse(rows: &str, sample: Option<&str>) -> Result<Submission, String> {
        let text = format!("{HEADER}{rows}");
        Submission::parse(text.as_bytes(), sample.map(str::as_bytes)).map_err(|error| error.to_string())
    }

    #[test]
    fn any_order_is_read() {
        let one = parse("0,0,a,1\n1,1,a,0\n2,0,b,3\n", None).unwrap();
        let two = parse("2,0,b,3\n1,1,a,0\n0,0,a,1\n", None).unwrap();
        for submission in [one, two] {
            assert_eq!(submission.tasks().collect::<Vec<_>>(), ["a", "b"]);
            assert_eq!(submission.labels("a", 2, 2).unwrap(), [1, 0]);
            assert_eq!(submission.labels("b", 1, 4).unwrap(), [3]);
        }
    }

    #[test]
    fn ids_alone_follow_the_sample() {
        let sample = "id,id_image_in_task,task_name\n7,1,a\n9,0,a\n";
        let submission = Submission::parse(b"id,label\n9,3\n7,2\n", Some(sample.as_bytes())).unwrap();
        assert_eq!(submission.labels("a", 2, 4).unwrap(), [3, 2]);
        assert!(Submission::parse(b"id,label\n9,3\n7,2\n", None).unwrap_err().to_string().contains("--like"));
        let fail = |text: &str| Submission::parse(text.as_bytes(), Some(sample.as_bytes())).unwrap_err().to_string();
        assert!(fail("id,label\n9,3\n8,3\n").contains("line 3: the id \"8\" is not in the sample"));
        assert!(fail("id,label\n9,3\n").contains("1 ids of the sample are not in the submission, \"7\""));
        assert!(parse("9,1,a,0\n7,0,a,0\n", Some(sample)).unwrap_err().contains("the sample gives this id to image 0"));
    }

    #[test]
    fn every_mistake_has_its_line() {
        for (rows, part) in [
            ("0,0,a,1\n0,1,a,1\n", "line 3: the id \"0\" is repeated; it is on line 2 too"),
            ("0,0,a\n", "line 2: 3 cells, but the header has 4"),
            ("0,0,a,x\n", "line 2: the label \"x\""),
            ("0,-1,a,1\n", "line 2: \"-1\" is not an image number"),
            ("", "no rows"),
        ] {
            let message = parse(rows, None).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
        let labels = |rows: &str| parse(rows, None).unwrap().labels("a", 3, 2).unwrap_err().to_string();
        assert!(labels("0,0,a,0\n1,3,a,1\n").contains("line 3: image 3 of `a`, which has 3 test images"));
        assert!(labels("0,0,a,2\n").contains("line 2: label 2 is outside 0 to 1"));
        assert!(labels("0,0,a,1\n1,0,a,1\n").contains("line 3: image 0 of `a` is repeated"));
        assert!(labels("0,1,a,1\n").contains("images of `a` are missing: 0, 2; 1 of 3 are there"));
        assert!(Submission::parse(b"id,lab\n", None).unwrap_err().to_string().contains("no column `label`"));
        assert!(is_submission(HEADER.as_bytes()) && !is_submission(b"0,0.1,0.9\n"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, rows in "[0-9a,\n\"-]{0,80}") {
            let _ = Submission::parse(&bytes, Some(&bytes));
            let _ = parse(&rows, None).map(|submission| submission.labels("a", 3, 2));
        }
    }
}
