//! Datasheets of real, generated and changed files.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, which say when they are skipped"
)]

use std::path::{Path, PathBuf};

use medley_audit::datasheet::{Answer, Claim, Datasheet, Finding, Subject};
use medley_core::{ImageShape, Modality, Origin, ScoringToken, TaskKind, TaskSpec};
use medley_data::{Array, DataError, OpenOptions, open_spec, write_npz};
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};

/// `MEDLEY_DATA`, or the folder beside the repository; `None` (said aloud) when neither is there, which is an error in CI.
fn real(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/medmnist"));
    let path = std::env::var_os("MEDLEY_DATA").map_or(beside, PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "the real files are missing: set MEDLEY_DATA");
    println!("skipped: no real files (set MEDLEY_DATA)");
    None
}

fn sheet(path: &Path) -> Datasheet {
    Subject::open(path, &OpenOptions::default()).unwrap().datasheet(None).unwrap()
}

fn opened_sheet(path: &Path) -> Datasheet {
    let subject = Subject::open(path, &OpenOptions::default()).unwrap();
    let task = &subject.opened().task;
    let token = ScoringToken::on_request(&task.spec.name, task.test.labels.rows());
    subject.datasheet(Some(&token)).unwrap()
}

fn claim<'a>(sheet: &'a Datasheet, about: &str) -> &'a Claim {
    sheet.claims().find(|claim| claim.about == about).unwrap_or_else(|| panic!("no claim about {about}"))
}

fn generated(folder: &Path, name: &str) -> PathBuf {
    let options = SynthOptions { rows: Rows::AtMost(40), ..SynthOptions::default() };
    write_set(folder, name, &options, &RealFs).unwrap()
}

/// A file under an official name, of grey squares with a gradient, that is not the published one.
fn changed(folder: &Path) -> PathBuf {
    let path = folder.join("breastmnist.npz");
    let image = |seed: usize| (0..784).map(move |at| ((at * (seed + 3)) % 251) as u8);
    let images: Vec<u8> = (0..6).flat_map(image).chain(image(0)).chain(vec![7; 784]).collect();
    let labels = [0, 1, 0, 1, 0, 1, 1, 0];
    let array = |name, shape, bytes| Array { name, shape, bytes };
    let (shape, rows) = ([8, 28, 28], [8, 1]);
    let arrays: Vec<Array<'_>> = ["train", "val", "test"]
        .iter()
        .flat_map(|split| {
            let (images_name, labels_name): (&str, &str) = match *split {
                "train" => ("train_images", "train_labels"),
                "val" => ("val_images", "val_labels"),
                _ => ("test_images", "test_labels"),
            };
            [array(images_name, &shape[..], &images[..]), array(labels_name, &rows[..], &labels[..])]
        })
        .collect();
    write_npz(&RealFs, &path, &arrays, true).unwrap();
    path
}

#[test]
fn every_claim_about_the_published_files_agrees() {
    for name in ["breastmnist.npz", "pneumoniamnist.npz", "retinamnist.npz", "adrenalmnist3d.npz"] {
        let Some(path) = real(name) else { return };
        let sheet = sheet(&path);
        let differing: Vec<_> =
            sheet.claims().filter(|claim| matches!(claim.finding, Finding::Differs { .. })).collect();
        assert!(differing.is_empty(), "{name}: {differing:?}");
        assert!(sheet.tally().agrees >= 9, "{name}: {:?}", sheet.tally());
    }
}

#[test]
fn test_labels_are_counted_only_on_request() {
    let Some(path) = real("retinamnist.npz") else { return };
    let (closed, open) = (sheet(&path), opened_sheet(&path));
    let about = "images per class, all splits";
    assert!(matches!(&claim(&closed, about).finding, Finding::NotCheckable { reason } if reason.contains("sealed")));
    assert_eq!(claim(&open, about).finding, Finding::Agrees { found: None });
    // 714 images of grade 0 in all, 486 of them in train and 54 in val: the closed sheet must not say 174.
    assert!(!closed.markdown().contains("174 (43.5 %)") && open.markdown().contains("174 (43.5 %)"));
    let other = ScoringToken::on_request("breastmnist", 400);
    let subject = Subject::open(&path, &OpenOptions::default()).unwrap();
    assert!(matches!(subject.datasheet(Some(&other)), Err(DataError::Content { .. })));
}

#[test]
fn the_duplicates_of_pneumoniamnist_are_told() {
    let Some(path) = real("pneumoniamnist.npz") else { return };
    let text = sheet(&path).markdown();
    assert!(text.contains(
        "27 groups of images that are equal byte for byte; 8 lie in more than one split, 0 of these in test"
    ));
}

#[test]
fn a_changed_file_differs_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = sheet(&changed(folder.path()));
    for (about, found) in
        [("images in train", "8"), ("images in all", "24"), ("ratio of train : val : test", "33.3 : 33.3 : 33.3 %")]
    {
        assert_eq!(claim(&sheet, about).finding, Finding::Differs { found: found.to_owned() }, "{about}");
    }
    assert!(matches!(claim(&sheet, "MD5").finding, Finding::Differs { .. }));
    assert!(
        matches!(&claim(&sheet, "licence").finding, Finding::NotCheckable { reason } if reason.contains("not the published"))
    );
    let text = sheet.markdown();
    assert!(text.contains("What differs from what is stated"));
    assert!(text.contains("Blank images (of one single value): 1 in train, 1 in val, 1 in test."));
    // Six pictures in all three splits, one of them twice in each, with different labels; and the blank one.
    assert!(text.contains("7 groups of images that are equal byte for byte; 7 lie in more than one split, 7 of these in test. In 1 the"), "{text}");
}

#[test]
fn a_drawn_set_says_so_first_and_is_drawn_again() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["breastmnist", "retinamnist", "chestmnist", "organmnist3d"] {
        let sheet = sheet(&generated(folder.path(), name));
        assert!(sheet.synthetic && sheet.tally().differs == 0, "{name}: {:?}", sheet.tally());
        let found = &claim(&sheet, "generated by Medley").finding;
        assert_eq!(found.detail(), "found 96 of 96 images equal when generated again", "{name}");
        let (markdown, html) = (sheet.markdown(), sheet.html().unwrap());
        assert!(markdown.lines().nth(2).unwrap().contains("SYNTHETIC"), "{name}");
        assert!(html.find("Synthetic data").unwrap() < html.find("<h1>").unwrap(), "{name}");
        assert!(!markdown.contains("zenodo"), "{name}: a generated set is not published");
    }
}

#[test]
fn a_users_own_set_leaves_to_its_owner_what_the_file_cannot_tell() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(folder.path());
    let spec = TaskSpec {
        name: "mine".into(),
        title: "My <b>slides</b> & | pipes".into(),
        kind: TaskKind::Binary,
        modality: Modality::Other,
        classes: vec!["no <script>alert(1)</script>".into(), "yes | no".into()],
        shape: ImageShape::flat(28, 28, 1),
        origin: Origin::User,
    };
    let opened = open_spec(&path, &spec, &OpenOptions::default()).unwrap();
    let sheet = Subject::new(&path, opened, None).unwrap().datasheet(None).unwrap();
    assert_eq!(sheet.sections.len(), 7);
    assert!(sheet.tally().open > 20, "{:?}", sheet.tally());
    let (markdown, html) = (sheet.markdown(), sheet.html().unwrap());
    assert!(!html.contains("<script") && !html.contains("<b>slides"), "escaped");
    assert!(html.contains("no &#60;script&#62;") || html.contains("no &lt;script&gt;"));
    assert!(!markdown.contains("<script") && markdown.contains("yes \\| no"));
    assert!(!markdown.contains("MedMNIST"), "nothing is claimed that belongs to others:\n{markdown}");
}

#[test]
fn every_question_has_an_answer_or_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = sheet(&generated(folder.path(), "dermamnist"));
    for question in sheet.sections.iter().flat_map(|section| &section.questions) {
        assert!(!question.answers.is_empty(), "{}", question.question);
        for answer in &question.answers {
            let text = match answer {
                Answer::Text(text) | Answer::Open(text) | Answer::Quote { text, .. } => text.clone(),
                Answer::List(items) => items.join(""),
                Answer::Table(table) => table.caption.clone(),
                Answer::Claims(claims) => claims.iter().map(|claim| claim.about.as_str()).collect(),
            };
            assert!(!text.trim().is_empty(), "{}", question.question);
        }
    }
}

#[test]
fn pages_hold_no_script_and_fetch_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let html = sheet(&changed(folder.path())).html().unwrap();
    for needle in ["<script", "src=", "@import", "url(", "<link rel=\"stylesheet"] {
        assert!(!html.contains(needle), "{needle}");
    }
    assert!(html.contains("Content-Security-Policy"));
    assert_eq!(html, sheet(&changed(folder.path())).html().unwrap(), "the same file gives the same page");
}

#[test]
fn snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let synthetic = sheet(&generated(folder.path(), "breastmnist"));
    insta::assert_snapshot!("synthetic_markdown", synthetic.markdown());
    insta::assert_snapshot!("synthetic_html", synthetic.html().unwrap());
    if let Some(path) = real("retinamnist.npz") {
        insta::assert_snapshot!("retinamnist_markdown", sheet(&path).markdown());
    }
}

#[test]
fn what_the_entry_of_a_users_own_set_says_is_held_against_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moles.npz");
    std::fs::rename(changed(folder.path()), &path).unwrap();
    let (md5, _) = medley_data::hash_file(&path).unwrap();
    let entry = format!(
        "medley_set = 1\nname = \"moles\"\ntitle = \"Moles\"\nmodality = \"dermatoscope\"\nsource = \"the clinic's archive\"\n\
         kind = \"binary\"\ndimensions = 2\nchannels = 1\nclasses = [\"benign\", \"malignant\"]\nlicence = \"CC0\"\n\
         rows = [8, 8, 7]\n[[file]]\nsize = 28\nmd5 = \"{md5}\"\n[import]\nresize = \"pad, then Catmull-Rom\"\n"
    );
    std::fs::write(folder.path().join("moles.toml"), entry).unwrap();
    let sheet = sheet(&path);
    assert_eq!(claim(&sheet, "MD5").finding, Finding::Agrees { found: None });
    assert_eq!(claim(&sheet, "images in test").finding, Finding::Differs { found: "8".into() });
    assert!(matches!(claim(&sheet, "licence").finding, Finding::NotCheckable { .. }));
    let text = sheet.markdown();
    assert!(text.contains("resize: pad, then Catmull-Rom") && text.contains("the clinic's archive"), "{text}");
    let options = OpenOptions::default();
    assert!(Subject::open_named("moles".as_ref(), folder.path(), &options).is_ok());
    assert!(matches!(Subject::open_named("mole".as_ref(), folder.path(), &options), Err(DataError::UnknownSet { .. })));
    assert!(text.contains("byte for byte the file that was imported") && !text.contains("MedMNIST"), "{text}");
}
