//! What teachers say of a batch, and what it costs to say otherwise.
//!
//! Teachers see each batch as the student does, augmented and mixed. Predictions made once, of the images as they are, would take
//! less time and teach worse: Beyer et al. (*Knowledge Distillation: A Good Teacher Is Patient and Consistent*, 2022) measured both.

use medley_augment::Batch;
use medley_core::record::{ScoreSet, TaskResult};
use medley_core::{TaskKind, TaskSpec};
use medley_models::{ComputePlan, MultiTaskNet, Segment};
use tch::{Tensor, no_grad_guard};

use super::SeedRun;
use super::batch_loss::segments;
use super::predict::batch_tensor;
use crate::TrainError;
use crate::components::losses::{LossChoice, probabilities_by};
use crate::distill::{DistillConfig, Teachers};

/// The networks of all teachers.
pub(super) struct Teaching {
    networks: Vec<TeacherNetwork>,
    /// Whether each task of the student is one of classes.
    of_classes: Vec<bool>,
    /// What the student has to reach in each task to be taught no longer, if that ends it.
    gates: Vec<Option<f64>>,
}

struct TeacherNetwork {
    net: MultiTaskNet,
    /// What it is of each task of the student.
    lessons: Vec<Option<Lesson>>,
}

/// What a teacher is of a task.
struct Lesson {
    /// Which of its own tasks that is.
    task: usize,
    /// Its share in what all teachers of the task say.
    share: f64,
    /// What it was trained with: that says how its logits are meant.
    loss: LossChoice,
}

impl Teaching {
    /// Loads the networks of all teachers.
    pub(super) fn load(teachers: &Teachers, tasks: &[TaskSpec], plan: ComputePlan) -> Result<Self, TrainError> {
        let total = |task: &TaskSpec| teachers.iter().filter_map(|one| one.weight(&task.name)).sum::<f64>();
        let totals: Vec<f64> = tasks.iter().map(total).collect();
        let networks = teachers.iter().map(|teacher| {
            let net = teacher.load(plan)?;
            let lesson = |(task, total): (&TaskSpec, &f64)| {
                let own = net.task_names().iter().position(|name| *name == task.name)?;
                let share = teacher.weight(&task.name)? / total;
                Some(Lesson { task: own, share, loss: teacher.loss(&task.name).clone() })
            };
            let lessons = tasks.iter().zip(&totals).map(lesson).collect();
            Ok(TeacherNetwork { net, lessons })
        });
        let of_classes = tasks.iter().map(|task| task.kind != TaskKind::MultiLabel).collect();
        let gates = tasks.iter().map(|task| teachers.validation(&task.name)).collect();
        Ok(Self { networks: networks.collect::<Result<_, TrainError>>()?, of_classes, gates })
    }

    /// The mean of the teachers' probabilities for each segment of a batch; `None` of tasks without a teacher, and of those that are passed
    /// over.
    fn of(
        &self,
        images: &Tensor,
        segments: &[Segment],
        passed_over: &[usize],
    ) -> Result<Vec<Option<Tensor>>, TrainError> {
        let _guard = no_grad_guard();
        let mut means: Vec<Option<Tensor>> = segments.iter().map(|_| None).collect();
        for network in &self.networks {
            let is_taught = |task: usize| network.lessons[task].is_some() && !passed_over.contains(&task);
            let known = |index: &usize| is_taught(segments[*index].task);
            let known: Vec<usize> = (0..segments.len()).filter(known).collect();
            for (index, probabilities) in network.predict(&self.of_classes, images, segments, &known)? {
                let sum = &mut means[index];
                *sum = Some(match sum.take() {
                    Some(sum) => sum.f_add(&probabilities)?,
                    None => probabilities,
                });
            }
        }
        Ok(means)
    }
}

impl TeacherNetwork {
    /// Its share of the mean for the segments that it knows.
    fn predict(
        &self,
        of_classes: &[bool],
        images: &Tensor,
        segments: &[Segment],
        known: &[usize],
    ) -> Result<Vec<(usize, Tensor)>, TrainError> {
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let lessons: Vec<(usize, &Lesson)> =
            known.iter().filter_map(|&at| Some((at, self.lessons[segments[at].task].as_ref()?))).collect();
        let mut start = 0;
        let mut own = Vec::with_capacity(lessons.len());
        for &(at, lesson) in &lessons {
            own.push(Segment { task: lesson.task, start, len: segments[at].len });
            start += segments[at].len;
        }
        let parts = lessons.iter().map(|&(at, _)| images.f_narrow(0, segments[at].start, segments[at].len));
        let seen = if known.len() == segments.len() {
            images.shallow_clone()
        } else {
            Tensor::f_cat(&parts.collect::<Result<Vec<_>, _>>()?, 0)?
        };
        let logits = self.net.inference().forward(&seen, &own)?;
        let weighed = lessons.iter().zip(&logits).map(|(&(at, lesson), logits)| {
            let probabilities = probabilities_by(&lesson.loss, of_classes[segments[at].task], logits)?;
            Ok((at, probabilities.f_mul_scalar(lesson.share)?))
        });
        weighed.collect()
    }
}

impl SeedRun<'_> {
    /// What the teachers say of a batch; empty without any.
    pub(super) fn taught(&self, batch: &Batch) -> Result<Vec<Option<Tensor>>, TrainError> {
        match &self.teaching {
            Some(teaching) => {
                teaching.of(&batch_tensor(batch, self.device)?, &segments(batch), &self.progress.not_taught)
            }
            None => Ok(Vec::new()),
        }
    }

    /// The tasks in which the student is better than its teachers, where that ends their part in it.
    pub(super) fn not_taught(&self, validation: &ScoreSet) -> Vec<usize> {
        let Some(teaching) = &self.teaching else { return Vec::new() };
        let scores = self.own_tasks().into_iter().zip(&validation.tasks);
        let is_better =
            |(task, score): &(usize, &TaskResult)| teaching.gates[*task].is_some_and(|gate| score.macro_f1 > gate);
        scores.filter(is_better).map(|(task, _)| task).collect()
    }

    /// The losses of the rows of a task, and how far they are from what was taught, each by its weight.
    pub(super) fn with_teaching(
        &self,
        loss: Tensor,
        taught: Option<&Tensor>,
        task: usize,
        logits: &Tensor,
    ) -> Result<Tensor, TrainError> {
        let Some(taught) = taught else { return Ok(loss) };
        let DistillConfig { temperature, weight, .. } = self.experiment.distill;
        let distance = self.losses[task].distance(logits, taught, temperature)?;
        Ok(loss.f_mul_scalar(1.0 - weight)?.f_add(&distance.f_mul_scalar(weight)?)?)
    }
}
