//! `gallery.json`, which `medley explain RUN --gallery` writes. It only illustrates: whatever is wrong with it, it is left out with a note.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use medley_core::record::{
    Gallery, GalleryCase, GalleryTask, LARGEST_GALLERY, LARGEST_PICTURE, Manifest, SCHEMA_VERSION,
};
use medley_core::{RunLayout, Split, TaskKind, TaskSpec};
use medley_storage::{ConfinedFolder, ReadError};

use super::history::reason;

/// Images of a kind in a task, and neighbours of an image, that a page shows.
const MOST_CASES: usize = 24;
const MOST_NEIGHBOURS: usize = 8;

/// The gallery of a run, if it has one that can be shown.
pub(super) fn read(run: &RunLayout, manifest: &Manifest, notes: &mut Vec<String>) -> Option<Gallery> {
    let bytes = match ConfinedFolder::new(run.root()).read_file(&run.gallery(), LARGEST_GALLERY) {
        Ok(bytes) => bytes,
        Err(ReadError::Missing { .. }) => return None,
        Err(error) => {
            notes.push(format!("gallery.json {}: the gallery is left out", reason(&error)));
            return None;
        }
    };
    let parsed = serde_json::from_slice::<Gallery>(&bytes).map_err(|error| error.to_string());
    match parsed.and_then(|gallery| check(&gallery, manifest).map(|()| gallery)) {
        Ok(gallery) => Some(gallery),
        Err(problem) => {
            notes.push(format!("gallery.json: {problem}: the gallery is left out"));
            None
        }
    }
}

fn check(gallery: &Gallery, manifest: &Manifest) -> Result<(), String> {
    if gallery.schema_version != SCHEMA_VERSION {
        return Err(format!("its version is {}, and {SCHEMA_VERSION} is read", gallery.schema_version));
    }
    if gallery.split != Split::Val {
        return Err(format!("it shows the {} split, and only validation images belong there", gallery.split));
    }
    for task in &gallery.tasks {
        let known = manifest.data.iter().find(|data| data.task.name == task.task);
        let spec = &known.ok_or_else(|| format!("task {:?} is not one of the run", task.task))?.task;
        check_task(task, spec).map_err(|problem| format!("task {:?}: {problem}", task.task))?;
    }
    Ok(())
}

fn check_task(task: &GalleryTask, spec: &TaskSpec) -> Result<(), String> {
    if task.errors.len().max(task.hits.len()) > MOST_CASES {
        return Err(format!("it has more than {MOST_CASES} images of a kind"));
    }
    let cases = task.errors.iter().chain(&task.hits);
    cases
        .enumerate()
        .try_for_each(|(index, case)| check_case(case, spec).map_err(|problem| format!("image {index}: {problem}")))
}

fn check_case(case: &GalleryCase, spec: &TaskSpec) -> Result<(), String> {
    let classes = spec.classes.len();
    let values = spec.label_values();
    let labels = case.neighbours.iter().map(|near| near.truth).chain([case.truth, case.predicted]);
    if labels.into_iter().any(|label| usize::from(label) >= values) || usize::from(case.explained) >= classes {
        return Err("a class that the task does not have".to_owned());
    }
    if (spec.kind == TaskKind::MultiLabel) != case.label.is_some_and(|label| usize::from(label) < classes) {
        return Err("a label that does not fit the task".to_owned());
    }
    let shares =
        [Some(case.confidence), case.share_inside].into_iter().flatten().chain(case.region.into_iter().flatten());
    if shares.into_iter().any(|share| !(0.0..=1.0).contains(&share)) || !case.greatest.is_finite() {
        return Err("a number out of its range".to_owned());
    }
    if case.neighbours.len() > MOST_NEIGHBOURS || case.neighbours.iter().any(|near| !near.similarity.is_finite()) {
        return Err("neighbours that cannot be".to_owned());
    }
    let near = case.neighbours.iter().map(|near| &near.picture);
    [&case.picture, &case.overlay].into_iter().chain(near).try_for_each(|picture| check_png(picture))
}

/// A page that shows it fetches nothing and decodes no more pixels than a small picture has.
fn check_png(text: &str) -> Result<(), String> {
    let bytes = STANDARD.decode(text).map_err(|error| format!("a picture is not Base64: {error}"))?;
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.get(12..16) == Some(b"IHDR");
    let sides = [number(16), number(20)].map(Option::unwrap_or_default);
    if !is_png || sides.iter().any(|side| !(1..=LARGEST_PICTURE).contains(side)) {
        return Err(format!("a picture is not a PNG of 1 to {LARGEST_PICTURE} pixels a side"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a PNG of that size.
    fn png(width: u32, height: u32) -> String {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        STANDARD.encode(bytes)
    }

    #[test]
    fn only_small_pngs_are_shown() {
        assert_eq!(check_png(&png(28, 28)), Ok(()));
        for bad in
            [png(0, 28), png(28, 100_000), png(28, 28)[..16].to_owned(), "<svg>".to_owned(), "R0lGODlh".to_owned()]
        {
            assert!(check_png(&bad).is_err(), "{bad}");
        }
    }
}
