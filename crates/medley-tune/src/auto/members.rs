//! Networks by the base, and by what the search found, as many as there is time for.
//!
//! They are trained in groups: all folds of the base experiment for each way of splitting, after the search those of the best settings, then
//! those of the next best. A first way of splitting is of use when all its folds are there, and is not begun where they would not be
//! finished; later networks are of use one by one, and fill what is left of the time.

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::RunLayout;
use medley_data::Registry;
use medley_predictions::RunFiles;
use medley_search::{Study, Value};
use medley_studies::auto::MemberRecord;
use medley_studies::{Overview, TrialOverview};
use medley_train::config::Experiment;
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use super::plan::TimePlan;
use super::schedule::{self, MOST_RECIPES, Network, Scheme, TrialCost};
use super::turns::{Ends, Job, Turns};
use super::{Clock, MEMBERS, SEARCH};
use crate::objective::FRESH_SEEDS;
use crate::part::Part;
use crate::plan::{groups_file, overrides};
use crate::{TuneError, study};

/// Trials of the search that stand in where no group was finished.
const STAND_INS: usize = 3;
/// The setting that changes what an epoch costs.
const BATCH: &str = "train.batch_size";

/// What networks are trained with.
pub(super) struct Members<'a> {
    pub(super) study: &'a Study,
    pub(super) session: &'a Session<'a>,
    pub(super) registry: &'a Registry,
    pub(super) out: &'a Path,
    pub(super) clock: &'a Clock,
    pub(super) plan: TimePlan,
    /// Files of rows that belong together, by task.
    pub(super) groups: BTreeMap<String, String>,
    pub(super) workers: usize,
    pub(super) outside: &'a StopFlag,
    pub(super) say: &'a (dyn Fn(&str) + Sync),
}

/// Networks by the base, before the search.
pub(super) struct Base {
    pub(super) members: Vec<MemberRecord>,
    /// Seconds of a network, by those that were trained now; as planned where none was.
    pub(super) seconds: f64,
    /// Ways of splitting of which all folds are trained.
    pub(super) repeats: usize,
}

/// What was trained.
pub(super) struct Trained {
    pub(super) members: Vec<MemberRecord>,
    pub(super) folds: Option<usize>,
}

impl Members<'_> {
    /// Networks by the base, as many ways of splitting as are planned and leave the search its time.
    pub(super) fn train_base(&self) -> Result<Base, TuneError> {
        let scheme = self.plan.scheme;
        let planned = self.plan.network_seconds();
        let jobs = self.jobs(scheme.before(), &[])?;
        if !scheme.search {
            (self.say)(
                "a search would find no more than chance in this time: all of it is for networks by the default recipe",
            );
        }
        (self.say)(&format!(
            "training networks{} by the default recipe, {} of {planned:.1} s each",
            scheme.folds.map_or_else(String::new, |folds| format!(" on {folds} folds")),
            jobs.len(),
        ));
        let begun = self.left();
        let begins = |turns: &Turns, job: &Job, _: usize| {
            let (each, repeat) = (turns.each(None, planned), job.network.repeat);
            let room = || schedule::has_room(scheme, repeat, each, self.workers, (self.left(), begun));
            job.place > 0 || repeat == 0 || room()
        };
        // The epochs of those that are compared with what is found are fixed.
        let ends = if scheme.search { Ends::Whole } else { Ends::InTime { planned: jobs.len(), each: planned } };
        let turns = self.train_jobs(&jobs, ends, &begins)?;
        let finished: Vec<Network> = turns.finished.iter().map(|&(index, _)| jobs[index].network).collect();
        let repeats = scheme.kept(&finished).len() / scheme.each();
        let seconds = turns.each(None, planned);
        Ok(Base { members: turns.finished.into_iter().map(|(_, one)| one).collect(), seconds, repeats })
    }

    /// Networks by what was found, until no more of them would be finished in time.
    pub(super) fn train_found(&self, base: Base) -> Result<Trained, TuneError> {
        let scheme = Scheme { repeats: base.repeats.max(1), ..self.plan.scheme };
        let overview = Overview::read(self.study)?;
        let found = found(&overview);
        let jobs = self.jobs(scheme.after(found.len()), &found)?;
        let each = self.expected(&overview, base.seconds)?;
        if !found.is_empty() {
            let best = schedule::makespan(&vec![0.0; self.workers], scheme.each() * scheme.repeats, each);
            (self.say)(&format!("training networks by the best settings, {each:.1} s each, {best:.0} s in all"));
        }
        let begins = |turns: &Turns, job: &Job, unfinished: usize| {
            let each = turns.each(job.network.rank, each);
            let free = turns.free(self.clock.spent(), each);
            let mostly_fits = |count: usize| schedule::mostly_fits(self.left(), &free, count, each);
            match job.network {
                // The search has left time for them, unless the process was killed and began again.
                Network { repeat: 0, rank: Some(0), .. } => job.place > 0 || mostly_fits(unfinished),
                Network { repeat: 0, .. } => job.place > 0 || schedule::fits(self.left(), &free, unfinished, each),
                _ => mostly_fits(1),
            }
        };
        let planned = |job: &&Job| job.network.rank == Some(0) && job.network.repeat < scheme.repeats;
        let ends = Ends::InTime { planned: jobs.iter().filter(planned).count(), each };
        let turns = self.train_jobs(&jobs, ends, &begins)?;
        let before = self.jobs(self.plan.scheme.before(), &[])?;
        let of_base = before.iter().filter(|job| base.members.contains(&job.record()));
        let mut all: Vec<(Network, MemberRecord)> = of_base.map(|job| (job.network, job.record())).collect();
        all.extend(turns.finished.into_iter().map(|(index, member)| (jobs[index].network, member)));
        let networks: Vec<Network> = all.iter().map(|(network, _)| *network).collect();
        let kept = scheme.kept(&networks);
        all.retain(|(network, _)| kept.contains(network));
        let members: Vec<MemberRecord> = all.into_iter().map(|(_, member)| member).collect();
        if members.is_empty() && !self.outside.requested() {
            return Ok(Trained { members: self.stand_ins(&overview), folds: None });
        }
        Ok(Trained { members, folds: scheme.folds })
    }

    /// When the search has to end, for networks by what it found.
    pub(super) fn search_end(&self, base: &Base) -> Result<f64, TuneError> {
        let each = self.expected(&Overview::read(self.study)?, base.seconds)?;
        let scheme = self.plan.scheme;
        Ok(self.plan.train_until - schedule::kept_for_networks(scheme, base.repeats.max(1), each, self.workers))
    }

    /// Seconds of a network by the best settings, where one by the base takes so long.
    fn expected(&self, overview: &Overview, of_base: f64) -> Result<f64, TuneError> {
        let batch = |trial: &TrialOverview| match trial.point.get(BATCH) {
            Some(Value::Integer(batch)) => Some(*batch),
            _ => None,
        };
        let cost = |trial: &TrialOverview| TrialCost {
            batch: batch(trial),
            epochs: trial.rung().unwrap_or(0),
            seconds: trial.seconds,
        };
        let costs: Vec<TrialCost> = overview.trials.iter().filter(|trial| trial.seconds > 0.0).map(cost).collect();
        let best = found(overview).first().and_then(|trial| batch(trial));
        let experiment = Experiment::load(&study::base(self.study)?, &[], self.registry)?;
        let sizes = (best, experiment.train.batch_size as i64);
        let epoch = of_base / self.plan.epochs.max(1) as f64;
        Ok(of_base * schedule::slower(&costs, self.plan.trial_epochs, sizes, epoch))
    }

    /// Seconds until the last network has to be finished.
    pub(super) fn left(&self) -> f64 {
        self.clock.until(self.plan.train_until).as_secs_f64()
    }

    fn jobs(&self, groups: Vec<Vec<Network>>, found: &[&TrialOverview]) -> Result<Vec<Job>, TuneError> {
        let scheme = self.plan.scheme;
        let base = study::base(self.study)?;
        let space = &self.study.definition().space;
        let folder = self.out.join(MEMBERS);
        let mut jobs = Vec::new();
        for group in groups {
            for (place, &network) in group.iter().enumerate() {
                let trial = network.rank.and_then(|rank| found.get(rank));
                let number = trial.map(|trial| trial.number);
                let settings = trial.map(|trial| overrides(&space.settings(&trial.point))).unwrap_or_default();
                // Of folds, one seed for all ways of splitting: it belongs to the recipe.
                let seed = FRESH_SEEDS + if scheme.folds.is_some() { 0 } else { network.repeat as u64 };
                let planned = self.plan.epochs;
                let epochs = if network.rank.is_some() { schedule::epochs_of_found(planned) } else { planned };
                let mut own = vec![format!("seeds=[{seed}]"), format!("train.epochs={epochs}")];
                if self.plan.replicas > 1 {
                    own.push(format!("train.replicas={}", self.plan.replicas));
                }
                let mut all = [settings, own].concat();
                if let Some(count) = scheme.folds {
                    all.push(format!("folds.count={count}"));
                    all.push(format!("folds.index={}", network.fold));
                    all.push(format!("folds.repeat={}", network.repeat));
                    all.extend(self.groups.iter().map(|(task, path)| groups_file(task, path)));
                }
                let name = name(number, network, scheme.folds);
                let part = Part::new(&base, all, self.registry, folder.clone(), name, seed)?;
                jobs.push(Job { network, part, trial: number, place });
            }
        }
        Ok(jobs)
    }

    /// The best trials of the search that were trained to their end.
    fn stand_ins(&self, overview: &Overview) -> Vec<MemberRecord> {
        let mut members = Vec::new();
        for trial in overview.ranking() {
            let name = format!("trial-{}", trial.number);
            let root = self.study.trial_folder(trial.number).join(&name);
            let run = RunFiles::read(&RunLayout::new(&root)).ok().filter(|run| run.results.is_some());
            if let (Some(run), Some(score)) = (run, trial.value) {
                let seed = run.manifest.seeds.first().copied().unwrap_or_default();
                let inner = root.strip_prefix(self.study.folder()).unwrap_or(&root).display().to_string();
                let folder = format!("{SEARCH}/{inner}");
                members.push(MemberRecord {
                    name,
                    folder,
                    trial: Some(trial.number),
                    seed,
                    unit: members.len(),
                    score,
                });
            }
            if members.len() == STAND_INS {
                break;
            }
        }
        members
    }
}

/// The best trials of the search.
fn found(overview: &Overview) -> Vec<&TrialOverview> {
    overview.ranking().into_iter().filter(|trial| trial.latest().is_some()).take(MOST_RECIPES - 1).collect()
}

/// The name of a run folder.
fn name(trial: Option<u64>, network: Network, folds: Option<usize>) -> String {
    let what = trial.map_or_else(|| "base".to_owned(), |trial| format!("trial-{trial}"));
    match folds {
        Some(folds) => format!("{what}-of{folds}-repeat{}-fold{}", network.repeat, network.fold),
        None => format!("{what}-seed{}", network.repeat),
    }
}
