use askama::Template;
use medley_core::{Origin, Split};

use super::Section;
use crate::facts;
use crate::format::{self, NONE};
use crate::{Fragment, RunRecord};

/// What the run was trained and scored on, to the byte.
pub(super) struct Data;

#[derive(Template)]
#[template(path = "data.html")]
struct DataTemplate {
    official: bool,
    rows: Vec<Row>,
    total: [String; 3],
}

struct Row {
    title: String,
    kind: String,
    classes: usize,
    shape: String,
    images: [String; 3],
    file: String,
    release: String,
    published: bool,
    licence: &'static str,
    md5: String,
    sha256: String,
}

impl Section for Data {
    fn id(&self) -> &'static str {
        "data"
    }

    fn title(&self) -> &'static str {
        "Data"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let rows = (run.data().iter())
            .map(|data| Row {
                title: data.task.title.clone(),
                kind: data.task.kind.to_string(),
                classes: data.task.classes.len(),
                shape: data.task.shape.to_string().replace('x', " × "),
                images: Split::ALL.map(|split| {
                    data.rows.get(&split).map_or_else(|| NONE.to_owned(), |&rows| format::count(rows as u64))
                }),
                file: data.file.clone(),
                release: facts::release(data),
                published: data.task.origin == Origin::Official && data.release.is_some(),
                licence: facts::licence(data),
                md5: data.md5.clone(),
                sha256: data.sha256.clone(),
            })
            .collect();
        let total = Split::ALL.map(|split| {
            let rows = run.data().iter().filter_map(|data| data.rows.get(&split));
            format::count(rows.fold(0_u64, |sum, &rows| sum.saturating_add(rows as u64)))
        });
        Fragment::render(&DataTemplate { rows, total, official: facts::has(run, Origin::Official) }).map(Some)
    }
}
