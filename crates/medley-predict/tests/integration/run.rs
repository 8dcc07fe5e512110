//! A run that takes a moment.

use std::path::{Path, PathBuf};

use medley_core::{Scores, Split};
use medley_data::{OpenOptions, Registry, open_task};
use medley_package::NumberFormat;
use medley_predict::RunSource;
use medley_predictions::result_file;
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};
use medley_train::config::{Experiment, RawExperiment};
use medley_train::observer::Observers;
use medley_train::session::{RunRequest, Session};
use medley_train::stop::StopFlag;

/// Of flat images, grey and in colour.
pub(crate) const TASKS: [&str; 2] = ["breastmnist", "bloodmnist"];

/// A folder with data and a finished run.
pub(crate) struct Finished {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) run: PathBuf,
}

impl Finished {
    /// Trains `tasks`; `net` are keys of `[net]`, `more` are tables.
    pub(crate) fn train(tasks: &[&str], net: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SynthOptions { rows: Rows::AtMost(40), ..SynthOptions::default() };
        for task in tasks {
            write_set(folder.path(), task, &options, &RealFs).unwrap();
        }
        let text = format!(
            "name = 'lab'\ntasks = {tasks:?}\nseeds = [3]\n[net]\n{net}\n[train]\nepochs = 1\nbatch_size = 16\nthreads = 1\nprecision = \
             'fp32'\nmemory_layout = 'channels_last'\nconvolutions = 'libtorch'\nreplicas = 1\n{more}"
        );
        let raw: RawExperiment = toml::from_str(&text).unwrap();
        let experiment: Experiment = raw.check(Registry::builtin()).unwrap();
        let session = Session::open(folder.path(), OpenOptions::default(), &RealFs);
        let request = RunRequest {
            experiment: &experiment,
            config_text: &experiment.to_toml(),
            runs_folder: &folder.path().join("runs"),
            run_name: None,
            no_test: false,
            parent: None,
        };
        let run = session.start(&request).unwrap();
        let root = run.layout().root().to_owned();
        run.train(Observers::default(), &StopFlag::default()).unwrap();
        Self { folder, run: root }
    }

    pub(crate) fn data(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn source(&self, format: NumberFormat) -> RunSource<'_> {
        RunSource { run: &self.run, data_folder: self.data(), seed: None, format }
    }

    /// All images of a split, one after another.
    pub(crate) fn images(&self, task: &str, split: Split) -> Vec<u8> {
        let opened = open_task(self.data(), task, 28, &OpenOptions::default()).unwrap().task;
        let images = match split {
            Split::Train => opened.train.images(),
            Split::Val => opened.val.images(),
            Split::Test => &opened.test.images,
        };
        (0..images.len()).flat_map(|index| images.image(index).to_vec()).collect()
    }

    /// What the run predicted of it.
    pub(crate) fn predictions(&self, task: &str, split: Split) -> Scores {
        let start = format!("{task}_{split}_");
        let files = std::fs::read_dir(self.run.join("predictions")).unwrap().map(|entry| entry.unwrap());
        let file = files.into_iter().find(|file| file.file_name().to_string_lossy().starts_with(&start)).unwrap();
        result_file::parse(&std::fs::read(file.path()).unwrap()).unwrap()
    }
}
