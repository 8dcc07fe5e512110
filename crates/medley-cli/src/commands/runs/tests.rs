use std::path::PathBuf;

use medley_runs::{Mean, Model, Overview, SeedEpochs, Selection, State, TestScore, ValidationScore};

use super::{list, minute, validation_at};

fn score(mean: f64, standard_deviation: Option<f64>) -> Mean {
    Mean { mean, standard_deviation, seeds: 3 }
}

fn finished(name: &str) -> Overview {
    Overview {
        path: PathBuf::from("runs").join(name),
        name: name.to_owned(),
        state: State::Finished,
        problem: None,
        tasks: ["breastmnist", "pneumoniamnist", "retinamnist"].map(str::to_owned).to_vec(),
        synthetic: false,
        parent: None,
        model: Some(Model { backbone: "resnet9".to_owned(), width: Some(16) }),
        seeds: (0..3).map(|seed| SeedEpochs { seed, epochs: None, finished: true }).collect(),
        epochs: Some(12),
        validation: Some(ValidationScore {
            selection: Selection::MacroF1,
            mean: score(0.6212, Some(0.004)),
            epoch: None,
        }),
        test: TestScore::Scored(score(0.5527, Some(0.011))),
        created: Some("2026-11-27T09:53:27Z".to_owned()),
        bytes: None,
        tags: vec!["baseline".to_owned()],
        note: None,
    }
}

fn runs() -> Vec<Overview> {
    let running = Overview {
        state: State::Running,
        seeds: vec![
            SeedEpochs { seed: 0, epochs: None, finished: true },
            SeedEpochs { seed: 1, epochs: Some(5), finished: false },
            SeedEpochs { seed: 2, epochs: Some(0), finished: false },
        ],
        test: TestScore::Opened,
        tags: Vec::new(),
        parent: Some("small-three-1".to_owned()),
        ..finished("small-three-2")
    };
    let interrupted = Overview {
        state: State::Interrupted,
        seeds: vec![SeedEpochs { seed: 7, epochs: Some(3), finished: false }],
        validation: Some(ValidationScore { selection: Selection::Auc, mean: score(0.9, None), epoch: Some(3) }),
        test: TestScore::NotOpened,
        synthetic: true,
        tasks: vec!["octmnist".to_owned()],
        ..finished("a-name-that-is-as-long-as-names-of-searches-are-0123")
    };
    let damaged = Overview {
        state: State::Damaged,
        problem: Some("`runs/bad/manifest.json`, line 1, column 1: EOF".to_owned()),
        tasks: Vec::new(),
        model: None,
        seeds: Vec::new(),
        validation: None,
        test: TestScore::Unknown,
        created: None,
        tags: Vec::new(),
        ..finished("bad\u{1b}[2J")
    };
    vec![finished("small-three-1"), running, interrupted, damaged]
}

#[test]
fn elsewhere_than_on_a_terminal_lines_are_whole() {
    insta::assert_snapshot!(list::text(&runs(), false, None), @r"
    run                                                   state                                  tasks                                     model        seeds  validation            data       test             date              tags      parent
    small-three-1                                         finished                               breastmnist, pneumoniamnist, retinamnist  resnet9 w16      3       0.6212 ± 0.0040             0.5527 ± 0.0110  2026-11-27 09:53  baseline
    small-three-2                                         running, seed 2 of 3 at epoch 5 of 12  breastmnist, pneumoniamnist, retinamnist  resnet9 w16      3       0.6212 ± 0.0040             incomplete       2026-11-27 09:53            small-three-1
    a-name-that-is-as-long-as-names-of-searches-are-0123  interrupted, epoch 3 of 12             octmnist                                  resnet9 w16      1  0.9000 auc (epoch 3)  SYNTHETIC  not opened       2026-11-27 09:53  baseline
    bad\u{1b}[2J                                          damaged                                                                       -            -      0                     -                           -                 -
    damaged `runs/bad\u{1b}[2J`: `runs/bad/manifest.json`, line 1, column 1: EOF
    ");
}

#[test]
fn on_a_terminal_lines_fit() {
    for width in 20..200 {
        let text = list::text(&runs(), true, Some(width));
        let table = text.lines().take(5);
        assert!(width < 60 || table.clone().all(|line| line.chars().count() <= width), "{width}: {text}");
    }
    insta::assert_snapshot!(list::text(&runs(), false, Some(80)), @r"
    run                       state             validation       data
    small-three-1             finished          0.6212 ± 0.0040
    small-three-2             running 2/3 5/12  0.6212 ± 0.0040
    a-name-that-is-…are-0123  interrupted 3/12       0.9000 auc  SYNTHETIC
    bad\u{1b}[2J              damaged                         -
    damaged `runs/bad\u{1b}[2J`: `runs/bad/manifest.json`, line 1, column 1: EOF
    ");
    insta::assert_snapshot!(list::text(&runs(), false, Some(120)), @r"
    run                       state             tasks           validation       data       test             date
    small-three-1             finished          breastmnist +2  0.6212 ± 0.0040             0.5527 ± 0.0110  2026-11-27
    small-three-2             running 2/3 5/12  breastmnist +2  0.6212 ± 0.0040             incomplete       2026-11-27
    a-name-that-is-…are-0123  interrupted 3/12  octmnist             0.9000 auc  SYNTHETIC  not opened       2026-11-27
    bad\u{1b}[2J              damaged                        -                -                           -           -
    damaged `runs/bad\u{1b}[2J`: `runs/bad/manifest.json`, line 1, column 1: EOF
    ");
}

#[test]
fn numbers_and_times_read_well() {
    let of = |selection, epoch, deviation| {
        let mean = Mean { mean: 0.62118, standard_deviation: deviation, seeds: 1 };
        validation_at(&ValidationScore { selection, mean, epoch })
    };
    assert_eq!(of(Selection::MacroF1, None, Some(0.004)), "0.6212 ± 0.0040");
    assert_eq!(of(Selection::Auc, Some(3), None), "0.6212 auc (epoch 3)");
    assert_eq!(minute("2026-11-27T09:53:27Z"), "2026-11-27 09:53");
    assert_eq!([minute("yesterday"), minute("é".repeat(9).as_str())], ["yesterday".to_owned(), "é".repeat(9)]);
}
