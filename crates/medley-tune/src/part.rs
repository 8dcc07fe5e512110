//! A run of a trial, trained up to an epoch.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

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

/// When a part has to be finished.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// The moment.
    pub(crate) at: Instant,
    /// What a validation is expected to take until there was one.
    pub(crate) validation: Duration,
    /// What follows the last validation.
    pub(crate) end: Duration,
}

/// What becomes of a part after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Epoch,
    /// It stops, and may go on from here.
    Stop,
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
        self.advance_within(None, session, outside, &mut after_epoch)
    }

    /// Trains to its end: that of its epochs or, in the midst of one, so long before the deadline that the network can still be validated.
    pub(crate) fn finish_by(
        &self,
        deadline: Deadline,
        session: &Session<'_>,
        outside: &StopFlag,
    ) -> Result<Advanced, TrainError> {
        self.advance_within(Some(deadline), session, outside, &mut |_, _| Next::Epoch)
    }

    fn advance_within(
        &self,
        deadline: Option<Deadline>,
        session: &Session<'_>,
        outside: &StopFlag,
        after_epoch: &mut dyn FnMut(usize, f64) -> Next,
    ) -> Result<Advanced, TrainError> {
        let stop = StopFlag::default();
        let (reports, reported) = channel();
        let (answer, answers) = channel();
        let (_, best) = self.progress();
        let limit = deadline.map(Limit::new);
        let keeps_last = self.experiment.select.name() == "last";
        let asks = Asks { last: self.epochs(), keeps_last, best, limit, reports, answers, stop: stop.clone() };
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

/// A deadline, with what validations really take.
struct Limit {
    deadline: Deadline,
    /// When the batch was trained that is the last so far.
    last_batch: Option<Instant>,
    /// Whether it has ended an epoch.
    is_over: bool,
}

impl Limit {
    fn new(deadline: Deadline) -> Self {
        Self { deadline, last_batch: None, is_over: false }
    }

    /// Seconds that are left for training at this moment; below 0 where the network should be validated by now.
    fn left(&self, now: Instant) -> f64 {
        let Deadline { at, validation, end } = self.deadline;
        at.saturating_duration_since(now).as_secs_f64() - validation.as_secs_f64() - end.as_secs_f64()
    }

    /// Whether the epoch ends with the batch that was trained just now.
    fn ends_epoch(&mut self, now: Instant) -> bool {
        self.last_batch = Some(now);
        self.is_over |= self.left(now) <= 0.0;
        self.is_over
    }

    /// Whether the network ends with the epoch that was validated just now: it was ended early, or what is left is not worth another
    /// validation. What follows the last one is mostly one more prediction of the same rows.
    fn ends(&mut self, now: Instant) -> bool {
        if let Some(last) = self.last_batch.take() {
            let took = now.saturating_duration_since(last);
            let Deadline { validation, end, .. } = &mut self.deadline;
            (*validation, *end) = (took, took.max(*end));
        }
        self.is_over || self.left(now) <= self.deadline.validation.as_secs_f64()
    }
}

/// The callback: asks what becomes of the run after each epoch but the last.
struct Asks {
    last: usize,
    /// Whether the network of the last epoch is kept, and no best one.
    keeps_last: bool,
    best: Option<f64>,
    limit: Option<Limit>,
    reports: Sender<(usize, f64)>,
    answers: Receiver<Next>,
    stop: StopFlag,
}

impl Callback for Asks {
    fn ends_epoch(&mut self) -> bool {
        self.limit.as_mut().is_some_and(|limit| limit.ends_epoch(Instant::now()))
    }

    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action {
        let earlier = self.best.filter(|_| !self.keeps_last);
        let best = earlier.map_or(report.score, |best| best.max(report.score));
        self.best = Some(best);
        let is_over = self.limit.as_mut().is_some_and(|limit| limit.ends(Instant::now()));
        if report.epoch >= self.last {
            return Action::Continue;
        }
        if is_over {
            return Action::Stop(format!("its time is over, after {} steps of this epoch", report.steps));
        }
        let answer = self.reports.send((report.epoch, best)).ok().and_then(|()| self.answers.recv().ok());
        match answer {
            Some(Next::Epoch) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_where_its_validation_still_fits() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let seconds = Duration::from_secs_f64;
        let mut limit = Limit::new(Deadline { at: at(10.0), validation: seconds(2.0), end: seconds(0.5) });
        assert!(!limit.ends_epoch(at(7.4)));
        // The validation took a second, and not two; what follows it may take as long.
        assert!(!limit.ends_epoch(at(5.0)) && !limit.ends(at(6.0)));
        assert!(!limit.ends_epoch(at(7.9)));
        // What is left after this one is as long as a validation.
        assert!(!limit.ends_epoch(at(6.0)) && limit.ends(at(7.0)));
        // An epoch that was ended early is the last, however short its validation was.
        let mut limit = Limit::new(Deadline { at: at(10.0), validation: seconds(2.0), end: seconds(0.5) });
        assert!(limit.ends_epoch(at(7.5)) && limit.ends(at(7.6)));
        // A clock that is beyond the deadline, and a report without a batch.
        let mut limit = Limit::new(Deadline { at: at(10.0), validation: seconds(2.0), end: seconds(0.5) });
        assert!(limit.ends(at(21.0)) && limit.ends_epoch(at(20.0)) && limit.ends(at(21.0)));
    }
}
