//! `medley auto`: a search, and networks trained by what it found, within a time that counts everything.
//!
//! The clock decides four things, which are then recorded: how long trials are ([`plan`]), when the search ends, how many networks are
//! trained at the end, and after which batch these end. So a run of `auto` cannot be repeated to the bit; each of its networks can, from its
//! own run folder, up to that batch.
//!
//! First networks are trained by the base experiment, and what follows the last network is tried with them: so it is known what both cost.
//! The search then goes on until there is just time left for networks by the best settings, on the same folds and for about as long, so
//! that their scores can be compared in pairs; at least half of the time is planned for it. Whatever ends the process, the next one
//! continues: `progress.json` says what was spent.

mod length;
mod members;
pub mod plan;
mod schedule;
mod state;
mod test_split;
mod turns;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use medley_data::Registry;
use medley_search::{Study, WorkOptions, work};
use medley_storage::{RealFs, create_folder, write_whole};
use medley_studies::auto::{MemberRecord, PhaseRecord};
use medley_train::config::Experiment;
use medley_train::config::schema::ViewsChoice;
use medley_train::dry_run::EpochTime;
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use self::plan::{Opened, TimePlan};
pub use self::schedule::{Finishing, Network, Scheme};
pub use self::state::{FILE as PROGRESS, State};
pub use self::test_split::predict_test;
use crate::{Trainer, TuneError, study};

/// How often the time that was spent is written.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often it is asked when the search has to end.
const RECKONING: Duration = Duration::from_secs(1);
/// How often a stop is looked for.
const PAUSE: Duration = Duration::from_millis(20);
/// Views of an image, at most.
const MOST_VIEWS: f64 = 8.0;
/// The folder of the search in that of `auto`.
pub const SEARCH: &str = "search";
/// The folder of networks in that of `auto`.
pub const MEMBERS: &str = "members";

/// The time that there is, from the start of the program.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    budget: f64,
    /// By earlier processes.
    before: f64,
}

impl Clock {
    /// A clock that has begun some time ago.
    pub fn new(budget: Duration, ago: Duration) -> Self {
        let now = Instant::now();
        Self { began: now.checked_sub(ago).unwrap_or(now), budget: budget.as_secs_f64(), before: 0.0 }
    }

    /// Seconds since it began, with those of earlier processes.
    pub fn spent(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    /// Seconds in all.
    pub fn budget(&self) -> f64 {
        self.budget
    }

    /// From now until so many seconds are spent.
    pub fn until(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64((seconds - self.spent()).max(0.0))
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AutoRequest {
    /// Tasks, in the order of heads; empty where the base names them.
    pub tasks: Vec<String>,
    /// A config to begin from, in place of the default recipe.
    pub base: Option<PathBuf>,
    /// A folder that does not exist yet, or that was begun by the same request.
    pub out: PathBuf,
    /// Of the search.
    pub seed: u64,
}

/// What is done around the networks.
pub trait Surroundings: Sync {
    /// Is told what goes on.
    fn say(&self, text: &str);

    /// Does what follows the last network with these, for the time that it takes, and leaves nothing behind; `None` where it cannot be
    /// done with them.
    fn rehearse(&self, members: &[MemberRecord]) -> Option<Finishing>;
}

/// What was trained.
#[derive(Debug)]
pub struct AutoRuns {
    /// The study of the search.
    pub study: Study,
    /// Finished runs that belong to the predictor.
    pub members: Vec<MemberRecord>,
    /// How the time was spent.
    pub phases: Vec<PhaseRecord>,
    /// Epochs of a network by the default recipe; the clock ends others.
    pub epochs: usize,
    /// Folds that the networks were trained on; `None` where they were validated on the same rows.
    pub folds: Option<usize>,
    /// Networks that the default recipe could have trained in the time of the search.
    pub instead: usize,
}

/// A folder that is worked on.
#[derive(Debug)]
pub struct Auto {
    request: AutoRequest,
    state: Mutex<State>,
    clock: Clock,
    /// Whether this process made the folder.
    made: bool,
}

impl Auto {
    /// Makes the folder, or opens that of the same request. What is wrong with the request is found before anything is written.
    ///
    /// # Errors
    /// [`TuneError::NoTasks`], an unknown task, a base that cannot be read; [`TuneError::OutExists`] for a folder of something else,
    /// [`TuneError::OtherRequest`] for one of another request; the disk.
    pub fn begin(request: AutoRequest, clock: Clock, registry: &Registry) -> Result<Self, TuneError> {
        for task in &request.tasks {
            registry.find(task).map_err(medley_train::TrainError::from)?;
        }
        let base = match &request.base {
            Some(_) => Some(plan::base_text(&request, registry, plan::NARROW)?),
            None if request.tasks.is_empty() => return Err(TuneError::NoTasks),
            None => None,
        };
        let asked = State::new(request.tasks.clone(), base, clock.budget(), request.seed);
        if request.out.symlink_metadata().is_err() {
            create_folder(&request.out).map_err(medley_search::SearchError::from)?;
            let begun = Self { request, state: Mutex::new(asked), clock, made: true };
            return match begun.write_state() {
                Ok(()) => Ok(begun),
                Err(error) => Err(begun.undone(error)),
            };
        }
        let Some(state) = State::read(&request.out)? else { return Err(TuneError::OutExists { path: request.out }) };
        if let Some(what) = state.difference(&asked) {
            return Err(TuneError::OtherRequest { path: request.out, what });
        }
        let clock = Clock { before: state.spent, ..clock };
        Ok(Self { request, state: Mutex::new(state), clock, made: false })
    }

    /// Its clock, which knows of earlier processes.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether there is nothing left to do.
    pub fn is_finished(&self) -> bool {
        self.state().finished
    }

    /// Writes that there is nothing left to do.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(&self) -> Result<(), TuneError> {
        self.state().finished = true;
        self.write_state()
    }

    /// What was done before the plan: where that fails, the folder of this process goes.
    ///
    /// # Errors
    /// That of the result.
    pub fn guarded<T, E>(&self, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() && self.state().plan.is_none() {
            self.remove();
        }
        result
    }

    /// Adds the time since some moment to a phase.
    pub fn add(&self, phase: &str, since: f64) {
        self.state().add(phase, self.clock.spent() - since);
    }

    /// How the time was spent.
    pub fn phases(&self) -> Vec<PhaseRecord> {
        self.state().phases.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> Result<(), TuneError> {
        let mut state = self.state();
        state.spent = self.clock.spent();
        state.write(&self.request.out)
    }

    /// Nothing was done yet: the folder of this process goes.
    fn undone(&self, error: TuneError) -> TuneError {
        if self.state().plan.is_none() {
            self.remove();
        }
        error
    }

    fn remove(&self) {
        if self.made {
            let _ = fs_err::remove_dir_all(&self.request.out);
        }
    }

    /// Searches, and trains networks by what was found; `None` where a stop was asked for. `groups` are files of rows that belong together,
    /// by task.
    ///
    /// # Errors
    /// [`TuneError::TooLittleTime`], [`TuneError::NothingFinished`]; whatever is wrong with the base, the data or the disk.
    pub fn run(
        &self,
        session: &Session<'_>,
        registry: &Registry,
        groups: &BTreeMap<String, String>,
        stop: &StopFlag,
        around: &dyn Surroundings,
    ) -> Result<Option<AutoRuns>, TuneError> {
        let over = StopFlag::default();
        std::thread::scope(|scope| {
            let _ends = RequestOnDrop(&over);
            scope.spawn(|| self.keep_time(&over));
            self.carry_out(session, registry, groups, stop, around)
        })
    }

    fn carry_out(
        &self,
        session: &Session<'_>,
        registry: &Registry,
        groups: &BTreeMap<String, String>,
        stop: &StopFlag,
        around: &dyn Surroundings,
    ) -> Result<Option<AutoRuns>, TuneError> {
        let before = self.clock.spent();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let (plan, study) = self.prepared(session, registry, workers).map_err(|error| self.undone(error))?;
        self.add("data, timing and plan", before);
        let own = plan::groups_of(&self.request)?;
        let mut of = members::Members {
            study: &study,
            session,
            registry,
            out: &self.request.out,
            clock: &self.clock,
            plan,
            workers: (workers / plan.replicas).max(1),
            groups: groups.iter().map(|(task, path)| (task.clone(), path.clone())).chain(own).collect(),
            outside: stop,
            say: &|text| around.say(text),
        };
        let before = self.clock.spent();
        let base = of.train_base()?;
        if stop.requested() {
            self.write_state()?;
            return Ok(None);
        }
        of.plan = self.with_finishing(plan, &base, around)?;
        self.add("networks by the default recipe", before);
        let before = self.clock.spent();
        self.search(&of, &base)?;
        self.add("search", before);
        if stop.requested() {
            self.write_state()?;
            return Ok(None);
        }
        let before = self.clock.spent();
        let instead = (self.seconds_of("search") * workers as f64 / base.seconds.max(1e-3)) as usize;
        let members::Trained { members, folds } = of.train_found(base)?;
        self.add("networks by what was found", before);
        self.write_state()?;
        if stop.requested() {
            return Ok(None);
        }
        let phases = self.phases();
        if members.is_empty() {
            let (path, budget) = (self.request.out.clone(), self.clock.budget());
            return Err(TuneError::NothingFinished { path, budget });
        }
        Ok(Some(AutoRuns { study, members, phases, epochs: plan.epochs, folds, instead }))
    }

    /// The plan with the time that what follows the last network really takes, timed now or earlier.
    fn with_finishing(
        &self,
        plan: TimePlan,
        base: &members::Base,
        around: &dyn Surroundings,
    ) -> Result<TimePlan, TuneError> {
        let networks = 2 * base.repeats * plan.scheme.each();
        let known = self.state().finishing;
        let finishing = match known {
            None if base.repeats > 0 => around.rehearse(&base.members),
            known => known,
        };
        self.state().finishing = finishing;
        self.write_state()?;
        Ok(finishing.map_or(plan, |finishing| plan.keeping(finishing, networks, self.clock.budget())))
    }

    /// Searches until there is just time left for networks by what was found.
    fn search(&self, of: &members::Members<'_>, base: &members::Base) -> Result<(), TuneError> {
        let mut end = of.search_end(base)?;
        let left = end - self.clock.spent();
        if left <= 0.0 || !of.plan.scheme.search {
            return Ok(());
        }
        (of.say)(&format!(
            "searching {} settings in trials of {} epochs with {} workers for about {left:.0} s",
            of.study.definition().space.keys().count(),
            of.plan.trial_epochs,
            of.workers,
        ));
        let mut reckoned = Instant::now();
        let is_over = || {
            if reckoned.elapsed() >= RECKONING {
                // A trial that cannot be read now is counted the next time.
                end = of.search_end(base).unwrap_or(end);
                reckoned = Instant::now();
            }
            self.clock.spent() >= end
        };
        search(of.study, of.session, of.registry, of.workers, of.outside, is_over)
    }

    fn seconds_of(&self, phase: &str) -> f64 {
        self.state().phases.iter().find(|one| one.name == phase).map_or(0.0, |one| one.seconds)
    }

    /// The plan and the study, made now or earlier.
    fn prepared(
        &self,
        session: &Session<'_>,
        registry: &Registry,
        workers: usize,
    ) -> Result<(TimePlan, Study), TuneError> {
        let out = &self.request.out;
        let (base, study_file) = (out.join("config.toml"), out.join("study.toml"));
        let known = self.state().plan;
        let plan = if let Some(plan) = known {
            plan
        } else {
            let (plan, text) = self.timed(session, registry, &base, workers)?;
            write_text(&base, &plan.apply(&text, self.request.base.is_some()))?;
            let space = plan::space(&base, plan.rows, registry)?;
            write_text(&study_file, &plan::study_text(&space, plan.trial_epochs, self.request.seed))?;
            self.state().plan = Some(plan);
            self.write_state()?;
            plan
        };
        Ok((plan, study::begin(out, SEARCH, &study_file, session, registry)?))
    }

    /// Times the default recipe, or the base; a wider network where there is time for it.
    fn timed(
        &self,
        session: &Session<'_>,
        registry: &Registry,
        base: &Path,
        workers: usize,
    ) -> Result<(TimePlan, String), TuneError> {
        let time = |width: usize| -> Result<(TimePlan, String), TuneError> {
            let began = Instant::now();
            let text = plan::base_text(&self.request, registry, width)?;
            write_text(base, &text)?;
            let mut fixed = vec!["train.threads=1".to_owned(), "train.replicas=1".to_owned()];
            let chosen = session.choose(&Experiment::load(base, &fixed, registry)?)?.plan;
            fixed.push(format!("train.precision={:?}", chosen.precision.to_string()));
            fixed.push(format!("train.memory_layout={:?}", chosen.memory_layout.to_string()));
            fixed.push(format!("train.convolutions={:?}", chosen.convolutions.to_string()));
            let experiment = Experiment::load(base, &fixed, registry)?;
            let epoch = without_test(timed_together(session, &experiment, workers)?, &experiment);
            let rows = epoch.steps * experiment.train.batch_size;
            let plan = |split: Option<EpochTime>| {
                let opened = Opened { epoch, rows, seconds: began.elapsed().as_secs_f64(), workers, split };
                TimePlan::new(&opened, self.clock.spent(), self.clock.budget())
            };
            fixed[1] = format!("train.replicas={workers}");
            let Ok(of_all) = Experiment::load(base, &fixed, registry) else { return Ok((plan(None)?, text)) };
            let guessed = plan(Some(epoch.split(workers)))?;
            if guessed.replicas == 1 {
                return Ok((guessed, text));
            }
            Ok((plan(Some(without_test(session.time_epoch(&of_all)?, &of_all)))?, text))
        };
        let (narrow, text) = time(plan::NARROW)?;
        if self.request.base.is_none() && narrow.has_time_for(plan::WIDER) {
            return time(plan::WIDE);
        }
        Ok((narrow, text))
    }

    /// Writes the time that was spent now and then: a process that is killed has spent it, too.
    fn keep_time(&self, over: &StopFlag) {
        let mut written = Instant::now();
        while !over.requested() {
            std::thread::sleep(PAUSE);
            if written.elapsed() >= INTERVAL {
                written = Instant::now();
                // A full disk is said by what needs it.
                let _ = self.request.out.symlink_metadata().map(|_| self.write_state());
            }
        }
    }
}

/// Asks for a stop however its scope ends.
struct RequestOnDrop<'a>(&'a StopFlag);

impl Drop for RequestOnDrop<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

fn write_text(path: &Path, text: &str) -> Result<(), TuneError> {
    Ok(write_whole(&RealFs, path, text.as_bytes()).map_err(medley_search::SearchError::from)?)
}

/// Works on a study with so many threads, each a worker, until it is over.
fn search(
    study: &Study,
    session: &Session<'_>,
    registry: &Registry,
    workers: usize,
    outside: &StopFlag,
    is_over: impl FnMut() -> bool + Send,
) -> Result<(), TuneError> {
    let (stop, done) = (StopFlag::default(), StopFlag::default());
    std::thread::scope(|scope| {
        let _ends = RequestOnDrop(&done);
        let (stop_flag, done_flag) = (&stop, &done);
        scope.spawn(move || watch(stop_flag, done_flag, outside, is_over));
        let work_one = || {
            let mut trainer = Trainer::new(study, session, registry, stop.clone())?;
            let options = WorkOptions { wait: false, ..WorkOptions::default() };
            let worked = work(study, &mut trainer, options).map_err(TuneError::from);
            trainer.into_failure()?;
            worked.map(drop)
        };
        let threads = (0..workers).map(|_| scope.spawn(work_one)).collect();
        joined(threads).map(drop)
    })
}

/// What an epoch takes where so many workers train, each on a core of its own: they share caches, memory and the clock of the processor.
fn timed_together(session: &Session<'_>, experiment: &Experiment, workers: usize) -> Result<EpochTime, TuneError> {
    let times = std::thread::scope(|scope| {
        let time = || session.time_epoch(experiment).map_err(TuneError::from);
        joined((0..workers).map(|_| scope.spawn(time)).collect())
    })?;
    let slowest = times.into_iter().max_by(|a, b| a.seconds().total_cmp(&b.seconds()));
    Ok(slowest.unwrap_or(EpochTime { step: 0.0, steps: 0, validation: 0.0, end: 0.0 }))
}

/// The test split stays shut: at the end of a network, the validation alone is predicted once more, with all views if there are several.
fn without_test(epoch: EpochTime, experiment: &Experiment) -> EpochTime {
    let views = if experiment.augment.test_time_views == ViewsChoice::None { 1.0 } else { MOST_VIEWS };
    EpochTime { end: epoch.validation * views, ..epoch }
}

/// What threads have come to, all of them.
fn joined<T>(threads: Vec<std::thread::ScopedJoinHandle<'_, Result<T, TuneError>>>) -> Result<Vec<T>, TuneError> {
    let results: Vec<Result<T, TuneError>> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        .collect();
    results.into_iter().collect()
}

/// Asks for a stop when the time is over, or when one is asked for outside.
fn watch(stop: &StopFlag, done: &StopFlag, outside: &StopFlag, mut is_over: impl FnMut() -> bool) {
    while !done.requested() && !outside.requested() && !is_over() {
        std::thread::sleep(PAUSE);
    }
    stop.request();
}
