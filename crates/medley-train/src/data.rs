//! From opened data sets to what each part of training may see.
//!
//! [`prepare`] parts the data in two: [`LearningData`] (train and validation, with labels) goes to training, [`TestData`] (images,
//! and labels under seal) to scoring. Nothing that learns or selects is ever handed the second.

use std::collections::BTreeMap;
use std::sync::Arc;

use medley_augment::{AssemblerOptions, BatchAssembler, Normalisation, PolicyConfig, TaskSource};
use medley_core::record::{ChannelStatistics, DataRecord, FoldsRecord};
use medley_core::{ImageShape, ImageSource, Labels, OpenedTask, SealedLabels, Split, TaskSpec};
use medley_data::OpenedFile;

use crate::TrainError;
use crate::config::Experiment;
use crate::folds::{self, Fold, Groups};
use crate::fraction;

/// All networks see RGB: grey images are replicated, so that tasks of both kinds share a stem.
pub const INPUT_CHANNELS: usize = 3;

/// Images of one split of every task, ready to be assembled into batches.
#[derive(Clone)]
pub struct SplitSources {
    split: Split,
    sources: Vec<TaskSource>,
}

impl SplitSources {
    /// Which split.
    pub fn split(&self) -> Split {
        self.split
    }

    /// The images of each task.
    pub fn images(&self) -> impl ExactSizeIterator<Item = &Arc<dyn ImageSource>> {
        self.sources.iter().map(|source| &source.images)
    }

    /// Number of images of each task.
    pub fn rows(&self) -> Vec<usize> {
        self.sources.iter().map(|source| source.images.len()).collect()
    }

    /// Values of the largest image as the network reads it, in [`INPUT_CHANNELS`].
    pub fn image_values(&self) -> usize {
        let values = |source: &TaskSource| {
            let ImageShape { depth, height, width, .. } = source.images.shape();
            INPUT_CHANNELS * depth.unwrap_or(1) * height * width
        };
        self.sources.iter().map(values).max().unwrap_or(0)
    }

    /// Bytes of all images as they are stored.
    pub fn bytes(&self) -> u64 {
        self.sources.iter().map(|source| (source.images.len() * source.images.shape().len()) as u64).sum()
    }

    /// What the pixels of each task are normalised by.
    pub fn normalisations(&self) -> impl Iterator<Item = ChannelStatistics> + '_ {
        self.sources.iter().map(|source| {
            let Normalisation { mean, std } = source.normalisation.clone();
            ChannelStatistics { mean, std }
        })
    }

    /// The same split without any task.
    pub(crate) fn none(&self) -> Self {
        Self { split: self.split, sources: Vec::new() }
    }

    /// Adds the images of a task of another one, as they are.
    pub(crate) fn push_plain(&mut self, other: &Self, task: usize) {
        if let Some(source) = other.sources.get(task) {
            self.sources.push(TaskSource { policy: PolicyConfig::none(), ..source.clone() });
        }
    }

    /// The same images, those of one task changed by a policy and the others as they are.
    pub(crate) fn only(&self, task: usize, policy: &PolicyConfig) -> Self {
        let sources = self.sources.iter().enumerate().map(|(index, source)| {
            let policy = if index == task { policy.clone() } else { PolicyConfig::none() };
            TaskSource { policy, ..source.clone() }
        });
        Self { split: self.split, sources: sources.collect() }
    }

    /// An assembler whose random numbers belong to `seed`.
    ///
    /// # Errors
    /// When the images of the tasks differ in size.
    pub fn assembler(&self, experiment: &Experiment, seed: u64) -> Result<Arc<BatchAssembler>, TrainError> {
        let options = AssemblerOptions {
            seed,
            workers: experiment.augment.workers,
            prefetch: experiment.augment.prefetch,
            channels: INPUT_CHANNELS,
        };
        Ok(Arc::new(BatchAssembler::new(self.sources.clone(), options)?))
    }
}

/// What training and selection may see.
#[derive(Clone)]
pub struct LearningData {
    /// The tasks, in the order of the config.
    pub tasks: Vec<TaskSpec>,
    /// Training images.
    pub train: SplitSources,
    /// Training labels by task.
    pub train_labels: Vec<Labels>,
    /// Validation images.
    pub val: SplitSources,
    /// Validation labels by task.
    pub val_labels: Vec<Labels>,
}

/// What scoring may see.
#[derive(Clone)]
pub struct TestData {
    /// Test images.
    pub images: SplitSources,
    /// Test labels by task, sealed.
    pub labels: Vec<SealedLabels>,
}

/// A data set with what its pixels are normalised by. Cloning shares the pixels.
#[derive(Clone)]
pub struct OpenedSet {
    file: OpenedFile,
    normalisation: Normalisation,
}

impl OpenedSet {
    /// Measures the normalisation on the training images.
    pub fn measure(file: OpenedFile) -> Self {
        let normalisation = Normalisation::measure(file.task.train.images().as_ref());
        Self { file, normalisation }
    }

    /// Rows of the file, training and validation.
    pub(crate) fn rows(&self) -> [usize; 2] {
        [self.file.task.train.len(), self.file.task.val.len()]
    }

    /// The set with a fold in place of its validation split, and which rows those are.
    fn leave_out(self, fold: Fold, groups: Option<&Groups>) -> Result<(Self, Vec<usize>), TrainError> {
        let numbers = groups.map(|groups| groups.numbers.as_slice());
        let (task, rows) = folds::leave_out(&self.file.task, fold, numbers)?;
        Ok((self.with(task), rows))
    }

    /// Other training and validation rows of the same file, measured anew.
    fn with(self, task: OpenedTask) -> Self {
        let mut record = self.file.record;
        for (split, part) in [(Split::Train, &task.train), (Split::Val, &task.val)] {
            record.rows.insert(split, part.len());
            if let Some(counts) = record.class_counts.get_mut(&split) {
                let of_part = part.labels().class_counts(task.spec.outputs());
                *counts = of_part.into_iter().map(|count| count as u64).collect();
            }
        }
        Self::measure(OpenedFile { task, record })
    }
}

/// Data sets of an experiment, parted.
pub struct Prepared {
    /// For training.
    pub learning: LearningData,
    /// For scoring.
    pub test: TestData,
    /// For the manifest.
    pub records: Vec<DataRecord>,
    /// The rows of the fold that is validated on, by task, counted from the first training row through the validation rows; empty
    /// without folds.
    pub fold_rows: BTreeMap<String, Vec<usize>>,
    /// SHA-256 of the files that say which rows belong together, by task.
    pub groups: BTreeMap<String, String>,
}

impl Prepared {
    /// The folds, for the manifest.
    pub(crate) fn folds_record(&self, experiment: &Experiment) -> Option<FoldsRecord> {
        let fold = experiment.folds.fold()?;
        Some(FoldsRecord { count: fold.count, index: fold.index, repeat: fold.repeat, groups: self.groups.clone() })
    }
}

/// Sorts the parts of the data sets of an experiment.
///
/// # Errors
/// When a policy is refused, or a fold has no rows.
pub fn prepare(
    experiment: &Experiment,
    sets: Vec<OpenedSet>,
    groups: &BTreeMap<String, Groups>,
) -> Result<Prepared, TrainError> {
    let mut fold_rows = BTreeMap::new();
    let mut tasks = Vec::new();
    let mut records = Vec::new();
    let (mut train, mut val, mut test) = (Vec::new(), Vec::new(), Vec::new());
    let (mut train_labels, mut val_labels, mut test_labels) = (Vec::new(), Vec::new(), Vec::new());
    for set in sets {
        let set = match experiment.folds.fold() {
            Some(fold) => {
                let name = set.file.task.spec.name.clone();
                let (set, rows) = set.leave_out(fold, groups.get(&name))?;
                fold_rows.insert(name, rows);
                set
            }
            None => set,
        };
        let fraction = experiment.data.train_fraction;
        let set = if fraction < 1.0 {
            let task = fraction::keep(&set.file.task, fraction, experiment.data.train_fraction_seed)?;
            set.with(task)
        } else {
            set
        };
        let OpenedSet { file, normalisation } = set;
        let task = file.task;
        let source = |images: &Arc<dyn ImageSource>, policy: PolicyConfig| TaskSource {
            images: Arc::clone(images),
            policy,
            normalisation: experiment.normalisation(&task.spec.name, &normalisation),
        };
        train.push(source(task.train.images(), experiment.policy(&task.spec.name)));
        val.push(source(task.val.images(), PolicyConfig::none()));
        test.push(source(&task.test.images, PolicyConfig::none()));
        train_labels.push(task.train.labels().clone());
        val_labels.push(task.val.labels().clone());
        test_labels.push(task.test.labels);
        tasks.push(task.spec);
        records.push(file.record);
    }
    let split = |split, sources| SplitSources { split, sources };
    Ok(Prepared {
        learning: LearningData {
            tasks,
            train: split(Split::Train, train),
            train_labels,
            val: split(Split::Val, val),
            val_labels,
        },
        test: TestData { images: split(Split::Test, test), labels: test_labels },
        records,
        fold_rows,
        groups: BTreeMap::new(),
    })
}
