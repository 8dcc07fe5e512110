//! Run folders that are damaged, foreign or malicious.

use std::path::Path;

use medley_core::RunLayout;
use medley_predictions::RecordError;
use medley_report::{ReportError, html, load_run};

use crate::common::{self, Fixture};
use crate::markup;

/// The message, with the folder taken out of it.
fn message(fixture: &Fixture) -> String {
    let error = load_run(&fixture.layout).expect_err("a damaged run");
    error.to_string().replace(&fixture.layout.root().display().to_string(), "RUN")
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} is not in {}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_folder_without_a_manifest_is_no_run() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(load_run(&RunLayout::new(folder.path())), Err(ReportError::Record(RecordError::NotARun { .. }))));
    assert!(matches!(
        load_run(&RunLayout::new(folder.path().join("absent"))),
        Err(ReportError::Record(RecordError::NotARun { .. }))
    ));
}

#[test]
fn broken_json_is_placed() {
    let fixture = common::one_seed();
    edit(&fixture.layout.manifest(), "\"threads\": 2", "\"threads\": two");
    insta::assert_snapshot!(message(&fixture), @"`RUN/manifest.json`, line 13, column 17, key `environment`: expected ident");

    let fixture = common::one_seed();
    edit(&fixture.layout.manifest(), "\"threads\": 2", "\"threads\": \"2\"");
    insta::assert_snapshot!(message(&fixture), @r#"`RUN/manifest.json`, line 13, column 18, key `environment.threads`: invalid type: string "2", expected usize"#);

    let fixture = common::one_seed();
    let text = std::fs::read_to_string(fixture.layout.results()).unwrap();
    std::fs::write(fixture.layout.results(), &text[..text.len() / 2]).unwrap();
    assert!(message(&fixture).contains("EOF while parsing"), "{}", message(&fixture));

    let fixture = common::one_seed();
    let text = std::fs::read_to_string(fixture.layout.results()).unwrap();
    std::fs::write(fixture.layout.results(), format!("{text} trailing")).unwrap();
    assert!(message(&fixture).contains("trailing characters"), "{}", message(&fixture));

    let fixture = common::one_seed();
    std::fs::write(fixture.layout.manifest(), b"").unwrap();
    assert!(message(&fixture).contains("line 1"), "{}", message(&fixture));

    let fixture = common::one_seed();
    std::fs::write(fixture.layout.manifest(), b"{\n\"run\": \"\xff\"}").unwrap();
    assert_eq!(message(&fixture), "`RUN/manifest.json`, line 2: this is not UTF-8 text");
}

#[test]
fn another_schema_version_is_refused_before_anything_else_is_read() {
    let fixture = common::one_seed();
    std::fs::write(fixture.layout.manifest(), "{\"schema_version\": 2, \"everything\": \"new\"}").unwrap();
    insta::assert_snapshot!(message(&fixture), @"`RUN/manifest.json` has schema version 2, this program reads 1: use the release of Medley that wrote it");
    let fixture = common::one_seed();
    edit(&fixture.layout.results(), "\"schema_version\": 1", "\"schema_version\": 0");
    assert!(message(&fixture).contains("results.json` has schema version 0"));
}

#[test]
fn fields_of_a_later_day_are_passed_over() {
    let fixture = common::one_seed();
    edit(&fixture.layout.manifest(), "\"schema_version\": 1", "\"schema_version\": 1, \"weather\": [\"fine\"]");
    edit(&fixture.layout.results(), "\"synthetic\": false", "\"synthetic\": false, \"carbon\": {\"kg\": 1}");
    load_run(&fixture.layout).unwrap();
}

#[test]
fn metrics_that_cannot_be_are_named() {
    type Damage<'a> = &'a dyn Fn(&mut Fixture);
    let cases: [(&str, Damage<'_>); 9] = [
        ("`seeds[0].test.tasks[1].macro_f1`: 1.5 lies outside 0 to 1", &|fixture| {
            fixture.results.seeds[0].test.as_mut().unwrap().tasks[1].macro_f1 = 1.5;
        }),
        ("`seeds[0].validation.tasks[2].auc`: -0.1 lies outside 0 to 1", &|fixture| {
            fixture.results.seeds[0].validation.tasks[2].auc = Some(-0.1);
        }),
        ("`seeds[0].test.tasks[0].per_class`: 1 classes, but the task has 2", &|fixture| {
            fixture.results.seeds[0].test.as_mut().unwrap().tasks[0].per_class.pop();
        }),
        ("`seeds[0].test.tasks[0].confusion`: not a matrix of 2 by 2 counts", &|fixture| {
            fixture.results.seeds[0].test.as_mut().unwrap().tasks[0].confusion[1].push(0);
        }),
        ("`seeds[0].test.tasks[0].confusion`: the counts add up to too many", &|fixture| {
            fixture.results.seeds[0].test.as_mut().unwrap().tasks[0].confusion[0][0] = u64::MAX;
        }),
        ("`seeds[0].test.tasks[0].task`: `retinamnist`, but task 0 of the manifest is `breastmnist`", &|fixture| {
            fixture.results.seeds[0].test.as_mut().unwrap().tasks.swap(0, 2);
        }),
        ("`seeds[0].test.tasks[2].rows`: 399 rows, but the manifest states 400", &|fixture| {
            fixture.results.seeds[0].test.as_mut().unwrap().tasks[2].rows = 399;
        }),
        ("`seeds[0].test.tasks`: 2 tasks, but the manifest names 3", &|fixture| {
            fixture.results.seeds[0].test.as_mut().unwrap().tasks.pop();
        }),
        ("`seeds`: no seed", &|fixture| fixture.results.seeds.clear()),
    ];
    for (expected, damage) in cases {
        let mut fixture = common::one_seed();
        damage(&mut fixture);
        fixture.write_results();
        let message = message(&fixture);
        assert!(message.starts_with("`RUN/results.json`, ") && message.contains(expected), "{message}");
    }
}

#[test]
fn metrics_that_are_not_numbers_are_placed() {
    let fixture = common::one_seed();
    let text = std::fs::read_to_string(fixture.layout.results()).unwrap();
    let at = text.find("\"macro_f1\": ").unwrap();
    let end = at + text[at..].find(',').unwrap();
    let line = text[..at].lines().count();
    for bad in ["NaN", "null", "1e999"] {
        std::fs::write(fixture.layout.results(), format!("{}\"macro_f1\": {bad}{}", &text[..at], &text[end..]))
            .unwrap();
        let message = message(&fixture);
        assert!(message.contains(&format!("results.json`, line {line}, column")), "{bad}: {message}");
    }
}

#[test]
fn two_data_sets_of_one_task_are_refused() {
    let mut fixture = common::one_seed();
    fixture.manifest.data[1].task.name = "breastmnist".into();
    fixture.write_manifest();
    assert!(message(&fixture).contains("`data[1].task.name`: two data sets of one task"));
}

#[test]
fn large_files_are_not_read() {
    let fixture = common::one_seed();
    let file = std::fs::OpenOptions::new().write(true).open(fixture.layout.manifest()).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(message(&fixture).contains("1099511627776 bytes, more than the 16777216"), "{}", message(&fixture));
}

#[cfg(unix)]
#[test]
fn nothing_is_read_or_written_through_a_link() {
    use medley_report::write_report;
    use medley_storage::RealFs;
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "password = hunter2").unwrap();
    for strict in [true, false] {
        let fixture = common::one_seed();
        let layout = &fixture.layout;
        let paths = if strict {
            vec![layout.manifest(), layout.results()]
        } else {
            vec![layout.config(), layout.events(), layout.metrics()]
        };
        for path in &paths {
            std::fs::remove_file(path).unwrap();
            symlink(&secret, path).unwrap();
        }
        if strict {
            assert!(message(&fixture).starts_with("`RUN/manifest.json` is a link"), "{}", message(&fixture));
            continue;
        }
        let run = load_run(layout).unwrap();
        assert_eq!(run.notes.len(), 3);
        assert!(run.notes.iter().all(|note| note.contains("is a link, which is not followed")), "{:?}", run.notes);
        assert!(!html(&run).unwrap().contains("hunter2"));
        symlink(&secret, layout.report()).unwrap();
        assert!(matches!(write_report(layout, &RealFs), Err(ReportError::Storage(_))));
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "password = hunter2");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_at_once() {
    for name in ["manifest.json", "results.json", "config.toml", "events.jsonl", "metrics.csv"] {
        let fixture = common::one_seed();
        let path = fixture.layout.root().join(name);
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let said = match load_run(&fixture.layout) {
            Ok(run) => run.notes.join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(said.contains("is a pipe, socket or device, not a regular file"), "{name}: {said}");
    }
}

#[test]
fn more_than_a_page_can_show_is_refused() {
    let mut fixture = common::one_seed();
    fixture.results.seeds.clear();
    std::fs::remove_file(fixture.layout.results()).unwrap();
    let data = fixture.manifest.data[0].clone();
    for (tasks, expected) in [(1_000, None), (1_001, Some("the run has 1001 tasks, more than the 1000"))] {
        fixture.manifest.data = (0..tasks).map(|_| data.clone()).collect();
        for (index, data) in fixture.manifest.data.iter_mut().enumerate() {
            data.task.name = format!("task{index}");
        }
        fixture.write_manifest();
        let page = html(&load_run(&fixture.layout).unwrap());
        match expected {
            None => assert!(page.is_ok()),
            Some(expected) => assert!(page.unwrap_err().to_string().starts_with(expected)),
        }
    }
    fixture.manifest.data.truncate(1);
    fixture.manifest.data[0].task.classes = (0..20_001).map(|class| class.to_string()).collect();
    fixture.manifest.data[0].class_counts.clear();
    fixture.write_manifest();
    let error = html(&load_run(&fixture.layout).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("the run has 20001 classes, more than the 20000"), "{error}");
}

#[test]
fn a_torn_last_line_of_events_is_tolerated_and_told() {
    let fixture = common::one_seed();
    let whole = load_run(&fixture.layout).unwrap().history;
    let text = std::fs::read_to_string(fixture.layout.events()).unwrap();
    std::fs::write(fixture.layout.events(), &text[..text.len() - 20]).unwrap();
    let run = load_run(&fixture.layout).unwrap();
    let lines = text.lines().count();
    assert_eq!(run.notes, [format!("events.jsonl: 1 line could not be read, the first is line {lines}")]);
    assert_eq!(run.history.seeds, whole.seeds);
    assert!(html(&run).unwrap().contains("events.jsonl: 1 line could not be read"));
}

#[test]
fn rubbish_among_events_and_metrics_costs_only_itself() {
    let fixture = common::one_seed();
    let text = std::fs::read_to_string(fixture.layout.events()).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    std::fs::write(fixture.layout.events(), format!("{first}\n\0\0\0\n{{\"event\":\"step\"}}\n\n{rest}")).unwrap();
    edit(&fixture.layout.metrics(), "\n7,1,breastmnist", "\nseven,1,breastmnist");
    let run = load_run(&fixture.layout).unwrap();
    assert_eq!(
        run.notes,
        [
            "events.jsonl: 2 lines could not be read, the first is line 2",
            "metrics.csv: 1 line could not be read, the first is line 2"
        ]
    );
    assert_eq!(run.history.seeds[0].epochs.len(), 4);
    assert!(!run.history.seeds[0].epochs[0].macro_f1.contains_key("breastmnist"));
    assert!(run.history.seeds[0].epochs[1].macro_f1.contains_key("breastmnist"));
}

#[test]
fn nan_in_metrics_is_a_gap() {
    let fixture = common::one_seed();
    let text = std::fs::read_to_string(fixture.layout.metrics()).unwrap();
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            if fields[..3] == ["7", "2", "retinamnist"] {
                "7,2,retinamnist,,NaN,inf,-inf,NaN,".into()
            } else {
                line.into()
            }
        })
        .collect();
    std::fs::write(fixture.layout.metrics(), lines.join("\n")).unwrap();
    let run = load_run(&fixture.layout).unwrap();
    assert_eq!(run.notes, Vec::<String>::new());
    assert!(!run.history.seeds[0].epochs[1].macro_f1.contains_key("retinamnist"));
    let page = html(&run).unwrap();
    assert!(!page.contains("NaN") && !page.contains("inf\""));
}

#[test]
fn a_run_with_its_two_strict_files_alone_still_has_a_report() {
    let fixture = common::one_seed();
    for path in [fixture.layout.events(), fixture.layout.metrics(), fixture.layout.config()] {
        std::fs::remove_file(path).unwrap();
    }
    let run = load_run(&fixture.layout).unwrap();
    assert_eq!(run.notes.len(), 3, "{:?}", run.notes);
    let page = html(&run).unwrap();
    markup::read(&page);
    assert!(!page.contains("id=\"curves\""));
}

#[test]
fn without_metrics_the_curves_come_from_the_events() {
    let fixture = common::one_seed();
    let whole = load_run(&fixture.layout).unwrap().history;
    std::fs::remove_file(fixture.layout.metrics()).unwrap();
    let run = load_run(&fixture.layout).unwrap();
    assert_eq!(run.history.seeds[0].epochs.len(), whole.seeds[0].epochs.len());
    assert_eq!(run.history.seeds[0].epochs[3].macro_f1, whole.seeds[0].epochs[3].macro_f1);
}

#[test]
fn a_config_that_is_no_toml_is_shown_as_it_is() {
    let fixture = common::one_seed();
    std::fs::write(fixture.layout.config(), "name = = <b>").unwrap();
    let run = load_run(&fixture.layout).unwrap();
    assert!(run.notes[0].starts_with("config.toml is not TOML"), "{:?}", run.notes);
    assert!(html(&run).unwrap().contains("name = = &#60;b&#62;"));
}

#[test]
fn a_folder_in_place_of_a_file_is_an_error_not_a_panic() {
    let fixture = common::one_seed();
    std::fs::remove_file(fixture.layout.results()).unwrap();
    std::fs::create_dir(fixture.layout.results()).unwrap();
    assert!(matches!(load_run(&fixture.layout), Err(ReportError::Record(RecordError::Read(_)))));
    let fixture = common::one_seed();
    for path in [fixture.layout.events(), fixture.layout.metrics(), fixture.layout.config()] {
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    }
    assert_eq!(load_run(&fixture.layout).unwrap().notes.len(), 3);
}
