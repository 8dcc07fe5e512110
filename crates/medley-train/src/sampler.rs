//! Which samples make an epoch: pure arithmetic on (seed, epoch).
//!
//! Tasks differ 300-fold in size, so an epoch is not a pass over all rows. Task *i* with `n_i` rows gets a share
//! proportional to `n_i^alpha` (temperature sampling), times a weight of its own where the config gives one. Its rows are visited in
//! an endless sequence of permutations, each a function of (seed, task, pass); epoch *e* takes the next stretch of that sequence. No row is sampled twice before
//! all others of its task were sampled, and any epoch can be computed without the ones before it.
//!
//! Within an epoch the tasks are spread evenly: each batch holds about each task's share, so batch statistics do
//! not swing. The batches of an epoch are equally large, to within one sample: a small last one would have a gradient of its own
//! kind, and batch statistics of few rows.
//!
//! With `sampler.need`, shares follow the validation after each epoch: what the next one takes is then remembered, as [`Stretches`].

mod stretches;

use medley_augment::{BatchRequest, SampleRef};
use medley_core::seed::{Purpose, stream};
use rand::seq::SliceRandom as _;

pub use self::stretches::Stretches;
use crate::config::Experiment;
use crate::config::schema::SamplerConfig;

/// How the samples of an epoch become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batches {
    /// As few as `batch_size` allows, equally large to within one sample.
    #[default]
    Even,
    /// Full ones and a smaller last one, as version 0.1 made them. A lone sample joins the batch before it.
    Full,
}

/// The plan of all epochs of one seed run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    seed: u64,
    rows: Vec<usize>,
    shares: Vec<f64>,
    per_epoch: Vec<usize>,
    batch_size: usize,
    batches: Batches,
    repeats: usize,
}

impl Sampler {
    /// A sampler over tasks with `rows[i]` training rows; `samples_per_epoch` defaults to the sum of the rows.
    /// Every task gets at least one sample per epoch.
    pub fn new(seed: u64, rows: &[usize], alpha: f64, samples_per_epoch: Option<usize>, batch_size: usize) -> Self {
        let shares: Vec<f64> = rows.iter().map(|&n| (n as f64).powf(alpha)).collect();
        Self::with_shares(seed, rows, &shares, samples_per_epoch, batch_size)
    }

    /// As [`Self::new`], with task `i` having a part of each epoch proportional to `shares[i]`.
    fn with_shares(
        seed: u64,
        rows: &[usize],
        shares: &[f64],
        samples_per_epoch: Option<usize>,
        batch_size: usize,
    ) -> Self {
        let total = samples_per_epoch.unwrap_or_else(|| rows.iter().sum());
        let sum: f64 = shares.iter().sum();
        let per_epoch = shares.iter().map(|share| ((total as f64 * share / sum).round() as usize).max(1)).collect();
        let (rows, shares) = (rows.to_vec(), shares.to_vec());
        Self { seed, rows, shares, per_epoch, batch_size, batches: Batches::default(), repeats: 1 }
    }

    /// That of an experiment.
    pub fn of(experiment: &Experiment, seed: u64, rows: &[usize]) -> Self {
        let SamplerConfig { alpha, ref weights, samples_per_epoch, repeats, need: _ } = experiment.sampler;
        let weight = |task: &String| weights.get(task).copied().unwrap_or(1.0);
        let shares = rows.iter().zip(&experiment.tasks).map(|(&n, task)| (n as f64).powf(alpha) * weight(task));
        let shares: Vec<f64> = shares.collect();
        Self::with_shares(seed, rows, &shares, samples_per_epoch, experiment.train.batch_size)
            .with_batches(experiment.rules().batches)
            .with_repeats(repeats)
    }

    /// With so many copies of each sample side by side, and as many samples in all.
    #[must_use]
    pub fn with_repeats(self, repeats: usize) -> Self {
        Self { repeats: repeats.max(1), ..self }
    }

    /// With all rows of one task in each epoch, each once, and no others.
    #[must_use]
    pub fn only(mut self, task: usize) -> Self {
        for (index, count) in self.per_epoch.iter_mut().enumerate() {
            *count = if index == task { self.rows[index] } else { 0 };
        }
        self.repeats = 1;
        self
    }

    /// With batches made by another rule.
    #[must_use]
    pub fn with_batches(self, batches: Batches) -> Self {
        Self { batches, ..self }
    }

    /// Samples of each task in an epoch.
    pub fn per_epoch(&self) -> &[usize] {
        &self.per_epoch
    }

    /// Batches in an epoch. None holds more than `batch_size` samples, and none a single one, on which batch statistics are
    /// undefined; where both cannot be had, with an odd number of samples in batches of two, one holds three.
    pub fn batches_per_epoch(&self) -> usize {
        let samples: usize = self.per_epoch.iter().sum();
        match self.batches {
            Batches::Even => samples.div_ceil(self.batch_size).min(samples / 2).max(1),
            Batches::Full => {
                let (full, rest) = (samples / self.batch_size, samples % self.batch_size);
                (full + usize::from(rest > 1)).max(1)
            }
        }
    }

    /// What an epoch takes where all epochs take as much.
    pub fn stretches(&self, epoch: usize) -> Stretches {
        let before = self.per_epoch.iter().map(|count| epoch * count.div_ceil(self.repeats)).collect();
        Stretches { counts: self.per_epoch.clone(), before }
    }

    /// What the epoch after one takes where tasks need more or less: their shares times `need[i]`, and as many samples in all.
    pub fn next(&self, stretches: &Stretches, need: &[f64]) -> Stretches {
        let shares: Vec<f64> = self.shares.iter().zip(need).map(|(share, need)| share * need).collect();
        let taken = stretches.before.iter().zip(&stretches.counts);
        let before = taken.map(|(before, count)| before + count.div_ceil(self.repeats)).collect();
        Stretches { counts: stretches::allocate(self.per_epoch.iter().sum(), &shares), before }
    }

    /// Whether an epoch can take these stretches, of no more than so many epochs before it: they may come from a file.
    pub fn can_take(&self, stretches: &Stretches, epochs: usize) -> bool {
        let total: usize = self.per_epoch.iter().sum();
        let Stretches { counts, before } = stretches;
        let most = total.saturating_mul(epochs);
        counts.len() == self.rows.len()
            && before.len() == self.rows.len()
            && counts.iter().all(|&count| (1..=total).contains(&count))
            && counts.iter().sum::<usize>() == total
            && before.iter().all(|&before| before <= most)
    }

    /// The batches of an epoch, each sorted by task so that a task's samples lie together.
    pub fn epoch(&self, epoch: usize) -> Vec<BatchRequest> {
        self.epoch_of(epoch, &self.stretches(epoch))
    }

    /// The batches of an epoch that takes these stretches.
    pub fn epoch_of(&self, epoch: usize, stretches: &Stretches) -> Vec<BatchRequest> {
        let samples = self.spread(epoch, stretches);
        let batches = self.batches_per_epoch();
        let end = |batch: usize| match self.batches {
            // Where there are larger and smaller ones, they take turns.
            Batches::Even => (batch * samples.len()).div_ceil(batches),
            Batches::Full if batch == batches => samples.len(),
            Batches::Full => batch * self.batch_size,
        };
        let request = |batch: usize| {
            let mut chunk = samples[end(batch)..end(batch + 1)].to_vec();
            chunk.sort_by_key(|sample| sample.task);
            // A row of a small task comes several times in an epoch: each visit must be drawn anew.
            BatchRequest { epoch: (epoch * batches + batch) as u64, samples: chunk }
        };
        (0..batches).map(request).collect()
    }

    /// All samples of an epoch, tasks evenly interleaved: sample `j` of a task with `c` samples stands at `(j + u) / c`,
    /// where `u` in [0, 1) is the task's phase in this epoch.
    fn spread(&self, epoch: usize, stretches: &Stretches) -> Vec<SampleRef> {
        use rand::RngExt as _;
        let mut phases = stream(self.seed, Purpose::Sampler, &[u64::MAX, epoch as u64]);
        let mut placed = Vec::with_capacity(stretches.counts.iter().sum());
        for (task, &count) in stretches.counts.iter().enumerate() {
            let phase: f64 = phases.random_range(0.0..1.0);
            for (j, index) in self.stretch(task, stretches.before[task], count).into_iter().enumerate() {
                let position = (j as f64 + phase) / count as f64;
                placed.push((position, SampleRef { task, index }));
            }
        }
        placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.task.cmp(&b.1.task)));
        placed.into_iter().map(|(_, sample)| sample).collect()
    }

    /// So many samples of one task, each row as often as it is repeated.
    fn stretch(&self, task: usize, before: usize, count: usize) -> Vec<usize> {
        let distinct = self.distinct(task, before, count.div_ceil(self.repeats)).into_iter();
        distinct.flat_map(|row| std::iter::repeat_n(row, self.repeats)).take(count).collect()
    }

    /// Positions `start .. start + count` of the endless sequence of permutations of a task.
    fn distinct(&self, task: usize, start: usize, count: usize) -> Vec<usize> {
        let (rows, end) = (self.rows[task], start + count);
        (start / rows..end.div_ceil(rows))
            .flat_map(|pass| {
                let order = self.permutation(task, pass);
                let from = start.saturating_sub(pass * rows);
                let to = (end - pass * rows).min(rows);
                order[from..to].to_vec()
            })
            .collect()
    }

    fn permutation(&self, task: usize, pass: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows[task]).collect();
        order.shuffle(&mut stream(self.seed, Purpose::Sampler, &[task as u64, pass as u64]));
        order
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use medley_data::Registry;
    use proptest::prelude::*;

    use super::*;
    use crate::config::RawExperiment;

    fn counts(requests: &[BatchRequest]) -> BTreeMap<(usize, usize), usize> {
        let mut counts = BTreeMap::new();
        for sample in requests.iter().flat_map(|request| &request.samples) {
            *counts.entry((sample.task, sample.index)).or_insert(0) += 1;
        }
        counts
    }

    #[test]
    fn alpha_one_is_a_pass_over_all_rows() {
        let sampler = Sampler::new(1, &[7, 30], 1.0, None, 8);
        let counts = counts(&sampler.epoch(5));
        assert_eq!(counts.len(), 37);
        assert!(counts.values().all(|&times| times == 1));
    }

    #[test]
    fn alpha_zero_gives_equal_shares() {
        let sampler = Sampler::new(1, &[10, 1_000], 0.0, Some(200), 16);
        assert_eq!(sampler.per_epoch(), [100, 100]);
    }

    #[test]
    fn weights_multiply_the_shares_of_their_tasks() {
        let text = "name = 'x'\ntasks = ['breastmnist', 'dermamnist', 'retinamnist']\n[sampler]\nalpha = 0.0\nsamples_per_epoch = 400\n\
                    weights = { dermamnist = 2.0 }\n";
        let raw: RawExperiment = toml::from_str(text).unwrap();
        let experiment = raw.check(Registry::builtin()).unwrap();
        assert_eq!(Sampler::of(&experiment, 0, &[546, 7_007, 1_080]).per_epoch(), [100, 200, 100]);
    }

    fn sizes(sampler: &Sampler) -> Vec<usize> {
        sampler.epoch(3).iter().map(|request| request.samples.len()).collect()
    }

    #[test]
    fn one_task_alone_is_a_pass_over_its_rows() {
        let sampler = Sampler::new(3, &[10, 30, 7], 0.5, None, 8).only(1);
        assert_eq!((sampler.per_epoch(), sampler.batches_per_epoch()), (&[0, 30, 0][..], 4));
        let counts = counts(&sampler.epoch(2));
        assert!(counts.len() == 30 && counts.iter().all(|(&(task, _), &times)| task == 1 && times == 1));
    }

    #[test]
    fn copies_stand_side_by_side() {
        let plain = Sampler::new(3, &[10, 30], 1.0, None, 10);
        assert_eq!(plain.clone().with_repeats(1).epoch(4), plain.epoch(4));
        let repeated = plain.clone().with_repeats(3);
        assert_eq!(
            (repeated.batches_per_epoch(), repeated.per_epoch()),
            (plain.batches_per_epoch(), plain.per_epoch())
        );
        let epoch = repeated.epoch(4);
        let counts = counts(&epoch);
        // 4 of the 10 rows, the last of which once, and 10 of the 30.
        assert_eq!(counts.len(), 14);
        assert_eq!(counts.values().filter(|&&times| times == 3).count(), 13);
        let order: Vec<_> =
            epoch.iter().flat_map(|request| request.samples.iter().filter(|one| one.task == 1)).collect();
        assert!(order.chunks(3).all(|copies| copies[0] == copies[1] && copies[1] == copies[2]));
        // Over epochs, no row comes again before all others came.
        let later: Vec<_> = (0..3).flat_map(|epoch| repeated.epoch(epoch)).collect();
        assert!(super::tests::counts(&later).iter().all(|(&(task, _), &times)| task == 0 || times == 3));
    }

    #[test]
    fn batches_are_equally_large() {
        for (rows, batch_size, expected) in [
            (32, 8, vec![8; 4]),
            (34, 8, vec![7, 7, 7, 7, 6]),
            (17, 8, vec![6, 6, 5]),
            (5, 8, vec![5]),
            (5, 2, vec![3, 2]),
            (7, 3, vec![3, 2, 2]),
        ] {
            assert_eq!(sizes(&Sampler::new(1, &[rows], 1.0, None, batch_size)), expected, "{rows} by {batch_size}");
        }
    }

    #[test]
    fn a_run_of_version_0_1_has_the_batches_it_began_with() {
        let old = |rows| sizes(&Sampler::new(1, &[rows], 1.0, None, 8).with_batches(Batches::Full));
        assert_eq!((old(32), old(18), old(17), old(5)), (vec![8; 4], vec![8, 8, 2], vec![8, 9], vec![5]));
        // Where the rows divide, nothing has changed.
        let even = Sampler::new(9, &[20, 44], 1.0, None, 16);
        assert_eq!(even.epoch(2), even.clone().with_batches(Batches::Full).epoch(2));
    }

    #[test]
    fn a_task_in_need_gets_more_and_the_epoch_stays_as_long() {
        let sampler = Sampler::new(1, &[100, 100, 100], 0.5, Some(90), 16);
        let first = sampler.stretches(0);
        assert_eq!(sampler.epoch_of(0, &first), sampler.epoch(0));
        let second = sampler.next(&first, &[0.1, 0.4, 0.4]);
        assert_eq!((&second.counts[..], &second.before[..]), (&[10, 40, 40][..], &[30, 30, 30][..]));
        assert_eq!(sampler.epoch_of(1, &second).len(), sampler.batches_per_epoch());
        assert!(sampler.can_take(&second, 1) && !sampler.can_take(&second, 0));
        for (counts, before) in [
            (vec![10, 40], vec![30; 3]),
            (vec![10, 40, 40], vec![30; 2]),
            (vec![0, 50, 40], vec![30; 3]),
            (vec![10, 40, 41], vec![30; 3]),
            (vec![10, 40, 40], vec![usize::MAX; 3]),
        ] {
            assert!(!sampler.can_take(&Stretches { counts, before }, 1));
        }
    }

    proptest! {
        #[test]
        fn every_row_is_visited_before_any_is_again_whatever_the_need(
            seed: u64, rows in prop::collection::vec(1_usize..60, 1..4), repeats in 1_usize..3,
            needs in prop::collection::vec(prop::collection::vec(0.01..1.0_f64, 3), 5),
        ) {
            let sampler = Sampler::new(seed, &rows, 0.5, Some(50), 8).with_repeats(repeats);
            let (mut stretches, mut epochs) = (sampler.stretches(0), Vec::new());
            for (epoch, need) in needs.iter().enumerate() {
                let requests = sampler.epoch_of(epoch, &stretches);
                prop_assert_eq!(requests.len(), sampler.batches_per_epoch());
                epochs.extend(requests);
                stretches = sampler.next(&stretches, need);
            }
            let counts = counts(&epochs);
            for (task, &n) in rows.iter().enumerate() {
                let visits: Vec<_> = (0..n).map(|row| counts.get(&(task, row)).copied().unwrap_or(0)).collect();
                let (low, high) = (visits.iter().min().unwrap(), visits.iter().max().unwrap());
                // The last row of an epoch may have fewer copies.
                prop_assert!(high - low <= repeats * needs.len(), "task {}: {:?}", task, visits);
                if repeats == 1 {
                    prop_assert!(high - low <= 1, "task {}: {:?}", task, visits);
                }
            }
        }

        #[test]
        fn every_row_is_visited_before_any_is_again(
            seed: u64, rows in prop::collection::vec(1_usize..60, 1..5), alpha in 0.0..=1.0_f64, per_epoch in 2_usize..100,
            batch_size in 2_usize..40,
        ) {
            let sampler = Sampler::new(seed, &rows, alpha, Some(per_epoch), batch_size);
            let epochs: Vec<_> = (0..6).flat_map(|epoch| sampler.epoch(epoch)).collect();
            let counts = counts(&epochs);
            for (task, &n) in rows.iter().enumerate() {
                let visits: Vec<_> = (0..n).map(|row| counts.get(&(task, row)).copied().unwrap_or(0)).collect();
                let (low, high) = (visits.iter().min().unwrap(), visits.iter().max().unwrap());
                prop_assert!(high - low <= 1, "task {}: {:?}", task, visits);
                prop_assert_eq!(visits.iter().sum::<usize>(), 6 * sampler.per_epoch()[task]);
            }
        }

        #[test]
        fn batches_are_sorted_and_balanced(
            seed: u64, rows in prop::collection::vec(20_usize..200, 2..5), batch_size in 8_usize..64, epoch in 0_usize..9,
        ) {
            let sampler = Sampler::new(seed, &rows, 0.5, None, batch_size);
            let requests = sampler.epoch(epoch);
            prop_assert_eq!(requests.len(), sampler.batches_per_epoch());
            let sizes = sizes(&sampler);
            let (smallest, largest) = (*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap());
            prop_assert!(largest <= batch_size && largest - smallest <= 1, "{:?}", sizes);
            let total: usize = sampler.per_epoch().iter().sum();
            for request in &requests {
                prop_assert!(request.samples.is_sorted_by_key(|sample| sample.task));
                for (task, &count) in sampler.per_epoch().iter().enumerate() {
                    let here = request.samples.iter().filter(|sample| sample.task == task).count() as f64;
                    let share = request.samples.len() as f64 * count as f64 / total as f64;
                    prop_assert!((here - share).abs() <= rows.len() as f64 + 1.0, "{} of {}", here, share);
                }
            }
        }

        #[test]
        fn epochs_are_functions_of_position(seed: u64, epoch in 0_usize..50) {
            let sampler = Sampler::new(seed, &[31, 77], 0.4, None, 16);
            prop_assert_eq!(sampler.epoch(epoch), sampler.epoch(epoch));
            prop_assert_ne!(sampler.epoch(epoch), sampler.epoch(epoch + 1));
        }
    }
}
