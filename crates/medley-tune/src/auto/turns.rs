//! Workers that train one network after another, each until its epochs or its time are over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use medley_core::RunLayout;
use medley_predictions::RunFiles;
use medley_studies::auto::MemberRecord;
use medley_train::stop::StopFlag;

use super::members::Members;
use super::schedule::{self, Network};
use super::{MEMBERS, RequestOnDrop, joined, watch};
use crate::part::{Advanced, Deadline, Next, Part, progress_of};
use crate::{TuneError, study};

/// A network that is to be trained.
pub(super) struct Job {
    pub(super) network: Network,
    /// Its settings, but for the number of epochs.
    pub(super) settings: Vec<String>,
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) trial: Option<u64>,
    /// Its place in its group.
    pub(super) place: usize,
    /// How many networks its group has.
    pub(super) group: usize,
}

/// What is known while networks are trained.
pub(super) struct Going {
    /// Epochs that are planned for each.
    epochs: usize,
    next: usize,
    /// Settings of which nothing is trained.
    passed_over: Vec<Option<usize>>,
    /// When each worker began its network, if it has one, with what that is.
    at_work: Vec<Option<(f64, Option<usize>)>>,
    /// Networks that were trained now: whose settings, seconds and epochs.
    took: Vec<(Option<usize>, f64, usize)>,
    pub(super) finished: Vec<(usize, MemberRecord)>,
}

impl Going {
    /// Seconds of a network of these settings with the planned epochs, by those that were trained, or what was expected.
    pub(super) fn each(&self, rank: Option<usize>, expected: f64) -> f64 {
        let of = self.took.iter().filter(|(other, ..)| *other == rank);
        let (seconds, epochs) = of.fold((0.0, 0), |(sum, count), (_, one, epochs)| (sum + one, count + epochs));
        if epochs == 0 { expected } else { seconds / epochs as f64 * self.epochs as f64 }
    }

    /// Seconds until each worker is free.
    pub(super) fn free(&self, now: f64, expected: f64) -> Vec<f64> {
        let rest = |(began, rank): (f64, Option<usize>)| (began + self.each(rank, expected) - now).max(0.0);
        self.at_work.iter().map(|one| one.map_or(0.0, rest)).collect()
    }
}

/// What decides whether a network is begun.
pub(super) type Begins<'a> = dyn Fn(&Going, &Job) -> bool + Sync + 'a;

/// When networks end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ends {
    /// With the last of the planned epochs.
    Whole,
    /// When their time is over: the first of them share what is left, and each that comes after those has the rest.
    InTime {
        /// How many share it.
        shared: usize,
        /// Seconds that one with the planned epochs is expected to take.
        each: f64,
    },
}

impl Members<'_> {
    /// Trains jobs in turn with so many threads, but for those that are finished, until one is not begun. Where the first way of splitting of
    /// some settings is not begun, those settings are passed over.
    pub(super) fn train_jobs(&self, jobs: &[Job], ends: Ends, begins: &Begins<'_>) -> Result<Going, TuneError> {
        let before: Vec<usize> = (0..jobs.len()).filter(|&index| self.is_finished(&jobs[index])).collect();
        let going = Mutex::new(Going {
            epochs: self.plan.epochs,
            next: 0,
            passed_over: Vec::new(),
            at_work: vec![None; self.workers],
            took: Vec::new(),
            finished: before.iter().map(|&index| (index, self.record(&jobs[index]))).collect(),
        });
        let lock = || going.lock().unwrap_or_else(PoisonError::into_inner);
        let (stop, done) = (StopFlag::default(), StopFlag::default());
        let train = |worker: usize| -> Result<(), TuneError> {
            loop {
                let (index, job, each) = {
                    let mut going = lock();
                    going.at_work[worker] = None;
                    let index = going.next;
                    let Some(job) = jobs.get(index).filter(|_| !stop.requested()) else { return Ok(()) };
                    if going.passed_over.contains(&job.network.rank) {
                        going.next += 1;
                        continue;
                    }
                    if !begins(&going, job) {
                        if job.network.repeat > 0 {
                            going.next = jobs.len();
                            return Ok(());
                        }
                        going.passed_over.push(job.network.rank);
                        continue;
                    }
                    going.next += 1;
                    if before.contains(&index) {
                        continue;
                    }
                    going.at_work[worker] = Some((self.clock.spent(), job.network.rank));
                    let each = match ends {
                        Ends::Whole => None,
                        Ends::InTime { each, .. } => Some(going.each(job.network.rank, each)),
                    };
                    (index, job, each)
                };
                let began = self.clock.spent();
                let of_unfinished = |from: usize, to: usize| (from..to).filter(|other| !before.contains(other)).count();
                let share = match ends {
                    Ends::InTime { shared, .. } if index < shared => {
                        schedule::share(of_unfinished(0, index), of_unfinished(0, shared), self.workers)
                    }
                    _ => 1.0,
                };
                let (already, _) = progress_of(&self.layout(job), job.seed);
                if self.train_one(job, each, share, &stop)? != Advanced::Finished {
                    return Ok(());
                }
                let (epochs, _) = progress_of(&self.layout(job), job.seed);
                let member = self.record(job);
                (self.say)(&format!("network {}, {:.4}", member.name, member.score));
                let mut going = lock();
                let took = self.clock.spent() - began;
                going.took.push((job.network.rank, took, epochs.saturating_sub(already)));
                going.finished.push((index, member));
            }
        };
        let train = &train;
        std::thread::scope(|scope| {
            let _ends = RequestOnDrop(&done);
            // Networks end by themselves before: this is for those that are late.
            let until = self.plan.train_until.midpoint(self.clock.budget());
            let (stop_flag, done_flag) = (&stop, &done);
            scope.spawn(move || watch(stop_flag, done_flag, self.outside, || self.clock.spent() >= until));
            joined((0..self.workers).map(|worker| scope.spawn(move || train(worker))).collect())
        })?;
        let mut going = going.into_inner().unwrap_or_else(PoisonError::into_inner);
        going.finished.sort_by_key(|(index, _)| *index);
        Ok(going)
    }

    /// Trains a network: with the planned epochs, or with as many as are expected to fit into its share of what is left, where one with the
    /// planned ones would take `each` seconds.
    fn train_one(&self, job: &Job, each: Option<f64>, share: f64, stop: &StopFlag) -> Result<Advanced, TuneError> {
        let planned = self.plan.epochs;
        let Some(each) = each else {
            let part = self.part(job, planned)?;
            return Ok(part.advance(self.session, stop, |_, _| Next::Epoch)?);
        };
        let left = self.left() * share;
        let epoch = each / planned.max(1) as f64;
        let part = self.part(job, schedule::epochs_within(left - self.plan.end_seconds, epoch, planned))?;
        let seconds = |seconds: f64| Duration::from_secs_f64(seconds.max(0.0));
        let deadline = Deadline {
            at: Instant::now() + seconds(left),
            validation: seconds(self.plan.validation_seconds),
            end: seconds(self.plan.end_seconds),
        };
        Ok(part.finish_by(deadline, self.session, stop)?)
    }

    /// The run of a network; one that an earlier process began keeps its epochs.
    fn part(&self, job: &Job, epochs: usize) -> Result<Part, TuneError> {
        let begun = fs_err::read_to_string(self.layout(job).config()).ok().and_then(|text| {
            let table = text.parse::<toml::Table>().ok()?;
            usize::try_from(table.get("train")?.get("epochs")?.as_integer()?).ok()
        });
        let mut settings = job.settings.clone();
        settings.push(format!("train.epochs={}", begun.unwrap_or(epochs)));
        let base = study::base(self.study)?;
        Part::new(&base, settings, self.registry, self.out.join(MEMBERS), job.name.clone(), job.seed)
    }

    fn layout(&self, job: &Job) -> RunLayout {
        RunLayout::new(self.out.join(MEMBERS).join(&job.name))
    }

    /// Whether an earlier process has trained it.
    fn is_finished(&self, job: &Job) -> bool {
        RunFiles::read(&self.layout(job)).is_ok_and(|run| run.results.is_some())
    }

    /// What is said of a network once it is trained.
    pub(super) fn record(&self, job: &Job) -> MemberRecord {
        let (_, best) = progress_of(&self.layout(job), job.seed);
        MemberRecord {
            folder: format!("{MEMBERS}/{}", job.name),
            name: job.name.clone(),
            trial: job.trial,
            seed: job.seed,
            unit: job.network.repeat * 1_000 + job.network.fold,
            score: best.unwrap_or(f64::MIN),
        }
    }
}
