//! The thread of a model: it owns the classifier, takes batches and answers them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use medley_package::{Answer, Classifier};

use super::queue::{Failure, Job, Queue};
use crate::ServeError;
use crate::error::chain;
use crate::metrics::ModelMetrics;

/// Starts a thread. It ends when the queue is closed and empty, or when the classifier panics.
pub(crate) fn start(
    classifier: Box<dyn Classifier>,
    image: usize,
    max_batch: usize,
    queue: Arc<Queue>,
    metrics: ModelMetrics,
) -> Result<JoinHandle<()>, ServeError> {
    let name = classifier.model().name().to_owned();
    queue.begin();
    let mut worker = Worker { name: name.clone(), classifier, image, max_batch, queue, metrics };
    let run = move || {
        // What the classifier was doing is not known any more, so it is not asked again.
        if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
            tracing::error!(model = worker.name, "a classifier panicked and is not asked again");
        }
        worker.queue.end();
    };
    let started = thread::Builder::new().name(format!("model {name}")).spawn(run);
    started.map_err(|source| ServeError::Thread { model: name, source })
}

struct Worker {
    name: String,
    classifier: Box<dyn Classifier>,
    /// Bytes of an image.
    image: usize,
    max_batch: usize,
    queue: Arc<Queue>,
    metrics: ModelMetrics,
}

impl Worker {
    fn run(&mut self) {
        let mut buffer = Vec::new();
        while let Some(mut jobs) = self.queue.take() {
            // Nobody waits for them: the client has gone, or has been told that it took too long.
            jobs.retain(|job| !job.answer.is_closed());
            for job in &jobs {
                self.metrics.queue_seconds.observe(job.since.elapsed().as_secs_f64());
            }
            let answers = match jobs.as_slice() {
                [] => continue,
                [job] => self.answers(&job.images),
                jobs => {
                    buffer.clear();
                    for job in jobs {
                        buffer.extend_from_slice(&job.images);
                    }
                    self.answers(&buffer)
                }
            };
            self.hand_out(jobs, answers);
        }
    }

    /// Answers to images, in batches of the largest size.
    fn answers(&mut self, images: &[u8]) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::with_capacity(images.len() / self.image);
        for batch in images.chunks(self.max_batch * self.image) {
            let count = batch.len() / self.image;
            let begun = Instant::now();
            let found = self.classifier.classify(batch).map_err(|error| Failure::Classifier(chain(&error)))?;
            let seconds = begun.elapsed().as_secs_f64();
            if found.len() != count {
                let problem = format!("the classifier gave {} answers to {count} images", found.len());
                return Err(Failure::Classifier(problem));
            }
            self.queue.computed(count, seconds);
            self.metrics.images.inc_by(count as u64);
            self.metrics.batch_images.observe(count as f64);
            self.metrics.compute_seconds.observe(seconds);
            answers.extend(found);
        }
        Ok(answers)
    }

    fn hand_out(&self, jobs: Vec<Job>, answers: Result<Vec<Answer>, Failure>) {
        match answers {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                for job in jobs {
                    // Whoever has gone meanwhile needs none.
                    let _ = job.answer.send(Ok(answers.by_ref().take(job.count).collect()));
                }
            }
            Err(failure) => {
                tracing::error!(model = self.name, requests = jobs.len(), error = %failure, "a batch has failed");
                for job in jobs {
                    let _ = job.answer.send(Err(failure.clone()));
                }
            }
        }
    }
}
