//! Networks by what the search found, and by the base, as many as there is time for.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use medley_data::Registry;
use medley_search::Study;
use medley_studies::Overview;
use medley_studies::auto::MemberRecord;
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use super::plan::TRAIN_SHARE;
use super::{Clock, watch};
use crate::objective::FRESH_SEEDS;
use crate::part::{Advanced, Next, Part};
use crate::plan::overrides;
use crate::{TuneError, study};

/// Networks at most: of more, an ensemble gains little.
const MOST: usize = 24;
/// Settings that networks are trained by, beside the base.
const SETTINGS: usize = 3;
/// Turns in which settings are trained: the best as often as the base, against which it is compared.
const TURN: [Option<usize>; 6] = [Some(0), None, Some(1), Some(0), None, Some(2)];

/// What networks are trained with.
pub(super) struct Members<'a> {
    pub(super) study: &'a Study,
    pub(super) session: &'a Session<'a>,
    pub(super) registry: &'a Registry,
    pub(super) folder: PathBuf,
    pub(super) clock: &'a Clock,
}

/// A network that is to be trained.
struct Job {
    part: Part,
    trial: Option<u64>,
}

impl Members<'_> {
    /// Trains until no network would be finished in time; one takes about `seconds`.
    pub(super) fn train(
        &self,
        workers: usize,
        seconds: f64,
        outside: &StopFlag,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<MemberRecord>, TuneError> {
        let jobs = self.jobs()?;
        let (next, finished) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let (stop, done) = (StopFlag::default(), StopFlag::default());
        std::thread::scope(|scope| {
            let time = self.clock.until(TRAIN_SHARE);
            scope.spawn(|| watch(&stop, &done, outside, time));
            let train = || -> Result<(), TuneError> {
                let mut longest = seconds;
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(job) = jobs.get(index).filter(|_| !stop.requested()) else { return Ok(()) };
                    // The first two are begun in any case: what is not finished in time is not used.
                    if index >= 2 && self.clock.until(TRAIN_SHARE).as_secs_f64() < longest {
                        return Ok(());
                    }
                    let began = self.clock.spent();
                    if job.part.advance(self.session, &stop, |_, _| Next::Epoch)? != Advanced::Finished {
                        return Ok(());
                    }
                    longest = self.clock.spent() - began;
                    let score = job.part.progress().1.unwrap_or(f64::MIN);
                    say(&format!("{}: {score:.4}", job.part.name));
                    let member =
                        MemberRecord { name: job.part.name.clone(), trial: job.trial, seed: job.part.seed, score };
                    if let Ok(mut finished) = finished.lock() {
                        finished.push((index, member));
                    }
                }
            };
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(train)).collect();
            let results: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect();
            done.request();
            results.into_iter().collect::<Result<(), _>>()
        })?;
        let mut finished = finished.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        finished.sort_by_key(|(index, _)| *index);
        Ok(finished.into_iter().map(|(_, member)| member).collect())
    }

    fn jobs(&self) -> Result<Vec<Job>, TuneError> {
        let (base, overview) = (study::base(self.study)?, Overview::read(self.study)?);
        let ranking = overview.ranking();
        let best: Vec<_> = ranking.into_iter().filter(|trial| trial.latest().is_some()).take(SETTINGS).collect();
        let space = &self.study.definition().space;
        let mut counts = [0_u64; SETTINGS + 1];
        let mut jobs = Vec::new();
        for turn in TURN.iter().cycle().take(MOST) {
            let trial = match turn {
                Some(rank) if *rank >= best.len() => continue,
                Some(rank) => Some(best[*rank]),
                None => None,
            };
            let count = &mut counts[turn.unwrap_or(SETTINGS)];
            let seed = FRESH_SEEDS + *count;
            let what = trial.map_or_else(|| "base".to_owned(), |trial| format!("trial-{}", trial.number));
            let name = format!("{what}-seed{count}");
            *count += 1;
            let settings = trial.map(|trial| overrides(&space.settings(&trial.point))).unwrap_or_default();
            let overrides = [settings, vec![format!("seeds=[{seed}]")]].concat();
            let part = Part::new(&base, overrides, self.registry, self.folder.clone(), name, seed)?;
            jobs.push(Job { part, trial: trial.map(|trial| trial.number) });
        }
        Ok(jobs)
    }
}
