//! Several packages as one classifier: the weighted mean of what their networks say.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use medley_decisions::Decisions;
use medley_package::{Answer, Classifier, ClassifierError, LONGEST, Model, NOTICE, Package};
use medley_storage::{Storage, read_text, write_whole};
use serde::{Deserialize, Serialize};

use crate::{Bundle, ComputeOptions, PredictError, TorchClassifier};

/// Name of the description of an ensemble in its folder.
pub const ENSEMBLE: &str = "ensemble.toml";
const FORMAT: &str = "medley-ensemble";
const VERSION: u32 = 1;
/// Members at most.
const MOST: usize = 1_000;

/// `ensemble.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: String,
    version: u32,
    name: String,
    notice: String,
    members: Vec<Member>,
    /// By which the mean becomes labels.
    decide_by: Decisions,
}

/// A package, and how much it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its folder in that of the ensemble.
    pub folder: String,
    /// By task, 0 or more; those of a task are divided by their sum.
    pub weights: BTreeMap<String, f64>,
}

/// Packages of the same tasks whose probabilities are averaged.
#[derive(Clone)]
pub struct Ensemble {
    members: Vec<(Bundle, Member)>,
    /// The first, described as the whole.
    described: Bundle,
}

impl Ensemble {
    /// Reads the folder of an ensemble.
    ///
    /// # Errors
    /// What cannot be read, and members whose tasks or weights do not fit.
    pub fn read(folder: &Path) -> Result<Self, PredictError> {
        let path = folder.join(ENSEMBLE);
        let text = read_text(&path, LONGEST)?;
        let refuse = |problem: String| PredictError::Weights { path: path.clone(), problem };
        let raw: Raw = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if raw.format != FORMAT || raw.version != VERSION {
            return Err(refuse(format!("it is {} {}, and {FORMAT} {VERSION} is read", raw.format, raw.version)));
        }
        if raw.members.is_empty() || raw.members.len() > MOST {
            return Err(refuse(format!("it has {} members, and 1 to {MOST} are allowed", raw.members.len())));
        }
        let mut members = Vec::new();
        for member in raw.members {
            let mut parts = Path::new(&member.folder).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                return Err(refuse(format!("a member is a folder beside it, not {:?}", member.folder)));
            }
            members.push((Bundle::read(&folder.join(&member.folder))?, member));
        }
        let first = members[0].0.clone();
        let described = first.described_by(
            |document| {
                document.name.clone_from(&raw.name);
                for task in &mut document.tasks {
                    // What is known of one network is not known of the mean.
                    (task.unlike, task.known_answer) = (None, None);
                    task.metrics.clear();
                    if let Some(decision) = raw.decide_by.of(&task.task.name) {
                        task.decision = decision.clone();
                    }
                }
            },
            &path,
        )?;
        let ensemble = Self { members, described };
        ensemble.check().map_err(refuse)?;
        Ok(ensemble)
    }

    /// Writes an ensemble: each package into a folder of its own, then the description. One that is interrupted is no ensemble.
    ///
    /// # Errors
    /// [`medley_storage::StorageError`].
    pub fn write(
        storage: &dyn Storage,
        folder: &Path,
        name: &str,
        members: &[(Bundle, Member)],
        decide_by: &Decisions,
    ) -> Result<(), PredictError> {
        medley_storage::create_folder(folder)?;
        for (bundle, member) in members {
            let path = folder.join(&member.folder);
            if path.symlink_metadata().is_err() {
                bundle.write(storage, &path)?;
            }
        }
        let raw = Raw {
            format: FORMAT.to_owned(),
            version: VERSION,
            name: name.to_owned(),
            notice: NOTICE.to_owned(),
            members: members.iter().map(|(_, member)| member.clone()).collect(),
            decide_by: decide_by.clone(),
        };
        let path = folder.join(ENSEMBLE);
        let text = toml::to_string_pretty(&raw);
        let text = text.map_err(|error| PredictError::Weights { path: path.clone(), problem: error.to_string() })?;
        Ok(write_whole(storage, &path, text.as_bytes())?)
    }

    /// All members have the same tasks with the same images, and weights that make a mean.
    fn check(&self) -> Result<(), String> {
        let models = self.described.package().models();
        for (bundle, member) in &self.members {
            let own = bundle.package().models();
            let alike = own.len() == models.len()
                && own
                    .iter()
                    .zip(models)
                    .all(|(one, other)| (one.task(), one.input()) == (other.task(), other.input()));
            if !alike {
                return Err(format!("`{}` has other tasks or images than the first member", member.folder));
            }
            if let Some((task, weight)) = member.weights.iter().find(|(_, one)| !(one.is_finite() && **one >= 0.0)) {
                return Err(format!("`{}` has a weight of {weight} for {task}; it must be 0 or more", member.folder));
            }
        }
        let empty = models.iter().map(|model| &model.task().name).find(|task| self.sum(task) <= 0.0);
        empty.map_or(Ok(()), |task| Err(format!("no member has a weight for {task}")))
    }

    fn sum(&self, task: &str) -> f64 {
        self.members.iter().filter_map(|(_, member)| member.weights.get(task)).sum()
    }

    /// Its members, with their folders.
    pub fn members(&self) -> impl Iterator<Item = (&Bundle, &str)> {
        self.members.iter().map(|(bundle, member)| (bundle, member.folder.as_str()))
    }

    /// Starts the networks of a task, by its index; those that do not count are left out.
    fn classifier(&self, task: usize, options: ComputeOptions) -> Result<MeanClassifier, PredictError> {
        let Some(model) = self.described.package().models().get(task).cloned() else {
            let (what, known) = (format!("the model has no task {task}"), self.members.len().to_string());
            return Err(PredictError::Task { what, known });
        };
        let name = &model.task().name;
        let sum = self.sum(name);
        let mut networks = Vec::new();
        for (bundle, member) in &self.members {
            let weight = member.weights.get(name).copied().unwrap_or(0.0) / sum;
            if weight > 0.0 {
                networks.push((bundle.classifier(task, options)?, weight));
            }
        }
        Ok(MeanClassifier { model, networks })
    }
}

/// The weighted mean of networks.
struct MeanClassifier {
    model: Model,
    networks: Vec<(TorchClassifier, f64)>,
}

impl Classifier for MeanClassifier {
    fn model(&self) -> &Model {
        &self.model
    }

    fn classify(&mut self, images: &[u8]) -> Result<Vec<Answer>, ClassifierError> {
        let mut mean: Vec<f64> = Vec::new();
        for (network, weight) in &mut self.networks {
            let raw = network.raw(images).map_err(|error| match error {
                PredictError::Classifier(error) => error,
                error => ClassifierError::Failed(Box::new(error)),
            })?;
            mean.resize(raw.probabilities.len(), 0.0);
            mean.iter_mut().zip(&raw.probabilities).for_each(|(sum, &one)| *sum += *weight * f64::from(one));
        }
        let mean: Vec<f32> = mean.into_iter().map(|value| value as f32).collect();
        self.model.answers(&mean, &[])
    }
}

/// What classifies: one network, or the mean of several.
#[derive(Clone)]
pub enum Predictor {
    /// One.
    One(Box<Bundle>),
    /// Several.
    Mean(Box<Ensemble>),
}

impl Predictor {
    fn described(&self) -> &Bundle {
        match self {
            Self::One(bundle) => bundle,
            Self::Mean(ensemble) => &ensemble.described,
        }
    }

    /// The description; of several networks, that of the first with the name and the decisions of the whole.
    pub fn package(&self) -> &Package {
        self.described().package()
    }

    /// As [`Bundle::task`].
    ///
    /// # Errors
    /// [`PredictError::Task`] with the names there are.
    pub fn task(&self, name: Option<&str>) -> Result<usize, PredictError> {
        self.described().task(name)
    }

    /// Starts what classifies the images of a task, by its index.
    ///
    /// # Errors
    /// As [`Bundle::classifier`].
    pub fn classifier(&self, task: usize, options: ComputeOptions) -> Result<Box<dyn Classifier>, PredictError> {
        Ok(match self {
            Self::One(bundle) => Box::new(bundle.classifier(task, options)?),
            Self::Mean(ensemble) => Box::new(ensemble.classifier(task, options)?),
        })
    }
}

/// The folder of an ensemble: this one, or `package` in that of `medley auto`.
pub fn ensemble_folder(path: &Path) -> Option<PathBuf> {
    [path.to_owned(), path.join("package")].into_iter().find(|folder| folder.join(ENSEMBLE).symlink_metadata().is_ok())
}
