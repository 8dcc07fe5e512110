//! Classifiers that compute nothing, and tell of what they were asked. The example `load` uses them, too.
#![allow(dead_code, reason = "each program uses some of it")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use medley_core::TaskKind;
use medley_package::{Answer, Classifier, ClassifierError, Explainer, Look, Model, Package};

/// What kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Grey, two classes.
    Binary,
    /// In colour, five classes.
    Colour,
    /// Grey, three labels.
    Labels,
    /// Volumes, two classes.
    Volumes,
}

/// A model of a name.
pub(crate) fn model(name: &str, kind: Kind) -> Model {
    let mut text = include_str!("../../../medley-package/src/example.toml").to_owned();
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "the example of medley-package has no {from:?}");
        text = text.replace(from, to);
    };
    replace("name = \"breast-1.breastmnist\"", &format!("name = \"{name}\""));
    let classes = "classes = [\"malignant\", \"normal, benign\"]";
    match kind {
        Kind::Binary => {}
        Kind::Colour => {
            replace(classes, "classes = [\"a\", \"b\", \"c\", \"d\", \"e\"]");
            replace("kind = \"binary\"", "kind = \"multi-class\"");
            replace("outputs = 2", "outputs = 5");
            replace("channels = 1", "channels = 3");
            replace("[0.3274]", "[0.5, 0.5, 0.5]");
            replace("[0.2027]", "[0.2, 0.2, 0.2]");
        }
        Kind::Labels => {
            replace(classes, "classes = [\"a\", \"b\", \"c\"]");
            replace("kind = \"binary\"", "kind = \"multi-label\"");
            replace("outputs = 2", "outputs = 3");
        }
        Kind::Volumes => replace("height = 28\n", "depth = 28\nheight = 28\n"),
    }
    let package = Package::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    package.models()[0].clone()
}

/// What fakes were asked, and how they are held up.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Images of each batch.
    batches: Mutex<Vec<usize>>,
    /// While it is set, they wait.
    pub held: AtomicBool,
    /// If it is set, the next batch fails.
    pub fails: AtomicBool,
    /// If it is set, the next batch panics.
    pub panics: AtomicBool,
}

impl Log {
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }

    pub(crate) fn set(flag: &AtomicBool, value: bool) {
        flag.store(value, Ordering::SeqCst);
    }
}

/// An image's answer depends on its first pixel, and whether it is unlike on its last.
pub(crate) struct Fake {
    model: Model,
    log: Arc<Log>,
    /// What a batch takes.
    pub delay: Duration,
}

impl Fake {
    pub(crate) fn new(model: Model) -> (Self, Arc<Log>) {
        let log = Arc::new(Log::default());
        (Self { model, log: Arc::clone(&log), delay: Duration::ZERO }, log)
    }
}

impl Classifier for Fake {
    fn model(&self) -> &Model {
        &self.model
    }

    fn classify(&mut self, images: &[u8]) -> Result<Vec<Answer>, ClassifierError> {
        let image = self.model.input().len();
        self.log.batches.lock().unwrap().push(images.len() / image);
        while self.log.held.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        if !self.delay.is_zero() {
            thread::sleep(self.delay);
        }
        assert!(!self.log.panics.swap(false, Ordering::SeqCst), "as it was asked to");
        if self.log.fails.swap(false, Ordering::SeqCst) {
            return Err(ClassifierError::Failed("as it was asked to".into()));
        }
        let probabilities: Vec<f32> =
            images.chunks(image).flat_map(|image| probabilities(image[0], &self.model)).collect();
        let energies: Vec<f32> =
            images.chunks(image).map(|image| f32::from(image[image.len() - 1]) / 255.0 - 1.0).collect();
        self.model.answers(&probabilities, &energies)
    }
}

/// A PNG of one pixel, which stands for a map.
pub(crate) const MAP: &[u8] = b"\
    \x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\
    \x00\x1f\x15\xc4\x89\x00\x00\x00\x0d\x49\x44\x41\x54\x78\xda\x63\x64\xf8\xcf\x50\x0f\x00\x03\x86\x01\x80\x5a\x34\
    \x7d\x6b\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

/// Draws nothing, and tells how much is asked of it.
pub(crate) struct FakeExplainer {
    log: Arc<Log>,
}

impl FakeExplainer {
    pub(crate) fn new() -> (Self, Arc<Log>) {
        let log = Arc::new(Log::default());
        (Self { log: Arc::clone(&log) }, log)
    }
}

impl Explainer for FakeExplainer {
    fn explain(&mut self, _: &[u8], class: usize) -> Result<Look, ClassifierError> {
        self.log.batches.lock().unwrap().push(class);
        while self.log.held.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!self.log.panics.swap(false, Ordering::SeqCst), "as it was asked to");
        if self.log.fails.swap(false, Ordering::SeqCst) {
            return Err(ClassifierError::Failed("as it was asked to".into()));
        }
        Ok(Look { method: "guessing".into(), png: MAP.to_vec() })
    }
}

/// Of an image with this first pixel.
fn probabilities(first: u8, model: &Model) -> Vec<f32> {
    let weight = |class: usize| 1.0 + f32::from(first.wrapping_add((class * 97) as u8));
    let weights: Vec<f32> = (0..model.classes().len()).map(weight).collect();
    let several = model.task().kind == TaskKind::MultiLabel;
    let sum = if several { 256.0 } else { weights.iter().sum() };
    weights.iter().map(|weight| weight / sum).collect()
}
