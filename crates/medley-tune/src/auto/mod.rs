//! `medley auto`: a search, and networks trained by what it found, within a time that counts everything.
//!
//! The clock decides three things, which are then recorded: how long trials are ([`plan`]), when the search ends, and how many networks are
//! trained at the end. So a run of `auto` cannot be repeated to the bit; each of its networks can, from its own run folder.

mod members;
pub mod plan;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use medley_data::Registry;
use medley_search::{Study, WorkOptions, work};
use medley_storage::{RealFs, create_folder, write_whole};
use medley_studies::auto::{MemberRecord, PhaseRecord};
use medley_train::config::Experiment;
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use self::plan::TimePlan;
use crate::{Trainer, TuneError, study};

/// The time that there is, from the start of the program.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    budget: Duration,
}

impl Clock {
    /// A clock that has begun some time ago.
    pub fn new(budget: Duration, ago: Duration) -> Self {
        let now = Instant::now();
        Self { began: now.checked_sub(ago).unwrap_or(now), budget }
    }

    /// Seconds since it began.
    pub fn spent(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Seconds in all.
    pub fn budget(&self) -> f64 {
        self.budget.as_secs_f64()
    }

    /// The time at a share of the budget, from now.
    pub fn until(&self, share: f64) -> Duration {
        Duration::from_secs_f64((self.budget() * share - self.spent()).max(0.0))
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct AutoRequest {
    /// Tasks, in the order of heads; empty where the base names them.
    pub tasks: Vec<String>,
    /// A config to begin from, in place of the default recipe.
    pub base: Option<PathBuf>,
    /// A folder that does not exist yet.
    pub out: PathBuf,
    /// Of the search.
    pub seed: u64,
}

/// What was trained.
#[derive(Debug)]
pub struct AutoRuns {
    /// The study of the search.
    pub study: Study,
    /// Finished runs, in the folder `members`.
    pub members: Vec<MemberRecord>,
    /// How the time was spent.
    pub phases: Vec<PhaseRecord>,
    /// Epochs of each network.
    pub epochs: usize,
}

/// Searches, and trains networks by what was found; `None` where a stop was asked for. `say` is told what goes on.
///
/// # Errors
/// Whatever is wrong with the base, the data or the disk.
pub fn run(
    request: &AutoRequest,
    session: &Session<'_>,
    registry: &Registry,
    clock: &Clock,
    stop: &StopFlag,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Option<AutoRuns>, TuneError> {
    if request.out.symlink_metadata().is_ok() {
        return Err(TuneError::OutExists { path: request.out.clone() });
    }
    create_folder(&request.out).map_err(medley_search::SearchError::from)?;
    let base = request.out.join("config.toml");
    write_text(&base, &plan::base_text(request, registry)?)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let one_core = ["train.threads=1".to_owned(), "train.replicas=1".to_owned()];
    let experiment = Experiment::load(&base, &one_core, registry)?;
    let time = session.time_epoch(&experiment)?;
    let rows = time.steps * experiment.train.batch_size;
    let times = TimePlan::new(&time, clock.budget(), plan::SEARCH_SHARE);
    let text = times.apply(&plan::base_text(request, registry)?);
    write_text(&base, &text)?;
    let space = plan::space(&base, rows, registry)?;
    let study_file = request.out.join("study.toml");
    write_text(&study_file, &plan::study_text(&space, times.epochs, request.seed))?;
    let study = study::begin(&request.out, "search", &study_file, session, registry)?;
    let mut phases = vec![PhaseRecord { name: "data, timing and plan".to_owned(), seconds: clock.spent() }];
    say(&format!(
        "searching {} settings in trials of {} epochs, about {:.1} s each, with {workers} workers for {:.0} s",
        space.len(),
        times.epochs,
        times.epoch_seconds * times.epochs as f64,
        clock.until(plan::SEARCH_SHARE).as_secs_f64(),
    ));
    let before = clock.spent();
    search(&study, session, registry, workers, clock.until(plan::SEARCH_SHARE), stop)?;
    phases.push(PhaseRecord { name: "search".to_owned(), seconds: clock.spent() - before });
    if stop.requested() {
        return Ok(None);
    }
    let before = clock.spent();
    let of = members::Members { study: &study, session, registry, folder: request.out.join("members"), clock };
    let members = of.train(workers, times.epoch_seconds * times.epochs as f64 + time.end, stop, say)?;
    phases.push(PhaseRecord { name: "networks by what was found".to_owned(), seconds: clock.spent() - before });
    Ok((!stop.requested()).then_some(AutoRuns { study, members, phases, epochs: times.epochs }))
}

fn write_text(path: &Path, text: &str) -> Result<(), TuneError> {
    Ok(write_whole(&RealFs, path, text.as_bytes()).map_err(medley_search::SearchError::from)?)
}

/// Works on a study with so many threads, each a worker, for a time.
fn search(
    study: &Study,
    session: &Session<'_>,
    registry: &Registry,
    workers: usize,
    time: Duration,
    outside: &StopFlag,
) -> Result<(), TuneError> {
    let (stop, done) = (StopFlag::default(), StopFlag::default());
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&stop, &done, outside, time));
        let work_one = || {
            let mut trainer = Trainer::new(study, session, registry, stop.clone())?;
            let options = WorkOptions { wait: false, ..WorkOptions::default() };
            let worked = work(study, &mut trainer, options).map_err(TuneError::from);
            trainer.into_failure()?;
            worked.map(drop)
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work_one)).collect();
        let results: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        done.request();
        results.into_iter().collect()
    })
}

/// Asks for a stop when the time is over, or when one is asked for outside.
fn watch(stop: &StopFlag, done: &StopFlag, outside: &StopFlag, time: Duration) {
    let began = Instant::now();
    while !done.requested() && began.elapsed() < time && !outside.requested() {
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.request();
}
