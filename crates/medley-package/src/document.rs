//! `model.toml`: as it is written, and its checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use medley_augment::TestTimeView;
use medley_core::names::{NAME_RULE, is_name};
use medley_core::record::ChannelStatistics;
use medley_core::{TaskKind, TaskSpec};
use medley_pictures::{Alpha, Filter, Fit, Resizing, SixteenBit};
use serde::{Deserialize, Serialize};

use crate::model::KnownAnswer;
use crate::{
    Compute, DataOrigin, Decision, Licence, Lineage, Model, NOTICE, OverSeeds, PackageError, TaskMetrics,
    UnlikeThreshold, Weights,
};

/// Threads that a package may ask for, as many as `--threads` takes.
const MOST_THREADS: usize = 1024;

/// What `format` is in every description.
const FORMAT: &str = "medley-model";
/// The version of the form that is written, and read.
const VERSION: u32 = 1;
/// The longest text that is parsed: a description of a hundred tasks has a tenth.
pub const LONGEST: u64 = 1 << 20;
/// More tasks than any run has.
const MOST_TASKS: usize = 256;
/// More classes than any set has.
const MOST_CLASSES: usize = 4_096;
/// Edges of images.
const EDGES: std::ops::RangeInclusive<usize> = 1..=1_024;
/// Characters of a title or the name of a class.
const LONGEST_NAME: usize = 200;

/// The checked form of `model.toml`: one network, for one task or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    name: String,
    net: toml::Table,
    weights: Weights,
    compute: Compute,
    models: Vec<Model>,
}

/// What a [`Package`] is made of: as `model.toml` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    format: String,
    version: u32,
    /// Name of the package: one component of a path.
    pub name: String,
    notice: String,
    /// The file of weights.
    pub weights: Weights,
    /// Where the network comes from.
    pub lineage: Lineage,
    /// How the run computed.
    pub compute: Compute,
    /// The `[net]` table of the experiment.
    pub net: toml::Table,
    /// In the order of the network's heads.
    pub tasks: Vec<Task>,
}

/// One task of a [`Document`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What it is.
    pub task: TaskSpec,
    /// How pictures get there.
    pub picture: PictureKeys,
    /// What pixels are normalised by.
    pub normalisation: ChannelStatistics,
    /// Versions of each image whose probabilities are averaged.
    #[serde(default = "as_it_is", skip_serializing_if = "is_as_it_is")]
    pub views: Vec<TestTimeView>,
    /// How probabilities become labels.
    pub decision: Decision,
    /// When an image is called unlike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlike: Option<UnlikeThreshold>,
    /// What it was trained on.
    pub data: DataKeys,
    /// Scores by split.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, TaskMetrics>,
    /// Mean and spread over the seeds of the run, by split.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub over_seeds: BTreeMap<String, OverSeeds>,
    /// What the network says of a test image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_answer: Option<KnownAnswer>,
}

/// How pictures become input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureKeys {
    /// What becomes of the sides.
    pub fit: Fit,
    /// How pixels are resampled.
    pub filter: Filter,
    /// What happens to 16 bits per channel.
    pub sixteen_bit: SixteenBit,
    /// What happens to transparency.
    pub alpha: Alpha,
}

/// The file that a network was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataKeys {
    /// File name, without its folder.
    pub file: String,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// 32 hexadecimal digits.
    pub md5: String,
    /// Which published release it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Short name.
    pub licence: String,
}

fn as_it_is() -> Vec<TestTimeView> {
    vec![TestTimeView::Identity]
}

fn is_as_it_is(views: &[TestTimeView]) -> bool {
    views == [TestTimeView::Identity]
}

impl Document {
    /// A description with the notice and the version of this program.
    pub fn new(
        name: String,
        weights: Weights,
        lineage: Lineage,
        compute: Compute,
        net: toml::Table,
        tasks: Vec<Task>,
    ) -> Self {
        let (format, notice) = (FORMAT.to_owned(), NOTICE.to_owned());
        Self { format, version: VERSION, name, notice, weights, lineage, compute, net, tasks }
    }

    /// Reads the text of `model.toml`; its values are not checked yet.
    ///
    /// # Errors
    /// [`PackageError::Syntax`], [`PackageError::Format`], [`PackageError::Version`].
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        /// What says whether the rest can be understood.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        if text.len() as u64 > LONGEST {
            return Err(PackageError::Syntax(format!("it has more than {LONGEST} bytes")));
        }
        let syntax = |error: toml::de::Error| PackageError::Syntax(error.to_string().trim_end().to_owned());
        let Head { format, version } = toml::from_str(text).map_err(syntax)?;
        if format != FORMAT {
            return Err(PackageError::Format { found: format });
        }
        if version != VERSION {
            return Err(PackageError::Version { found: version, known: VERSION });
        }
        toml::from_str(text).map_err(syntax)
    }

    /// The text of `model.toml`.
    ///
    /// # Errors
    /// [`PackageError::Syntax`] for numbers that TOML cannot write.
    pub fn to_toml(&self) -> Result<String, PackageError> {
        toml::to_string(self).map_err(|error| PackageError::Syntax(error.to_string()))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`PackageError::Format`], [`PackageError::Version`], or [`PackageError::Value`] with the key.
    pub fn check(self) -> Result<Package, PackageError> {
        check_head(&self)?;
        check_weights(&self.weights)?;
        let Self { name, weights, lineage, compute, net, tasks, .. } = self;
        hash("lineage.config_sha256", &lineage.config_sha256, 64)?;
        if compute.batch_size == 0 || compute.threads == 0 || compute.replicas == 0 {
            return Err(value("compute", "has a 0 where at least 1 is needed"));
        }
        if compute.threads > MOST_THREADS || compute.replicas > MOST_THREADS {
            return Err(value("compute", format!("has more than {MOST_THREADS} threads or replicas")));
        }
        let lineage = Arc::new(lineage);
        let alone = tasks.len() == 1;
        let model = |task: Task| {
            let name = if alone { name.clone() } else { format!("{name}.{}", task.task.name) };
            task.check(name, Arc::clone(&lineage))
        };
        let models = tasks.into_iter().map(model).collect::<Result<Vec<_>, _>>()?;
        Ok(Package { name, net, weights, compute, models })
    }
}

fn value(key: impl Into<String>, problem: impl Into<String>) -> PackageError {
    PackageError::Value { key: key.into(), problem: problem.into() }
}

fn check_head(document: &Document) -> Result<(), PackageError> {
    if document.notice != NOTICE {
        return Err(value("notice", format!("must be {NOTICE:?}")));
    }
    if !is_name(&document.name) {
        return Err(value("name", format!("cannot be a name: {NAME_RULE}")));
    }
    if !(1..=MOST_TASKS).contains(&document.tasks.len()) {
        return Err(value("tasks", format!("has {} entries; 1 to {MOST_TASKS} are allowed", document.tasks.len())));
    }
    let mut names = BTreeSet::new();
    match document.tasks.iter().find(|task| !names.insert(&task.task.name)) {
        Some(twice) => Err(value("tasks", format!("has {:?} twice", twice.task.name))),
        None => Ok(()),
    }
}

fn check_weights(weights: &Weights) -> Result<(), PackageError> {
    let plain = is_name(&weights.file) && weights.file.ends_with(".safetensors");
    if !plain {
        return Err(value("weights.file", "must be the name of a .safetensors file beside it"));
    }
    hash("weights.sha256", &weights.sha256, 64)
}

fn hash(key: &str, text: &str, digits: usize) -> Result<(), PackageError> {
    let right = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if right { Ok(()) } else { Err(value(key, format!("must be {digits} lower-case hexadecimal digits"))) }
}

/// Names that are shown: neither empty nor longer than a line, and without control characters.
fn shown(key: impl Into<String>, text: &str) -> Result<(), PackageError> {
    let fine = (1..=LONGEST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fine { Ok(()) } else { Err(value(key, format!("must be 1 to {LONGEST_NAME} characters, none for control"))) }
}

impl Task {
    fn check(self, name: String, lineage: Arc<Lineage>) -> Result<Model, PackageError> {
        let of = self.task.name.clone();
        if !is_name(&of) || !is_name(&name) {
            return Err(value("tasks.task.name", format!("cannot be a name: {NAME_RULE}")));
        }
        let key = |key: &str| format!("tasks.{of}.{key}");
        check_spec(&self.task, &key)?;
        check_normalisation(&self.normalisation, self.task.shape.channels, &key)?;
        if self.views.is_empty() || self.views.len() > 64 {
            return Err(value(key("views"), "must be 1 to 64 views"));
        }
        self.decision.check_task(&self.task).map_err(|error| value(key("decision"), error.to_string()))?;
        if let Some(unlike) = &self.unlike
            && !(unlike.threshold.is_finite() && (0.0..=1.0).contains(&unlike.false_alarm_rate))
        {
            return Err(value(key("unlike"), "needs a finite threshold and a rate of 0 to 1"));
        }
        self.data.check(&key)?;
        let outputs = self.task.outputs();
        if let Some(known) = &self.known_answer
            && (known.probabilities.len() != outputs || !known.probabilities.iter().all(|p| (0.0..=1.0).contains(p)))
        {
            return Err(value(key("known_answer"), format!("must be {outputs} probabilities")));
        }
        let PictureKeys { fit, filter, sixteen_bit, alpha } = self.picture;
        let DataKeys { file, sha256, md5, release, licence } = self.data;
        Ok(Model {
            name,
            task: self.task,
            normalisation: self.normalisation,
            resizing: Resizing { fit, filter },
            sixteen_bit,
            alpha,
            views: self.views,
            decision: self.decision,
            unlike: self.unlike,
            data: DataOrigin { file, sha256, md5, release, licence: Licence { name: licence } },
            metrics: self.metrics,
            over_seeds: self.over_seeds,
            known_answer: self.known_answer,
            lineage,
        })
    }
}

impl DataKeys {
    fn check(&self, key: &impl Fn(&str) -> String) -> Result<(), PackageError> {
        hash(&key("data.sha256"), &self.sha256, 64)?;
        hash(&key("data.md5"), &self.md5, 32)?;
        shown(key("data.file"), &self.file)?;
        shown(key("data.licence"), &self.licence)
    }
}

fn check_spec(spec: &TaskSpec, key: &impl Fn(&str) -> String) -> Result<(), PackageError> {
    shown(key("task.title"), &spec.title)?;
    let least = if spec.kind == TaskKind::MultiLabel { 1 } else { 2 };
    if !(least..=MOST_CLASSES).contains(&spec.classes.len()) {
        let problem = format!("has {} names; {least} to {MOST_CLASSES} are allowed", spec.classes.len());
        return Err(value(key("task.classes"), problem));
    }
    if spec.kind == TaskKind::Binary && spec.classes.len() != 2 {
        return Err(value(key("task.classes"), format!("has {} names; a binary task has 2", spec.classes.len())));
    }
    spec.classes.iter().try_for_each(|class| shown(key("task.classes"), class))?;
    let shape = spec.shape;
    let cubic = shape.height == shape.width && shape.depth.is_none_or(|depth| depth == shape.height);
    if !cubic || !EDGES.contains(&shape.height) {
        let problem = format!("is {shape}; squares and cubes of {} to {} are allowed", EDGES.start(), EDGES.end());
        return Err(value(key("task.shape"), problem));
    }
    if !matches!((shape.channels, shape.depth), (1, _) | (3, None)) {
        return Err(value(key("task.shape.channels"), "must be 1 or 3, and 1 for volumes"));
    }
    Ok(())
}

fn check_normalisation(
    normalisation: &ChannelStatistics,
    channels: usize,
    key: &impl Fn(&str) -> String,
) -> Result<(), PackageError> {
    let ChannelStatistics { mean, std } = normalisation;
    let right = mean.len() == channels && mean.iter().all(|mean| mean.is_finite());
    if !right {
        return Err(value(key("normalisation.mean"), format!("must be finite numbers, {channels} of them")));
    }
    let right = std.len() == channels && std.iter().all(|std| std.is_normal() && *std > 0.0);
    if right { Ok(()) } else { Err(value(key("normalisation.std"), format!("must be {channels} positive numbers"))) }
}

impl Package {
    /// Reads the text of `model.toml`.
    ///
    /// # Errors
    /// As [`Document::parse`] and [`Document::check`].
    pub fn parse(text: &str) -> Result<Self, PackageError> {
        Document::parse(text)?.check()
    }

    /// The description of a small network for BreastMNIST, without its weights: for examples and tests.
    ///
    /// # Panics
    /// Never: a test reads the embedded text.
    pub fn example() -> Self {
        Self::parse(include_str!("example.toml")).expect("the embedded example is tested")
    }

    /// Name of the package.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `[net]` table of the experiment, which `medley_models::NetConfig` checks.
    pub fn net(&self) -> &toml::Table {
        &self.net
    }

    /// The file of weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// How the run computed.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// One for each task, in the order of the network's heads. Never empty.
    pub fn models(&self) -> &[Model] {
        &self.models
    }
}

#[cfg(test)]
mod tests;
