//! Submissions: what is written is what was scored, in the order asked for, or nothing.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use common::Fixture;
use medley_core::{COMPETITION_TASKS, TaskKind};
use medley_predictions::RecordError;
use medley_predictions::submission::{COMPETITION_ROWS, SubmissionError, SubmissionOrder, write_submission};
use medley_storage::{Fault, FaultyFs, RealFs};
use proptest::prelude::*;

struct Line {
    id: String,
    image: usize,
    task: String,
    label: usize,
}

fn write(fixture: &Fixture, order: &SubmissionOrder) -> Vec<Line> {
    let submission = write_submission(&fixture.layout, order, &RealFs).unwrap();
    let text = std::fs::read_to_string(&submission.path).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    assert_eq!(header, "id,id_image_in_task,task_name,label");
    let lines: Vec<Line> = body
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let [id, image, task, label] = fields[..] else { panic!("{line}") };
            Line { id: id.into(), image: image.parse().unwrap(), task: task.into(), label: label.parse().unwrap() }
        })
        .collect();
    assert_eq!(lines.len(), submission.rows);
    lines
}

fn refusal(fixture: &Fixture, order: &SubmissionOrder) -> String {
    let error = write_submission(&fixture.layout, order, &RealFs).expect_err("a refusal");
    assert!(!fixture.layout.submission(false).exists() && !fixture.layout.submission(true).exists());
    error.to_string().replace(&fixture.folder.path().display().to_string(), "TMP")
}

/// The files of one task, of the given split and predictor.
fn predictions(fixture: &Fixture, start: &str, end: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir(fixture.layout.predictions())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(start) && name.ends_with(end)
        })
        .collect();
    assert_eq!(found.len(), 1, "{start} {end}");
    found.remove(0)
}

fn edit(path: &PathBuf, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, change(&text)).unwrap();
}

#[test]
fn all_eleven_tasks_make_the_competitions_file() {
    let fixture = common::tensor_reloaded();
    let lines = write(&fixture, &SubmissionOrder::Competition);
    assert_eq!(lines.len(), COMPETITION_ROWS);
    assert!(fixture.layout.submission(true).ends_with("submission.SYNTHETIC.csv"));
    assert!(fixture.layout.submission(true).exists() && !fixture.layout.submission(false).exists());
    let mut order: Vec<&str> = Vec::new();
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, line) in lines.iter().enumerate() {
        assert_eq!(line.id, id.to_string());
        if order.last() != Some(&line.task.as_str()) {
            order.push(&line.task);
        }
        let next = next.entry(&line.task).or_default();
        assert_eq!(line.image, *next);
        *next += 1;
        let classes = fixture.manifest.data.iter().find(|data| data.task.name == line.task).unwrap().task.classes.len();
        assert!(line.label < classes);
    }
    assert_eq!(order, COMPETITION_TASKS);
}

#[test]
fn labels_are_those_that_were_scored() {
    for fixture in [common::small_three(), common::one_seed()] {
        let scored = fixture.results.ensemble.as_ref().unwrap_or(fixture.results.seeds[0].test.as_ref().unwrap());
        let lines = write(&fixture, &SubmissionOrder::Competition);
        for task in &scored.tasks {
            for (class, of_class) in task.per_class.iter().enumerate() {
                let count = lines.iter().filter(|line| line.task == task.task && line.label == class).count();
                assert_eq!(count as u64, of_class.predicted, "{} {class}", task.task);
            }
        }
    }
}

#[test]
fn the_alphabetical_order_has_the_same_labels() {
    let fixture = common::small_three();
    let key = |lines: Vec<Line>| -> BTreeMap<(String, usize), usize> {
        lines.into_iter().map(|line| ((line.task, line.image), line.label)).collect()
    };
    let lines = write(&fixture, &SubmissionOrder::Alphabetical);
    assert!(lines.windows(2).all(|pair| pair[0].task <= pair[1].task));
    assert!(lines.iter().enumerate().all(|(id, line)| line.id == id.to_string()));
    assert_eq!(key(lines), key(write(&fixture, &SubmissionOrder::Competition)));
}

#[test]
fn rows_of_a_prediction_file_may_stand_in_any_order() {
    let fixture = common::one_seed();
    let before: Vec<usize> = write(&fixture, &SubmissionOrder::Competition).iter().map(|line| line.label).collect();
    edit(&predictions(&fixture, "retinamnist_test", "seed7.csv"), |text| {
        text.lines().rev().collect::<Vec<_>>().join("\n")
    });
    let after: Vec<usize> = write(&fixture, &SubmissionOrder::Competition).iter().map(|line| line.label).collect();
    assert_eq!(before, after);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_sample_is_followed_row_by_row(seed: u64) {
        use medley_core::seed::{Purpose, stream};
        use rand::Rng as _;
        thread_local!(static FIXTURE: Fixture = common::one_seed());
        FIXTURE.with(|fixture| {
            let plain = write(fixture, &SubmissionOrder::Competition);
            let mut order: Vec<usize> = (0..plain.len()).collect();
            let mut rng = stream(seed, Purpose::Permutation, &[]);
            for last in (1..order.len()).rev() {
                order.swap(last, (rng.next_u64() % (last as u64 + 1)) as usize);
            }
            let sample = fixture.folder.path().join("sample.csv");
            let mut text = "task_name,id,label,id_image_in_task\n".to_owned();
            for (position, &row) in order.iter().enumerate() {
                writeln!(text, "{},r{position},0,{}", plain[row].task, plain[row].image).unwrap();
            }
            std::fs::write(&sample, text).unwrap();
            let lines = write(fixture, &SubmissionOrder::Like(sample));
            for ((line, &row), position) in lines.iter().zip(&order).zip(0..) {
                assert_eq!((&line.task, line.image, line.label), (&plain[row].task, plain[row].image, plain[row].label));
                assert_eq!(line.id, format!("r{position}"));
            }
        });
    }
}

#[test]
fn bad_samples_are_refused_with_their_line() {
    let fixture = common::one_seed();
    let sample = fixture.folder.path().join("sample.csv");
    let order = SubmissionOrder::Like(sample.clone());
    let cases = [
        ("id,task_name\n0,breastmnist\n", "line 1: no column `id_image_in_task`; the header is `id,task_name`"),
        ("id,id_image_in_task,task_name\n0,0,moonmnist\n", "line 2: task `moonmnist` is not in the run, which has"),
        (
            "id,id_image_in_task,task_name\n0,156,breastmnist\n",
            "line 2: image 156 of `breastmnist`, which has 156 test images",
        ),
        ("id,id_image_in_task,task_name\n0,-1,breastmnist\n", "line 2: `-1` is not an image number"),
        (
            "id,id_image_in_task,task_name\n0,1,breastmnist\n1,1,breastmnist\n",
            "line 3: image 1 of `breastmnist` occurs twice",
        ),
        ("id,id_image_in_task,task_name\n0\n", "line 2: only 1 fields"),
        ("id,id_image_in_task,task_name\n0,0,breastmnist\n", "155 images of `breastmnist` missing, the first is 1"),
        ("id,id_image_in_task,task_name\n", "no rows"),
        ("", "line 1: no column `id`"),
    ];
    for (text, expected) in cases {
        std::fs::write(&sample, text).unwrap();
        let message = refusal(&fixture, &order);
        assert!(message.starts_with("`TMP/sample.csv`") && message.contains(expected), "{message}");
    }
    std::fs::remove_file(&sample).unwrap();
    assert!(matches!(
        write_submission(&fixture.layout, &order, &RealFs),
        Err(SubmissionError::Record(RecordError::Read(_)))
    ));
}

#[test]
fn a_sample_of_fewer_tasks_leaves_the_others_out_and_says_so() {
    let fixture = common::one_seed();
    let sample = fixture.folder.path().join("sample.csv");
    let rows: Vec<String> = (0..156).map(|image| format!("{image},{image},breastmnist,0")).collect();
    std::fs::write(&sample, format!("id,id_image_in_task,task_name,label\n{}\n", rows.join("\n"))).unwrap();
    let submission = write_submission(&fixture.layout, &SubmissionOrder::Like(sample), &RealFs).unwrap();
    assert_eq!(submission.rows, 156);
    assert_eq!(submission.remarks.len(), 2, "{:?}", submission.remarks);
}

#[test]
fn damaged_predictions_are_refused_with_their_line() {
    type Change<'a> = &'a dyn Fn(&str) -> String;
    let second_line = |text: &str, line: &str| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1] = line;
        lines.join("\n")
    };
    let cases: [(&str, Change<'_>); 8] = [
        ("line 2: the first cell is \"one\"", &|text| second_line(text, "one,0.5,0.5")),
        ("line 2: the score \"x\" is not a finite number", &|text| second_line(text, "1,x,0.5")),
        ("line 2: the score \"NaN\" is not a finite number", &|text| second_line(text, "1,NaN,0.5")),
        ("line 2: 1 scores", &|text| second_line(text, "1,0.5")),
        ("rows are missing: 1;", &|text| second_line(text, "156,0.5,0.5")),
        ("line 2: the index 0 is repeated", &|text| second_line(text, "0,0.5,0.5")),
        ("100 rows, but the test split has 156 images", &|text| text.lines().take(100).collect::<Vec<_>>().join("\n")),
        ("results.json says", &|text| {
            text.lines()
                .map(|line| {
                    let fields: Vec<&str> = line.split(',').collect();
                    format!("{},{},{}", fields[0], fields[2], fields[1])
                })
                .collect::<Vec<_>>()
                .join("\n")
        }),
    ];
    for (expected, change) in cases {
        let fixture = common::one_seed();
        edit(&predictions(&fixture, "breastmnist_test", "seed7.csv"), change);
        let message = refusal(&fixture, &SubmissionOrder::Competition);
        assert!(message.contains("breastmnist_test_[AUC]") && message.contains(expected), "{message}");
    }
}

#[test]
fn missing_and_doubled_predictions_are_told_apart() {
    let fixture = common::small_three();
    let path = predictions(&fixture, "breastmnist_test", "ensemble.csv");
    let other = |run: &str| {
        fixture.layout.predictions().join(format!("breastmnist_test_[AUC]0.500_[ACC]0.500@{run}-ensemble.csv"))
    };
    // One that has another name, as the folder had once, does not compete with the run's own.
    std::fs::write(other("renamed"), "no predictions").unwrap();
    write_submission(&fixture.layout, &SubmissionOrder::Competition, &RealFs).unwrap();
    std::fs::remove_file(fixture.layout.submission(false))
        .or_else(|_| std::fs::remove_file(fixture.layout.submission(true)))
        .unwrap();
    std::fs::rename(&path, other("other")).unwrap();
    assert!(refusal(&fixture, &SubmissionOrder::Competition).contains("two files of test predictions"));
    let fixture = common::small_three();
    std::fs::remove_file(predictions(&fixture, "breastmnist_test", "ensemble.csv")).unwrap();
    let message = refusal(&fixture, &SubmissionOrder::Competition);
    assert!(message.contains("expected a file named breastmnist_test_[AUC]…_[ACC]…@…-ensemble.csv"), "{message}");
    std::fs::remove_dir_all(fixture.layout.predictions()).unwrap();
    assert!(matches!(
        write_submission(&fixture.layout, &SubmissionOrder::Competition, &RealFs),
        Err(SubmissionError::Record(RecordError::Read(_)))
    ));
}

#[test]
fn unfinished_runs_and_multi_label_tasks_have_no_submission() {
    let fixture = common::one_seed();
    fixture.make_unfinished();
    assert!(refusal(&fixture, &SubmissionOrder::Competition).contains("unfinished"));
    let mut fixture = common::one_seed();
    fixture.manifest.data[0].task.kind = TaskKind::MultiLabel;
    fixture.write_manifest();
    let submission = write_submission(&fixture.layout, &SubmissionOrder::Competition, &RealFs).unwrap();
    assert_eq!(submission.rows, 1024);
    assert_eq!(submission.remarks, ["BreastMNIST has several labels per image and is left out"]);
    std::fs::remove_file(submission.path).unwrap();
    fixture.manifest.data.iter_mut().for_each(|data| data.task.kind = TaskKind::MultiLabel);
    fixture.write_manifest();
    assert!(refusal(&fixture, &SubmissionOrder::Competition).contains("no task with one label per image"));
}

#[test]
fn a_submission_is_whole_or_absent() {
    let fixture = common::one_seed();
    for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
        for fail_at in 0.. {
            let storage = FaultyFs::new(fail_at, fault);
            let result = write_submission(&fixture.layout, &SubmissionOrder::Competition, &storage);
            if !storage.tripped() {
                std::fs::remove_file(result.unwrap().path).unwrap();
                break;
            }
            assert!(result.is_err() && !fixture.layout.submission(false).exists());
        }
    }
}
