//! Whether a manifest and results can be true: what is rendered was checked here, so sections need not.

use std::collections::BTreeSet;
use std::path::Path;

use medley_core::record::{ClassResult, Manifest, RunResults, ScoreIntervals, ScoreSet, TaskResult};
use medley_core::{Split, TaskKind};

use super::RecordError;

pub(crate) fn manifest(path: &Path, manifest: &Manifest) -> Result<(), RecordError> {
    let fail = |key: String, message: &str| {
        Err(RecordError::Inconsistent { path: path.to_owned(), key, message: message.to_owned() })
    };
    if manifest.data.is_empty() {
        return fail("data".into(), "no data set: a run has at least one task");
    }
    let mut names = BTreeSet::new();
    for (index, data) in manifest.data.iter().enumerate() {
        if !names.insert(&data.task.name) {
            return fail(format!("data[{index}].task.name"), "two data sets of one task");
        }
        if data.task.classes.is_empty() {
            return fail(format!("data[{index}].task.classes"), "no classes");
        }
        for (split, counts) in &data.class_counts {
            if counts.len() != data.task.classes.len() {
                return fail(format!("data[{index}].class_counts.{split}"), "not one count per class");
            }
        }
    }
    Ok(())
}

pub(crate) fn results(path: &Path, results: &RunResults, manifest: &Manifest) -> Result<(), RecordError> {
    let check = Check { path, manifest };
    if results.seeds.is_empty() {
        return check.fail("seeds".into(), "no seed: the results hold nothing".into());
    }
    let mut seeds = BTreeSet::new();
    for (index, seed) in results.seeds.iter().enumerate() {
        if !seeds.insert(seed.seed) {
            return check.fail(format!("seeds[{index}].seed"), format!("seed {} occurs twice", seed.seed));
        }
        check.set(&format!("seeds[{index}].validation"), &seed.validation, Split::Val)?;
        if let Some(test) = &seed.test {
            check.set(&format!("seeds[{index}].test"), test, Split::Test)?;
        }
        if seed.test.is_some() != results.seeds[0].test.is_some() {
            return check
                .fail(format!("seeds[{index}].test"), "some seeds are scored on the test split, not all".into());
        }
    }
    if let Some(ensemble) = &results.ensemble {
        check.set("ensemble", ensemble, Split::Test)?;
    }
    if let Some(intervals) = &results.mean_intervals {
        check.intervals("mean_intervals", intervals)?;
    }
    for (index, spread) in results.summary.iter().enumerate() {
        for (name, value) in [("mean", spread.mean), ("min", spread.min), ("max", spread.max)] {
            check.share(&format!("summary[{index}].{name}"), value)?;
        }
        if let Some(deviation) = spread.standard_deviation {
            check.share(&format!("summary[{index}].standard_deviation"), deviation)?;
        }
    }
    Ok(())
}

struct Check<'a> {
    path: &'a Path,
    manifest: &'a Manifest,
}

impl Check<'_> {
    fn fail(&self, key: String, message: String) -> Result<(), RecordError> {
        Err(RecordError::Inconsistent { path: self.path.to_owned(), key, message })
    }

    fn set(&self, key: &str, set: &ScoreSet, split: Split) -> Result<(), RecordError> {
        self.share(&format!("{key}.harmonic_mean"), set.harmonic_mean)?;
        if set.tasks.len() != self.manifest.data.len() {
            let message = format!("{} tasks, but the manifest names {}", set.tasks.len(), self.manifest.data.len());
            return self.fail(format!("{key}.tasks"), message);
        }
        if let Some(intervals) = &set.intervals {
            self.intervals(&format!("{key}.intervals"), intervals)?;
        }
        for (index, task) in set.tasks.iter().enumerate() {
            self.task(&format!("{key}.tasks[{index}]"), task, index, split)?;
        }
        Ok(())
    }

    fn intervals(&self, key: &str, intervals: &ScoreIntervals) -> Result<(), RecordError> {
        let (found, expected) = (intervals.tasks.len(), self.manifest.data.len());
        if found != expected {
            return self.fail(format!("{key}.tasks"), format!("{found} tasks, but the manifest names {expected}"));
        }
        let of_tasks = intervals.tasks.iter().flat_map(|task| [task.auc, task.accuracy, task.macro_f1]);
        for interval in of_tasks.chain([intervals.harmonic_mean]).flatten() {
            self.share(key, interval.low)?;
            self.share(key, interval.high)?;
        }
        Ok(())
    }

    fn task(&self, key: &str, result: &TaskResult, index: usize, split: Split) -> Result<(), RecordError> {
        let data = &self.manifest.data[index];
        if result.task != data.task.name {
            let message = format!("`{}`, but task {index} of the manifest is `{}`", result.task, data.task.name);
            return self.fail(format!("{key}.task"), message);
        }
        if result.split != split {
            return self.fail(format!("{key}.split"), format!("`{}` where `{split}` belongs", result.split));
        }
        if let Some(&rows) = data.rows.get(&split).filter(|&&rows| rows != result.rows) {
            return self.fail(format!("{key}.rows"), format!("{} rows, but the manifest states {rows}", result.rows));
        }
        self.share(&format!("{key}.accuracy"), result.accuracy)?;
        self.share(&format!("{key}.macro_f1"), result.macro_f1)?;
        if let Some(auc) = result.auc {
            self.share(&format!("{key}.auc"), auc)?;
        }
        let classes = data.task.classes.len();
        if result.per_class.len() != classes {
            let message = format!("{} classes, but the task has {classes}", result.per_class.len());
            return self.fail(format!("{key}.per_class"), message);
        }
        for (class, of_class) in result.per_class.iter().enumerate() {
            self.class(&format!("{key}.per_class[{class}]"), of_class)?;
        }
        self.confusion(&format!("{key}.confusion"), result, data.task.kind, classes)
    }

    fn class(&self, key: &str, class: &ClassResult) -> Result<(), RecordError> {
        for (name, value) in [("precision", class.precision), ("recall", class.recall), ("f1", class.f1)] {
            self.share(&format!("{key}.{name}"), value)?;
        }
        Ok(())
    }

    fn confusion(&self, key: &str, result: &TaskResult, kind: TaskKind, classes: usize) -> Result<(), RecordError> {
        let matrix = &result.confusion;
        if matrix.is_empty() && kind == TaskKind::MultiLabel {
            return Ok(());
        }
        if matrix.len() != classes || matrix.iter().any(|row| row.len() != classes) {
            return self.fail(key.to_owned(), format!("not a matrix of {classes} by {classes} counts"));
        }
        let total = matrix.iter().flatten().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        if total != Some(result.rows as u64) {
            let total = total.map_or_else(|| "too many".to_owned(), |total| total.to_string());
            return self.fail(key.to_owned(), format!("the counts add up to {total}, not to {} rows", result.rows));
        }
        for (class, of_class) in result.per_class.iter().enumerate() {
            let truth: u64 = matrix[class].iter().sum();
            let predicted: u64 = matrix.iter().map(|row| row[class]).sum();
            if (truth, predicted) != (of_class.support, of_class.predicted) {
                let message = format!(
                    "class {class} has {truth} examples and {predicted} predictions, but per_class says {} and {}",
                    of_class.support, of_class.predicted
                );
                return self.fail(key.to_owned(), message);
            }
        }
        Ok(())
    }

    fn share(&self, key: &str, value: f64) -> Result<(), RecordError> {
        if (0.0..=1.0).contains(&value) {
            Ok(())
        } else {
            self.fail(key.to_owned(), format!("{value} lies outside 0 to 1"))
        }
    }
}
