//! Run folders that somebody else had in hands: what is a link, a pipe or changed is refused, and nothing outside changes.

use std::os::unix::fs::symlink;

use super::scoring::copy;
use super::*;

/// A run that was stopped in its second epoch, in a folder of its own.
struct Stopped {
    laboratory: Laboratory,
    root: PathBuf,
}

impl Stopped {
    fn new() -> Self {
        let laboratory = Laboratory::new("");
        let root = stopped_at(&laboratory, 8);
        Self { laboratory, root }
    }

    /// A copy, as an attacker may change it.
    fn copied(&self) -> PathBuf {
        let to = self.laboratory.folder.path().join("copies").join(self.root.file_name().unwrap());
        let _ = std::fs::remove_dir_all(&to);
        copy(&self.root, &to);
        to
    }

    fn resume(&self, root: &Path) -> Result<RunEnd, TrainError> {
        self.laboratory.resume(root)?.train(Observers::default(), &StopFlag::default())
    }

    /// The error and its causes.
    fn refusal(&self, root: &Path) -> String {
        format!("{:#}", anyhow::Error::from(self.resume(root).unwrap_err()))
    }
}

fn stopped_at(laboratory: &Laboratory, step: usize) -> PathBuf {
    let run = laboratory.start().unwrap();
    let (root, flag) = (run.layout().root().to_owned(), StopFlag::default());
    let mut observers = Observers::default();
    observers.push("stop", Box::new(StopAt { counts: steps, left: step, stop: flag.clone() }));
    assert_eq!(run.train(observers, &flag).unwrap(), RunEnd::Interrupted);
    root
}

fn take_away(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    } else {
        let _ = std::fs::remove_file(path);
    }
}

fn checkpoint(root: &Path, kind: &str) -> PathBuf {
    let mut found = std::fs::read_dir(root.join("checkpoints/seed-0")).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(kind)).unwrap()
}

#[test]
fn nothing_is_read_or_written_through_a_link() {
    let stopped = Stopped::new();
    let outside = tempfile::tempdir().unwrap();
    let (file, folder) = (outside.path().join("file"), outside.path().join("folder"));
    for (name, is_folder) in [
        ("run.lock", false),
        ("manifest.json", false),
        ("config.toml", false),
        ("events.jsonl", false),
        ("metrics.csv", false),
        ("results.json", false),
        ("report.html", false),
        ("submission.csv", false),
        ("predictions", true),
        ("predictions/pending", true),
        ("checkpoints", true),
        ("checkpoints/seed-0", true),
        ("checkpoints/seed-1", true),
        ("results", true),
        ("tb", true),
        ("tb/seed-1", true),
    ] {
        let root = stopped.copied();
        let path = root.join(name);
        let _ = std::fs::remove_dir_all(&folder);
        if is_folder && path.exists() {
            copy(&path, &folder);
        } else {
            std::fs::create_dir(&folder).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "precious = text\n".to_owned());
        std::fs::write(&file, &text).unwrap();
        std::fs::write(folder.join(".tmp-1-0123abcd-0-x"), "of somebody else").unwrap();
        let before = everything(outside.path());
        take_away(&path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(if is_folder { &folder } else { &file }, &path).unwrap();
        let message = stopped.refusal(&root);
        assert!(message.contains(&format!("{name}` is a link")) && !message.contains("precious"), "{name}: {message}");
        assert_eq!(everything(outside.path()), before, "{name}");
    }
}

/// Every file below a folder.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn what_is_no_regular_file_or_too_large_is_refused_at_once() {
    let stopped = Stopped::new();
    let names = ["run.lock", "manifest.json", "config.toml", "events.jsonl", "metrics.csv", "results.json"];
    for name in names.into_iter().chain(["results/seed-0.json", "LAST/state.json", "LAST/model.safetensors"]) {
        let root = stopped.copied();
        let path = match name.strip_prefix("LAST/") {
            Some(file) => checkpoint(&root, "last").join(file),
            None => root.join(name),
        };
        take_away(&path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let message = stopped.refusal(&root);
        assert!(message.contains("is a pipe, socket or device, not a regular file"), "{name}: {message}");
        if ["run.lock", "events.jsonl"].contains(&name) {
            continue; // They are not read as a whole.
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let message = stopped.refusal(&root);
        assert!(
            message.contains("holds 1099511627776 bytes, more than the") || message.contains("is larger than"),
            "{name}: {message}"
        );
    }
}

#[test]
fn a_changed_digit_of_a_state_is_seen() {
    let stopped = Stopped::new();
    let root = stopped.copied();
    let state = checkpoint(&root, "last").join("state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    let at = text.find("\"loss_sum\": ").unwrap() + "\"loss_sum\": ".len();
    let digit = if text.as_bytes()[at] == b'1' { "2" } else { "1" };
    std::fs::write(&state, format!("{}{digit}{}", &text[..at], &text[at + 1..])).unwrap();
    let message = stopped.refusal(&root);
    assert!(message.contains("state.json` does not have the SHA-256"), "{message}");
    // Without its hash it does not count either.
    std::fs::write(&state, &text).unwrap();
    std::fs::remove_file(state.with_file_name("state.sha256")).unwrap();
    let message = stopped.refusal(&root);
    assert!(message.contains("there is no file") && message.contains("state.sha256"), "{message}");
    // As older programs wrote it.
    let older = text.replace(",\n  \"hashed\": true", "");
    assert_ne!(older, text);
    std::fs::write(&state, older).unwrap();
    assert!(matches!(stopped.resume(&root).unwrap(), RunEnd::Finished(_)));
}

#[test]
fn a_renamed_run_goes_on_to_the_same_bits() {
    let laboratory = Laboratory::new("");
    // Stopped in the second epoch, and while the test split of the first seed is predicted.
    for (counts, left) in [
        (steps as fn(&Event) -> bool, 8),
        ((|event: &Event| matches!(event, Event::ValidationProgress { .. })) as fn(&Event) -> bool, 7),
    ] {
        let run = laboratory.start().unwrap();
        let (root, name, stop) = (run.layout().root().to_owned(), run.name().to_owned(), StopFlag::default());
        let mut observers = Observers::default();
        observers.push("stop", Box::new(StopAt { counts, left, stop: stop.clone() }));
        assert_eq!(run.train(observers, &stop).unwrap(), RunEnd::Interrupted);
        let renamed = root.with_file_name(format!("renamed-{left}"));
        std::fs::rename(&root, &renamed).unwrap();
        let run = laboratory.resume(&renamed).unwrap();
        let RunEnd::Finished(results) = run.train(Observers::default(), &StopFlag::default()).unwrap() else {
            panic!("nobody asked for a stop")
        };
        assert_eq!(results.run, name);
        // Named as it was made, its files are those of a run that was not renamed.
        let back = renamed.with_file_name(name);
        std::fs::rename(&renamed, &back).unwrap();
        assert_same_files(undisturbed(), &back);
        let order = medley_predictions::submission::SubmissionOrder::Competition;
        medley_predictions::submission::write_submission(&RunLayout::new(&back), &order, &RealFs).unwrap();
    }
}

#[test]
fn checkpoints_too_many_go_when_the_run_goes_on() {
    let stopped = Stopped::new();
    let root = stopped.copied();
    let folder = root.join("checkpoints/seed-0");
    let names = |folder: &Path| -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    // Killed between two removals.
    copy(&checkpoint(&root, "last"), &folder.join("last-000001-000000"));
    copy(&checkpoint(&root, "last"), &folder.join("last-000000-000003"));
    copy(&checkpoint(&root, "best"), &folder.join("best-000000"));
    let run = stopped.laboratory.resume(&root).unwrap();
    // Whatever comes of it: they go before anything is trained.
    let stop = StopFlag::default();
    stop.request();
    assert_eq!(run.train(Observers::default(), &stop).unwrap(), RunEnd::Interrupted);
    let expected = names(&stopped.root.join("checkpoints/seed-0"));
    let left = names(&folder);
    assert_eq!(left.len(), expected.len(), "{left:?}");
}

#[test]
fn folders_that_never_got_their_name_go_and_others_stay() {
    let laboratory = Laboratory::new("");
    let runs = laboratory.runs();
    let unfinished = [".tmp-123-0123abcd-0-lab-1", ".tmp-124-0123abcd-7-lab-2"];
    let kept = [".tmp-mine", ".tmp-123-0123abcd-0-with-data", ".tmp-125-0123abcd-0-a-file"];
    for name in [unfinished[0], unfinished[1], kept[0], kept[1]] {
        std::fs::create_dir_all(runs.join(name)).unwrap();
    }
    std::fs::write(runs.join(unfinished[1]).join("config.toml"), "").unwrap();
    std::fs::write(runs.join(kept[1]).join("data.npz"), "").unwrap();
    std::fs::write(runs.join(kept[2]), "").unwrap();
    let run = laboratory.start().unwrap();
    assert!(unfinished.iter().all(|name| !runs.join(name).exists()));
    assert!(kept.iter().all(|name| runs.join(name).exists()));
    // Resuming, too.
    let root = run.layout().root().to_owned();
    drop(run);
    std::fs::create_dir(runs.join(unfinished[0])).unwrap();
    // While another process makes a run, its folder is not taken away.
    let making = medley_storage::FolderLock::shared(&runs);
    drop(laboratory.resume(&root).unwrap());
    assert!(runs.join(unfinished[0]).exists());
    drop(making);
    drop(laboratory.resume(&root).unwrap());
    assert!(!runs.join(unfinished[0]).exists());
}
