//! What teachers say of a batch, and what it costs to say otherwise.
//!
//! Teachers see each batch as the student does, augmented and mixed. Predictions made once, of the images as they are, would take
//! less time and teach worse: Beyer et al. (*Knowledge Distillation: A Good Teacher Is Patient and Consistent*, 2022) measured both.
//! Of teachers that have learnt from images of another size there is nothing else: a batch has no such images, and a change by pixels is
//! another one there. What they say of the training rows is predicted before the first step, and mixed as the images are.

use std::ops::Range;

use medley_augment::Batch;
use medley_augment::mix::Mixed;
use medley_core::record::{ScoreSet, TaskResult};
use medley_core::{TaskKind, TaskSpec};
use medley_models::{ComputePlan, MultiTaskNet, Segment};
use tch::{Tensor, no_grad_guard};

use super::SeedRun;
use super::batch_loss::segments;
use super::predict::{batch_tensor, requests};
use super::predict_batch_size;
use crate::TrainError;
use crate::components::losses::{LossChoice, probabilities_by};
use crate::config::Experiment;
use crate::data::SplitSources;
use crate::distill::{DistillConfig, Teacher, Teachers};

/// The networks of all teachers.
pub(super) struct Teaching {
    networks: Vec<TeacherNetwork>,
    /// What the teachers that see other images say of the training rows of each task, `[rows, C]` f32, each by its share.
    said: Vec<Option<Tensor>>,
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
    /// Loads the networks of all teachers, and asks those that see other images than the student.
    pub(super) fn load(
        teachers: &Teachers,
        experiment: &Experiment,
        tasks: &[TaskSpec],
        plan: ComputePlan,
    ) -> Result<Self, TrainError> {
        let total = |task: &TaskSpec| teachers.iter().filter_map(|one| one.weight(&task.name)).sum::<f64>();
        let totals: Vec<f64> = tasks.iter().map(total).collect();
        let of_classes: Vec<bool> = tasks.iter().map(|task| task.kind != TaskKind::MultiLabel).collect();
        let (mut networks, mut said) = (Vec::new(), tasks.iter().map(|_| None).collect::<Vec<_>>());
        for teacher in teachers.iter() {
            let network = TeacherNetwork::load(teacher, tasks, &totals, plan)?;
            let Some((names, images)) = teachers.images_for(teacher) else {
                networks.push(network);
                continue;
            };
            for (at, task) in tasks.iter().enumerate() {
                let place = names.iter().position(|name| *name == task.name);
                if let (Some(lesson), Some(place)) = (&network.lessons[at], place) {
                    let rows = network.rows(lesson, of_classes[at], (images, place), experiment, plan)?;
                    add(&mut said[at], rows)?;
                }
            }
        }
        let gates = tasks.iter().map(|task| teachers.validation(&task.name)).collect();
        Ok(Self { networks, said, of_classes, gates })
    }

    /// The mean of the teachers' probabilities for each segment of a batch; `None` of tasks without a teacher, and of those that are passed
    /// over.
    fn of(
        &self,
        (batch, mixed): (&Batch, &[Mixed]),
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
                add(&mut means[index], probabilities)?;
            }
        }
        for (segment, mean) in segments.iter().zip(&mut means) {
            if let Some(said) = self.said[segment.task].as_ref().filter(|_| !passed_over.contains(&segment.task)) {
                add(mean, mixed_rows(said, batch, mixed, segment)?)?;
            }
        }
        Ok(means)
    }
}

/// Adds to a sum that may not have begun.
fn add(sum: &mut Option<Tensor>, more: Tensor) -> Result<(), TrainError> {
    *sum = Some(match sum.take() {
        Some(sum) => sum.f_add(&more)?,
        None => more,
    });
    Ok(())
}

/// What was said of the rows of a segment, mixed as its images are.
fn mixed_rows(said: &Tensor, batch: &Batch, mixed: &[Mixed], segment: &Segment) -> Result<Tensor, TrainError> {
    let from = segment.start as usize;
    let rows: Range<usize> = from..from + segment.len as usize;
    let of = |row: &dyn Fn(usize) -> usize| -> Result<Tensor, TrainError> {
        let index: Vec<i64> = rows.clone().map(|at| batch.request.samples[row(at)].index as i64).collect();
        Ok(said.f_index_select(0, &Tensor::f_from_slice(&index)?.f_to_device(said.device())?)?)
    };
    let own = of(&|at| at)?;
    let shares: Vec<f32> = mixed[rows.clone()].iter().map(|one| one.share).collect();
    if shares.iter().all(|&share| share == 1.0) {
        return Ok(own);
    }
    let shares = Tensor::f_from_slice(&shares)?.f_unsqueeze(1)?.f_to_device(said.device())?;
    Ok(of(&|at| mixed[at].partner)?.f_lerp_tensor(&own, &shares)?)
}

impl TeacherNetwork {
    /// `totals` are the weights of all teachers together in each task.
    fn load(teacher: &Teacher, tasks: &[TaskSpec], totals: &[f64], plan: ComputePlan) -> Result<Self, TrainError> {
        let net = teacher.load(plan)?;
        let lesson = |(task, total): (&TaskSpec, &f64)| {
            let own = net.task_names().iter().position(|name| *name == task.name)?;
            let share = teacher.weight(&task.name)? / total;
            Some(Lesson { task: own, share, loss: teacher.loss(&task.name).clone() })
        };
        let lessons = tasks.iter().zip(totals).map(lesson).collect();
        Ok(Self { net, lessons })
    }

    /// Its share of the mean for all rows of a task, `[rows, C]` f32: `images` has that task at this place.
    fn rows(
        &self,
        lesson: &Lesson,
        of_classes: bool,
        (images, place): (&SplitSources, usize),
        experiment: &Experiment,
        plan: ComputePlan,
    ) -> Result<Tensor, TrainError> {
        let _guard = no_grad_guard();
        let assembler = images.assembler(experiment, 0)?;
        let mut rows = images.rows();
        rows.iter_mut().enumerate().filter(|(at, _)| *at != place).for_each(|(_, rows)| *rows = 0);
        tracing::info!("asking a teacher about {} images of another size", rows[place]);
        let batch_size = predict_batch_size(experiment, self.net.input_values());
        let mut stream = assembler.stream(requests(&rows, batch_size), false);
        let network = self.net.inference();
        let mut parts = Vec::new();
        while let Some(batch) = stream.next() {
            let segment = Segment { task: lesson.task, start: 0, len: batch.request.samples.len() as i64 };
            let logits = network.forward(&batch_tensor(&batch, plan.device)?, &[segment])?;
            parts.push(probabilities_by(&lesson.loss, of_classes, &logits[0])?.f_mul_scalar(lesson.share)?);
            stream.recycle(batch);
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }

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
    pub(super) fn taught(&self, batch: &Batch, mixed: &[Mixed]) -> Result<Vec<Option<Tensor>>, TrainError> {
        let Some(teaching) = &self.teaching else { return Ok(Vec::new()) };
        let images = batch_tensor(batch, self.device)?;
        teaching.of((batch, mixed), &images, &segments(batch), &self.progress.not_taught)
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
