//! Ensemble selection.

use medley_core::seed::{Purpose, stream};
use medley_core::{Labels, Scores, TaskKind};
use rand::Rng as _;
use rayon::prelude::*;

use crate::tally::Tally;

/// Resamples of the rows; the weights are the mean over them.
const BAGS: u64 = 16;
/// Members that are added to the best few at most.
const MOST_ADDED: usize = 16;
/// What differs less is equal, and log loss decides.
const EQUAL: f64 = 1e-12;

/// The mean over resamples of how often each member was chosen there.
pub(super) fn weights(kind: TaskKind, classes: usize, members: &[Scores], labels: &Labels, seed: u64) -> Vec<f64> {
    let chosen: Vec<Vec<f64>> =
        (0..BAGS).into_par_iter().map(|bag| Bag::new(kind, classes, members, labels, seed, bag).select()).collect();
    let mut weights = vec![0.0; members.len()];
    for bag in &chosen {
        weights.iter_mut().zip(bag).for_each(|(sum, share)| *sum += share / BAGS as f64);
    }
    weights
}

/// One resample: rows with how often each was drawn.
struct Bag<'a> {
    kind: TaskKind,
    classes: usize,
    columns: usize,
    labels: &'a Labels,
    rows: Vec<(usize, u32)>,
    /// Scores of each member on these rows.
    members: Vec<Vec<f64>>,
}

/// How good a set of members is: more macro-F1, and of equals less log loss.
#[derive(Clone, Copy)]
struct Goodness {
    macro_f1: f64,
    log_loss: f64,
}

impl Goodness {
    fn is_above(self, other: Self) -> bool {
        self.macro_f1 > other.macro_f1 + EQUAL
            || (self.macro_f1 >= other.macro_f1 - EQUAL && self.log_loss < other.log_loss - EQUAL)
    }
}

impl<'a> Bag<'a> {
    fn new(kind: TaskKind, classes: usize, members: &[Scores], labels: &'a Labels, seed: u64, bag: u64) -> Self {
        let mut times = vec![0_u32; labels.rows()];
        let mut rng = stream(seed, Purpose::Folds, &[1, bag]);
        for rows in strata(kind, classes, labels) {
            for _ in 0..rows.len() {
                let drawn = (u64::from(rng.next_u32()) * rows.len() as u64) >> 32;
                times[rows[drawn as usize]] += 1;
            }
        }
        let rows: Vec<(usize, u32)> = times.into_iter().enumerate().filter(|(_, times)| *times > 0).collect();
        let of = |member: &Scores| rows.iter().flat_map(|&(row, _)| member.row(row).to_vec()).collect();
        let columns = members[0].columns();
        Self { kind, classes, columns, labels, members: members.iter().map(of).collect(), rows }
    }

    /// Begins with the best members, as many as are best together, then adds whoever makes the set best, again and again; the best set
    /// of all is taken. Shares that sum to 1.
    fn select(&self) -> Vec<f64> {
        let alone: Vec<Goodness> = self.members.iter().map(|member| self.goodness(member, 1)).collect();
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (alone[a], alone[b]);
            b.macro_f1.total_cmp(&a.macro_f1).then(a.log_loss.total_cmp(&b.log_loss))
        });
        let (mut sum, mut counts) = (vec![0.0; self.rows.len() * self.columns], vec![0_usize; order.len()]);
        let mut best: Option<(Goodness, Vec<usize>, Vec<f64>)> = None;
        for (size, &member) in (1..).zip(&order) {
            add(&mut sum, &self.members[member]);
            counts[member] += 1;
            let goodness = self.goodness(&sum, size);
            if best.as_ref().is_none_or(|best| goodness.is_above(best.0)) {
                best = Some((goodness, counts.clone(), sum.clone()));
            }
        }
        let Some((mut goodness, mut taken, mut sum)) = best else { return Vec::new() };
        let mut counts = taken.clone();
        for _ in 0..MOST_ADDED {
            let size = counts.iter().sum::<usize>() + 1;
            let with = |member: usize| {
                let mut sum = sum.clone();
                add(&mut sum, &self.members[member]);
                self.goodness(&sum, size)
            };
            let mut next = (order[0], with(order[0]));
            for &member in &order[1..] {
                let found = with(member);
                if found.is_above(next.1) {
                    next = (member, found);
                }
            }
            add(&mut sum, &self.members[next.0]);
            counts[next.0] += 1;
            if next.1.is_above(goodness) {
                (goodness, taken) = (next.1, counts.clone());
            }
        }
        let size = taken.iter().sum::<usize>() as f64;
        taken.into_iter().map(|count| count as f64 / size).collect()
    }

    /// Of the mean of so many members whose scores have this sum.
    fn goodness(&self, sum: &[f64], size: usize) -> Goodness {
        let mut tally = Tally::new(self.kind, self.classes);
        let (mut loss, size) = (0.0, size as f64);
        let surprise = |share: f64| -libm::log((share / size).max(f64::EPSILON));
        for (&(row, times), sum) in self.rows.iter().zip(sum.chunks_exact(self.columns)) {
            let labels = self.labels.row(row);
            let last = sum[sum.len() - 1];
            let of_row = match self.kind {
                TaskKind::MultiLabel => {
                    for (label, (&set, &share)) in labels.iter().zip(sum).enumerate() {
                        tally.add_label(label, set == 1, share > 0.5 * size, times);
                    }
                    let of_label = |(&set, &share): (&u16, &f64)| surprise(if set == 1 { share } else { size - share });
                    labels.iter().zip(sum).map(of_label).sum::<f64>() / labels.len() as f64
                }
                TaskKind::Binary => {
                    tally.add(labels[0].into(), usize::from(last > 0.5 * size), times);
                    surprise(if labels[0] == 1 { last } else { size - last })
                }
                TaskKind::MultiClass | TaskKind::Ordinal => {
                    let decision = (1..sum.len()).fold(0, |best, at| if sum[at] > sum[best] { at } else { best });
                    tally.add(labels[0].into(), decision, times);
                    surprise(sum[usize::from(labels[0])])
                }
            };
            loss += f64::from(times) * of_row;
        }
        Goodness { macro_f1: tally.macro_f1(), log_loss: loss / self.labels.rows() as f64 }
    }
}

fn add(sum: &mut [f64], member: &[f64]) {
    sum.iter_mut().zip(member).for_each(|(sum, score)| *sum += score);
}

/// Rows of each class, or all rows of a multi-label task: each is drawn from by itself.
fn strata(kind: TaskKind, classes: usize, labels: &Labels) -> Vec<Vec<usize>> {
    if kind == TaskKind::MultiLabel {
        return vec![(0..labels.rows()).collect()];
    }
    let mut strata = vec![Vec::new(); classes];
    for (row, &label) in labels.values().iter().enumerate() {
        strata[usize::from(label)].push(row);
    }
    strata
}
