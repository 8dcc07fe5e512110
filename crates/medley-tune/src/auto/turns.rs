//! Workers that train one network after another, each until its epochs or its time are over.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use medley_core::RunLayout;
use medley_predictions::RunFiles;
use medley_studies::auto::MemberRecord;
use medley_train::stop::StopFlag;

use super::members::Members;
use super::schedule::{self, Network};
use super::{MEMBERS, RequestOnDrop, joined, watch};
use crate::TuneError;
use crate::part::{Advanced, Deadline, Next, Part};

/// A network that is to be trained.
pub(super) struct Job {
    pub(super) network: Network,
    pub(super) part: Part,
    pub(super) trial: Option<u64>,
    /// Its place in its group.
    pub(super) place: usize,
}

impl Job {
    /// What is said of it once it is trained.
    pub(super) fn record(&self) -> MemberRecord {
        let name = self.part.name.clone();
        MemberRecord {
            folder: format!("{MEMBERS}/{name}"),
            name,
            trial: self.trial,
            seed: self.part.seed,
            unit: self.network.repeat * 1_000 + self.network.fold,
            score: self.part.progress().1.unwrap_or(f64::MIN),
        }
    }
}

/// What is known while networks are trained.
pub(super) struct Turns {
    /// Epochs that are planned for each.
    epochs: usize,
    next: usize,
    /// Settings of which nothing is trained.
    passed_over: Vec<Option<usize>>,
    /// When each worker began its network, if it has one, with what that is.
    at_work: Vec<Option<(f64, Option<usize>)>>,
    /// Networks that were trained now: whose settings, seconds and epochs.
    took: Vec<(Option<usize>, f64, f64)>,
    pub(super) finished: Vec<(usize, MemberRecord)>,
}

impl Turns {
    /// Seconds of a network of these settings with the planned epochs, by those that were trained, or what was expected.
    pub(super) fn each(&self, rank: Option<usize>, expected: f64) -> f64 {
        let of = self.took.iter().filter(|(other, ..)| *other == rank);
        let (seconds, epochs) = of.fold((0.0, 0.0), |(sum, count), (_, one, epochs)| (sum + one, count + epochs));
        if epochs > 0.0 { seconds / epochs * self.epochs as f64 } else { expected }
    }

    /// Seconds until each worker is free.
    pub(super) fn free(&self, now: f64, expected: f64) -> Vec<f64> {
        let rest = |(began, rank): (f64, Option<usize>)| (began + self.each(rank, expected) - now).max(0.0);
        self.at_work.iter().map(|one| one.map_or(0.0, rest)).collect()
    }
}

/// What decides whether a network is begun, of whose group so many are still to be trained.
pub(super) type Begins<'a> = dyn Fn(&Turns, &Job, usize) -> bool + Sync + 'a;

/// When networks end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ends {
    /// With their last epoch.
    Whole,
    /// When their time is over, if that is earlier: those that are planned share what is left, then the networks of each further group do.
    InTime {
        /// How many jobs are planned, from the first one on.
        planned: usize,
        /// Seconds that a network is expected to take.
        each: f64,
    },
}

impl Members<'_> {
    /// Trains jobs in turn with so many threads, but for those that are finished, until one is not begun. Where the first way of splitting of
    /// some settings is not begun, those settings are passed over.
    pub(super) fn train_jobs(&self, jobs: &[Job], ends: Ends, begins: &Begins<'_>) -> Result<Turns, TuneError> {
        let before: Vec<usize> = (0..jobs.len()).filter(|&index| self.is_finished(&jobs[index])).collect();
        let is_missing = |index: &usize| !before.contains(index);
        let unfinished = |range: Range<usize>| range.filter(is_missing).count();
        let sharing = self.sharing(jobs, ends, &unfinished);
        let turns = Mutex::new(Turns {
            epochs: self.plan.epochs,
            next: 0,
            passed_over: Vec::new(),
            at_work: vec![None; self.workers],
            took: Vec::new(),
            finished: before.iter().map(|&index| (index, jobs[index].record())).collect(),
        });
        let lock = || turns.lock().unwrap_or_else(PoisonError::into_inner);
        let (stop, done) = (StopFlag::default(), StopFlag::default());
        let train = |worker: usize| -> Result<(), TuneError> {
            loop {
                let (index, job, each) = {
                    let mut turns = lock();
                    turns.at_work[worker] = None;
                    let index = turns.next;
                    let Some(job) = jobs.get(index).filter(|_| !stop.requested()) else { return Ok(()) };
                    if turns.passed_over.contains(&job.network.rank) || before.contains(&index) {
                        turns.next += 1;
                        continue;
                    }
                    if !begins(&turns, job, unfinished(group_of(jobs, index))) {
                        if job.network.repeat > 0 {
                            turns.next = jobs.len();
                            return Ok(());
                        }
                        turns.passed_over.push(job.network.rank);
                        continue;
                    }
                    turns.next += 1;
                    turns.at_work[worker] = Some((self.clock.spent(), job.network.rank));
                    let each = match ends {
                        Ends::Whole => None,
                        Ends::InTime { each, .. } => Some(turns.each(job.network.rank, each)),
                    };
                    (index, job, each)
                };
                let began = self.clock.spent();
                let (already, _) = job.part.progress();
                let advanced = match each {
                    None => job.part.advance(self.session, &stop, |_, _| Next::Epoch)?,
                    Some(each) => {
                        let share = match sharing.iter().find(|range| range.contains(&index)) {
                            Some(range) => {
                                schedule::share(unfinished(range.start..index), unfinished(range.clone()), self.workers)
                            }
                            None => schedule::share_of_further(self.left(), each),
                        };
                        job.part.finish_by(self.deadline(share), self.session, &stop)?
                    }
                };
                if advanced != Advanced::Finished {
                    return Ok(());
                }
                let (epochs, _) = job.part.progress();
                // The last epoch of one that has ended early is a part of an epoch.
                let cut = if epochs < job.part.epochs() { 0.5 } else { 0.0 };
                let member = job.record();
                (self.say)(&format!("network {}, {:.4}", member.name, member.score));
                let mut turns = lock();
                let took = self.clock.spent() - began;
                turns.took.push((job.network.rank, took, epochs.saturating_sub(already) as f64 - cut));
                turns.finished.push((index, member));
            }
        };
        let train = &train;
        std::thread::scope(|scope| {
            let _ends = RequestOnDrop(&done);
            let until = match ends {
                Ends::Whole => self.plan.train_until,
                // They end by themselves before: this is for those that are late.
                Ends::InTime { .. } => self.plan.train_until.midpoint(self.clock.budget()),
            };
            let (stop_flag, done_flag) = (&stop, &done);
            scope.spawn(move || watch(stop_flag, done_flag, self.outside, || self.clock.spent() >= until));
            joined((0..self.workers).map(|worker| scope.spawn(move || train(worker))).collect())
        })?;
        let mut turns = turns.into_inner().unwrap_or_else(PoisonError::into_inner);
        turns.finished.sort_by_key(|(index, _)| *index);
        Ok(turns)
    }

    /// The jobs that share what is left: those that are planned, as many whole groups of them as mostly fit, and each group after them whose
    /// networks are of use together.
    fn sharing(&self, jobs: &[Job], ends: Ends, unfinished: &dyn Fn(Range<usize>) -> usize) -> Vec<Range<usize>> {
        let Ends::InTime { planned, each } = ends else { return Vec::new() };
        let mut groups = Vec::new();
        let mut start = 0;
        while start < jobs.len() {
            let group = group_of(jobs, start);
            start = group.end;
            groups.push(group);
        }
        let (of_plan, further): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.end <= planned);
        let counts: Vec<usize> = of_plan.iter().cloned().map(unfinished).collect();
        // Without a search there is nothing else to train.
        let fits = if self.plan.scheme.search {
            schedule::shared(self.left(), &counts, each, self.workers)
        } else {
            counts.len()
        };
        let end = of_plan[..fits].last().map_or(0, |group| group.end);
        let together = further.into_iter().filter(|group| jobs[group.start].network.repeat == 0);
        std::iter::once(0..end).chain(together).collect()
    }

    /// When a network has to be finished that begins now and has this part of what is left.
    fn deadline(&self, share: f64) -> Deadline {
        let seconds = |seconds: f64| Duration::from_secs_f64(seconds.max(0.0));
        Deadline {
            at: Instant::now() + seconds(self.left() * share),
            validation: seconds(self.plan.validation_seconds),
            end: seconds(self.plan.end_seconds),
        }
    }

    /// Whether an earlier process has trained it.
    fn is_finished(&self, job: &Job) -> bool {
        let run = RunFiles::read(&RunLayout::new(self.out.join(MEMBERS).join(&job.part.name)));
        run.is_ok_and(|run| run.results.is_some())
    }
}

/// The jobs of the group that this one is of.
fn group_of(jobs: &[Job], index: usize) -> Range<usize> {
    let Some(job) = jobs.get(index) else { return index..index };
    let start = index - job.place;
    let rest = jobs[start..].iter().skip(1).take_while(|other| other.place > 0).count();
    start..start + 1 + rest
}
