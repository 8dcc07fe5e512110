//! The models of a server, by name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use medley_package::Model;
use medley_pictures::{Budget, Rules};

use crate::batching::{self, Queue};
use crate::explaining::Explaining;
use crate::metrics::{Metrics, ModelMetrics};
use crate::protocol::Signature;
use crate::{Hosted, ServeError, ServeOptions};

/// A model that is being served.
#[derive(Debug)]
pub(crate) struct Served {
    pub model: Model,
    pub signature: Signature,
    pub rules: Rules,
    pub queue: Arc<Queue>,
    pub explaining: Option<Explaining>,
    pub metrics: ModelMetrics,
}

impl Served {
    pub(crate) fn name(&self) -> &str {
        self.model.name()
    }
}

/// All of them, in the order in which they were given, with their threads.
#[derive(Debug)]
pub(crate) struct Models {
    pub all: Vec<Arc<Served>>,
    threads: Vec<JoinHandle<()>>,
}

impl Models {
    /// Starts a thread for each classifier.
    pub(crate) fn start(hosted: Vec<Hosted>, options: &ServeOptions, metrics: &Metrics) -> Result<Self, ServeError> {
        if hosted.is_empty() {
            return Err(ServeError::NoModel);
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = hosted.iter().find(|hosted| !names.insert(hosted.name())) {
            return Err(ServeError::Twice { name: twice.name().to_owned() });
        }
        let pictures = options.limits.pictures / hosted.len() as u64;
        let mut models = Self { all: Vec::new(), threads: Vec::new() };
        for hosted in hosted {
            if let Err(error) = models.add(hosted, pictures, options, metrics) {
                models.close();
                return Err(error);
            }
        }
        Ok(models)
    }

    fn add(
        &mut self,
        hosted: Hosted,
        pictures: u64,
        options: &ServeOptions,
        metrics: &Metrics,
    ) -> Result<(), ServeError> {
        let Hosted { classifiers, explainer } = hosted;
        let model = classifiers.first().ok_or(ServeError::NoModel)?.model().clone();
        let explaining = explainer.map(|explainer| Explaining::new(explainer, options.limits.explanations));
        let signature = Signature::of(&model);
        let rules =
            Rules { max_pixels: options.limits.max_pixels, budget: Budget::new(pictures), ..model.picture_rules() };
        let queue = Arc::new(Queue::new(options.batching));
        let metrics = metrics.of_model(model.name());
        let (image, max_batch) = (signature.input.image(), options.batching.max_batch);
        let served =
            Served { model, signature, rules, queue: Arc::clone(&queue), explaining, metrics: metrics.clone() };
        self.all.push(Arc::new(served));
        for classifier in classifiers {
            let thread = batching::start(classifier, image, max_batch, Arc::clone(&queue), metrics.clone())?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// Takes in nothing more; what waits is computed.
    pub(crate) fn close(&self) {
        self.all.iter().for_each(|model| model.queue.close());
    }

    /// Waits until the threads have ended, and with them the classifiers, but no longer than this.
    pub(crate) fn wait(&self, most: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < most && !self.threads.iter().all(JoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The model of a name; of the name of a task, if only one model is for it.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Served>> {
        let of_task = || {
            let mut found = self.all.iter().filter(|model| model.model.task().name == name);
            found.next().filter(|_| found.next().is_none())
        };
        self.all.iter().find(|model| model.name() == name).or_else(of_task)
    }

    /// The names, as people read them.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.all.iter().map(|model| format!("`{}`", model.name())).collect();
        names.join(", ")
    }
}
