//! A finished run on corrupted images of its validation split.
//!
//! The corruptions are those of the task's modality, each in five severities (see `medley_augment::Corruption`). Which pixels they change is
//! a function of the image's position alone, so every seed and every run of the same tasks sees the same images. The predictor is the
//! mean of all seeds' probabilities. Test-time views are left out, of clean images too: corruption comes after decoding and
//! before any view, which views of a corrupted image cannot show.

use medley_augment::{Corruption, PolicyConfig, TransformConfig};
use medley_core::record::{CorruptionErrors, RobustnessRecord, SCHEMA_VERSION, SEVERITIES, TaskRobustness};
use medley_core::{Labels, Scores, Split, TaskSpec};
use medley_metrics::metrics::BalancedAccuracy;
use medley_metrics::{Sample, metric};

use super::predictions::write_json;
use super::{RestoreThreads, Run};
use crate::TrainError;
use crate::compute;
use crate::engine::{BestNetwork, SeedRun};
use crate::observer::Observers;
use crate::phases::{self, Stage};
use crate::stop::StopFlag;

/// Images of a task, as they are or corrupted.
#[derive(Debug, Clone, Copy)]
struct Condition {
    task: usize,
    corruption: Option<(Corruption, u32)>,
}

impl Run<'_> {
    /// Balanced errors of a finished run on its validation images, as they are and corrupted; `None` when a stop was asked for. No test
    /// image is looked at. `progress` is told how many passes over the images of a task are done, and of how many.
    ///
    /// # Errors
    /// [`TrainError::Unfinished`] before training has ended, and where a network cannot be loaded or run.
    pub fn measure_robustness(
        &self,
        stop: &StopFlag,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Option<RobustnessRecord>, TrainError> {
        let unfinished = || TrainError::Unfinished { run: self.layout().root().to_owned() };
        let results = self.results()?.ok_or_else(unfinished)?;
        let _threads = RestoreThreads::later();
        compute::prepare_process(&self.plan);
        let conditions = conditions(&self.prepared.learning.tasks);
        let mut sums: Vec<Vec<Scores>> = vec![Vec::new(); conditions.len()];
        let (mut done, passes) = (0, conditions.len() * self.experiment.seeds.len());
        let stages = phases::stages(self.experiment);
        for &seed in &self.experiment.seeds {
            let fine_tuned = results.seeds.iter().find(|result| result.seed == seed).map(|result| &result.fine_tuned);
            // Conditions of a task stand together, and so do those of a network.
            let mut at_present: Option<(Option<&Stage>, BestNetwork<'_>)> = None;
            for (condition, scores) in conditions.iter().zip(&mut sums) {
                let chosen = fine_tuned.and_then(|all| all.get(&self.task_of(*condition).0.name));
                let wanted = chosen.and_then(|chosen| stages.iter().find(|stage| stage.name == chosen.stage));
                let name = |stage: Option<&Stage>| stage.map(|stage| stage.name.clone());
                let best = match at_present.take().filter(|(before, _)| name(*before) == name(wanted)) {
                    Some((_, best)) => best,
                    None => SeedRun::new(self.seed_request(seed, wanted))?.into_best()?,
                };
                let found = self.predict(&best, *condition, stop)?;
                at_present = Some((wanted, best));
                let Some(found) = found else { return Ok(None) };
                scores.push(found);
                done += 1;
                progress(done, passes);
            }
        }
        let mut tasks: Vec<TaskRobustness> = Vec::new();
        for (condition, scores) in conditions.iter().zip(&sums) {
            let (spec, labels) = self.task_of(*condition);
            let error = balanced_error(spec, labels, scores)?;
            match condition.corruption {
                None => tasks.push(TaskRobustness {
                    task: spec.name.clone(),
                    sha256: self.prepared.records[condition.task].sha256.clone(),
                    rows: labels.rows(),
                    clean: error,
                    corruptions: Vec::new(),
                }),
                Some((corruption, severity)) => {
                    let Some(task) = tasks.last_mut() else { continue };
                    if severity == 1 {
                        let name = corruption.name().to_owned();
                        task.corruptions.push(CorruptionErrors { name, balanced_error: [0.0; SEVERITIES] });
                    }
                    if let Some(errors) = task.corruptions.last_mut() {
                        errors.balanced_error[severity as usize - 1] = error;
                    }
                }
            }
        }
        Ok(Some(RobustnessRecord {
            schema_version: SCHEMA_VERSION,
            run: self.name().to_owned(),
            split: Split::Val,
            seeds: self.experiment.seeds.clone(),
            tasks,
        }))
    }

    /// Writes `robustness.json` into the run folder, in place of an older one.
    ///
    /// # Errors
    /// When the disk fails; an older file then stays.
    pub fn keep_robustness(&self, record: &RobustnessRecord) -> Result<(), TrainError> {
        write_json(&self.storage, &self.layout().robustness(), record)
    }

    fn task_of(&self, condition: Condition) -> (&TaskSpec, &Labels) {
        let learning = &self.prepared.learning;
        (&learning.tasks[condition.task], &learning.val_labels[condition.task])
    }

    fn predict(
        &self,
        best: &BestNetwork<'_>,
        condition: Condition,
        stop: &StopFlag,
    ) -> Result<Option<Scores>, TrainError> {
        let modality = self.task_of(condition).0.modality;
        let mut policy = PolicyConfig::none();
        if let Some((corruption, severity)) = condition.corruption {
            policy.steps.push(TransformConfig::corruption(corruption, severity, modality));
        }
        let images = self.prepared.learning.val.only(condition.task, &policy);
        best.predict_corrupted(&images, condition.task, &mut Observers::default(), stop)
    }
}

/// Each task as it is, then by corruption and severity.
fn conditions(tasks: &[TaskSpec]) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (task, spec) in tasks.iter().enumerate() {
        conditions.push(Condition { task, corruption: None });
        // Corruptions are defined on flat images.
        if spec.shape.depth.is_some() {
            continue;
        }
        for &corruption in Corruption::for_modality(spec.modality) {
            conditions.extend(
                (1..=SEVERITIES as u32).map(|severity| Condition { task, corruption: Some((corruption, severity)) }),
            );
        }
    }
    conditions
}

/// One less balanced accuracy of the mean of the seeds, as scikit-learn defines it; of labels, the mean over them.
fn balanced_error(spec: &TaskSpec, labels: &Labels, seeds: &[Scores]) -> Result<f64, TrainError> {
    let mean = Scores::mean(seeds).unwrap_or_else(|| seeds[0].clone());
    let sample = Sample::new(spec, labels.clone(), mean)?;
    Ok(1.0 - metric::value(&BalancedAccuracy, &sample).unwrap_or(0.0))
}
