//! A run of a trial, trained up to an epoch.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use medley_core::RunLayout;
use medley_core::record::Event;
use medley_data::Registry;
use medley_train::TrainError;
use medley_train::checkpoint::CheckpointFolder;
use medley_train::components::callbacks::{Action, Callback, Callbacks, EpochReport};
use medley_train::config::Experiment;
use medley_train::observer::{Observer, Observers};
use medley_train::run::{Run, RunEnd};
use medley_train::run_folder::{RunFolder, RunFolderError};
use medley_train::session::{RunRequest, Session};
use medley_train::stop::StopFlag;

use crate::TuneError;

/// How often a run folder is looked at that another process holds.
const HELD: Duration = Duration::from_millis(200);

/// A run of a trial.
pub(crate) struct Part {
    pub(crate) experiment: Experiment,
    /// As it is written.
    pub(crate) config_text: String,
    /// Where its folder is made.
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) seed: u64,
}

/// How far a part has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advanced {
    /// To its end.
    Finished,
    /// To the epoch where it was told to stop.
    Stopped,
    /// Not so far: a stop was asked for from outside.
    Interrupted,
}

/// What becomes of a part after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Epoch,
    /// It stops, and may go on from here.
    Stop,
    /// It ends with its best epoch so far.
    End,
}

impl Part {
    /// The run of a base experiment with these overrides, under a name in a folder.
    pub(crate) fn new(
        base: &Path,
        mut overrides: Vec<String>,
        registry: &Registry,
        folder: PathBuf,
        name: String,
        seed: u64,
    ) -> Result<Self, TuneError> {
        overrides.push(format!("name={name:?}"));
        let experiment = Experiment::load(base, &overrides, registry)?;
        let config_text = experiment.to_toml();
        Ok(Self { experiment, config_text, folder, name, seed })
    }

    fn layout(&self) -> RunLayout {
        RunLayout::new(self.folder.join(&self.name))
    }

    pub(crate) fn epochs(&self) -> usize {
        self.experiment.train.epochs
    }

    /// Epochs that are finished, and the best score so far.
    pub(crate) fn progress(&self) -> (usize, Option<f64>) {
        match CheckpointFolder::new(&self.layout(), self.seed).newest() {
            None => (0, None),
            Some(progress) => (progress.epoch, progress.best.map(|best| best.selected().score)),
        }
    }

    /// Trains on until `after_epoch` says stop, which is asked after each epoch but the last, with the number of finished epochs and the best
    /// score so far. It runs in a thread of its own, and `after_epoch` here.
    pub(crate) fn advance(
        &self,
        session: &Session<'_>,
        outside: &StopFlag,
        mut after_epoch: impl FnMut(usize, f64) -> Next,
    ) -> Result<Advanced, TrainError> {
        let stop = StopFlag::default();
        let (reports, reported) = channel();
        let (answer, answers) = channel();
        let (_, best) = self.progress();
        let asks = Asks { last: self.epochs(), best, reports, answers, stop: stop.clone() };
        let watch = Watch { outside: outside.clone(), stop: stop.clone() };
        std::thread::scope(|scope| {
            let training = std::thread::Builder::new().name("trial".to_owned());
            let training = training.spawn_scoped(scope, || self.train(session, asks, watch, &stop, outside));
            let training = training.map_err(|source| TrainError::Observer(source.into()))?;
            for (epoch, best) in reported {
                // Nobody hears it where training has failed meanwhile.
                let _ = answer.send(after_epoch(epoch, best));
            }
            let finished = training.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok(if finished {
                Advanced::Finished
            } else if outside.requested() {
                Advanced::Interrupted
            } else {
                Advanced::Stopped
            })
        })
    }

    fn train(
        &self,
        session: &Session<'_>,
        asks: Asks,
        watch: Watch,
        stop: &StopFlag,
        outside: &StopFlag,
    ) -> Result<bool, TrainError> {
        let Some(run) = self.open(session, outside)? else { return Ok(false) };
        let asks = Mutex::new(Some(asks));
        let run = run.with_callbacks(move |_| {
            let mut callbacks = Callbacks::default();
            // A run has one seed.
            if let Some(asks) = asks.lock().ok().and_then(|mut asks| asks.take()) {
                callbacks.push("study", Box::new(asks));
            }
            callbacks
        });
        let mut observers = Observers::default();
        observers.push("stop", Box::new(watch));
        Ok(matches!(run.train(observers, stop)?, RunEnd::Finished(_)))
    }

    /// The run, made or gone on with; `None` where a stop was asked for while another process held it.
    fn open<'r>(&'r self, session: &Session<'r>, outside: &StopFlag) -> Result<Option<Run<'r>>, TrainError> {
        let layout = self.layout();
        if !layout.manifest().exists() {
            let request = RunRequest {
                experiment: &self.experiment,
                config_text: &self.config_text,
                runs_folder: &self.folder,
                run_name: Some(&self.name),
                parent: None,
                no_test: true,
            };
            return session.start(&request).map(Some);
        }
        loop {
            match RunFolder::open(layout.root()) {
                // Its former worker stands still, and was taken for dead.
                Err(RunFolderError::InUse { .. }) if !outside.requested() => std::thread::sleep(HELD),
                Err(RunFolderError::InUse { .. }) => return Ok(None),
                folder => return session.resume(&self.experiment, folder?).map(Some),
            }
        }
    }
}

/// The callback: asks what becomes of the run after each epoch but the last.
struct Asks {
    last: usize,
    best: Option<f64>,
    reports: Sender<(usize, f64)>,
    answers: Receiver<Next>,
    stop: StopFlag,
}

impl Callback for Asks {
    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action {
        let best = self.best.map_or(report.score, |best| best.max(report.score));
        self.best = Some(best);
        if report.epoch >= self.last {
            return Action::Continue;
        }
        let answer = self.reports.send((report.epoch, best)).ok().and_then(|()| self.answers.recv().ok());
        match answer {
            Some(Next::Epoch) => {}
            Some(Next::End) => return Action::Stop("its time is over".to_owned()),
            // Not `Action::Stop`: the run may be promoted, and then goes on from the checkpoint that is written now.
            _ => self.stop.request(),
        }
        Action::Continue
    }
}

/// Passes a stop from outside on to the run, between batches.
struct Watch {
    outside: StopFlag,
    stop: StopFlag,
}

impl Observer for Watch {
    fn observe(&mut self, _: &Event) -> anyhow::Result<()> {
        if self.outside.requested() {
            self.stop.request();
        }
        Ok(())
    }
}
