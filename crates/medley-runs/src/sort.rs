//! Which runs are shown, and in which order.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::overview::{Overview, State};
use crate::validation::ValidationScore;

/// What runs are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// The newest first.
    Date,
    /// The best on validation first; runs that were selected by the same metric stand together.
    Validation,
    /// The best on the test split first. To choose by it is selection on the test split.
    Test,
    /// The largest first.
    Size,
    /// In alphabetical order, numbers by their value.
    Name,
    /// By the names of the tasks.
    Task,
}

/// Which runs to show: those that fit each list that is not empty, and they fit a list by one of its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of tasks.
    pub tasks: Vec<String>,
    /// Names of backbones.
    pub models: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// States.
    pub states: BTreeSet<State>,
}

impl Filter {
    /// Whether a run fits.
    pub fn admits(&self, run: &Overview) -> bool {
        let any = |wanted: &[String], has: &dyn Fn(&String) -> bool| wanted.is_empty() || wanted.iter().any(has);
        any(&self.tasks, &|task| run.tasks.contains(task))
            && any(&self.models, &|name| run.model.as_ref().is_some_and(|model| model.backbone == *name))
            && any(&self.tags, &|tag| run.tags.contains(tag))
            && (self.states.is_empty() || self.states.contains(&run.state))
    }
}

/// Sorts runs; of equals, the order is by name. Those that lack what is sorted by come last, also in reverse.
pub fn sort(runs: &mut [Overview], key: SortKey, reverse: bool) {
    runs.sort_by(|a, b| {
        let order = match key {
            SortKey::Date => present(a.created.as_ref(), b.created.as_ref(), reverse, |a, b| b.cmp(a)),
            SortKey::Size => present(a.bytes, b.bytes, reverse, |a, b| b.cmp(&a)),
            SortKey::Test => present(a.test.mean(), b.test.mean(), reverse, |a, b| b.total_cmp(&a)),
            SortKey::Validation => present(a.validation, b.validation, reverse, |a, b| {
                let goodness = |score: ValidationScore| score.selection.goodness(score.mean.mean);
                a.selection.cmp(&b.selection).then(goodness(b).total_cmp(&goodness(a)))
            }),
            SortKey::Task => present(some(&a.tasks), some(&b.tasks), reverse, Ord::cmp),
            SortKey::Name => reversed(natural(&a.name, &b.name), reverse),
        };
        order.then_with(|| natural(&a.name, &b.name)).then_with(|| a.path.cmp(&b.path))
    });
}

fn some<T>(items: &[T]) -> Option<&[T]> {
    (!items.is_empty()).then_some(items)
}

fn present<T>(a: Option<T>, b: Option<T>, reverse: bool, compare: impl Fn(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => reversed(compare(a, b), reverse),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

fn reversed(order: Ordering, reverse: bool) -> Ordering {
    if reverse { order.reverse() } else { order }
}

/// `run-2` before `run-10`: names alike but for a number at their end are in the order of the numbers.
fn natural(a: &str, b: &str) -> Ordering {
    fn parts(name: &str) -> (&str, u128) {
        let start = name.trim_end_matches(|c: char| c.is_ascii_digit());
        (start, name[start.len()..].parse().unwrap_or(0))
    }
    let ((start_a, number_a), (start_b, number_b)) = (parts(a), parts(b));
    start_a.cmp(start_b).then(number_a.cmp(&number_b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::overview::{Mean, Model, TestScore};
    use crate::validation::Selection;

    fn run(name: &str) -> Overview {
        Overview {
            path: PathBuf::from("runs").join(name),
            name: name.to_owned(),
            state: State::Finished,
            problem: None,
            tasks: vec!["a".to_owned()],
            synthetic: false,
            parent: None,
            model: Some(Model { backbone: "resnet9".to_owned(), width: None }),
            seeds: Vec::new(),
            epochs: None,
            validation: None,
            test: TestScore::NotOpened,
            created: None,
            bytes: None,
            tags: vec!["x".to_owned()],
            note: None,
        }
    }

    fn names(mut runs: Vec<Overview>, key: SortKey, reverse: bool) -> Vec<String> {
        sort(&mut runs, key, reverse);
        runs.into_iter().map(|run| run.name).collect()
    }

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let runs = || ["b-10", "b-9", "b-09", "a", "b"].map(run).to_vec();
        assert_eq!(names(runs(), SortKey::Name, false), ["a", "b", "b-09", "b-9", "b-10"]);
        assert_eq!(names(runs(), SortKey::Name, true), ["b-10", "b-9", "b-09", "b", "a"]);
    }

    #[test]
    fn what_is_missing_comes_last_in_both_directions() {
        let at = |name: &str, created: Option<&str>| Overview { created: created.map(str::to_owned), ..run(name) };
        let runs = || vec![at("none", None), at("old", Some("2025")), at("new", Some("2026"))];
        assert_eq!(names(runs(), SortKey::Date, false), ["new", "old", "none"]);
        assert_eq!(names(runs(), SortKey::Date, true), ["old", "new", "none"]);
    }

    #[test]
    fn validation_scores_are_compared_with_their_like() {
        let with = |name: &str, selection, mean| {
            let mean = Mean { mean, standard_deviation: None, seeds: 1 };
            Overview { validation: Some(ValidationScore { selection, mean, epoch: None }), ..run(name) }
        };
        let runs = vec![
            with("high loss", Selection::Loss, 0.9),
            with("low loss", Selection::Loss, 0.1),
            with("low auc", Selection::Auc, 0.7),
            with("f1", Selection::MacroF1, 0.3),
            with("high auc", Selection::Auc, 0.8),
        ];
        let order = ["f1", "high auc", "low auc", "low loss", "high loss"];
        assert_eq!(names(runs, SortKey::Validation, false), order);
    }

    #[test]
    fn a_run_fits_a_list_by_one_of_its_entries() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let filter =
            Filter { tasks: list(&["b", "a"]), models: list(&["resnet9"]), tags: list(&["x"]), ..Filter::default() };
        assert!(filter.admits(&run("r")) && Filter::default().admits(&run("r")));
        assert!(!Filter { tags: list(&["y"]), ..filter.clone() }.admits(&run("r")));
        assert!(!Filter { states: [State::Running].into(), ..filter }.admits(&run("r")));
    }

    proptest! {
        #[test]
        fn names_are_totally_ordered(a in "[a-c]{0,2}-?[0-9]{0,3}", b in "[a-c]{0,2}-?[0-9]{0,3}", c in "[a-c]{0,2}-?[0-9]{0,3}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                prop_assert!(natural(&a, &c).is_le());
            }
        }
    }
}
