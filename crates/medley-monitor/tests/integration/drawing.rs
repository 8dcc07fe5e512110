use medley_core::Split;
use medley_core::record::{EpochMetrics, Event, TaskMetrics};
use medley_monitor::{History, View, draw};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

const TASKS: [&str; 3] = ["breastmnist", "pneumoniamnist", "retinamnist"];

fn screen(history: &History, view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(history, view, frame)).unwrap();
    terminal.backend().to_string()
}

fn epoch(epoch: usize, scale: f64) -> Event {
    let metrics = |(index, task): (usize, &str)| TaskMetrics {
        task: task.into(),
        loss: 1.2 - 0.1 * scale,
        auc: (index > 0).then_some(0.9),
        accuracy: 0.8,
        macro_f1: scale * (0.9 - 0.15 * index as f64),
    };
    let metrics = EpochMetrics {
        seed: 0,
        epoch,
        train_loss: 1.0 / (1.0 + epoch as f64),
        learning_rate: 1e-3,
        validation: TASKS.into_iter().enumerate().map(metrics).collect(),
        harmonic_mean: 0.7 * scale,
    };
    Event::EpochFinished { metrics, best: true, images_per_second: Some(612.0), data_wait: Some(0.002) }
}

fn step(epoch: usize, step: usize) -> Event {
    Event::Step { seed: 0, epoch, step, loss: 0.4, learning_rate: 1e-3, gradient_norm: 1.0, images: 128 }
}

/// The sixth of twelve epochs of the first of two seeds.
fn half_way() -> History {
    let mut history = History::default();
    let (run, tasks) = ("small-three-1".to_owned(), TASKS.map(str::to_owned).to_vec());
    let started = Event::RunStarted { run, tasks, seeds: vec![0, 1], epochs: 12, steps_per_epoch: 50, resumed: false };
    history.add(1000.0, &started);
    history.add(1000.0, &Event::SeedStarted { seed: 0, parameters: 412_309 });
    for number in 0..5 {
        history.add(1000.0 + 10.0 * number as f64, &step(number, 0));
        history.add(1010.0 + 10.0 * number as f64, &epoch(number, 0.6 + 0.08 * number as f64));
    }
    history.add(1055.0, &step(5, 25));
    history
}

#[test]
fn a_run_half_way() {
    insta::assert_snapshot!(screen(&half_way(), &View::default(), 100, 26));
}

#[test]
fn a_chosen_task_has_a_mark_beside_its_colour() {
    let mut view = View::default();
    view.press(KeyEvent::new(KeyCode::Up, KeyModifiers::NONE), 3, 0);
    let shown = screen(&half_way(), &view, 100, 26);
    assert!(shown.contains("> retinamnist") && !shown.contains("> all tasks"), "{shown}");
    view.press(KeyEvent::new(KeyCode::Char('l'), KeyModifiers::NONE), 3, 0);
    let shown = screen(&half_way(), &view, 100, 26);
    assert!(shown.contains("loss by epoch") && shown.contains("training"), "{shown}");
}

#[test]
fn a_narrow_terminal_has_the_curves_above_the_table() {
    insta::assert_snapshot!(screen(&half_way(), &View::default(), 44, 30));
}

#[test]
fn the_keys_are_those_of_who_trains() {
    let help = |mut view: View| {
        view.press(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE), 3, 0);
        screen(&half_way(), &view, 100, 26)
    };
    assert!(help(View::default()).contains("stop after this epoch"));
    let other = help(View::of_another_process());
    assert!(other.contains("the run goes on") && !other.contains("stop after"), "{other}");
}

#[test]
fn what_a_file_says_does_not_reach_the_terminal() {
    let mut history = half_way();
    history.add(1056.0, &Event::Warning { message: "\u{1b}[2Jgone\u{202e}".into() });
    let shown = screen(&history, &View::default(), 100, 26);
    assert!(shown.contains("gone") && !shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
}

fn events() -> impl Strategy<Value = Event> {
    let number = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1e300..1e300f64, 0.0..1.0f64];
    let size = prop_oneof![Just(0usize), Just(usize::MAX), 0..20usize];
    prop_oneof![
        (prop::collection::vec(any::<u64>(), 0..3), size.clone(), size.clone(), 0..3usize, any::<bool>()).prop_map(
            |(seeds, epochs, steps_per_epoch, tasks, resumed)| {
                let tasks = TASKS[..tasks].iter().map(|&task| task.into()).collect();
                Event::RunStarted { run: "a-1".into(), tasks, seeds, epochs, steps_per_epoch, resumed }
            }
        ),
        any::<u64>().prop_map(|seed| Event::SeedStarted { seed, parameters: 1 }),
        (size.clone(), size.clone(), number.clone()).prop_map(|(epoch, step, loss)| Event::Step {
            seed: 0,
            epoch,
            step,
            loss,
            learning_rate: loss,
            gradient_norm: loss,
            images: 1
        }),
        (size.clone(), size.clone()).prop_map(|(done, total)| Event::ValidationProgress {
            seed: 0,
            split: Split::Val,
            done,
            total
        }),
        (0..30usize, number).prop_map(|(at, value)| epoch(at, value)),
        Just(Event::RunInterrupted { seed: 0, epoch: 1 }),
        Just(Event::RunFinished { harmonic_mean: Some(f64::NAN), seconds: 1.0 }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever a file of events says, in whatever order, and however small the terminal is.
    #[test]
    fn nothing_makes_it_panic(
        events in prop::collection::vec((-1e9..1e9f64, events()), 0..30),
        keys in prop::collection::vec(prop::sample::select(vec!['e', 'q', 'l', '?', 'd', 'x', '\t']), 0..6),
        width in 1u16..120, height in 1u16..40,
    ) {
        let (mut history, mut view) = (History::default(), View::default());
        for (time, event) in &events {
            history.add(*time, event);
        }
        for key in keys {
            let code = if key == '\t' { KeyCode::Tab } else { KeyCode::Char(key) };
            view.press(KeyEvent::new(code, KeyModifiers::NONE), history.curves.len(), history.log().len());
        }
        screen(&history, &view, width, height);
    }
}
