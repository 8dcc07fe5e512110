//! Which image goes to which split.
//!
//! Without groups each class is divided by largest remainders, and what rounding took from a split in one class is given back in the
//! next, so that classes and totals both come out right. With groups (all images of a patient) or several labels per image that is
//! not possible in general: groups are then handed out, large ones first, each to the split that it brings nearest to its shares, as
//! in scikit-learn's `StratifiedGroupKFold`. Either way every class gets an image in train, and equal seeds give equal splits.

use std::collections::BTreeMap;

use medley_core::Split;
use medley_core::seed::{ChaCha8Rng, Purpose, stream};
use rand::seq::SliceRandom as _;

/// What is known of an image before it is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Classes that it shows: one, or any number for multi-label sets.
    pub(super) classes: Vec<u16>,
    /// Images of one group stay together.
    pub(super) group: Option<u32>,
}

/// Shares of train, val and test, which are not negative and sum to 1.
pub(super) type Shares = [f64; 3];

/// A split for every item. A share of 0 gets nothing.
pub(super) fn divide(items: &[Item], classes: usize, shares: Shares, seed: u64) -> Vec<Split> {
    let single = items.iter().all(|item| item.classes.len() == 1 && item.group.is_none());
    if single { by_class(items, classes, shares, seed) } else { by_group(items, classes, shares, seed) }
}

fn by_class(items: &[Item], classes: usize, shares: Shares, seed: u64) -> Vec<Split> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); classes];
    for (index, item) in items.iter().enumerate() {
        members[usize::from(item.classes[0])].push(index);
    }
    let mut splits = vec![Split::Train; items.len()];
    let mut owed = [0.0; 3];
    for (class, members) in members.iter_mut().enumerate() {
        members.shuffle(&mut rng(seed, class as u64));
        let wanted = [0, 1, 2].map(|split| shares[split] * members.len() as f64 + owed[split]);
        let counts = whole(wanted, members.len(), shares);
        owed = [0, 1, 2].map(|split| wanted[split] - counts[split] as f64);
        let train_and_val = counts[0] + counts[1];
        for (place, &index) in members.iter().enumerate() {
            splits[index] = match place {
                place if place < counts[0] => Split::Train,
                place if place < train_and_val => Split::Val,
                _ => Split::Test,
            };
        }
    }
    splits
}

/// Whole numbers that sum to `total`, near `wanted`: the whole parts, then one each to the largest remainders. The first gets at
/// least one of a class that has any.
fn whole(wanted: [f64; 3], total: usize, shares: Shares) -> [usize; 3] {
    let mut counts = wanted.map(|value| value.max(0.0) as usize);
    counts[0] = counts[0].max(total.min(1));
    while counts.iter().sum::<usize>() != total {
        let short = counts.iter().sum::<usize>() < total;
        let need = |split: usize| wanted[split] - counts[split] as f64;
        // Ties go to the earlier split, which is the larger one as a rule.
        let chosen = (0..3)
            .filter(|&split| if short { shares[split] > 0.0 } else { counts[split] > usize::from(split == 0) })
            .min_by(|&a, &b| if short { need(b).total_cmp(&need(a)) } else { need(a).total_cmp(&need(b)) });
        match chosen {
            Some(split) if short => counts[split] += 1,
            Some(split) => counts[split] -= 1,
            None => counts[0] = total - counts[1] - counts[2],
        }
    }
    counts
}

/// Images that stay together.
struct Bundle {
    items: Vec<usize>,
    /// How often each class occurs, and the images in the last place.
    counts: Vec<(usize, f64)>,
}

fn by_group(items: &[Item], classes: usize, shares: Shares, seed: u64) -> Vec<Split> {
    let mut bundles = bundles(items, classes);
    bundles.shuffle(&mut rng(seed, u64::MAX));
    bundles.sort_by_key(|bundle| std::cmp::Reverse(bundle.items.len()));
    let mut total = vec![0.0; classes + 1];
    for (class, count) in bundles.iter().flat_map(|bundle| &bundle.counts) {
        total[*class] += count;
    }
    let mut have = vec![[0.0; 3]; classes + 1];
    let mut places: Vec<usize> = Vec::with_capacity(bundles.len());
    for bundle in &bundles {
        // How much farther from its shares a split would be with these images: the sum over classes of squared distances.
        let cost = |split: usize| -> f64 {
            let one = |&(class, count): &(usize, f64)| {
                let distance = have[class][split] - shares[split] * total[class];
                ((distance + count).powi(2) - distance.powi(2)) / total[class]
            };
            bundle.counts.iter().map(one).sum()
        };
        let open = (0..3).filter(|&split| shares[split] > 0.0);
        let place = open.min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(0);
        for &(class, count) in &bundle.counts {
            have[class][place] += count;
        }
        places.push(place);
    }
    give_train_every_class(&bundles, classes, &mut have, &mut places);
    let mut splits = vec![Split::Train; items.len()];
    for (bundle, place) in bundles.iter().zip(places) {
        for &index in &bundle.items {
            splits[index] = Split::ALL[place];
        }
    }
    splits
}

/// Groups in the order of their first image; an image without one is a group by itself.
fn bundles(items: &[Item], classes: usize) -> Vec<Bundle> {
    let mut by_group: BTreeMap<u32, usize> = BTreeMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let fresh = members.len();
        let at = item.group.map_or(fresh, |group| *by_group.entry(group).or_insert(fresh));
        if at == fresh {
            members.push(Vec::new());
        }
        members[at].push(index);
    }
    let counted = |items: Vec<usize>, all: &[Item]| {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::from([(classes, items.len() as f64)]);
        for &class in items.iter().flat_map(|&index| &all[index].classes) {
            *counts.entry(usize::from(class)).or_default() += 1.0;
        }
        Bundle { items, counts: counts.into_iter().collect() }
    };
    members.into_iter().map(|members| counted(members, items)).collect()
}

/// A class that train lacks cannot be learnt: the smallest group that shows it moves there.
fn give_train_every_class(bundles: &[Bundle], classes: usize, have: &mut [[f64; 3]], places: &mut [usize]) {
    for class in 0..classes {
        if have[class][0] > 0.0 {
            continue;
        }
        let shows = |bundle: &Bundle| bundle.counts.iter().any(|&(shown, _)| shown == class);
        let smallest = (0..bundles.len()).filter(|&at| shows(&bundles[at])).min_by_key(|&at| bundles[at].items.len());
        if let Some(at) = smallest {
            for &(class, count) in &bundles[at].counts {
                have[class][places[at]] -= count;
                have[class][0] += count;
            }
            places[at] = 0;
        }
    }
}

fn rng(seed: u64, position: u64) -> ChaCha8Rng {
    stream(seed, Purpose::Split, &[position])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn singles(classes: &[u16]) -> Vec<Item> {
        classes.iter().map(|&class| Item { classes: vec![class], group: None }).collect()
    }

    fn count(items: &[Item], splits: &[Split], split: Split, class: Option<u16>) -> usize {
        let pairs = items.iter().zip(splits);
        pairs
            .filter(|(item, place)| **place == split && class.is_none_or(|class| item.classes.contains(&class)))
            .count()
    }

    #[test]
    fn small_classes_make_up_for_each_other() {
        // Four images each of 50 classes: largest remainders by themselves would leave val empty.
        let classes: Vec<u16> = (0..200).map(|index| index / 4).collect();
        let items = singles(&classes);
        let splits = divide(&items, 50, [0.7, 0.1, 0.2], 1);
        assert_eq!(Split::ALL.map(|split| count(&items, &splits, split, None)), [140, 20, 40]);
    }

    #[test]
    fn splits_are_pinned_and_vary_with_the_seed() {
        let items = singles(&[0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
        let places =
            |seed| divide(&items, 2, [0.6, 0.2, 0.2], seed).iter().map(|split| *split as u8).collect::<Vec<_>>();
        assert_eq!(places(0), places(0));
        assert!((1..20).any(|seed| places(seed) != places(0)));
        let none = divide(&items, 2, [0.8, 0.2, 0.0], 3);
        assert_eq!(Split::ALL.map(|split| count(&items, &none, split, None)), [8, 2, 0]);
    }

    #[test]
    fn a_class_of_one_image_is_learnt() {
        let items = singles(&[0, 0, 0, 0, 1]);
        for seed in 0..50 {
            assert_eq!(count(&items, &divide(&items, 2, [0.1, 0.1, 0.8], seed), Split::Train, Some(1)), 1);
        }
    }

    proptest! {
        #[test]
        fn shares_are_kept(
            classes in prop::collection::vec(0_u16..6, 1..400), train in 1_u32..10, val in 0_u32..5, test in 0_u32..5, seed: u64,
        ) {
            let sum = f64::from(train + val + test);
            let shares = [train, val, test].map(|part| f64::from(part) / sum);
            let items = singles(&classes);
            let splits = divide(&items, 6, shares, seed);
            prop_assert_eq!(&splits, &divide(&items, 6, shares, seed));
            prop_assert_eq!(splits.len(), items.len());
            for class in 0..6 {
                let all = classes.iter().filter(|&&found| found == class).count() as f64;
                for split in Split::ALL {
                    let found = count(&items, &splits, split, Some(class)) as f64;
                    let wanted = shares[split as usize] * all;
                    // One for rounding, one owed by the classes before, one that train must have.
                    prop_assert!((found - wanted).abs() < 3.0, "{found} of {all}, not {wanted}");
                }
                prop_assert!(all == 0.0 || count(&items, &splits, Split::Train, Some(class)) > 0);
            }
            for split in Split::ALL {
                let total = count(&items, &splits, split, None) as f64;
                // Classes that train must show can cost one each.
                prop_assert!((total - shares[split as usize] * items.len() as f64).abs() <= 7.0);
                prop_assert!(shares[split as usize] > 0.0 || total == 0.0);
            }
        }

        #[test]
        fn groups_stay_together(
            found in prop::collection::vec((prop::collection::vec(0_u16..5, 0..4), prop::option::of(0_u32..40)), 30..300), seed: u64,
        ) {
            let items: Vec<Item> = found
                .into_iter()
                .map(|(classes, group)| Item { classes: classes.into_iter().collect::<BTreeSet<_>>().into_iter().collect(), group })
                .collect();
            let splits = divide(&items, 5, [0.7, 0.1, 0.2], seed);
            prop_assert_eq!(&splits, &divide(&items, 5, [0.7, 0.1, 0.2], seed));
            let mut place: BTreeMap<u32, Split> = BTreeMap::new();
            for (item, &split) in items.iter().zip(&splits) {
                if let Some(group) = item.group {
                    prop_assert_eq!(*place.entry(group).or_insert(split), split);
                }
            }
            for class in 0..5 {
                let shown = items.iter().any(|item| item.classes.contains(&class));
                prop_assert!(!shown || count(&items, &splits, Split::Train, Some(class)) > 0);
            }
        }

        #[test]
        fn many_small_groups_come_near_the_shares(classes in prop::collection::vec(0_u16..4, 400..600), seed: u64) {
            // Three images of one class to a patient.
            let items: Vec<Item> = (0_u32..)
                .zip(&classes)
                .flat_map(|(group, &class)| vec![Item { classes: vec![class], group: Some(group) }; 3])
                .collect();
            let splits = divide(&items, 4, [0.7, 0.1, 0.2], seed);
            for class in 0..4 {
                let all = 3.0 * classes.iter().filter(|&&found| found == class).count() as f64;
                for split in Split::ALL {
                    let wanted = [0.7, 0.1, 0.2][split as usize] * all;
                    let found = count(&items, &splits, split, Some(class)) as f64;
                    prop_assert!((found - wanted).abs() <= 9.0, "{split}: {found} of {all}, not {wanted}");
                }
            }
        }
    }
}
