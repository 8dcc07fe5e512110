//! Which published results may stand beside those of a run.

use medley_core::record::DataRecord;
use medley_core::{COMPETITION_TASKS, Origin};
use medley_metrics::Baselines;
use medley_metrics::baselines::{Baseline, PublishedHarmonicMean, PublishedMetrics};

use crate::RunRecord;

/// The benchmark's own baselines at 28 pixels, trained from scratch on each set.
#[derive(Clone, Copy)]
pub(crate) enum Official {
    ResNet18,
    ResNet50,
}

impl Official {
    /// The name under which it is published for images of this kind; for volumes, of three, that with ACS convolutions.
    pub(crate) fn method(self, data: &DataRecord) -> &'static str {
        match (self, data.task.shape.depth) {
            (Self::ResNet18, None) => "ResNet-18 (28)",
            (Self::ResNet50, None) => "ResNet-50 (28)",
            (Self::ResNet18, Some(_)) => "ResNet-18+ACS",
            (Self::ResNet50, Some(_)) => "ResNet-50+ACS",
        }
    }

    /// Its results on the task of a data set.
    pub(crate) fn metrics(self, data: &DataRecord) -> Option<PublishedMetrics> {
        let method = self.method(data);
        of_task(data).into_iter().find(|(row, _)| row.method == method).map(|(_, metrics)| metrics)
    }

    /// Its name in a run that has a task with results of it. All tasks of a run have flat images, or all have volumes.
    pub(crate) fn name_in(self, run: &RunRecord) -> Option<&'static str> {
        run.data().iter().find(|data| self.metrics(data).is_some()).map(|data| self.method(data))
    }
}

/// Published results on the task of a data set; none for synthetic data and for a user's own.
pub(crate) fn of_task(data: &DataRecord) -> Vec<(&'static Baseline, PublishedMetrics)> {
    if data.task.origin != Origin::Official {
        return Vec::new();
    }
    let stem = stem(&data.task.name);
    let rows = Baselines::builtin().rows.iter();
    rows.filter_map(|row| row.results.get(stem).map(|metrics| (row, *metrics))).collect()
}

/// The highest published value from images no larger than ours, with its method; the first of equals. What was selected
/// on the test split is left out.
pub(crate) fn best(
    data: &DataRecord,
    metric: fn(&PublishedMetrics) -> Option<f64>,
) -> Option<(&'static Baseline, PublishedMetrics, f64)> {
    use medley_metrics::baselines::SelectedOn;
    let mut best: Option<(&'static Baseline, PublishedMetrics, f64)> = None;
    for (row, metrics) in of_task(data) {
        let comparable = row.resolution <= data.task.shape.height && row.selected_on != SelectedOn::Test;
        if let Some(value) = metric(&metrics).filter(|_| comparable)
            && best.as_ref().is_none_or(|best| value > best.2)
        {
            best = Some((row, metrics, value));
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
