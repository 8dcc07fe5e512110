//! How many networks are trained and in which order, and when the search has to end: pure functions of what networks really cost.
//!
//! Networks of the default recipe come first. They do not depend on the search, and they show what a network costs while the search can
//! still be shortened or go on. So all that is estimated is what comes after the search.

use serde::{Deserialize, Serialize};

/// Settings at most, the base among them.
pub(super) const MOST_RECIPES: usize = 3;
/// Ways of splitting at most, and seeds where there are no folds: of more networks, an ensemble gains little.
const MOST_REPEATS: usize = 4;
const MOST_SEEDS: usize = 12;
/// Networks take longer than they did on average.
pub(super) const MARGIN: f64 = 1.05;
/// A network whose end the clock decides is begun where this part of it fits.
const LEAST_OF_NETWORK: f64 = 0.8;
/// Such networks have so many more epochs than are expected to fit, so that no time is left where they are faster: those of the default recipe by what
/// was timed, those by the best settings by what trials took. All folds of a recipe have the same number, or they could not be put together.
/// After that part of half a cosine with the default warm-up, the learning rate is at 2 % and at 4 % of its peak.
pub(super) const PLANNED_EXCESS: f64 = 1.08;
const FOUND_EXCESS: f64 = 1.12;
/// The part of the time for trials and networks that the search has at least.
pub(super) const SEARCH_SHARE: f64 = 0.5;
/// Trials count for what an epoch costs once they have had this part of their epochs, if there are such: before, beginning counts for more.
const LEAST_OF_TRIAL: [f64; 2] = [1.0, 0.3];
/// Settings change what a network costs by no more than this.
const MOST_SLOWER: f64 = 4.0;
/// What is combined at the end has more members than what was timed.
const MORE_MEMBERS: f64 = 1.6;
/// Seconds for records, the report and the end of the process.
const REST: f64 = 0.8;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheme {
    /// Folds of each way of splitting; `None` where all networks are validated on the same rows.
    pub folds: Option<usize>,
    /// Ways of splitting that are planned, or seeds.
    pub repeats: usize,
    /// Whether something is searched; where not, all networks are by the default recipe.
    pub search: bool,
}

impl Scheme {
    /// For about so many networks, with a search half of them by the default recipe.
    pub(super) fn of(networks: usize, is_folded: bool, search: bool) -> Self {
        let folds = match networks {
            10.. if is_folded => Some(5),
            // Two thirds of the rows are few to learn from, but what was found has to be told from the default recipe.
            6.. if is_folded && search => Some(3),
            _ => None,
        };
        let recipes = if search { 2 } else { 1 };
        let one = Self { folds, repeats: 1, search };
        Self { repeats: (networks / (recipes * one.each())).clamp(1, one.most_repeats()), ..one }
    }

    fn group(self, ranks: &[Option<usize>], repeat: usize) -> Vec<Network> {
        let of_fold = |fold: usize| ranks.iter().map(move |&rank| Network { rank, repeat, fold });
        (0..self.each()).flat_map(of_fold).collect()
    }

    fn most_repeats(self) -> usize {
        if self.folds.is_some() { MOST_REPEATS } else { MOST_SEEDS }
    }

    /// Networks of a recipe for one way of splitting.
    pub(super) fn each(self) -> usize {
        self.folds.unwrap_or(1)
    }

    /// Groups of networks by the default recipe, which are trained before the search.
    pub(super) fn before(self) -> Vec<Vec<Network>> {
        (0..self.repeats).map(|repeat| self.group(&[None], repeat)).collect()
    }

    /// Groups of networks in the order in which they are trained after a search that has found so many settings: those that are planned,
    /// then more as long as there is time.
    pub(super) fn after(self, found: usize) -> Vec<Vec<Network>> {
        let ranks = |ranks: &[Option<usize>]| -> Vec<Option<usize>> {
            ranks.iter().copied().filter(|rank| rank.is_none_or(|rank| rank < found.min(MOST_RECIPES - 1))).collect()
        };
        let planned = (0..self.repeats).map(|repeat| (ranks(&[Some(0)]), repeat));
        let second = (0..self.repeats).map(|repeat| (ranks(&[Some(1)]), repeat));
        let more = (self.repeats..self.most_repeats())
            .flat_map(|repeat| [(ranks(&[Some(0), None]), repeat), (ranks(&[Some(1)]), repeat)]);
        let all = planned.chain(second).chain(more).map(|(ranks, repeat)| self.group(&ranks, repeat));
        all.filter(|group| !group.is_empty()).collect()
    }

    /// Of the networks that are finished, those that make a predictor: all of each recipe that has every fold of its first way of splitting.
    /// Of later ways of splitting each network helps by itself: the rows of its fold have a prediction more to average, and so have new images.
    pub(super) fn kept(self, finished: &[Network]) -> Vec<Network> {
        let whole = |rank: Option<usize>| self.group(&[rank], 0).iter().all(|network| finished.contains(network));
        finished.iter().copied().filter(|one| whole(one.rank)).collect()
    }
}

/// Seconds until so many networks are trained that take so long each, by workers that are free after these seconds.
pub(super) fn makespan(free: &[f64], count: usize, each: f64) -> f64 {
    let mut free = free.to_vec();
    let mut last: f64 = 0.0;
    for _ in 0..count {
        let Some(next) = free.iter_mut().min_by(|a, b| a.total_cmp(b)) else { return f64::INFINITY };
        *next += each;
        last = last.max(*next);
    }
    last
}

/// Whether so many networks would be finished in the time that is left.
pub(super) fn fits(left: f64, free: &[f64], count: usize, each: f64) -> bool {
    makespan(free, count, each) * MARGIN <= left
}

/// Whether so much of these networks would be trained in the time that is left that they are worth beginning, where they may end early.
pub(super) fn mostly_fits(left: f64, free: &[f64], count: usize, each: f64) -> bool {
    makespan(free, count, each * LEAST_OF_NETWORK) <= left
}

/// How many seconds have to be left when the search ends, for networks by what it found: as much as those of the default recipe have had.
pub(super) fn kept_for_networks(scheme: Scheme, repeats: usize, each: f64, workers: usize) -> f64 {
    makespan(&vec![0.0; workers.max(1)], scheme.each() * repeats, each)
}

/// The part of what is left for a network before which so many of those that share it are begun, of so many: those that are trained at the
/// same time have the same.
pub(super) fn share(before: usize, of: usize, workers: usize) -> f64 {
    let workers = workers.max(1);
    1.0 / of.div_ceil(workers).saturating_sub(before / workers).max(1) as f64
}

/// The part of what is left for a network that nothing was planned for: further ones may follow it.
pub(super) fn share_of_further(left: f64, each: f64) -> f64 {
    1.0 / (left / (each * FOUND_EXCESS).max(1e-6)).ceil().clamp(1.0, 1e6)
}

/// How many of these groups of networks, from the first on, would mostly be trained in the time that is left, by workers that are free now.
pub(super) fn shared(left: f64, groups: &[usize], each: f64, workers: usize) -> usize {
    let free = vec![0.0; workers.max(1)];
    let all = groups.iter().scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    all.take_while(|&count| mostly_fits(left, &free, count, each)).count()
}

/// The epochs of a network by the best settings, where one by the default recipe has so many.
pub(super) fn epochs_of_found(planned: usize) -> usize {
    (planned as f64 * FOUND_EXCESS).ceil() as usize
}

/// Whether there is time for one way of splitting more, with the search and the networks by what it finds: `repeats` are trained, `left`
/// is the time for everything from now, and `whole` was that before the first network.
pub(super) fn has_room(scheme: Scheme, repeats: usize, each: f64, workers: usize, (left, whole): (f64, f64)) -> bool {
    if !scheme.search {
        return mostly_fits(left, &vec![0.0; workers.max(1)], scheme.each(), each);
    }
    let next = kept_for_networks(scheme, 1, each, workers);
    let later = kept_for_networks(scheme, repeats + 1, each, workers);
    left - next - later >= whole * SEARCH_SHARE
}

/// What a trial has cost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TrialCost {
    /// The size of its batches, where that is searched.
    pub(super) batch: Option<i64>,
    /// Epochs that it had.
    pub(super) epochs: u64,
    /// Seconds of a worker.
    pub(super) seconds: f64,
}

/// How much longer networks take with batches of one size than with those of another, by trials; where all of those had the first size, by
/// what an epoch of a network takes with the other.
pub(super) fn slower(
    trials: &[TrialCost],
    all_epochs: usize,
    (found, base): (Option<i64>, i64),
    epoch_of_base: f64,
) -> f64 {
    let Some(found) = found.filter(|found| *found != base) else { return 1.0 };
    let of = |batch: i64, share: f64| {
        let least = (all_epochs as f64 * share).max(1.0);
        let counts = |trial: &&TrialCost| trial.batch == Some(batch) && trial.epochs as f64 >= least;
        median(trials.iter().filter(counts).map(|trial| trial.seconds / trial.epochs as f64).collect())
    };
    // Both of trials that were as long, as beginning is a part of it.
    let known = |share: f64| of(found, share).zip(of(base, share));
    let by_network = |share: f64| of(found, share).map(|found| (found, epoch_of_base));
    let (by_trials, by_network) = (LEAST_OF_TRIAL.into_iter().map(known), LEAST_OF_TRIAL.into_iter().map(by_network));
    match by_trials.chain(by_network).flatten().find(|(_, base)| *base > 0.0) {
        Some((found, base)) => (found / base).clamp(1.0 / MOST_SLOWER, MOST_SLOWER),
        // Smaller batches are more steps.
        None if found < base => 1.25,
        None => 1.0,
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What follows the last network, as it was timed with the first ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Finishing {
    /// Seconds of ensemble and rules.
    pub combined: f64,
    /// Seconds of the package of a network.
    pub packaged: f64,
}

impl Finishing {
    /// Seconds to keep for it with so many networks.
    pub(super) fn reserve(self, networks: usize) -> f64 {
        self.combined * MORE_MEMBERS + self.packaged * networks as f64 * MARGIN + REST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_follows_the_time() {
        let table = [
            (0, (None, 1)),
            (5, (None, 2)),
            (7, (Some(3), 1)),
            (11, (Some(5), 1)),
            (20, (Some(5), 2)),
            (900, (Some(5), 4)),
        ];
        for (networks, (folds, repeats)) in table {
            assert_eq!(Scheme::of(networks, true, true), Scheme { folds, repeats, search: true }, "{networks}");
        }
        assert_eq!(Scheme::of(11, false, true), Scheme { folds: None, repeats: 5, search: true });
        assert_eq!(Scheme::of(7, true, false), Scheme { folds: None, repeats: 7, search: false });
        assert_eq!(Scheme::of(11, true, false), Scheme { folds: Some(5), repeats: 2, search: false });
    }

    #[test]
    fn each_network_is_trained_once_and_the_default_recipe_first() {
        let scheme = Scheme { folds: Some(5), repeats: 2, search: true };
        assert_eq!(scheme.before().iter().map(Vec::len).collect::<Vec<_>>(), [5, 5]);
        let after = scheme.after(9);
        assert_eq!(after.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5, 5, 10, 5, 10, 5]);
        assert_eq!((after[0][0].rank, after[2][0].rank, after[4][1].rank), (Some(0), Some(1), None));
        let mut all: Vec<Network> = scheme.before().concat();
        all.extend(after.concat());
        for (place, network) in all.iter().enumerate() {
            assert!(!all[..place].contains(network), "{network:?}");
        }
        assert_eq!(scheme.after(1).iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 10, 10]);
        let alone = scheme.after(0);
        assert!(alone.iter().flatten().all(|network| network.rank.is_none() && network.repeat >= 2));
    }

    #[test]
    fn recipes_are_used_that_have_predicted_every_row() {
        let scheme = Scheme { folds: Some(3), repeats: 2, search: true };
        let before: Vec<Network> = scheme.before().concat();
        let after: Vec<Network> = scheme.after(9).concat();
        let kept = |count: usize| scheme.kept(&[&before[..], &after[..count]].concat()).len();
        assert_eq!(kept(0), 6, "the default recipe alone");
        assert_eq!(kept(2), 6);
        assert_eq!(kept(3), 9, "one way of splitting of the best settings");
        assert_eq!(kept(4), 10, "and a network more");
        assert_eq!(kept(8), 12, "the next best have not predicted every row");
        assert_eq!(kept(9), 15);
        assert_eq!(scheme.kept(&before[..2]).len(), 0);
    }

    #[test]
    fn workers_take_the_next_network_when_they_are_free() {
        assert_eq!(makespan(&[0.0, 0.0], 5, 2.0), 6.0);
        assert_eq!(makespan(&[0.0, 1.0], 4, 2.0), 5.0);
        assert_eq!(makespan(&[0.0], 3, 2.0), 6.0);
        assert_eq!(makespan(&[3.0], 0, 2.0), 0.0);
        assert_eq!(makespan(&[], 1, 2.0), f64::INFINITY);
        assert!(fits(6.31, &[0.0, 0.0], 5, 2.0) && !fits(6.2, &[0.0, 0.0], 5, 2.0));
        assert!(mostly_fits(1.8, &[0.1, 3.0], 1, 2.0) && !mostly_fits(1.6, &[0.1, 3.0], 1, 2.0));
    }

    #[test]
    fn networks_share_what_is_left_in_turn() {
        let shares = |of: usize| (0..of).map(|before| 1.0 / share(before, of, 2)).collect::<Vec<_>>();
        assert_eq!(shares(5), [3.0, 3.0, 2.0, 2.0, 1.0]);
        assert_eq!(shares(4), [2.0, 2.0, 1.0, 1.0]);
        assert_eq!((share(0, 1, 4), share(3, 0, 0)), (1.0, 1.0));
        assert_eq!(
            (share_of_further(10.0, 9.5), share_of_further(17.0, 10.0), share_of_further(0.0, 0.0)),
            (1.0, 0.5, 1.0)
        );
        assert_eq!(share_of_further(f64::INFINITY, 1.0), 1e-6);
        // Of a second each, two groups, then one, and then none.
        assert_eq!([4.1, 3.9, 2.5, 2.3].map(|left| shared(left, &[5, 5], 1.0, 2)), [2, 1, 1, 0]);
        assert_eq!((shared(9.0, &[], 1.0, 2), epochs_of_found(90)), (0, 101));
    }

    #[test]
    fn small_batches_cost_what_trials_with_them_cost() {
        let trial = |batch, epochs, seconds| TrialCost { batch: Some(batch), epochs, seconds };
        let trials = [trial(128, 30, 3.0), trial(32, 30, 4.5), trial(32, 3, 9.0)];
        assert!((slower(&trials, 30, (Some(32), 128), 0.2) - 1.5).abs() < 1e-12);
        assert_eq!(slower(&trials, 30, (Some(128), 128), 0.2), 1.0);
        assert_eq!(slower(&trials, 30, (None, 128), 0.2), 1.0);
        assert!((slower(&trials[1..], 30, (Some(32), 128), 0.125) - 1.2).abs() < 1e-12, "by the network");
        assert_eq!(slower(&trials, 30, (Some(64), 128), 0.2), 1.25, "nothing is known");
    }

    /// A clock that is only counted: the default recipe, the search, what it found, and what follows, with costs that are not those that
    /// were expected. Seconds that are spent of the budget, and ways of splitting.
    fn simulated(
        budget: f64,
        (expected, real): (f64, f64),
        (slower_by, error): (f64, f64),
        finishing: Finishing,
    ) -> (f64, usize) {
        let workers = 2;
        let networks = (budget * SEARCH_SHARE * workers as f64 / (expected * MARGIN)) as usize;
        let scheme = Scheme::of(networks, true, true);
        let mut clock = 4.0;
        let until = |count: usize| budget - finishing.reserve(count);
        let begun = clock;
        let mut repeats = 0;
        for group in scheme.before() {
            let left = |clock: f64| until(2 * (repeats + 1) * scheme.each()) - clock;
            if repeats > 0 && !has_room(scheme, repeats, real, workers, (left(clock), left(begun))) {
                break;
            }
            clock += makespan(&[0.0; 2], group.len(), real);
            repeats += 1;
        }
        let count = repeats * scheme.each();
        let search_end = until(2 * count) - kept_for_networks(scheme, repeats, real * slower_by, workers);
        assert!(search_end >= clock, "no time for a search");
        clock = search_end;
        // They are a little slower or faster than what is known of them.
        let (mut free, each) = (vec![clock; workers], real * slower_by);
        let sharing = shared(until(2 * count) - clock, &vec![scheme.each(); repeats], each, workers);
        assert_eq!(sharing, repeats, "they have the time that the search has left");
        for before in 0..count {
            let next = free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
            let left = until(2 * count) - *next;
            *next += (left * share(before, count, workers)).min(each * error * FOUND_EXCESS);
        }
        clock = free.into_iter().fold(clock, f64::max);
        assert!(clock <= until(2 * count));
        // With twice the members that were timed.
        (clock + finishing.combined * 1.5 + finishing.packaged * 2.0 * count as f64, repeats)
    }

    #[test]
    fn the_budget_is_used_and_never_exceeded() {
        let finishing = Finishing { combined: 0.5, packaged: 0.1 };
        for budget in [180.0, 600.0, 3600.0] {
            for wrong in [0.6, 1.0, 1.7] {
                for (slower_by, error) in [(0.8, 1.0), (1.0, 0.92), (1.0, 1.1), (2.0, 1.03)] {
                    let times = (budget / 30.0, budget / 30.0 * wrong);
                    let (spent, repeats) = simulated(budget, times, (slower_by, error), finishing);
                    let share = spent / budget;
                    let what = format!("{budget} {wrong} {slower_by} {error}: {share} with {repeats}");
                    assert!((0.985..=1.0).contains(&share), "{what}");
                }
            }
        }
    }
}
