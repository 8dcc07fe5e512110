use askama::Template;
use medley_core::TaskSpec;
use medley_core::record::{GalleryCase, GalleryTask};

use super::Section;
use crate::format;
use crate::{Fragment, RunRecord};

/// Validation images worth looking at, with maps of what the network used. The pictures are in `gallery.json`: no network is needed.
pub(super) struct Gallery;

#[derive(Template)]
#[template(path = "gallery.html")]
struct GalleryTemplate {
    seed: u64,
    epoch: usize,
    method: String,
    tasks: Vec<Task>,
}

struct Task {
    title: String,
    summary: String,
    kinds: Vec<Kind>,
}

struct Kind {
    title: &'static str,
    cases: Vec<Case>,
}

struct Case {
    caption: String,
    picture: String,
    picture_text: String,
    overlay: String,
    overlay_text: String,
    near: Vec<Near>,
}

struct Near {
    picture: String,
    text: String,
    caption: String,
}

impl Section for Gallery {
    fn id(&self) -> &'static str {
        "gallery"
    }

    fn title(&self) -> &'static str {
        "Errors and close calls"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(gallery) = &run.gallery else { return Ok(None) };
        let tasks: Vec<Task> = gallery.tasks.iter().filter_map(|task| of_task(run, task, &gallery.method)).collect();
        if tasks.is_empty() {
            return Ok(None);
        }
        let method = gallery.method.clone();
        Fragment::render(&GalleryTemplate { seed: gallery.seed, epoch: gallery.epoch, method, tasks }).map(Some)
    }
}

fn of_task(run: &RunRecord, task: &GalleryTask, method: &str) -> Option<Task> {
    let spec = &run.data_of(&task.task)?.task;
    let wrong = format!(
        "{} of {} validation images are wrong.",
        format::count(task.wrong as u64),
        format::count(task.rows as u64)
    );
    let searched = if task.searched < task.training_rows {
        format!(
            " Neighbours are the nearest of {} training images at equal distances among {}.",
            format::count(task.searched as u64),
            format::count(task.training_rows as u64)
        )
    } else {
        String::new()
    };
    let kinds = [("Most confident errors", &task.errors), ("Least confident hits", &task.hits)];
    let kinds = kinds
        .into_iter()
        .filter(|(_, cases)| !cases.is_empty())
        .map(|(title, cases)| Kind { title, cases: cases.iter().map(|case| of_case(case, spec, method)).collect() });
    Some(Task { title: spec.title.clone(), summary: wrong + &searched, kinds: kinds.collect() })
}

fn of_case(case: &GalleryCase, spec: &TaskSpec, method: &str) -> Case {
    let name = |class: u16| spec.classes.get(usize::from(class)).map_or_else(|| class.to_string(), Clone::clone);
    let said = |value: u16| match case.label {
        Some(label) => format!("{} {}", name(label), if value == 1 { "present" } else { "absent" }),
        None => name(value),
    };
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let predicted = format!("{} ({})", said(case.predicted), percent(case.confidence));
    let caption = if case.truth == case.predicted {
        format!("image {}: {predicted}, right", case.row)
    } else {
        format!("image {}: {predicted}, but {}", case.row, said(case.truth))
    };
    let place = match (case.region, case.share_inside) {
        (Some([top, left, bottom, right]), Some(share)) => format!(
            "strongest from {} to {} of the height and {} to {} of the width, with {} of the map",
            percent(top),
            percent(bottom),
            percent(left),
            percent(right),
            percent(share)
        ),
        _ if case.greatest > 0.0 => format!("greatest value {}", format::number(Some(case.greatest), 2)),
        _ => "nothing speaks for it".to_owned(),
    };
    let near = case.neighbours.iter().map(|near| Near {
        picture: near.picture.clone(),
        text: format!("Training image {}: {}", near.row, said(near.truth)),
        caption: said(near.truth),
    });
    Case {
        picture: case.picture.clone(),
        picture_text: format!("Validation image {}", case.row),
        overlay: case.overlay.clone(),
        overlay_text: format!("{method} for {}: {place}", name(case.explained)),
        near: near.collect(),
        caption,
    }
}
