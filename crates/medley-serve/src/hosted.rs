//! A model as a server is given it.

use std::fmt;

use medley_package::{Classifier, Explainer};

/// A model with who computes it: one classifier, or several with the same answers, and who explains it, if anybody does.
pub struct Hosted {
    pub(crate) classifiers: Vec<Box<dyn Classifier>>,
    pub(crate) explainer: Option<Box<dyn Explainer>>,
}

impl Hosted {
    /// A model that one classifier computes.
    pub fn new(classifier: Box<dyn Classifier>) -> Self {
        Self { classifiers: vec![classifier], explainer: None }
    }

    /// Adds a classifier with the same model and the same answers. Each has a thread, and all take from one queue.
    #[must_use]
    pub fn with_replica(mut self, classifier: Box<dyn Classifier>) -> Self {
        self.classifiers.push(classifier);
        self
    }

    /// Says who draws where in an image the model looked.
    #[must_use]
    pub fn with_explainer(mut self, explainer: Box<dyn Explainer>) -> Self {
        self.explainer = Some(explainer);
        self
    }

    pub(crate) fn name(&self) -> &str {
        self.classifiers.first().map_or("", |classifier| classifier.model().name())
    }
}

impl From<Box<dyn Classifier>> for Hosted {
    fn from(classifier: Box<dyn Classifier>) -> Self {
        Self::new(classifier)
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, replicas, explained) = (self.name(), self.classifiers.len(), self.explainer.is_some());
        f.debug_struct("Hosted")
            .field("name", &name)
            .field("replicas", &replicas)
            .field("explained", &explained)
            .finish()
    }
}
