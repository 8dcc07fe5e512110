//! Several predictors taken as the seeds of one experiment, as when each was trained by a job of its own.

use std::collections::{BTreeMap, BTreeSet};

use medley_core::Split;
use medley_metrics::scorecard::Prediction;

use super::refuse_doubles;
use crate::PredictionError;

/// Renames all predictors to seeds of an experiment of this name, so that a scorecard has their mean: `NAME-seedK`. `K` is the seed that
/// the old name ends with where no two have the same, else the place in the order given, from 0. Ensembles are left out: they are
/// averages of the seeds.
///
/// # Errors
/// [`PredictionError::Request`] where two are of the same name, where there are fewer than two predictors, where they are not of the same tasks and splits, or where two
/// predict exactly the same, as one seed given twice does.
pub fn as_seeds(predictions: Vec<Prediction>, name: &str) -> Result<Vec<Prediction>, PredictionError> {
    let mut seeds: Vec<Prediction> = predictions;
    seeds.retain(|one| !one.predictor.ends_with("-ensemble"));
    refuse_doubles(&seeds)?;
    let names = in_order(&seeds);
    check(&seeds, &names).map_err(|message| PredictionError::Request { message })?;
    let numbers: Vec<Option<u64>> = names.iter().map(|name| seed_of(name)).collect();
    let distinct = numbers.iter().flatten().collect::<BTreeSet<_>>().len() == names.len();
    let new_names: BTreeMap<&String, String> = (names.iter().zip(&numbers).enumerate())
        .map(|(place, (old, number))| {
            let number = number.filter(|_| distinct).unwrap_or(place as u64);
            (old, format!("{name}-seed{number}"))
        })
        .collect();
    for one in &mut seeds {
        one.predictor.clone_from(&new_names[&one.predictor]);
    }
    Ok(seeds)
}

/// Names of the predictors, each once, in the order in which they come.
fn in_order(predictions: &[Prediction]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for one in predictions {
        if !names.contains(&one.predictor) {
            names.push(one.predictor.clone());
        }
    }
    names
}

fn check(seeds: &[Prediction], names: &[String]) -> Result<(), String> {
    let [first, others @ ..] = names else { return Err("there are no predictions of a seed".to_owned()) };
    if others.is_empty() {
        return Err(format!("there is one predictor, `{first}`; a mean over seeds needs two or more"));
    }
    let of = |name: &str| -> BTreeMap<(&str, Split), &Prediction> {
        let its = seeds.iter().filter(|one| one.predictor == name);
        its.map(|one| ((one.sample.spec().name.as_str(), one.split), one)).collect()
    };
    for (at, name) in names.iter().enumerate() {
        let its = of(name);
        if !its.keys().eq(of(first).keys()) {
            let tasks = |name: &str| {
                of(name).keys().map(|(task, split)| format!("{task} ({split})")).collect::<Vec<_>>().join(", ")
            };
            return Err(format!(
                "`{first}` predicts {}, `{name}` {}; seeds of one experiment predict the same tasks",
                tasks(first),
                tasks(name)
            ));
        }
        for other in &names[..at] {
            let same = of(other).iter().zip(&its).all(|((_, one), (_, two))| predict_the_same(one, two));
            if same {
                return Err(format!("`{other}` and `{name}` predict exactly the same: the same seed is given twice"));
            }
        }
    }
    Ok(())
}

/// Predictions without scores are never taken for the same: two seeds can decide alike.
fn predict_the_same(one: &Prediction, two: &Prediction) -> bool {
    one.sample.scores().is_some() && one.sample.scores() == two.sample.scores()
}

/// 3 of `run-seed3`.
fn seed_of(name: &str) -> Option<u64> {
    name.rsplit_once("-seed")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};
    use medley_metrics::Sample;

    fn prediction(predictor: &str, task: &str, first: f64) -> Prediction {
        let spec = TaskSpec {
            name: task.into(),
            title: task.into(),
            kind: TaskKind::Binary,
            modality: Modality::Ultrasound,
            classes: vec!["a".into(), "b".into()],
            shape: ImageShape::flat(28, 28, 1),
            origin: Origin::User,
        };
        let scores = Scores::new(vec![first, 1.0 - first, 0.25, 0.75], 2, 2).unwrap();
        let sample = Sample::new(&spec, Labels::single(vec![0, 1]).unwrap(), scores).unwrap();
        let (predictor, file, remarks) = (predictor.to_owned(), String::new(), Vec::new());
        Prediction { predictor, split: Split::Test, size: 28, file, remarks, sample }
    }

    fn named(predictions: Vec<Prediction>) -> Result<Vec<String>, String> {
        match as_seeds(predictions, "all") {
            Ok(seeds) => Ok(seeds.into_iter().map(|one| one.predictor).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn runs_of_a_seed_each_keep_its_number() {
        let runs = vec![
            prediction("first-seed0", "one", 0.6),
            prediction("first-seed0", "two", 0.6),
            prediction("second-seed7", "two", 0.7),
            prediction("second-seed7", "one", 0.7),
            prediction("second-ensemble", "one", 0.7),
            prediction("second-ensemble", "one", 0.8),
        ];
        assert_eq!(named(runs).unwrap(), ["all-seed0", "all-seed0", "all-seed7", "all-seed7"]);
    }

    #[test]
    fn seeds_are_numbered_where_two_have_the_same_number_or_none() {
        let same = vec![prediction("a-seed0", "one", 0.6), prediction("b-seed0", "one", 0.7)];
        assert_eq!(named(same).unwrap(), ["all-seed0", "all-seed1"]);
        let none = vec![prediction("a-seed1", "one", 0.6), prediction("mine", "one", 0.7)];
        assert_eq!(named(none).unwrap(), ["all-seed0", "all-seed1"]);
    }

    #[test]
    fn what_is_no_sample_of_seeds_is_refused() {
        let error = |predictions| named(predictions).unwrap_err();
        assert!(error(vec![prediction("a-ensemble", "one", 0.6)]).contains("no predictions of a seed"));
        assert!(error(vec![prediction("a", "one", 0.6)]).contains("needs two or more"));
        let other_tasks = error(vec![prediction("a", "one", 0.6), prediction("b", "two", 0.7)]);
        assert!(other_tasks.contains("`a` predicts one (test), `b` two (test)"), "{other_tasks}");
        let same_name = error(vec![prediction("a-seed0", "one", 0.6), prediction("a-seed0", "one", 0.7)]);
        assert!(same_name.contains("both hold predictions"), "{same_name}");
        let twice = error(vec![prediction("a", "one", 0.6), prediction("c", "one", 0.7), prediction("b", "one", 0.6)]);
        assert!(twice.contains("`a` and `b` predict exactly the same"), "{twice}");
    }
}
