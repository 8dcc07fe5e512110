//! `report.html`: the sections in one self-contained page.

use std::path::PathBuf;

use askama::Template;
use medley_core::RunLayout;
use medley_storage::{ConfinedFolder, ConfinedFs, Storage, write_whole};

use crate::format;
use crate::frame::Frame;
use crate::record::load_run;
use crate::sections::sections;
use crate::svg::MOST_CLASSES;
use crate::{Fragment, ReportError, RunRecord, facts};

#[derive(Template)]
#[template(path = "page.html")]
struct SectionsTemplate {
    sections: Vec<Part>,
}

struct Part {
    id: &'static str,
    title: &'static str,
    body: Fragment,
}

/// Writes `report.html` of a run folder, replacing an older one: the page is whole or absent.
///
/// # Errors
/// Whatever is wrong with the run folder (see [`load_run`]), or that the file could not be written.
pub fn write_report(run: &RunLayout, storage: &dyn Storage) -> Result<PathBuf, ReportError> {
    let page = html(&load_run(run)?)?;
    write_whole(&ConfinedFs::new(ConfinedFolder::new(run.root()), storage), &run.report(), page.as_bytes())?;
    Ok(run.report())
}

/// Tasks, seeds, classes of all tasks and cells of all confusion matrices that a page shows. A page of so many has some ten
/// megabytes, and nobody reads it; it is made in time that is linear in each.
const MOST: [(&str, usize); 4] = [("tasks", 1_000), ("seeds", 200), ("classes", 20_000), ("confusion cells", 400_000)];

/// Refuses what would be no page.
fn check_size(run: &RunRecord) -> Result<(), ReportError> {
    let classes = || run.data().iter().map(|data| data.task.classes.len());
    let cells = classes().filter(|&classes| classes <= MOST_CLASSES).map(|classes| classes * classes);
    let seeds = run.manifest.seeds.len().max(run.history.seeds.len());
    let found = [run.data().len(), seeds, classes().sum(), cells.sum()];
    match MOST.iter().zip(found).find(|((_, limit), found)| found > limit) {
        Some((&(what, limit), found)) => Err(ReportError::TooMuch { what, found, limit }),
        None => Ok(()),
    }
}

/// The page as text: HTML with its style and charts inside, no script, and nothing that is fetched from anywhere.
///
/// # Errors
/// [`ReportError::TooMuch`], [`ReportError::Render`].
pub fn html(run: &RunRecord) -> Result<String, ReportError> {
    check_size(run)?;
    let mut parts = Vec::new();
    for section in sections() {
        let fail = |source| ReportError::Render { section: section.id().to_owned(), source };
        if let Some(body) = section.render(run).map_err(fail)? {
            parts.push(Part { id: section.id(), title: section.title(), body });
        }
    }
    let fail = |source| ReportError::Render { section: "page".to_owned(), source };
    let frame = Frame {
        kind: "run report",
        name: run.name(),
        synthetic: run.is_synthetic(),
        unfinished: run.results.is_none() && !run.untested,
        summary: summary(run),
        date: Some(format::date(&run.manifest.created)),
        not_clinical: facts::not_clinical(run),
        licences: facts::licences(run),
        contents: parts.iter().map(|part| (part.id, part.title)).collect(),
        source: "the run folder",
        body: Fragment::render(&SectionsTemplate { sections: parts }).map_err(fail)?,
    };
    frame.render().map_err(fail)
}

/// One line under the title.
fn summary(run: &RunRecord) -> String {
    let mut parts = vec![format::plural(run.data().len(), "task"), format::plural(run.manifest.seeds.len(), "seed")];
    if let Some(epochs) = run.history.planned_epochs {
        parts.push(format::plural(epochs, "epoch"));
    }
    if let Some(backbone) = run.setting("net.backbone.name").or_else(|| run.setting("net.backbone")) {
        parts.push(backbone);
    }
    parts.join(" · ")
}
