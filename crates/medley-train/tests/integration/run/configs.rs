//! Every config of the repository trains.

use super::*;

/// What makes a step of any of them a matter of milliseconds.
const SMALL: [&str; 9] = [
    "seeds=[0]",
    "net.backbone.width=4",
    "sampler.samples_per_epoch=24",
    "train.epochs=1",
    "train.batch_size=12",
    "train.threads=1",
    "train.precision=fp32",
    "train.memory_layout=channels_last",
    "train.convolutions=libtorch",
];

fn configs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            configs(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") && !name.starts_with("base") {
            found.push(path);
        }
    }
}

#[test]
fn every_config_of_the_repository_makes_its_steps() {
    let mut found = Vec::new();
    configs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs"), &mut found);
    found.sort();
    assert!(found.len() > 30, "{found:?}");
    let folder = tempfile::tempdir().unwrap();
    let options = SynthOptions { rows: Rows::AtMost(24), ..SynthOptions::default() };
    let mut written = std::collections::BTreeSet::new();
    let session = Session::open(folder.path(), OpenOptions::default(), &RealFs);
    for path in found {
        let overrides = SMALL.map(str::to_owned);
        let experiment =
            Experiment::load(&path, &overrides, Registry::builtin()).unwrap_or_else(|error| panic!("{error}"));
        for task in &experiment.tasks {
            if written.insert(task.clone()) {
                write_set(folder.path(), task, &options, &RealFs).unwrap();
            }
        }
        let name = path.with_extension("").file_name().unwrap().to_string_lossy().into_owned();
        assert!(experiment.name.ends_with(&name), "{} is called {:?}", path.display(), experiment.name);
        let text = experiment.to_toml();
        let runs = folder.path().join("runs");
        let request = RunRequest {
            experiment: &experiment,
            config_text: &text,
            runs_folder: &runs,
            run_name: None,
            parent: None,
            no_test: true,
        };
        let memory = medley_train::observer::Memory::default();
        let mut observers = Observers::default();
        observers.push("memory", Box::new(memory.clone()));
        let end = session.start(&request).unwrap().train(observers, &StopFlag::default()).unwrap();
        assert!(matches!(end, RunEnd::Finished(_)), "{}", path.display());
        assert!(memory.take().iter().filter(|event| steps(event)).count() >= 2, "{}", path.display());
    }
}
