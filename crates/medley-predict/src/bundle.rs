//! A network with its description, in memory and in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use medley_core::text::hex;
use medley_models::{ComputePlan, MultiTaskNet, weights};
use medley_package::{Document, KnownAnswer, LONGEST, NumberFormat, Package, UnlikeScore, UnlikeThreshold};
use medley_storage::{Storage, commit_directory, read_file, read_text};
use sha2::{Digest as _, Sha256};
use tch::{Kind, Tensor};

use crate::gaussian::{Gaussian, is_of_gaussian, tensor_name};
use crate::network::{Blueprint, described, load};
use crate::{ComputeOptions, PredictError, TorchClassifier};

/// Name of the description in a package.
pub const MODEL: &str = "model.toml";
/// Name of the model card in a package.
pub const README: &str = "README.md";
/// The longest file of weights that is read, 16 GiB.
const LONGEST_WEIGHTS: u64 = 16 << 30;
/// How far a probability of the test image may be from what it was, on other machines and in other number formats.
const TOLERANCE: f32 = 2e-2;

/// A network with its description.
#[derive(Clone)]
pub struct Bundle {
    package: Package,
    document: Document,
    /// As they lie in the package.
    stored: Arc<Vec<u8>>,
    /// Those of the network, in fp32.
    weights: Arc<Vec<u8>>,
    /// Of each task, what images are compared with.
    gaussians: Vec<Option<Gaussian>>,
}

/// What [`Bundle::verify`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Tensors of the network.
    pub tensors: usize,
    /// The largest difference between a probability of the test image now and when the package was made; `None` where a package has
    /// none.
    pub difference: Option<f32>,
}

impl Bundle {
    /// Takes a description and the bytes of its weights, which are checked against each other.
    pub(crate) fn new(document: Document, stored: Vec<u8>, path: &Path) -> Result<Self, PredictError> {
        let refuse = |problem: String| PredictError::Weights { path: path.to_owned(), problem };
        let checked = document.clone().check();
        let package = checked.map_err(|error| PredictError::Package { path: path.to_owned(), error })?;
        let said = package.weights();
        let found = hex(&Sha256::digest(&stored));
        if found != said.sha256 || stored.len() as u64 != said.bytes {
            return Err(refuse(format!("its SHA-256 is {found}, and model.toml says {}: it was changed", said.sha256)));
        }
        let (tensors, metadata) = weights::read(&stored).map_err(|error| refuse(error.to_string()))?;
        check_numbers(&tensors, said.format).map_err(refuse)?;
        let (beside, own): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(name, _)| is_of_gaussian(name));
        let gaussians = gaussians(&package, &beside).map_err(refuse)?;
        let stored = Arc::new(stored);
        let weights = match said.format {
            NumberFormat::Fp32 if beside.is_empty() => Arc::clone(&stored),
            _ => Arc::new(self::stored(&own, NumberFormat::Fp32, &metadata)?),
        };
        // Names and shapes first: the network takes memory only if the file has what it needs.
        let outline = described(&package, None)?;
        let state: Vec<_> = outline.parameters().into_iter().chain(outline.buffers()).collect();
        weights::check(&weights, &state)?;
        Ok(Self { package, document, stored, weights, gaussians })
    }

    /// Reads a package.
    ///
    /// # Errors
    /// What cannot be read, and what it lies about: [`PredictError::Package`], [`PredictError::Weights`], [`PredictError::Model`].
    pub fn read(folder: &Path) -> Result<Self, PredictError> {
        let path = folder.join(MODEL);
        let text = read_text(&path, LONGEST)?;
        let document = Document::parse(&text).map_err(|error| PredictError::Package { path: path.clone(), error })?;
        let package = document.clone().check().map_err(|error| PredictError::Package { path: path.clone(), error })?;
        let path = folder.join(&package.weights().file);
        let stored = read_file(&path, package.weights().bytes.min(LONGEST_WEIGHTS))?;
        Self::new(document, stored, &path)
    }

    /// A package whose files are in memory: the text of its `model.toml` and the bytes of its weights. `place` is what messages call it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_bytes(description: &str, weights: Vec<u8>, place: &Path) -> Result<Self, PredictError> {
        let document = Document::parse(description);
        Self::new(document.map_err(|error| PredictError::Package { path: place.to_owned(), error })?, weights, place)
    }

    /// The same network under another name.
    ///
    /// # Errors
    /// [`PredictError::Package`] where that is not a name.
    pub fn named(self, name: &str) -> Result<Self, PredictError> {
        self.described_by(|document| name.clone_into(&mut document.name), Path::new(name))
    }

    /// Writes a package, a folder that must not be there yet: it appears whole or not at all.
    ///
    /// # Errors
    /// [`medley_storage::StorageError`].
    pub fn write(&self, storage: &dyn Storage, folder: &Path) -> Result<(), PredictError> {
        let path = folder.join(MODEL);
        let text = self.document.to_toml().map_err(|error| PredictError::Package { path, error })?;
        let card = self.package.card();
        let files: [(&str, &[u8]); 3] =
            [(MODEL, text.as_bytes()), (&self.package.weights().file, &self.stored), (README, card.as_bytes())];
        Ok(commit_directory(storage, folder, &files)?)
    }

    /// The description.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// Index of a task by its name; of the only one, if none is named.
    ///
    /// # Errors
    /// [`PredictError::Task`] with the names there are.
    pub fn task(&self, name: Option<&str>) -> Result<usize, PredictError> {
        let names = || self.package.models().iter().map(|model| model.task().name.as_str());
        let known = || names().collect::<Vec<_>>().join(", ");
        match name {
            Some(name) => names()
                .position(|task| task == name)
                .ok_or_else(|| PredictError::Task { what: format!("the model has no task `{name}`"), known: known() }),
            None if self.package.models().len() == 1 => Ok(0),
            None => {
                Err(PredictError::Task { what: "the model has several tasks; name one".to_owned(), known: known() })
            }
        }
    }

    /// Starts the network of a task, by its index.
    ///
    /// # Errors
    /// A device that is not there, too little memory, [`PredictError::Task`].
    pub fn classifier(&self, task: usize, options: ComputeOptions) -> Result<TorchClassifier, PredictError> {
        if task >= self.package.models().len() {
            let (what, known) = (format!("the model has no task {task}"), self.package.models().len().to_string());
            return Err(PredictError::Task { what, known });
        }
        let by_features = self.package.models()[task].unlike().is_some_and(|it| it.score == UnlikeScore::Features);
        let gaussian = self.gaussians[task].clone().filter(|_| by_features);
        self.start(task, options, gaussian, false)
    }

    /// One that hands over what the network sees on its way.
    pub(crate) fn watched(&self, task: usize) -> Result<TorchClassifier, PredictError> {
        self.start(task, ComputeOptions::default(), None, true)
    }

    fn start(
        &self,
        task: usize,
        options: ComputeOptions,
        gaussian: Option<Gaussian>,
        keep_features: bool,
    ) -> Result<TorchClassifier, PredictError> {
        let (package, weights) = (self.package.clone(), Arc::clone(&self.weights));
        TorchClassifier::start(Blueprint { package, weights, task, options, gaussian, keep_features })
    }

    /// Adds what images are compared with, of each task that has it. Thresholds are to follow: until then nothing is above.
    pub(crate) fn compared_with(self, found: &[Option<Gaussian>], path: &Path) -> Result<Self, PredictError> {
        let (mut tensors, metadata) = weights::read(&self.stored)?;
        tensors.retain(|(name, _)| !is_of_gaussian(name));
        let mut document = self.document;
        for (task, gaussian) in document.tasks.iter_mut().zip(found) {
            let Some(gaussian) = gaussian else { continue };
            tensors.extend(gaussian.tensors(&task.task.name)?);
            let threshold = f64::from(f32::MAX);
            task.unlike =
                Some(UnlikeThreshold { score: UnlikeScore::Features, threshold, false_alarm_rate: 0.0, rows: 0 });
        }
        let bytes = stored(&tensors, document.weights.format, &metadata)?;
        document.weights.bytes = bytes.len() as u64;
        document.weights.sha256 = hex(&Sha256::digest(&bytes));
        Self::new(document, bytes, path)
    }

    /// The network with all its tasks, on the CPU in fp32: for those who ask more of it than answers.
    ///
    /// # Errors
    /// [`PredictError::Model`] when memory runs out.
    pub fn network(&self) -> Result<MultiTaskNet, PredictError> {
        let net = described(&self.package, Some(ComputePlan::default()))?;
        load(&net, &self.weights)?;
        Ok(net)
    }

    /// Computes what the package says of its test image.
    ///
    /// # Errors
    /// [`PredictError::OtherAnswer`], and what the network says.
    pub fn verify(&self, options: ComputeOptions) -> Result<Verified, PredictError> {
        let mut difference: Option<f32> = None;
        for (task, model) in self.package.models().iter().enumerate() {
            let mut classifier = self.classifier(task, options)?;
            let raw = classifier.raw(&model.known_image())?;
            model.answers(&raw.probabilities, &raw.unlike)?;
            let Some(known) = model.known_answer() else { continue };
            let differences = raw.probabilities.iter().zip(&known.probabilities).map(|(now, then)| (now - then).abs());
            let most = differences.fold(0.0, f32::max);
            if most > TOLERANCE {
                return Err(PredictError::OtherAnswer {
                    task: model.task().name.clone(),
                    found: raw.probabilities,
                    expected: known.probabilities.clone(),
                });
            }
            difference = Some(difference.map_or(most, |before| before.max(most)));
        }
        let (tensors, _) = weights::read(&self.stored)?;
        Ok(Verified { tensors: tensors.len(), difference })
    }

    /// Changes the description; the weights stay.
    pub(crate) fn described_by(self, change: impl FnOnce(&mut Document), path: &Path) -> Result<Self, PredictError> {
        let mut document = self.document;
        change(&mut document);
        let checked = document.clone().check();
        let package = checked.map_err(|error| PredictError::Package { path: path.to_owned(), error })?;
        Ok(Self { package, document, ..self })
    }

    /// Adds what the network says of the test image.
    pub(crate) fn with_known_answers(self, path: &Path) -> Result<Self, PredictError> {
        let mut answers = Vec::new();
        for (task, model) in self.package.models().iter().enumerate() {
            let image = model.known_image();
            let raw = self.classifier(task, ComputeOptions::default())?.raw(&image)?;
            answers.push(KnownAnswer { probabilities: raw.probabilities });
        }
        let add = |document: &mut Document| {
            document.tasks.iter_mut().zip(answers).for_each(|(task, answer)| task.known_answer = Some(answer));
        };
        self.described_by(add, path)
    }
}

pub(crate) fn kind_of(format: NumberFormat) -> Kind {
    match format {
        NumberFormat::Fp32 => Kind::Float,
        NumberFormat::Bf16 => Kind::BFloat16,
        NumberFormat::Fp16 => Kind::Half,
    }
}

/// The bytes of weights in a number format.
pub(crate) fn stored(
    state: &[(String, Tensor)],
    format: NumberFormat,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, medley_models::ModelError> {
    let cast = |(name, tensor): &(String, Tensor)| Ok((name.clone(), tensor.f_to_kind(kind_in(format, name))?));
    let tensors = state.iter().map(cast).collect::<Result<Vec<_>, tch::TchError>>()?;
    weights::to_bytes(&tensors, metadata)
}

/// Factors of a covariance stay in fp32: what they cancel has more digits than weights need.
fn kind_in(format: NumberFormat, name: &str) -> Kind {
    if is_of_gaussian(name) { Kind::Float } else { kind_of(format) }
}

/// Of each task, what images are compared with; a task that is said to have it does.
fn gaussians(package: &Package, tensors: &[(String, Tensor)]) -> Result<Vec<Option<Gaussian>>, String> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for model in package.models() {
        let task = &model.task().name;
        known.extend(["mean", "factor"].map(|part| tensor_name(task, part)));
        let gaussian = Gaussian::of(tensors, task)?;
        let needed = model.unlike().is_some_and(|unlike| unlike.score == UnlikeScore::Features);
        if needed && gaussian.is_none() {
            let name = tensor_name(task, "mean");
            return Err(format!("`{name}` is missing, and by model.toml images are compared by features"));
        }
        found.push(gaussian);
    }
    match tensors.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => Err(format!("`{name}` is of no task")),
        None => Ok(found),
    }
}

/// Every tensor is of the format, and every number finite.
fn check_numbers(tensors: &[(String, Tensor)], format: NumberFormat) -> Result<(), String> {
    for (name, tensor) in tensors {
        if tensor.kind() != kind_in(format, name) {
            return Err(format!("tensor `{name}` is {:?}, and model.toml says otherwise", tensor.kind()));
        }
        let finite = tensor.f_to_kind(Kind::Float).and_then(|tensor| tensor.f_isfinite()).and_then(|all| all.f_all());
        let finite = finite.and_then(i64::try_from).map_err(|error| error.to_string())?;
        if finite == 0 {
            return Err(format!("tensor `{name}` has numbers that are not finite"));
        }
    }
    Ok(())
}
