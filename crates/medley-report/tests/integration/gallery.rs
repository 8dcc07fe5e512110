//! Images in a run folder: shown where they are what they say, else left out.

use medley_core::Split;
use medley_core::record::{Gallery, GalleryCase, GalleryNeighbour, GalleryTask, SCHEMA_VERSION};
use medley_report::{html, load_run};

use crate::common::{self, Fixture};
use crate::markup;

/// A black pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";

fn example() -> Gallery {
    let neighbour = GalleryNeighbour { row: 12, truth: 0, similarity: 0.98, picture: PNG.into() };
    let case = GalleryCase {
        row: 3,
        truth: 0,
        predicted: 1,
        label: None,
        confidence: 0.993,
        explained: 1,
        picture: PNG.into(),
        overlay: PNG.into(),
        greatest: 2.5,
        region: Some([0.0, 0.5, 0.25, 1.0]),
        share_inside: Some(0.61),
        neighbours: vec![neighbour],
    };
    let hit = GalleryCase { row: 7, truth: 1, confidence: 0.51, region: None, share_inside: None, ..case.clone() };
    let task = GalleryTask {
        task: "breastmnist".into(),
        rows: 78,
        wrong: 9,
        training_rows: 546,
        searched: 500,
        errors: vec![case],
        hits: vec![hit],
    };
    Gallery {
        schema_version: SCHEMA_VERSION,
        run: "small-three-1".into(),
        split: Split::Val,
        seed: 0,
        epoch: 12,
        method: "Grad-CAM".into(),
        tasks: vec![task],
    }
}

fn page_with(fixture: &Fixture, json: &str) -> (String, Vec<String>) {
    std::fs::write(fixture.layout.gallery(), json).unwrap();
    let run = load_run(&fixture.layout).unwrap();
    (html(&run).unwrap(), run.notes.clone())
}

#[test]
fn images_are_shown_with_what_they_say() {
    let fixture = common::small_three();
    let (page, notes) = page_with(&fixture, &serde_json::to_string(&example()).unwrap());
    assert_eq!(notes, Vec::<String>::new());
    let found = markup::read(&page);
    let of = |name: &str| -> Vec<&str> {
        let images = found.attributes.iter().filter(|(element, attribute, _)| element == "img" && attribute == name);
        images.map(|(_, _, value)| value.as_str()).collect()
    };
    assert_eq!((of("src").len(), of("alt").len()), (6, 6));
    assert!(of("src").iter().all(|source| *source == format!("data:image/png;base64,{PNG}")));
    assert!(of("alt").iter().all(|text| !text.is_empty()));
    let case = "Grad-CAM for normal, benign: strongest from 0 % to 25 % of the height and 50 % to 100 % of the width, with 61 %";
    assert!(of("alt").iter().any(|text| text.starts_with(case)), "{:?}", of("alt"));
    for text in
        ["normal, benign (99 %), but malignant", "9 of 78 validation images are wrong", "500 training images at equal"]
    {
        assert!(found.text.contains(text), "{text}");
    }
}

#[test]
fn what_lies_is_left_out_and_said() {
    let fixture = common::small_three();
    let change = |change: &dyn Fn(&mut Gallery)| {
        let mut gallery = example();
        change(&mut gallery);
        serde_json::to_string(&gallery).unwrap()
    };
    let case = |change_case: &dyn Fn(&mut GalleryCase)| change(&|gallery| change_case(&mut gallery.tasks[0].errors[0]));
    let far = "x".repeat(3_000_000);
    let bad = [
        "{".to_owned(),
        format!("{{\"run\": \"{far}\"}}"),
        change(&|gallery| gallery.split = Split::Test),
        change(&|gallery| gallery.schema_version = 99),
        change(&|gallery| gallery.tasks[0].task = "<b>".into()),
        change(&|gallery| gallery.tasks[0].errors = vec![gallery.tasks[0].errors[0].clone(); 100]),
        case(&|case| case.picture = "\"><script>alert(1)</script>".into()),
        case(&|case| case.overlay = "R0lGODlhAQABAAAAACw=".into()),
        case(&|case| case.neighbours[0].picture.clear()),
        case(&|case| case.truth = 2),
        case(&|case| case.explained = 9),
        case(&|case| case.label = Some(0)),
        case(&|case| case.confidence = 1.5),
        case(&|case| case.region = Some([0.0, 0.0, 9.0, 1.0])),
        case(&|case| case.neighbours = vec![case.neighbours[0].clone(); 50]),
    ];
    for json in bad {
        let (page, notes) = page_with(&fixture, &json);
        let start: String = json.chars().take(200).collect();
        assert!(notes.iter().any(|note| note.contains("the gallery is left out")), "{start}: {notes:?}");
        assert!(!page.contains("<img"), "{start}");
        markup::read(&page);
    }
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let fixture = common::small_three();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(elsewhere.path(), serde_json::to_string(&example()).unwrap()).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), fixture.layout.gallery()).unwrap();
    let run = load_run(&fixture.layout).unwrap();
    assert!(run.gallery.is_none() && run.notes.iter().any(|note| note.contains("is a link")), "{:?}", run.notes);
}
