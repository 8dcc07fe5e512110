//! A worker: takes a trial, lets the objective evaluate it, records what comes, and takes the next.
//!
//! What to do next is [`next_step`], a function of what is recorded; the rest of this file does it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use medley_storage::{RealFs, Storage, StorageError, commit_directory, create_folder, write_once, write_whole};
use toml::Value;

use self::run::Run;
use super::clock::{self, Clock};
use super::lease::{Holder, Lease, LeaseName, Owner, Watch};
use super::records::{self, Proposal, Seen};
use super::trials::{TrialRecord, Trials};
use super::{Study, TrialFiles};
use crate::{Direction, History, Point, Pruner, Sampler as _, SearchError, TrialState, Verdict};

/// A trial to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its number.
    pub number: u64,
    /// What is tried.
    pub point: Point,
    /// What the point sets in an experiment, its variant's keys among them.
    pub settings: BTreeMap<String, Value>,
    /// For all randomness of the trial; less than 2^63.
    pub seed: u64,
    /// Its folder. The objective may keep what it likes there, in a folder of its own.
    pub folder: PathBuf,
    /// What earlier owners have reported. An objective that keeps checkpoints resumes after the last of these.
    pub rungs: Vec<(u64, f64)>,
}

/// How an evaluation came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evaluation {
    /// With this value.
    Finished(f64),
    /// It stopped as it was told, or for a reason of its own, such as a signal: then the trial is put back, and the worker ends.
    Stopped,
}

/// What is to be made best.
pub trait Objective {
    /// Evaluates a trial. It may call `report` with a rung and the value there, rungs going up, and must stop where the verdict is not
    /// [`Verdict::Continue`]. Rungs that were reported before, by an owner that was killed, may be reported again: what was recorded
    /// first stands.
    ///
    /// # Errors
    /// Why the trial has no value; it has failed then.
    fn evaluate(&mut self, trial: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String>;

    /// Whether the worker is to end, for a reason of the objective's own such as a signal. It is asked between trials, and while there is
    /// none to take; by default never.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// How a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkOptions {
    /// After so long without a sign of life a worker of another machine is taken for dead. By default two minutes; over a network file
    /// system not less.
    pub lease: Duration,
    /// How often a worker that has nothing to do looks again once it has waited for long, by default each second. At first it looks more
    /// often, as the trial that it waits for may be a short one.
    pub poll: Duration,
    /// Whether to wait for trials of other workers, which may die or be promoted, by default so.
    pub wait: bool,
}

impl Default for WorkOptions {
    fn default() -> Self {
        Self { lease: Duration::from_mins(2), poll: Duration::from_secs(1), wait: true }
    }
}

/// Why a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is nothing left to do.
    Done,
    /// The study was stopped.
    Stopped,
    /// The objective stopped by itself.
    Interrupted,
    /// The time that workers may spend is over.
    TimeOver,
}

/// What a worker did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Its number.
    pub worker: u64,
    /// Evaluations that it began.
    pub evaluations: usize,
    /// Why it ended.
    pub reason: Reason,
}

/// Works on a study until there is nothing left to do, or it is stopped.
///
/// # Errors
/// [`SearchError`]: a disk that is full, a folder that is gone. The trial is put back where that can be done, else another worker takes
/// it when the lease ends.
pub fn work(study: &Study, objective: &mut dyn Objective, options: WorkOptions) -> Result<Work, SearchError> {
    Worker::new(study, &RealFs, options)?.run(objective)
}

/// A worker that begins to wait looks again after this part of the usual time, and then waits twice as long each time.
const FIRST_LOOK: u32 = 32;
/// How often a worker writes how long it has worked, while a trial goes on.
const CLOCK_INTERVAL: Duration = Duration::from_secs(5);
/// How often it does so between trials, which may be short: writing to the device takes as long as all else between them.
const CLOCK_BETWEEN: Duration = Duration::from_secs(1);
/// What a worker does next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Takes a trial that nobody has, or whose owner is dead, or that is promoted.
    Take(u64),
    /// Begins the trial of this number.
    Begin(u64),
    /// Others are at work.
    Wait,
    /// There is nothing left.
    Done,
}

/// What to do next: go on with what was begun, promote, begin, wait; in this order, so that one worker does the same after a kill.
fn next_step(
    trials: &Trials,
    is_dead: impl Fn(u64) -> bool,
    promoted: impl FnOnce() -> Option<u64>,
    budget: u64,
) -> Step {
    let free = |trial: &&TrialRecord| match trial.state {
        TrialState::Waiting => true,
        TrialState::Running => is_dead(trial.number),
        _ => false,
    };
    if let Some(trial) = trials.iter().find(free) {
        return Step::Take(trial.number);
    }
    if let Some(number) = promoted() {
        return Step::Take(number);
    }
    let next = trials.next_number();
    if next < budget {
        return Step::Begin(next);
    }
    if trials.iter().any(|trial| trial.state == TrialState::Running) { Step::Wait } else { Step::Done }
}

/// A paused trial that its pruner wants to go on.
fn promoted(study: &Study, trials: &Trials) -> Option<u64> {
    let histories: Vec<History> = trials.iter().map(TrialRecord::history).collect();
    study.definition().pruner.promote(study.definition().direction, &histories)
}

impl Study {
    /// Whether there is nothing left for a worker to do: each trial that there may be has ended, or was paused for good, or the time of
    /// workers is over and none is at work.
    ///
    /// # Errors
    /// As [`Study::trials`] and [`Study::budget`].
    pub fn is_complete(&self) -> Result<bool, SearchError> {
        let mut trials = Trials::default();
        trials.refresh(self)?;
        let is_left = |trial: &TrialRecord| matches!(trial.state, TrialState::Running | TrialState::Waiting);
        if let Some(allowed) = self.time()?.filter(|_| !trials.iter().any(|trial| trial.state == TrialState::Running))
            && self.clock()?.seconds >= allowed.as_secs_f64()
        {
            return Ok(true);
        }
        if trials.iter().any(is_left) || promoted(self, &trials).is_some() {
            return Ok(false);
        }
        let next = trials.next_number();
        Ok(next >= self.budget()? || self.propose(next, &trials).1.is_none())
    }

    /// The point of the next trial, and what its sampler saw; no point where it has no more.
    fn propose(&self, number: u64, trials: &Trials) -> (Seen, Option<Point>) {
        let (mut seen, mut observations) = (Seen::default(), Vec::new());
        if self.definition.sampler.sees_others() {
            let records = trials.records();
            seen = Seen::of(&records);
            observations = seen.observations(&self.definition.space, &records);
        }
        let point = self.definition.sampler.propose(&self.ask(number, &observations));
        (seen, point)
    }
}

struct Worker<'a> {
    study: &'a Study,
    storage: &'a dyn Storage,
    options: WorkOptions,
    holder: Holder,
    trials: Trials,
    watch: Watch,
    began: Instant,
    /// What this worker has spent, until when that is counted, and when it was last written.
    clock: Clock,
    counted: Duration,
    written: Duration,
    /// The sampler has no more points from this number on.
    exhausted: Option<u64>,
}

/// How a trial left the hands of this worker.
enum Left {
    /// It is recorded, paused, put back or lost.
    Settled,
    /// The objective stopped by itself.
    Interrupted,
}

impl<'a> Worker<'a> {
    fn new(study: &'a Study, storage: &'a dyn Storage, options: WorkOptions) -> Result<Self, SearchError> {
        let folder = study.folder().join("workers");
        create_folder(&folder)?;
        create_folder(&study.folder().join("trials"))?;
        let mut number = 0_u64;
        let own = loop {
            let path = folder.join(number.to_string());
            match storage.create_dir(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(source) => return Err(StorageError::io(&path, source).into()),
            }
        };
        sweep::unnamed_trials(&study.folder().join("trials"), &own);
        let (trials, watch) = (Trials::default(), Watch::default());
        Ok(Self {
            study,
            storage,
            options,
            holder: Holder::this(number),
            trials,
            watch,
            began: Instant::now(),
            clock: Clock::default(),
            counted: Duration::ZERO,
            written: Duration::ZERO,
            exhausted: None,
        })
    }

    fn run(mut self, objective: &mut dyn Objective) -> Result<Work, SearchError> {
        let mut worked = self.take_turns(objective);
        if self.counted > self.written {
            let written = self.write_clock();
            worked = worked.and_then(|work| written.map(|()| work));
        }
        // Best effort: what cannot be read is swept another time.
        if self.trials.refresh(self.study).is_ok() {
            sweep::records(self.study, &self.trials);
        }
        worked
    }

    fn take_turns(&mut self, objective: &mut dyn Objective) -> Result<Work, SearchError> {
        let mut work = Work { worker: self.holder.worker, evaluations: 0, reason: Reason::Done };
        let first_look = self.options.poll / FIRST_LOOK;
        let mut pause = first_look;
        loop {
            if self.study.is_stopped() {
                return Ok(Work { reason: Reason::Stopped, ..work });
            }
            if objective.is_interrupted() {
                return Ok(Work { reason: Reason::Interrupted, ..work });
            }
            if self.is_time_over()? {
                return Ok(Work { reason: Reason::TimeOver, ..work });
            }
            self.trials.refresh(self.study)?;
            let lease = match self.next()? {
                Step::Take(number) => self.take(number)?.map(|lease| (number, lease)),
                Step::Begin(number) => self.begin(number)?.map(|lease| (number, lease)),
                Step::Wait if self.options.wait => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(self.options.poll);
                    None
                }
                Step::Wait | Step::Done => return Ok(work),
            };
            let Some((number, lease)) = lease else { continue };
            pause = first_look;
            work.evaluations += 1;
            let begun = self.began.elapsed();
            let left = self.evaluate(number, lease, objective)?;
            self.count_time(number, begun);
            if self.counted.saturating_sub(self.written) >= CLOCK_BETWEEN {
                self.write_clock()?;
            }
            if let Left::Interrupted = left {
                return Ok(Work { reason: Reason::Interrupted, ..work });
            }
        }
    }

    /// Counts how long this worker has worked, with the trial that it has had since `begun`.
    fn count_time(&mut self, number: u64, begun: Duration) {
        let now = self.began.elapsed();
        // What was counted while the trial went on is a part of it.
        let since = begun.max(self.counted);
        *self.clock.trials.entry(number).or_default() += now.saturating_sub(since).as_secs_f64();
        self.clock.seconds = now.as_secs_f64();
        self.counted = now;
    }

    /// Writes what was counted.
    fn write_clock(&mut self) -> Result<(), SearchError> {
        self.written = self.counted;
        let path = self.study.folder().join(format!("workers/{}", self.holder.worker)).join(clock::FILE);
        let bytes = records::to_bytes(&self.clock);
        Ok(sweep::survive(|| write_whole(self.storage, &path, &bytes))?)
    }

    /// Whether workers have spent the time of the study.
    fn is_time_over(&self) -> Result<bool, SearchError> {
        let Some(allowed) = self.study.time()? else { return Ok(false) };
        let others = self.study.clock()?.seconds - self.written.as_secs_f64();
        Ok(others + self.began.elapsed().as_secs_f64() >= allowed.as_secs_f64())
    }

    fn next(&mut self) -> Result<Step, SearchError> {
        let budget = self.study.budget()?.min(self.exhausted.unwrap_or(u64::MAX));
        let dead = self.dead()?;
        let promoted = || promoted(self.study, &self.trials);
        Ok(next_step(&self.trials, |number| dead.contains(&number), promoted, budget))
    }

    fn direction(&self) -> Direction {
        self.study.definition().direction
    }

    /// Trials whose owner gives no sign of life.
    fn dead(&mut self) -> Result<Vec<u64>, SearchError> {
        let now = self.began.elapsed();
        let mut dead = Vec::new();
        for trial in self.trials.iter().filter(|trial| trial.state == TrialState::Running) {
            let Some(lease @ LeaseName { owner: Owner::Worker(holder), .. }) = &trial.lease else {
                // A name may be missed once while it changes. If it stays away, somebody has removed it, and the trial is for anyone.
                if self.watch.is_dead(trial.number, "", None, now, self.options.lease) {
                    let name = LeaseName { generation: 0, owner: Owner::Waiting };
                    let path = self.study.trial_folder(trial.number).join(name.to_string());
                    match write_once(self.storage, &path, b"") {
                        Ok(()) | Err(StorageError::Exists { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                continue;
            };
            let name = lease.to_string();
            let path = self.study.trial_folder(trial.number).join(&name);
            let changed = fs_err::metadata(path).and_then(|metadata| metadata.modified()).ok();
            if holder.is_gone(&self.holder.machine)
                || self.watch.is_dead(trial.number, &name, changed, now, self.options.lease)
            {
                dead.push(trial.number);
            }
        }
        Ok(dead)
    }

    fn take(&self, number: u64) -> Result<Option<Lease<'a>>, SearchError> {
        let Some(lease) = self.trials.get(number).and_then(|trial| trial.lease.as_ref()) else { return Ok(None) };
        Lease::take(self.storage, &self.study.trial_folder(number), number, lease, &self.holder)
    }

    /// Makes a trial; `None` where another worker has just made that of this number, or there are no more points.
    fn begin(&mut self, number: u64) -> Result<Option<Lease<'a>>, SearchError> {
        let (seen, point) = self.study.propose(number, &self.trials);
        let Some(point) = point else {
            self.exhausted = Some(number);
            return Ok(None);
        };
        let proposal = records::to_bytes(&Proposal { number, seed: self.study.trial_seed(number), point, seen });
        let name = LeaseName { generation: 0, owner: Owner::Worker(self.holder.clone()) };
        let folder = self.study.trial_folder(number);
        let files: [(&str, &[u8]); 2] = [("proposal.json", &proposal), (&name.to_string(), b"")];
        match commit_directory(self.storage, &folder, &files) {
            Ok(()) => Ok(Some(Lease::of_new(self.storage, &folder, number, name))),
            // The rename onto a folder that has files fails.
            Err(_) if folder.join("proposal.json").exists() && !folder.join(name.to_string()).exists() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn evaluate(&mut self, number: u64, lease: Lease<'a>, objective: &mut dyn Objective) -> Result<Left, SearchError> {
        let files = TrialFiles::new(self.study.trial_folder(number));
        let path = files.proposal();
        let Some(Proposal { seed, point, .. }) = records::read::<Proposal>(&path)? else {
            return Err(SearchError::Damaged { path, problem: "there is no such file".to_owned() });
        };
        self.trials.refresh(self.study)?;
        let rungs = self.trials.get(number).map(|record| record.rungs.clone()).unwrap_or_default();
        let settings = self.study.definition().space.settings(&point);
        let trial = Trial { number, point, settings, seed, folder: files.folder.clone(), rungs: rungs.clone() };
        let mut run = Run::new(self, number, lease, rungs)?;
        let result = match run.verdict() {
            Verdict::Continue => objective.evaluate(&trial, &mut |rung, value| run.report(rung, value)),
            _ => Ok(Evaluation::Stopped),
        };
        run.settle(trial.point, result)
    }
}

mod run;
mod sweep;
#[cfg(test)]
mod tests;
