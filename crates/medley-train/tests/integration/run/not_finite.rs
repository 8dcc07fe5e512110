//! What becomes of steps whose loss is not finite.

use super::callbacks::explode;
use super::*;

fn kept(root: &Path) -> Vec<String> {
    let files = std::fs::read_dir(root.join("bad_batches")).into_iter().flatten();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn it_stops_at_once_and_keeps_the_batch() {
    let laboratory = Laboratory::new("on_nan = 'stop'");
    let run = laboratory.start().unwrap().with_callbacks(explode);
    let root = run.layout().root().to_owned();
    let error = run.train(Observers::default(), &StopFlag::default()).unwrap_err();
    let TrainError::Diverged { steps: 1, epoch: 2, step: 2, .. } = error else { panic!("{error}") };
    assert_eq!(kept(&root), ["seed-0-epoch-2-step-2.npz"]);
    let bytes = std::fs::read(root.join("bad_batches/seed-0-epoch-2-step-2.npz")).unwrap();
    for name in ["images.npy", "task.npy", "index.npy"] {
        assert!(bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
    let events = std::fs::read_to_string(root.join("events.jsonl")).unwrap();
    assert!(events.contains("its batch is kept in"), "{events}");
}

/// Every other step of the second epoch takes the network to infinity, and the one after it takes it back: the epoch has six.
#[test]
fn it_rolls_back_to_the_beginning_of_the_epoch_interrupted_or_not() {
    let plain = Laboratory::new("");
    let laboratory =
        plain.other(config("on_nan = 'roll_back'\nmax_bad_steps = 1").replace("seeds = [0, 1]", "seeds = [0]"));
    let run = laboratory.start().unwrap().with_callbacks(explode);
    let root = run.layout().root().to_owned();
    run.train(Observers::default(), &StopFlag::default()).unwrap();
    assert_eq!(kept(&root).len(), 3);
    let expected = promised(&root);
    let scores = |epoch: &str| -> Vec<String> {
        let text = String::from_utf8(expected["metrics.csv"].clone()).unwrap();
        let rows = text.lines().filter(|line| line.split(',').nth(1) == Some(epoch));
        // Without seed, epoch, and the losses and rates of training.
        rows.map(|line| line.rsplitn(4, ',').skip(1).take(2).collect::<Vec<_>>().join(",")).collect()
    };
    assert!(!scores("1").is_empty());
    assert_eq!(scores("1"), scores("2"));
    // After a step to infinity, and after the one that is taken back.
    for left in [7, 8] {
        let (stop, mut observers) = (StopFlag::default(), Observers::default());
        observers.push("stop", Box::new(StopAt { counts: steps, left, stop: stop.clone() }));
        let run = laboratory.start().unwrap().with_callbacks(explode);
        let root = run.layout().root().to_owned();
        assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
        let run = laboratory.resume(&root).unwrap().with_callbacks(explode);
        run.train(Observers::default(), &StopFlag::default()).unwrap();
        assert!(promised(&root) == expected, "interrupted at step {left}");
    }
}
