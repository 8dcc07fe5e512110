use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::super::samples;
use super::*;

/// What a reader makes of one record.
#[derive(Debug, PartialEq)]
struct Record {
    time: f64,
    step: u64,
    version: Option<String>,
    session_start: bool,
    scalars: Vec<(String, f32)>,
}

/// A field of a message: its number, and its varint or its bytes.
#[derive(Debug)]
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("varint too long")
}

fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                fields.push(Field::Number(tag >> 3, take_varint(&mut bytes)));
                continue;
            }
            1 => 8,
            2 => take_varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (content, rest) = bytes.split_at(length);
        fields.push(Field::Bytes(tag >> 3, content));
        bytes = rest;
    }
    fields
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn scalar(value: &[u8]) -> (String, f32) {
    match fields(value).as_slice() {
        [Field::Bytes(1, tag), Field::Bytes(2, number)] => {
            (text(tag), f32::from_le_bytes((*number).try_into().unwrap()))
        }
        other => panic!("{other:?}"),
    }
}

fn record(event: &[u8]) -> Record {
    let mut record = Record { time: f64::NAN, step: 0, version: None, session_start: false, scalars: Vec::new() };
    for field in fields(event) {
        match field {
            Field::Bytes(1, time) => record.time = f64::from_le_bytes(time.try_into().unwrap()),
            Field::Number(2, step) => record.step = step,
            Field::Bytes(3, version) => record.version = Some(text(version)),
            Field::Bytes(5, summary) => {
                for value in fields(summary) {
                    let Field::Bytes(1, value) = value else { panic!("{value:?}") };
                    record.scalars.push(scalar(value));
                }
            }
            Field::Bytes(7, session) => {
                assert!(matches!(fields(session).as_slice(), [Field::Number(1, 1)]));
                record.session_start = true;
            }
            other => panic!("{other:?}"),
        }
    }
    record
}

fn parse(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(8);
        let (length_crc, rest) = rest.split_at(4);
        assert_eq!(length_crc, masked(length).to_le_bytes());
        let (event, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (event_crc, rest) = rest.split_at(4);
        assert_eq!(event_crc, masked(event).to_le_bytes());
        records.push(record(event));
        bytes = rest;
    }
    records
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn observe(layout: &RunLayout, events: &[Event]) {
    let mut observer = TensorBoard::new(layout.clone());
    observer.clock = || 1_700_000_000.25;
    for event in events {
        observer.observe(event).unwrap();
    }
}

/// The fixtures were read with TensorBoard itself, see `scripts/fixtures/train_tensorboard.py`.
fn assert_is_fixture(name: &str, written: &[u8]) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tensorboard").join(name);
    if std::env::var_os("MEDLEY_WRITE_FIXTURES").is_some() {
        fs_err::create_dir_all(fixture.parent().unwrap()).unwrap();
        fs_err::write(&fixture, written).unwrap();
    }
    assert!(written == fs_err::read(&fixture).unwrap(), "{name} differs");
}

/// Two epochs of twelve steps.
fn two_epochs() -> Vec<Event> {
    let mut events = vec![samples::run_started(12, false), samples::seed_started(7)];
    for epoch in 0..2 {
        events.extend((0..12).map(|step| samples::step(7, epoch, step, 1.0 / (step + 1) as f64)));
        events.push(samples::epoch_finished(7, epoch));
    }
    events
}

#[test]
fn scalars_have_tags_and_steps() {
    let folder = tempfile::tempdir().unwrap();
    let layout = RunLayout::new(folder.path());
    observe(&layout, &two_epochs());
    let files = files(&layout.tensorboard(7));
    assert_eq!(files.len(), 1);
    assert!(files[0].ends_with("events.out.tfevents.1700000000.medley"));
    let written = fs_err::read(&files[0]).unwrap();
    assert_is_fixture("two_epochs.tfevents", &written);
    let records = parse(&written);
    assert_eq!(records[0].version.as_deref(), Some("brain.Event:2"));
    assert!(records.iter().all(|record| record.time == 1_700_000_000.25 && !record.session_start));
    let steps: Vec<u64> = records.iter().map(|record| record.step).collect();
    assert_eq!(steps, [0, 1, 11, 12, 13, 23, 24]);
    let tags: Vec<&str> = records[3].scalars.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(
        tags,
        [
            "val/breastmnist/loss",
            "val/breastmnist/accuracy",
            "val/breastmnist/macro_f1",
            "val/breastmnist/auc",
            "val/octmnist/loss",
            "val/octmnist/accuracy",
            "val/octmnist/macro_f1",
            "val/harmonic_mean",
            "train/epoch_loss",
            "speed/images_per_second",
            "speed/data_wait",
        ]
    );
    assert_eq!(records[2].scalars[0], ("train/loss".to_owned(), 1.0 / 11.0));
}

#[test]
fn a_resumed_run_begins_a_file_that_supersedes() {
    let folder = tempfile::tempdir().unwrap();
    let layout = RunLayout::new(folder.path());
    let events = two_epochs();
    observe(&layout, &events[..20]);
    // From the second epoch on: step 12 is the 13th.
    observe(&layout, &[vec![samples::run_started(12, true), samples::seed_started(7)], events[15..].to_vec()].concat());
    let files = files(&layout.tensorboard(7));
    assert_eq!(files.len(), 2);
    let written = fs_err::read(&files[1]).unwrap();
    assert_is_fixture("resumed.tfevents", &written);
    let records = parse(&written);
    let steps: Vec<(u64, bool)> = records.iter().map(|record| (record.step, record.session_start)).collect();
    assert_eq!(steps, [(0, false), (13, true), (13, false), (23, false), (24, false)]);
}

#[test]
fn every_seed_has_its_folder_and_quiet_seeds_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let layout = RunLayout::new(folder.path());
    let events = [
        samples::run_started(1, false),
        samples::seed_started(1),
        samples::seed_started(2),
        samples::step(2, 0, 0, 1.0),
        samples::step(3, 0, 0, f64::NAN),
    ];
    observe(&layout, &events);
    assert!(!layout.tensorboard(1).exists());
    assert_eq!((files(&layout.tensorboard(2)).len(), files(&layout.tensorboard(3)).len()), (1, 1));
    assert!(parse(&fs_err::read(&files(&layout.tensorboard(3))[0]).unwrap())[1].scalars[0].1.is_nan());
}

proptest! {
    #[test]
    fn events_are_read_back(time: f64, step: u64, tags in prop::collection::vec((any::<String>(), any::<f32>()), 0..5)) {
        prop_assume!(!time.is_nan() && tags.iter().all(|(_, number)| !number.is_nan()));
        let scalars: Vec<(String, f64)> = tags.iter().map(|(tag, number)| (tag.clone(), f64::from(*number))).collect();
        let read = record(&encode_event(time, step, &Content::Scalars(&scalars)));
        prop_assert_eq!(read, Record { time, step, version: None, session_start: false, scalars: tags });
    }
}

#[test]
fn settings_stand_before_the_first_point() {
    let folder = tempfile::tempdir().unwrap();
    let layout = RunLayout::new(folder.path());
    let settings =
        "name = 'x'\n[train]\nepochs = 3\nrate = 0.5\nbest = true\nseeds = [0, 1]".parse::<toml::Table>().unwrap();
    let mut observer = TensorBoard::new(layout.clone()).describing(flattened(&settings));
    observer.clock = || 1_700_000_000.25;
    observer.file(0, 1).unwrap();
    let bytes = fs_err::read(&files(&layout.tensorboard(0))[0]).unwrap();
    // tag, plugin and each key once, with the texts of what is no number. scripts/compare/tensorboard_hparams reads it with TensorBoard.
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    for part in ["_hparams_/session_start_info", "train.epochs", "train.rate", "train.best", "train.seeds", "[0, 1]"] {
        assert_eq!(shown.matches(part).count(), 1, "{part}");
    }
    let number = bytes.windows(8).any(|window| window == 0.5_f64.to_le_bytes());
    assert!(number, "0.5 is there as a double");
    // One that goes on says nothing of them again.
    observer.current = None;
    observer.file(0, 7).unwrap();
    let second = fs_err::read(&files(&layout.tensorboard(0))[1]).unwrap();
    assert!(!String::from_utf8_lossy(&second).contains("_hparams_"));
}
