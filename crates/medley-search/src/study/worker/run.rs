//! A trial in the hands of a worker: what its objective reports is recorded and judged, and so is how it came out.

use std::time::Duration;

use medley_storage::{StorageError, create_folder, write_once};

use super::super::TrialFiles;
use super::super::lease::{Heartbeat, Lease, Owner};
use super::super::records::{self, Ending, Rung};
use super::super::trials::TrialRecord;
use super::{CLOCK_INTERVAL, Evaluation, Left, Worker, sweep};
use crate::{History, Point, Pruner as _, SearchError, TrialState, Verdict};

/// Why a run ended before its objective said so.
enum Ended {
    /// A value that is not finite, a rung out of order.
    Failed(String),
    /// The lease or the disk.
    Problem(SearchError),
}

/// A trial in the hands of this worker.
pub(super) struct Run<'w, 'a> {
    worker: &'w mut Worker<'a>,
    lease: Lease<'a>,
    heartbeat: Heartbeat,
    files: TrialFiles,
    number: u64,
    rungs: Vec<(u64, f64)>,
    /// When this worker took it.
    begun: Duration,
    verdict: Verdict,
    ended: Option<Ended>,
}

impl<'w, 'a> Run<'w, 'a> {
    pub(super) fn new(
        worker: &'w mut Worker<'a>,
        number: u64,
        lease: Lease<'a>,
        rungs: Vec<(u64, f64)>,
    ) -> Result<Self, SearchError> {
        let heartbeat = lease.heartbeat(worker.options.lease / 8)?;
        let files = TrialFiles::new(worker.study.trial_folder(number));
        let begun = worker.began.elapsed();
        let (verdict, ended) = (Verdict::Continue, None);
        let mut run = Self { worker, lease, heartbeat, files, number, rungs, begun, verdict, ended };
        // Its owner may have been killed between a report and its verdict.
        if !run.rungs.is_empty() {
            run.verdict = run.judge()?;
        }
        Ok(run)
    }

    /// How to go on.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Records the value at a rung, and says how to go on.
    pub(super) fn report(&mut self, rung: u64, value: f64) -> Verdict {
        if self.verdict == Verdict::Continue && self.ended.is_none() {
            match self.record(rung, value) {
                Ok(verdict) => self.verdict = verdict,
                Err(ended) => (self.verdict, self.ended) = (Verdict::Leave, Some(ended)),
            }
        }
        self.verdict
    }

    fn record(&mut self, rung: u64, value: f64) -> Result<Verdict, Ended> {
        if self.rungs.iter().any(|(known, _)| *known == rung) {
            return Ok(Verdict::Continue);
        }
        if let Some((last, _)) = self.rungs.last().filter(|(last, _)| *last > rung) {
            return Err(Ended::Failed(format!("rung {rung} was reported after rung {last}; rungs must go up")));
        }
        if !value.is_finite() {
            return Err(Ended::Failed(format!("the value at rung {rung} is {value}")));
        }
        self.check_lease().map_err(Ended::Problem)?;
        let value = self.write_rung(Rung { rung, value }).map_err(Ended::Problem)?;
        self.rungs.push((rung, value));
        if self.worker.began.elapsed().saturating_sub(self.worker.written.max(self.begun)) >= CLOCK_INTERVAL {
            self.worker.count_time(self.number, self.begun);
            self.worker.write_clock().map_err(Ended::Problem)?;
        }
        if self.worker.study.is_stopped() || self.worker.is_time_over().map_err(Ended::Problem)? {
            return Ok(Verdict::Leave);
        }
        self.judge().map_err(Ended::Problem)
    }

    fn check_lease(&self) -> Result<(), SearchError> {
        if self.heartbeat.is_lost() { Err(SearchError::LeaseLost { trial: self.number }) } else { self.lease.check() }
    }

    /// Records a rung, and returns what is recorded: what another owner may have recorded before stands.
    fn write_rung(&self, record: Rung) -> Result<f64, SearchError> {
        create_folder(&self.files.rungs())?;
        let path = self.files.rung(record.rung);
        let bytes = records::to_bytes(&record);
        match sweep::survive(|| write_once(self.worker.storage, &path, &bytes)) {
            Ok(()) => Ok(record.value),
            Err(error @ StorageError::Exists { .. }) => match records::read::<Rung>(&path)? {
                Some(recorded) => Ok(recorded.value),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// What the pruner says of the rungs so far.
    fn judge(&mut self) -> Result<Verdict, SearchError> {
        let definition = self.worker.study.definition();
        if definition.pruner == crate::PrunerConfig::None {
            return Ok(Verdict::Continue);
        }
        self.worker.trials.refresh(self.worker.study)?;
        let others = self.worker.trials.iter().filter(|trial| trial.number != self.number);
        let others: Vec<History> = others.map(TrialRecord::history).collect();
        let trial = History { number: self.number, rungs: self.rungs.clone(), state: TrialState::Running };
        Ok(definition.pruner.judge(definition.direction, &trial, &others))
    }

    /// Records how it came out.
    pub(super) fn settle(mut self, point: Point, result: Result<Evaluation, String>) -> Result<Left, SearchError> {
        let ending =
            |state, value, message| Ending { state, value, message, rungs: self.rungs.clone(), point: point.clone() };
        let failed = |message: String| ending(TrialState::Failed, None, Some(message));
        let record = match (self.ended.take(), self.verdict, result) {
            (Some(Ended::Problem(SearchError::LeaseLost { .. })), ..) => return Ok(Left::Settled),
            (Some(Ended::Problem(problem)), ..) => {
                // Another worker need not wait for the lease to end; if this fails too, it does.
                let _ = self.lease.pass(Owner::Waiting);
                return Err(problem);
            }
            (None, Verdict::Leave, _) => return self.pass(Owner::Waiting, Left::Settled),
            (Some(Ended::Failed(message)), ..) | (None, _, Err(message)) => failed(message),
            (None, Verdict::Finish, _) => ending(TrialState::Finished, self.best(), None),
            (None, Verdict::Prune, _) => ending(TrialState::Pruned, None, None),
            (None, Verdict::Pause, _) => return self.pass(Owner::Paused, Left::Settled),
            (None, Verdict::Continue, Ok(Evaluation::Stopped)) => return self.pass(Owner::Waiting, Left::Interrupted),
            (None, Verdict::Continue, Ok(Evaluation::Finished(value))) if value.is_finite() => {
                ending(TrialState::Finished, Some(value), None)
            }
            (None, Verdict::Continue, Ok(Evaluation::Finished(value))) => failed(format!("its value is {value}")),
        };
        match self.check_lease() {
            Err(SearchError::LeaseLost { .. }) => return Ok(Left::Settled),
            result => result?,
        }
        let (path, bytes) = (self.files.outcome(), records::to_bytes(&record));
        match sweep::survive(|| write_once(self.worker.storage, &path, &bytes)) {
            Ok(()) | Err(StorageError::Exists { .. }) => Ok(Left::Settled),
            Err(error) => {
                let _ = self.lease.pass(Owner::Waiting);
                Err(error.into())
            }
        }
    }

    /// The best value of its rungs.
    fn best(&self) -> Option<f64> {
        let loss = |value: &f64| self.worker.direction().loss(*value);
        self.rungs.iter().map(|(_, value)| *value).min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }

    fn pass(mut self, owner: Owner, left: Left) -> Result<Left, SearchError> {
        match self.lease.pass(owner) {
            Ok(()) | Err(SearchError::LeaseLost { .. }) => Ok(left),
            Err(error) => Err(error),
        }
    }
}
