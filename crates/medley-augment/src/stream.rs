//! Batches ahead of time, in order, over bounded channels.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use medley_core::ImageShape;

use crate::assembler::{Mode, Shared};
use crate::{Batch, BatchRequest};

/// A batch to fill: its number, what goes in, and a buffer.
type Job = (u64, BatchRequest, Vec<f32>);
/// A batch, or the panic that came instead.
type Done = (u64, Result<(BatchRequest, Vec<f32>), Box<dyn Any + Send>>);

/// An iterator of [`Batch`]es in request order. Made by [`BatchAssembler::stream`](crate::BatchAssembler::stream).
///
/// At most `prefetch` batches are under way; both channels hold that many, so no worker ever waits to hand one in, and
/// dropping the stream early ends within the batches being filled.
pub struct BatchStream {
    shared: Arc<Shared>,
    requests: Box<dyn Iterator<Item = BatchRequest> + Send>,
    mode: Mode,
    workers: Option<Workers>,
    prefetch: usize,
    /// Number of the batch that [`Iterator::next`] gives.
    next: u64,
    /// By number, from `next` on; `None` is not filled yet.
    under_way: VecDeque<Option<(BatchRequest, Vec<f32>)>>,
    spare: Vec<Vec<f32>>,
    waited: Duration,
}

struct Workers {
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl BatchStream {
    pub(crate) fn start(
        shared: Arc<Shared>,
        requests: Box<dyn Iterator<Item = BatchRequest> + Send>,
        mode: Mode,
        workers: usize,
        prefetch: usize,
    ) -> Self {
        let workers = Workers::start(&shared, mode, workers, prefetch);
        let mut stream = Self {
            shared,
            requests,
            mode,
            workers,
            prefetch,
            next: 0,
            under_way: VecDeque::new(),
            spare: Vec::new(),
            waited: Duration::ZERO,
        };
        stream.feed();
        stream
    }

    /// Gives the memory of a batch back, to be filled again.
    pub fn recycle(&mut self, batch: Batch) {
        self.spare.push(batch.pixels);
    }

    /// How long [`Iterator::next`] has waited for pixels so far; without workers, the time it took to fill them.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Shape of one image of a batch.
    pub fn shape(&self) -> ImageShape {
        self.shared.shape()
    }

    /// Hands out jobs until `prefetch` are under way.
    fn feed(&mut self) {
        let Some(jobs) = self.workers.as_ref().and_then(|workers| workers.jobs.as_ref()) else { return };
        while self.under_way.len() < self.prefetch
            && let Some(request) = self.requests.next()
        {
            let number = self.next + self.under_way.len() as u64;
            // Never blocks: the channel holds as many jobs as can be under way. Fails only if all workers are gone.
            if jobs.send((number, request, self.spare.pop().unwrap_or_default())).is_err() {
                return;
            }
            self.under_way.push_back(None);
        }
    }

    /// Waits until the batch at the front is filled.
    fn collect(&mut self) -> Option<(BatchRequest, Vec<f32>)> {
        let done = &self.workers.as_ref()?.done;
        while let Some(None) = self.under_way.front() {
            let (number, result) = done.recv().ok()?;
            match result {
                Ok(filled) => self.under_way[(number - self.next) as usize] = Some(filled),
                Err(panic) => resume_unwind(panic),
            }
        }
        self.next += 1;
        self.under_way.pop_front()?
    }

    fn fill_here(&mut self) -> Option<(BatchRequest, Vec<f32>)> {
        let request = self.requests.next()?;
        let mut pixels = self.spare.pop().unwrap_or_default();
        self.shared.assemble(&request, self.mode, &mut pixels);
        Some((request, pixels))
    }
}

impl Iterator for BatchStream {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.feed();
        let begun = Instant::now();
        let filled = if self.workers.is_some() { self.collect() } else { self.fill_here() };
        self.waited += begun.elapsed();
        let (request, pixels) = filled?;
        self.feed();
        Some(Batch { request, shape: self.shared.shape(), pixels })
    }
}

impl Workers {
    /// As many threads as the system gives, up to `workers`; `None` if it gives none.
    fn start(shared: &Arc<Shared>, mode: Mode, workers: usize, prefetch: usize) -> Option<Self> {
        let (jobs, todo) = bounded::<Job>(prefetch);
        let (finished, done) = bounded::<Done>(prefetch);
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..workers)
            .map_while(|_| {
                let (shared, todo) = (Arc::clone(shared), todo.clone());
                let (finished, stop) = (finished.clone(), Arc::clone(&stop));
                let work = move || work(&shared, mode, &todo, &finished, &stop);
                std::thread::Builder::new().name("medley-augment".to_owned()).spawn(work).ok()
            })
            .collect();
        if threads.is_empty() {
            return None;
        }
        Some(Self { jobs: Some(jobs), done, stop, threads })
    }
}

fn work(shared: &Shared, mode: Mode, todo: &Receiver<Job>, finished: &Sender<Done>, stop: &AtomicBool) {
    for (number, request, mut pixels) in todo {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(|| shared.assemble(&request, mode, &mut pixels)));
        if finished.send((number, result.map(|()| (request, pixels)))).is_err() {
            return;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Panics of the workers' own were caught and sent.
            let _ = thread.join();
        }
    }
}
