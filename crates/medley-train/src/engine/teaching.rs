//! What teachers say of a batch, and what it costs to say otherwise.
//!
//! Teachers see each batch as the student does, augmented and mixed. Predictions made once, of the images as they are, would take
//! less time and teach worse: Beyer et al. (*Knowledge Distillation: A Good Teacher Is Patient and Consistent*, 2022) measured both.
//! Of teachers that have learnt from images of another size there is nothing else: a batch has no such images, and a change by pixels is
//! another one there. What they say of the training rows is predicted before the first step, once for all seeds and phases of a process, and
//! mixed as the images are.

use medley_augment::Batch;
use medley_augment::mix::Mixed;
use medley_core::record::{ScoreSet, TaskResult};
use medley_core::{TaskKind, TaskSpec};
use medley_models::{ComputePlan, MultiTaskNet, Segment};
use tch::{Device, Tensor, no_grad_guard};

use super::SeedRun;
use super::batch_loss::{blended, segments};
use super::fitting_batch_size;
use super::predict::{batch_tensor, requests};
use crate::TrainError;
use crate::components::losses::{LossChoice, probabilities_by};
use crate::config::Experiment;
use crate::data::SplitSources;
use crate::distill::{DistillConfig, Teacher, Teachers};
use crate::stop::StopFlag;

/// The networks of all teachers.
pub(super) struct Teaching<'a> {
    teachers: &'a Teachers,
    networks: Vec<TeacherNetwork>,
    /// The teachers of images of another size, by their number, as long as they have not been asked.
    to_be_asked: Vec<usize>,
    /// What these say of the training rows of each task, `[rows, C]` f32, each by its share.
    answers: Vec<Option<Tensor>>,
    /// The weights of all teachers together in each task.
    totals: Vec<f64>,
    plan: ComputePlan,
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

impl<'a> Teaching<'a> {
    /// Loads the networks of the teachers that see what the student sees.
    pub(super) fn load(teachers: &'a Teachers, tasks: &[TaskSpec], plan: ComputePlan) -> Result<Self, TrainError> {
        let total = |task: &TaskSpec| teachers.iter().filter_map(|one| one.weight(&task.name)).sum::<f64>();
        let totals: Vec<f64> = tasks.iter().map(total).collect();
        let (mut networks, mut to_be_asked) = (Vec::new(), Vec::new());
        for (number, teacher) in teachers.iter().enumerate() {
            if teachers.images_for(teacher).is_some() {
                to_be_asked.push(number);
            } else {
                networks.push(TeacherNetwork::load(teacher, tasks, &totals, plan)?);
            }
        }
        let of_classes = tasks.iter().map(|task| task.kind != TaskKind::MultiLabel).collect();
        let gates = tasks.iter().map(|task| teachers.validation(&task.name)).collect();
        let answers = tasks.iter().map(|_| None).collect();
        Ok(Self { teachers, networks, to_be_asked, answers, totals, plan, of_classes, gates })
    }

    /// Asks the teachers of images of another size about these tasks, by their numbers; `false` where a stop was asked for meanwhile.
    fn ask(
        &mut self,
        tasks: &[TaskSpec],
        own: &[usize],
        experiment: &Experiment,
        stop: &StopFlag,
    ) -> Result<bool, TrainError> {
        while let Some(&number) = self.to_be_asked.first() {
            let Some(teacher) = self.teachers.iter().nth(number) else { break };
            let Some((names, images)) = self.teachers.images_for(teacher) else { break };
            let mut network = None;
            let mut answers = Vec::new();
            for &at in own {
                let name = &tasks[at].name;
                let place = names.iter().position(|known| known == name);
                let Some(place) = place.filter(|_| teacher.weight(name).is_some()) else { continue };
                let ask = || {
                    let network = match &mut network {
                        Some(network) => network,
                        none => none.insert(TeacherNetwork::load(teacher, tasks, &self.totals, self.plan)?),
                    };
                    network.rows((at, self.of_classes[at]), (images, place), experiment, self.plan, stop)
                };
                let Some(answer) = self.teachers.answer(number, name, ask)? else { return Ok(false) };
                answers.push((at, answer));
            }
            for (at, answer) in answers {
                add(&mut self.answers[at], answer)?;
            }
            self.to_be_asked.remove(0);
        }
        Ok(true)
    }

    /// The mean of the teachers' probabilities for each segment of a batch; `None` of tasks without a teacher, and of those that are passed
    /// over.
    fn of(
        &self,
        (batch, mixed): (&Batch, &[Mixed]),
        device: Device,
        passed_over: &[usize],
    ) -> Result<Vec<Option<Tensor>>, TrainError> {
        let _guard = no_grad_guard();
        let segments = &segments(batch);
        let images = if self.networks.is_empty() { None } else { Some(batch_tensor(batch, device)?) };
        let mut means: Vec<Option<Tensor>> = segments.iter().map(|_| None).collect();
        for (network, images) in self.networks.iter().zip(images.iter().cycle()) {
            let is_taught = |task: usize| network.lessons[task].is_some() && !passed_over.contains(&task);
            let known = |index: &usize| is_taught(segments[*index].task);
            let known: Vec<usize> = (0..segments.len()).filter(known).collect();
            for (index, probabilities) in network.predict(&self.of_classes, images, segments, &known)? {
                add(&mut means[index], probabilities)?;
            }
        }
        for (segment, mean) in segments.iter().zip(&mut means) {
            if let Some(answers) = self.answers[segment.task].as_ref().filter(|_| !passed_over.contains(&segment.task))
            {
                add(mean, mixed_rows(answers, batch, mixed, segment)?)?;
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

/// The answers about the rows of a segment, mixed as its images are.
fn mixed_rows(answers: &Tensor, batch: &Batch, mixed: &[Mixed], segment: &Segment) -> Result<Tensor, TrainError> {
    let from = segment.start as usize;
    blended(batch, mixed, from..from + segment.len as usize, |numbers| {
        let index: Vec<i64> = numbers.iter().map(|&number| number as i64).collect();
        Ok(answers.f_index_select(0, &Tensor::f_from_slice(&index)?.f_to_device(answers.device())?)?)
    })
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

    /// Its share of the mean for all rows of a task of the student, `[rows, C]` f32: `images` has that task at this place. `None` where a
    /// stop was asked for.
    fn rows(
        &self,
        (task, of_classes): (usize, bool),
        (images, place): (&SplitSources, usize),
        experiment: &Experiment,
        plan: ComputePlan,
        stop: &StopFlag,
    ) -> Result<Option<Tensor>, TrainError> {
        let _guard = no_grad_guard();
        let Some(lesson) = &self.lessons[task] else { return Ok(None) };
        let assembler = images.assembler(experiment, 0)?;
        let mut rows = images.rows();
        rows.iter_mut().enumerate().filter(|(at, _)| *at != place).for_each(|(_, rows)| *rows = 0);
        tracing::info!("asking a teacher about {} training images of another size", rows[place]);
        let mut stream = assembler.stream(requests(&rows, fitting_batch_size(self.net.input_values())), false);
        let network = self.net.inference();
        let mut parts = Vec::new();
        while let Some(batch) = stream.next() {
            if stop.requested() {
                return Ok(None);
            }
            let segment = Segment { task: lesson.task, start: 0, len: batch.request.samples.len() as i64 };
            let logits = network.forward(&batch_tensor(&batch, plan.device)?, &[segment])?;
            parts.push(probabilities_by(&lesson.loss, of_classes, &logits[0])?.f_mul_scalar(lesson.share)?);
            stream.recycle(batch);
        }
        Ok(Some(Tensor::f_cat(&parts, 0)?))
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
    /// Asks the teachers of images of another size, if that was not done; `false` where a stop was asked for meanwhile.
    pub(super) fn ask_teachers(&mut self, stop: &StopFlag) -> Result<bool, TrainError> {
        let own = self.own_tasks();
        match &mut self.teaching {
            Some(teaching) => teaching.ask(&self.data.tasks, &own, self.experiment, stop),
            None => Ok(true),
        }
    }

    /// What the teachers say of a batch; empty without any.
    pub(super) fn taught(&self, batch: &Batch, mixed: &[Mixed]) -> Result<Vec<Option<Tensor>>, TrainError> {
        let Some(teaching) = &self.teaching else { return Ok(Vec::new()) };
        teaching.of((batch, mixed), self.device, &self.progress.not_taught)
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

#[cfg(test)]
mod tests {
    use super::*;
    use medley_augment::{BatchRequest, SampleRef};
    use medley_core::ImageShape;

    #[test]
    fn answers_are_mixed_as_the_images_are() {
        let answers = Tensor::f_from_slice(&[1.0_f32, 0.0, 0.0, 1.0, 0.5, 0.5]).unwrap().view([3, 2]);
        let samples = [(0, 7), (1, 2), (1, 0), (1, 1)].map(|(task, index)| SampleRef { task, index }).to_vec();
        let request = BatchRequest { epoch: 0, samples };
        let batch = Batch { request, shape: ImageShape::flat(1, 1, 1), pixels: Vec::new() };
        let segment = Segment { task: 1, start: 1, len: 3 };
        let rows = |mixed: &[Mixed]| -> Vec<f32> {
            Vec::try_from(mixed_rows(&answers, &batch, mixed, &segment).unwrap().view([-1])).unwrap()
        };
        let alone: Vec<Mixed> = (0..4).map(|row| Mixed { partner: row, share: 1.0 }).collect();
        assert_eq!(rows(&alone), [0.5, 0.5, 1.0, 0.0, 0.0, 1.0]);
        let mut mixed = alone;
        mixed[2] = Mixed { partner: 3, share: 0.75 };
        assert_eq!(rows(&mixed), [0.5, 0.5, 0.75, 0.25, 0.0, 1.0]);
    }
}
