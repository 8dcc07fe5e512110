//! Which published figures may stand beside those of a run.

use medley_core::record::DataRecord;
use medley_core::{COMPETITION_TASKS, Origin};
use medley_metrics::Baselines;
use medley_metrics::baselines::{Baseline, PublishedFigures, PublishedHarmonicMean};

use crate::RunRecord;

/// The benchmark's own baselines, by the names under which they are published.
pub(crate) const RESNET_18: &str = "ResNet-18 (28)";
/// See [`RESNET_18`].
pub(crate) const RESNET_50: &str = "ResNet-50 (28)";

/// Published results on the task of a data set; none for drawn data and for a user's own.
pub(crate) fn of_task(data: &DataRecord) -> Vec<(&'static Baseline, PublishedFigures)> {
    if data.task.origin != Origin::Official {
        return Vec::new();
    }
    let stem = stem(&data.task.name);
    let rows = Baselines::builtin().rows.iter();
    rows.filter_map(|row| row.results.get(stem).map(|figures| (row, *figures))).collect()
}

/// The figures of one method.
pub(crate) fn by_method(data: &DataRecord, method: &str) -> Option<PublishedFigures> {
    of_task(data).into_iter().find(|(row, _)| row.method == method).map(|(_, figures)| figures)
}

/// The highest published figure from images no larger than ours, with its method; the first of equals. What was selected
/// on the test split is left out.
pub(crate) fn best(
    data: &DataRecord,
    figure: fn(&PublishedFigures) -> Option<f64>,
) -> Option<(&'static Baseline, PublishedFigures, f64)> {
    use medley_metrics::baselines::SelectedOn;
    let mut best: Option<(&'static Baseline, PublishedFigures, f64)> = None;
    for (row, figures) in of_task(data) {
        let comparable = row.resolution <= data.task.shape.height && row.selected_on != SelectedOn::Test;
        if let Some(value) = figure(&figures).filter(|_| comparable)
            && best.as_ref().is_none_or(|best| value > best.2)
        {
            best = Some((row, figures, value));
        }
    }
    best
}

/// Published harmonic means, if the run has exactly the eleven tasks of the competition, all official.
pub(crate) fn harmonic_means(run: &RunRecord) -> &'static [PublishedHarmonicMean] {
    let official = run.data().iter().all(|data| data.task.origin == Origin::Official);
    let complete = COMPETITION_TASKS.iter().all(|name| run.data_of(name).is_some());
    if official && complete && run.data().len() == COMPETITION_TASKS.len() {
        &Baselines::builtin().harmonic_mean
    } else {
        &[]
    }
}

/// `pathmnist` of `pathmnist_64`.
fn stem(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((stem, size)) if size.parse::<u16>().is_ok() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_no_part_of_the_name() {
        assert_eq!(stem("pathmnist_64"), "pathmnist");
        assert_eq!(stem("my_images"), "my_images");
        assert_eq!(stem("organmnist3d"), "organmnist3d");
    }
}
