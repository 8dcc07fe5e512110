use medley_core::record::{Estimate, Interval, RelatedScore};

use super::{MetricScore, PredictorScore, Scorecard, SeedSummary, without_seed};
use crate::inference::SeedMean;
use crate::metrics;

/// The figures of a task on all images beside those on some of them, by the same predictors: the means over seeds, then whoever is not
/// among them.
pub fn beside(task: &str, all: &Scorecard, part: &Scorecard) -> Vec<RelatedScore> {
    let mut scores = Vec::new();
    for summary in &all.seeds {
        let other = part.seeds.iter().find(|one| (&one.predictor, one.split) == (&summary.predictor, summary.split));
        for (metric, mean) in of_task(summary, task) {
            let other = other.and_then(|other| of_task(other, task).find(|(id, _)| *id == metric));
            scores.extend(other.map(|(_, other)| RelatedScore {
                predictor: format!("mean of {} seeds", mean.count),
                metric: metrics::by_id(metric).map_or(metric, |known| known.info().title).to_owned(),
                all: of_mean(mean),
                apart: of_mean(other),
            }));
        }
    }
    let is_in_a_mean = |one: &PredictorScore| {
        let stem = without_seed(&one.predictor);
        all.seeds.iter().any(|summary| stem == Some(&summary.predictor) && summary.split == one.split)
    };
    for predictor in all.predictors.iter().filter(|one| !is_in_a_mean(one)) {
        let same = |one: &&PredictorScore| (&one.predictor, one.split) == (&predictor.predictor, predictor.split);
        let metrics_of = |one: &PredictorScore| {
            one.tasks.iter().find(|of| of.task == task).map(|of| of.metrics.clone()).unwrap_or_default()
        };
        let others = part.predictors.iter().find(same).map(metrics_of).unwrap_or_default();
        for score in metrics_of(predictor) {
            let other = others.iter().find(|other| other.id == score.id);
            scores.extend(other.map(|other| RelatedScore {
                predictor: predictor.predictor.clone(),
                metric: score.title.to_owned(),
                all: of_score(&score),
                apart: of_score(other),
            }));
        }
    }
    scores
}

fn of_task<'a>(summary: &'a SeedSummary, task: &'a str) -> impl Iterator<Item = (&'static str, &'a SeedMean)> {
    summary.rows.iter().filter(move |(of, ..)| of == task).map(|(_, metric, mean)| (*metric, mean))
}

fn of_mean(mean: &SeedMean) -> Estimate {
    Estimate { value: Some(mean.mean), interval: mean.bootstrap }
}

fn of_score(score: &MetricScore) -> Estimate {
    let interval = score.low.zip(score.high).map(|(low, high)| Interval { low, high });
    Estimate { value: score.value, interval }
}
