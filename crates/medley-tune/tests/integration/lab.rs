//! A folder with a tiny synthetic set, a base experiment and studies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_data::{OpenOptions, Registry};
use medley_search::{Study, TrialRecord, Work, WorkOptions, work};
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};
use medley_train::session::Session;
use medley_train::stop::StopFlag;
use medley_tune::{Trainer, TuneError, study};

pub(crate) const BASE: &str = "name = 'base'\ntasks = ['breastmnist']\nseeds = [0, 1]\n[net]\nbackbone = { name = 'linear' }\n\
                               [augment]\nworkers = 0\n[train]\nepochs = 4\nbatch_size = 16\nprecision = 'fp32'\n\
                               memory_layout = 'channels_last'\nconvolutions = 'libtorch'\n";

/// What is searched, at the end of every study.
const SPACE: &str = "[space]\n'optimizer.learning_rate' = { log = [1e-4, 1e-1] }\n";

pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SynthOptions { rows: Rows::AtMost(48), ..SynthOptions::default() };
        write_set(folder.path(), "breastmnist", &options, &RealFs).unwrap();
        std::fs::write(folder.path().join("base.toml"), BASE).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn session(&self) -> Session<'static> {
        Session::open(self.path(), OpenOptions::default(), &RealFs)
    }

    /// A study with these keys and tables above its space.
    pub(crate) fn begin(&self, name: &str, rest: &str) -> Result<Study, TuneError> {
        self.begin_text(name, &text(rest))
    }

    pub(crate) fn begin_text(&self, name: &str, text: &str) -> Result<Study, TuneError> {
        let file = self.path().join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        study::begin(&self.path().join("studies"), name, &file, &self.session(), Registry::builtin())
    }

    pub(crate) fn work(&self, study: &Study) -> Result<Work, TuneError> {
        work_in(self.path(), study)
    }
}

pub(crate) fn text(rest: &str) -> String {
    let objective = if rest.contains("[objective]") { "" } else { "[objective]\nbase = 'base.toml'\n" };
    format!("seed = 3\n{rest}\n{objective}{SPACE}")
}

pub(crate) fn work_in(data: &Path, study: &Study) -> Result<Work, TuneError> {
    let session = Session::open(data, OpenOptions::default(), &RealFs);
    let mut trainer = Trainer::new(study, &session, Registry::builtin(), StopFlag::default())?;
    let done = work(
        study,
        &mut trainer,
        WorkOptions { poll: std::time::Duration::from_millis(20), ..WorkOptions::default() },
    )?;
    trainer.into_failure().map(|()| done)
}

/// What a study has come to, but for who did it: trials, and the files of their runs whose bits are promised.
pub(crate) fn result(study: &Study) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
    let shown = |trial: &TrialRecord| {
        let TrialRecord { number, point, rungs, state, value, message, .. } = trial;
        format!("{number} {point:?} {rungs:?} {state:?} {value:?} {message:?}")
    };
    let trials = study.trials().unwrap().iter().map(shown).collect();
    let mut files = BTreeMap::new();
    let root = study.folder().join("trials");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if ["checkpoints/", "predictions/", "metrics.csv", "results"].iter().any(|part| name.contains(part)) {
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    (trials, files)
}

/// As [`assert_eq!`], with the first difference alone.
pub(crate) fn assert_same(one: &Study, other: &Study) {
    let ((trials, files), (other_trials, other_files)) = (result(one), result(other));
    assert_eq!(trials, other_trials);
    assert_eq!(files.keys().collect::<Vec<_>>(), other_files.keys().collect::<Vec<_>>());
    for (name, bytes) in &files {
        assert!(*bytes == other_files[name], "{name} differs");
    }
    assert!(files.keys().any(|name| name.contains("checkpoints/")), "no checkpoint was compared");
}
