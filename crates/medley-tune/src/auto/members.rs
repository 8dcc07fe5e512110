//! Networks by what the search found, and by the base, as many as there is time for.
//!
//! They are trained in groups that are used whole or not at all: all folds of the best settings and of the base experiment for one way of
//! splitting, then those of the next best settings. No group is begun that would not be finished.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use medley_core::RunLayout;
use medley_data::Registry;
use medley_predictions::RunFiles;
use medley_search::Study;
use medley_studies::Overview;
use medley_studies::auto::MemberRecord;
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use super::plan::TimePlan;
use super::{Clock, MEMBERS, RequestOnDrop, SEARCH, joined, watch};
use crate::objective::FRESH_SEEDS;
use crate::part::{Advanced, Next, Part};
use crate::plan::overrides;
use crate::{TuneError, study};

/// Settings at most, the base among them.
const MOST_RECIPES: usize = 3;
/// Ways of splitting at most, or seeds where there are no folds: of more networks, an ensemble gains little.
const MOST_REPEATS: usize = 4;
/// Trials of the search that stand in where no group was finished.
const STAND_INS: usize = 3;
/// Networks take longer than they did on average.
const MARGIN: f64 = 1.1;

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
    /// Seconds of the search.
    pub(super) searched: f64,
    pub(super) workers: usize,
}

/// What was trained.
pub(super) struct Trained {
    pub(super) members: Vec<MemberRecord>,
    pub(super) folds: Option<usize>,
    /// Networks that the default recipe could have trained in the time of the search.
    pub(super) instead: usize,
}

/// Which network it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The place of its settings in the ranking; `None` for the base experiment.
    pub rank: Option<usize>,
    /// Which way of splitting; without folds, which seed.
    pub repeat: usize,
    /// The fold; 0 without folds.
    pub fold: usize,
}

/// How many networks there are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scheme {
    folds: Option<usize>,
    recipes: usize,
    repeats: usize,
}

impl Scheme {
    /// For about so many networks. There are more groups than that: none is begun that would not be finished.
    fn of(networks: usize, is_folded: bool, found: usize) -> Self {
        let folds = match networks {
            10.. if is_folded => Some(5),
            6.. if is_folded => Some(3),
            _ => None,
        };
        let each = folds.unwrap_or(1);
        let recipes = if networks >= each * MOST_RECIPES { MOST_RECIPES } else { 2 }.min(found + 1);
        Self { folds, recipes, repeats: MOST_REPEATS }
    }

    /// Groups of networks that are used whole or not at all, in the order in which they are trained.
    fn groups(&self) -> Vec<Vec<Network>> {
        let ranks: Vec<Option<usize>> = [Some(0), None, Some(1)]
            .into_iter()
            .filter(|rank| self.recipes > 1 || rank.is_none())
            .take(self.recipes.max(1))
            .collect();
        let (pair, rest) = ranks.split_at(ranks.len().min(2));
        let group = |ranks: &[Option<usize>], repeat: usize| -> Vec<Network> {
            let of_fold = |fold: usize| ranks.iter().map(move |&rank| Network { rank, repeat, fold });
            (0..self.folds.unwrap_or(1)).flat_map(of_fold).collect()
        };
        (0..self.repeats)
            .flat_map(|repeat| [group(pair, repeat), group(rest, repeat)])
            .filter(|group| !group.is_empty())
            .collect()
    }

    /// Of the networks that are finished, those that make a predictor: of all recipes the same repeats, each with all its folds.
    fn kept(&self, finished: &[Network]) -> Vec<Network> {
        let whole = |rank: Option<usize>, repeat: usize| {
            (0..self.folds.unwrap_or(1)).all(|fold| finished.contains(&Network { rank, repeat, fold }))
        };
        let repeats =
            |ranks: &[Option<usize>]| (0..self.repeats).take_while(|&r| ranks.iter().all(|&k| whole(k, r))).count();
        let all: [&[Option<usize>]; 3] = [&[Some(0), None, Some(1)], &[Some(0), None], &[None]];
        let best = all.into_iter().max_by_key(|ranks| (repeats(ranks) * ranks.len(), ranks.len()));
        let Some(ranks) = best else { return Vec::new() };
        let kept = repeats(ranks);
        finished.iter().copied().filter(|one| ranks.contains(&one.rank) && one.repeat < kept).collect()
    }
}

/// A network that is to be trained.
struct Job {
    network: Network,
    part: Part,
    trial: Option<u64>,
    /// How many of its group are left, itself among them, where it is the first.
    begins: Option<usize>,
}

impl Job {
    /// What is said of it once it is trained.
    fn record(&self) -> MemberRecord {
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

impl Members<'_> {
    /// Trains until no group of networks would be finished in time.
    pub(super) fn train(&self, outside: &StopFlag, say: &(dyn Fn(&str) + Sync)) -> Result<Trained, TuneError> {
        let overview = Overview::read(self.study)?;
        let seconds = self.network_seconds(&overview);
        let time = self.clock.until(self.plan.train_until);
        let networks = time.as_secs_f64() * self.workers as f64 / (seconds * MARGIN).max(1e-3);
        let ranking = overview.ranking();
        let found: Vec<_> =
            ranking.into_iter().filter(|trial| trial.latest().is_some()).take(MOST_RECIPES - 1).collect();
        let scheme = self.scheme(networks as usize, found.len());
        let jobs = self.jobs(scheme, &found)?;
        say(&format!(
            "training networks{} by the best settings and the default recipe, about {} of {seconds:.1} s each",
            scheme.folds.map_or_else(String::new, |folds| format!(" on {folds} folds")),
            networks as usize,
        ));
        let finished = self.train_jobs(&jobs, seconds, outside, say)?;
        let networks: Vec<Network> = finished.iter().map(|&(index, _)| jobs[index].network).collect();
        let kept = scheme.kept(&networks);
        let members: Vec<MemberRecord> = finished
            .into_iter()
            .filter(|(index, _)| kept.contains(&jobs[*index].network))
            .map(|(_, one)| one)
            .collect();
        let instead = (self.searched * self.workers as f64 / seconds.max(1e-3)) as usize;
        if members.is_empty() && !outside.requested() {
            return Ok(Trained { members: self.stand_ins(&overview), folds: None, instead });
        }
        Ok(Trained { members, folds: scheme.folds, instead })
    }

    /// That of an earlier process, whose networks are used, else what there is time for.
    fn scheme(&self, networks: usize, found: usize) -> Scheme {
        let scheme = Scheme::of(networks, self.plan.is_folded(), found);
        let begun = [Some(5), Some(3), None].into_iter().find(|&folds| {
            let first = Network { rank: None, repeat: 0, fold: 0 };
            self.out.join(MEMBERS).join(name(None, first, folds)).exists()
        });
        match begun {
            // As many recipes as it can have had time for: what it has finished is used.
            Some(folds) => Scheme { folds, recipes: MOST_RECIPES.min(found + 1), repeats: scheme.repeats },
            None => scheme,
        }
    }

    /// Seconds of a network, by the epochs that were trained in the search.
    fn network_seconds(&self, overview: &Overview) -> f64 {
        let epochs: u64 = overview.trials.iter().filter_map(medley_studies::TrialOverview::rung).sum();
        let planned = self.plan.network_seconds();
        if epochs < 2 * self.plan.epochs as u64 || self.searched <= 0.0 {
            return planned;
        }
        // With everything between epochs.
        let each = self.searched * self.workers as f64 / epochs as f64;
        (each * self.plan.epochs as f64 + self.plan.end_seconds).clamp(planned / 3.0, planned * 3.0)
    }

    /// Trains jobs in turn with so many threads, but for those that are finished; their places and records in the order of jobs.
    fn train_jobs(
        &self,
        jobs: &[Job],
        seconds: f64,
        outside: &StopFlag,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<(usize, MemberRecord)>, TuneError> {
        let before: Vec<usize> = (0..jobs.len()).filter(|&index| self.is_finished(&jobs[index])).collect();
        let finished = Mutex::new(before.iter().map(|&index| (index, jobs[index].record())).collect::<Vec<_>>());
        let (next, longest) = (AtomicUsize::new(0), Mutex::new(0.0_f64));
        let (stop, done) = (StopFlag::default(), StopFlag::default());
        std::thread::scope(|scope| {
            let _ends = RequestOnDrop(&done);
            let time = self.clock.until(self.plan.train_until);
            let (stop_flag, done_flag) = (&stop, &done);
            scope.spawn(move || watch(stop_flag, done_flag, outside, time));
            let train = || -> Result<(), TuneError> {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(job) = jobs.get(index).filter(|_| !stop.requested()) else { return Ok(()) };
                    let measured = *longest.lock().unwrap_or_else(PoisonError::into_inner);
                    let each = if measured > 0.0 { measured } else { seconds };
                    if index > 0 && job.begins.is_some_and(|count| !self.is_time_for(count, each)) {
                        next.store(jobs.len(), Ordering::SeqCst);
                        return Ok(());
                    }
                    if before.contains(&index) {
                        continue;
                    }
                    let began = self.clock.spent();
                    if job.part.advance(self.session, &stop, |_, _| Next::Epoch)? != Advanced::Finished {
                        return Ok(());
                    }
                    let took = self.clock.spent() - began;
                    let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
                    *longest = longest.max(took);
                    drop(longest);
                    let member = job.record();
                    say(&format!("network {}: {}, {:.4}", index + 1, member.name, member.score));
                    finished.lock().unwrap_or_else(PoisonError::into_inner).push((index, member));
                }
            };
            joined((0..self.workers).map(|_| scope.spawn(train)).collect())
        })?;
        let mut finished = finished.into_inner().unwrap_or_else(PoisonError::into_inner);
        finished.sort_by_key(|(index, _)| *index);
        Ok(finished)
    }

    /// Whether an earlier process has trained it.
    fn is_finished(&self, job: &Job) -> bool {
        let run = RunFiles::read(&RunLayout::new(self.out.join(MEMBERS).join(&job.part.name)));
        run.is_ok_and(|run| run.results.is_some())
    }

    /// Whether a group of networks that take so long would be finished.
    fn is_time_for(&self, count: usize, each: f64) -> bool {
        // What others still train is, on average, half done.
        let turns = count.div_ceil(self.workers) as f64 + if self.workers > 1 { 0.5 } else { 0.0 };
        self.clock.until(self.plan.train_until).as_secs_f64() >= turns * each
    }

    fn jobs(&self, scheme: Scheme, found: &[&medley_studies::TrialOverview]) -> Result<Vec<Job>, TuneError> {
        let base = study::base(self.study)?;
        let space = &self.study.definition().space;
        let folder: PathBuf = self.out.join(MEMBERS);
        let mut jobs = Vec::new();
        for group in scheme.groups() {
            for (place, &network) in group.iter().enumerate() {
                let trial = network.rank.and_then(|rank| found.get(rank));
                let number = trial.map(|trial| trial.number);
                let settings = trial.map(|trial| overrides(&space.settings(&trial.point))).unwrap_or_default();
                // Of folds, one seed for all ways of splitting: it belongs to the recipe.
                let seed = FRESH_SEEDS + if scheme.folds.is_some() { 0 } else { network.repeat as u64 };
                let mut all = [settings, vec![format!("seeds=[{seed}]")]].concat();
                if let Some(count) = scheme.folds {
                    all.push(format!("folds.count={count}"));
                    all.push(format!("folds.index={}", network.fold));
                    all.push(format!("folds.repeat={}", network.repeat));
                    let file = |(task, path): (&String, &String)| format!("folds.groups.{task}={path:?}");
                    all.extend(self.groups.iter().map(file));
                }
                let name = name(number, network, scheme.folds);
                let part = Part::new(&base, all, self.registry, folder.clone(), name, seed)?;
                let begins = (place == 0).then_some(group.len());
                jobs.push(Job { network, part, trial: number, begins });
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

/// The name of a run folder.
fn name(trial: Option<u64>, network: Network, folds: Option<usize>) -> String {
    let what = trial.map_or_else(|| "base".to_owned(), |trial| format!("trial-{trial}"));
    match folds {
        Some(folds) => format!("{what}-of{folds}-repeat{}-fold{}", network.repeat, network.fold),
        None => format!("{what}-seed{}", network.repeat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_follows_the_time() {
        let table = [
            (0, (None, 2)),
            (5, (None, 3)),
            (7, (Some(3), 2)),
            (11, (Some(5), 2)),
            (16, (Some(5), 3)),
            (900, (Some(5), 3)),
        ];
        for (networks, (folds, recipes)) in table {
            let scheme = Scheme::of(networks, true, 9);
            assert_eq!((scheme.folds, scheme.recipes), (folds, recipes), "{networks}");
        }
        let on_file = Scheme::of(11, false, 9);
        assert_eq!((on_file.folds, on_file.recipes), (None, 3));
        assert_eq!(Scheme::of(11, false, 0).recipes, 1, "nothing was found");
    }

    #[test]
    fn each_network_is_trained_once_and_the_base_beside_the_best() {
        let groups = Scheme { folds: Some(5), recipes: 3, repeats: 2 }.groups();
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [10, 5, 10, 5]);
        assert_eq!((groups[0][0].rank, groups[0][1].rank, groups[1][0].rank), (Some(0), None, Some(1)));
        let alone = Scheme { folds: None, recipes: 1, repeats: 1 }.groups();
        assert_eq!(alone, [[Network { rank: None, repeat: 0, fold: 0 }]]);
    }

    #[test]
    fn only_whole_groups_are_used() {
        let scheme = Scheme { folds: Some(3), recipes: 3, repeats: 2 };
        let all: Vec<Network> = scheme.groups().concat();
        assert_eq!(scheme.kept(&all).len(), 18);
        assert_eq!(scheme.kept(&all[..15]).len(), 12, "two ways of splitting of two recipes");
        assert_eq!(scheme.kept(&all[..14]).len(), 9, "one way of splitting of three");
        assert_eq!(scheme.kept(&all[..8]).len(), 6);
        assert_eq!(scheme.kept(&all[..5]).len(), 0);
        assert_eq!(scheme.kept(&[]).len(), 0);
    }
}
