//! What waits for a model: bounded, and closed once.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use medley_package::Answer;
use tokio::sync::oneshot;

use super::policy::{Batching, Next, Waiting, retry_after};

/// Images of one request, and where their answers go.
#[derive(Debug)]
pub(crate) struct Job {
    /// The images, one behind the other.
    pub images: Bytes,
    /// How many.
    pub count: usize,
    /// Since when they wait.
    pub since: Instant,
    /// Gone where nobody waits any more.
    pub answer: oneshot::Sender<Result<Vec<Answer>, Failure>>,
}

/// Why what was taken was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// By the classifier.
    #[error("{0}")]
    Classifier(String),
    /// The thread of the model has ended.
    #[error("the model has failed and answers no more; start the server again")]
    Ended,
}

/// Why images were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are too many.
    Full {
        /// Seconds after which there is room.
        retry_after: u64,
    },
    /// More than ever have room.
    TooMany {
        /// The limit.
        most: usize,
    },
    /// The server stops.
    Closed,
    /// The thread of the model has ended.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// What waits is computed, and no more.
    Closed,
    /// Nobody computes.
    Ended,
}

#[derive(Debug)]
struct State {
    jobs: VecDeque<Job>,
    images: usize,
    gate: Gate,
    /// Threads that take from it.
    workers: usize,
    /// Images per second of one of them, as a moving average.
    rate: f64,
}

/// The queue of a model.
#[derive(Debug)]
pub(crate) struct Queue {
    batching: Batching,
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    pub(crate) fn new(batching: Batching) -> Self {
        let state = State { jobs: VecDeque::new(), images: 0, gate: Gate::Open, workers: 0, rate: 0.0 };
        Self { batching, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// One thread more takes from it.
    pub(crate) fn begin(&self) {
        self.lock().workers += 1;
    }

    /// Takes images in, or says why not. What was taken is answered, also after [`Self::close`].
    pub(crate) fn push(
        &self,
        images: Bytes,
        count: usize,
    ) -> Result<oneshot::Receiver<Result<Vec<Answer>, Failure>>, Refusal> {
        if count > self.batching.queue {
            return Err(Refusal::TooMany { most: self.batching.queue });
        }
        let mut state = self.lock();
        match state.gate {
            Gate::Open => {}
            Gate::Closed => return Err(Refusal::Closed),
            Gate::Ended => return Err(Refusal::Ended),
        }
        if state.images + count > self.batching.queue {
            return Err(Refusal::Full { retry_after: retry_after(state.images, state.rate * state.workers as f64) });
        }
        let (answer, receiver) = oneshot::channel();
        let first = state.jobs.is_empty();
        state.images += count;
        state.jobs.push_back(Job { images, count, since: Instant::now(), answer });
        // In between there is nothing to decide.
        if first || state.images >= self.batching.max_batch {
            self.changed.notify_one();
        }
        Ok(receiver)
    }

    /// Waits for a batch: whole requests, of as many images as fit, or one larger request. `None` after the last one.
    pub(crate) fn take(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            let oldest = state.jobs.front().map(|job| job.since.elapsed());
            let waiting = Waiting { images: state.images, oldest, closed: state.gate != Gate::Open };
            state = match self.batching.next(waiting) {
                Next::Compute => return Some(self.cut(&mut state)),
                Next::End => return None,
                Next::Sleep => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Next::Gather(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    fn cut(&self, state: &mut State) -> Vec<Job> {
        let (mut batch, mut images) = (Vec::new(), 0);
        while let Some(job) = state.jobs.front() {
            if !batch.is_empty() && images + job.count > self.batching.max_batch {
                break;
            }
            images += job.count;
            batch.extend(state.jobs.pop_front());
        }
        state.images -= images;
        // What is left is for another one to take.
        if !state.jobs.is_empty() {
            self.changed.notify_one();
        }
        batch
    }

    /// Notes how fast a batch was computed.
    pub(crate) fn computed(&self, images: usize, seconds: f64) {
        let rate = images as f64 / seconds.max(1e-6);
        let mut state = self.lock();
        state.rate = if state.rate > 0.0 { 0.8 * state.rate + 0.2 * rate } else { rate };
    }

    /// Images that wait.
    pub(crate) fn images(&self) -> usize {
        self.lock().images
    }

    /// Whether images are taken in.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().gate == Gate::Open
    }

    /// Takes nothing in any more. What waits is computed.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.gate == Gate::Open {
            state.gate = Gate::Closed;
        }
        self.changed.notify_all();
    }

    /// A thread has ended. After the last one nobody computes any more: what waits learns of it, and so does whoever comes.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.workers = state.workers.saturating_sub(1);
        if state.workers > 0 {
            return;
        }
        state.gate = Gate::Ended;
        state.images = 0;
        for job in state.jobs.drain(..) {
            let _ = job.answer.send(Err(Failure::Ended));
        }
    }

    /// A thread that panicked while it held the lock has left nothing half done: what it does there cannot panic in between.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
