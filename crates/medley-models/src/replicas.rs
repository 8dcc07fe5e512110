//! Data-parallel replicas: each core computes its share of a batch with one thread.
//!
//! On few cores and small networks this beats one network with several threads per operation, whose threads meet at the end
//! of each of some hundred short operations. All replicas read the same parameters (the tensors of a copy share the memory of
//! the network's own), so nothing is copied when an optimizer changes them; their gradients are added up in the order of the replicas. The
//! rows of every task are distributed evenly. Each replica normalises by the statistics of its own rows ("ghost" batch
//! normalisation, Hoffer et al. 2017), and the running statistics are their mean weighted by rows. Results depend on the number
//! of replicas, never on timing.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tch::{Device, Kind, Tensor};

use crate::backbones::Backbone;
use crate::context::{Prepared, Rows};
use crate::options::Segment;
use crate::resize::resize;
use crate::scope::{Buffer, Store, in_layout};
use crate::{Context, Convolutions, MemoryLayout, ModelError};

/// The rows of a batch that one replica computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) segments: Vec<Segment>,
    /// Numbers of the rows in the whole batch.
    pub(crate) rows: Vec<i64>,
}

/// Distributes the rows of every segment over `replicas` shares, as evenly as can be and in order. Shares without rows are left out.
pub(crate) fn distribute(segments: &[Segment], replicas: usize) -> Vec<Share> {
    let mut shares = vec![Share { segments: Vec::new(), rows: Vec::new() }; replicas];
    let mut turn = 0;
    for segment in segments {
        let mut next = segment.start;
        let (each, extra) = (segment.len / replicas as i64, (segment.len % replicas as i64) as usize);
        for (index, share) in shares.iter_mut().enumerate() {
            // Rows that are left over go round, so that no replica gets them all.
            let more = i64::from((index + replicas - turn) % replicas < extra);
            let len = each + more;
            if len > 0 {
                let start = share.rows.len() as i64;
                share.segments.push(Segment { task: segment.task, start, len });
                share.rows.extend(next..next + len);
                next += len;
            }
        }
        turn = (turn + extra) % replicas;
    }
    shares.retain(|share| !share.rows.is_empty());
    shares
}

/// What a pass is computed with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) train: bool,
    pub(crate) kind: Kind,
    pub(crate) layout: MemoryLayout,
    pub(crate) convolutions: Convolutions,
    /// What images are resized to.
    pub(crate) input_size: Option<usize>,
    pub(crate) noise: u64,
    /// Weights prepared for this inference are kept under its number.
    pub(crate) inference: Option<u64>,
}

impl Pass {
    /// Images as the trunk takes them: resized in fp32, then in the dtype and layout of the pass.
    pub(crate) fn input(&self, images: &Tensor) -> Result<Tensor, ModelError> {
        let resized = self.input_size.map(|side| resize(images, side as i64)).transpose()?;
        Ok(in_layout(&resized.as_ref().unwrap_or(images).f_to_kind(self.kind)?, self.layout)?)
    }
}

enum Job {
    Forward { images: Tensor, share: Share, pass: Pass },
    Backward { gradient: Tensor },
}

/// After a forward job the features, after a backward one the gradients of all parameters.
type Reply = Result<Vec<Option<Tensor>>, ModelError>;

/// A thread with a copy of the backbone.
struct Worker {
    /// Closed when dropped, which ends the thread.
    jobs: Option<Sender<Job>>,
    replies: Receiver<Reply>,
    thread: Option<JoinHandle<()>>,
    buffers: Vec<Tensor>,
}

/// The workers beside the calling thread, which computes the first share itself.
pub(crate) struct Replicas {
    workers: Vec<Worker>,
    /// The network's own of the trunk, by name.
    parameters: BTreeMap<String, Tensor>,
    buffers: Vec<Buffer>,
}

/// What a training pass leaves for its backward pass.
pub(crate) struct Pending {
    shares: Vec<Share>,
    /// The calling thread's features, with their graph.
    own: Tensor,
    /// All features, a leaf.
    pub(crate) joined: Tensor,
}

impl Replicas {
    /// Starts a thread for each copy of the trunk. All stores list the trunk's tensors by name.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when a thread cannot be started.
    pub(crate) fn start(own: &Store, copies: Vec<(Box<dyn Backbone>, Store)>) -> Result<Self, ModelError> {
        let workers = copies.into_iter().map(|(backbone, store)| Worker::start(backbone, &store));
        let (parameters, buffers) = (own.share().parameters, own.buffers.values().map(Buffer::share).collect());
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, parameters, buffers })
    }

    /// Whether a parameter of the network is one of the trunk, which replicas compute.
    pub(crate) fn computes(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    pub(crate) fn count(&self) -> usize {
        self.workers.len() + 1
    }

    /// Features of the whole batch, in order; `own` computes the calling thread's share.
    pub(crate) fn forward(
        &self,
        images: &Tensor,
        segments: &[Segment],
        pass: Pass,
        own: impl FnOnce(&Tensor, &Share) -> Result<Tensor, ModelError>,
    ) -> Result<(Tensor, Option<Pending>), ModelError> {
        let shares = distribute(segments, self.count());
        self.refresh_statistics()?;
        let parts = shares.iter().map(|share| rows_of(images, &share.rows)).collect::<Result<Vec<_>, _>>()?;
        for ((worker, share), part) in self.workers.iter().zip(&shares[1..]).zip(&parts[1..]) {
            worker.send(Job::Forward { images: part.shallow_clone(), share: share.clone(), pass })?;
        }
        let own = own(&parts[0], &shares[0]);
        // Every answer is waited for, also when one is an error, so that none is taken for that of a later pass.
        let others: Vec<Reply> = self.workers[..shares.len() - 1].iter().map(Worker::receive).collect();
        let own = own?;
        let mut features = vec![own.f_detach()?];
        for other in others {
            features.extend(other?.into_iter().flatten());
        }
        if pass.train {
            self.join_statistics(&shares)?;
        }
        let joined = in_order(&Tensor::f_cat(&features, 0)?, &shares)?;
        if !pass.train {
            return Ok((joined, None));
        }
        let joined = joined.f_detach()?.f_set_requires_grad(true)?;
        let pending = Pending { shares, own, joined: joined.shallow_clone() };
        Ok((joined, Some(pending)))
    }

    /// Sends the gradient of the joined features back through every replica and adds up the gradients of the trunk's
    /// parameters, by name.
    pub(crate) fn gradients(
        &self,
        pending: &Pending,
        gradient: &Tensor,
    ) -> Result<Vec<(&String, Option<Tensor>)>, ModelError> {
        let parts = pending.shares.iter().map(|share| rows_of(gradient, &share.rows)).collect::<Result<Vec<_>, _>>()?;
        let busy = &self.workers[..pending.shares.len() - 1];
        for (worker, part) in busy.iter().zip(&parts[1..]) {
            worker.send(Job::Backward { gradient: part.shallow_clone() })?;
        }
        let own = backward(&pending.own, &parts[0], self.parameters.values());
        let others: Vec<Reply> = busy.iter().map(Worker::receive).collect();
        let mut sums = own?;
        let _guard = tch::no_grad_guard();
        for other in others {
            for (sum, theirs) in sums.iter_mut().zip(other?) {
                *sum = match (sum.take(), theirs) {
                    // Not in place: two parameters may have been given one tensor.
                    (Some(sum), Some(theirs)) => Some(sum.f_add(&theirs)?),
                    (one, other) => one.or(other),
                };
            }
        }
        Ok(self.parameters.keys().zip(sums).collect())
    }

    /// Copies start from the network's own running statistics, which a loaded file may have changed.
    fn refresh_statistics(&self) -> Result<(), ModelError> {
        let _guard = tch::no_grad_guard();
        for worker in &self.workers {
            for (own, copy) in self.buffers.iter().zip(&worker.buffers) {
                copy.f_data()?.f_copy_(&own.tensor)?;
            }
        }
        Ok(())
    }

    fn join_statistics(&self, shares: &[Share]) -> Result<(), ModelError> {
        let _guard = tch::no_grad_guard();
        for (index, buffer) in self.buffers.iter().enumerate() {
            let rows = |share: &Share| -> i64 {
                let counted =
                    share.segments.iter().filter(|segment| buffer.task.is_none_or(|task| task == segment.task));
                counted.map(|segment| segment.len).sum()
            };
            let total: i64 = shares.iter().map(rows).sum();
            if total == 0 {
                continue;
            }
            let weight = |share| rows(share) as f64 / total as f64;
            let mut mean = buffer.tensor.f_mul_scalar(weight(&shares[0]))?;
            for (worker, share) in self.workers.iter().zip(&shares[1..]) {
                let _ = mean.f_add_(&worker.buffers[index].f_mul_scalar(weight(share))?)?;
            }
            // Through `data`: the backward pass holds on to these tensors and refuses to run when it sees them changed, though in
            // training it never reads them.
            buffer.tensor.f_data()?.f_copy_(&mean)?;
        }
        Ok(())
    }
}

impl Worker {
    fn start(backbone: Box<dyn Backbone>, store: &Store) -> Result<Self, ModelError> {
        let (jobs, inbox) = channel();
        let (outbox, replies) = channel();
        let parameters: Vec<Tensor> = store.parameters.values().map(Tensor::shallow_clone).collect();
        let buffers = store.buffers.values().map(|buffer| buffer.tensor.shallow_clone()).collect();
        let work = move || work(backbone.as_ref(), &parameters, &inbox, &outbox);
        let thread = std::thread::Builder::new().name("medley-replica".to_owned()).spawn(work);
        let thread = thread.map_err(|error| ModelError::Torch {
            doing: "starting the thread of a replica".into(),
            message: error.to_string(),
        })?;
        Ok(Self { jobs: Some(jobs), replies, thread: Some(thread), buffers })
    }

    fn send(&self, job: Job) -> Result<(), ModelError> {
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(stopped)
    }

    fn receive(&self) -> Reply {
        self.replies.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn stopped() -> ModelError {
    ModelError::Torch {
        doing: "computing a share of the batch".into(),
        message: "a replica's thread has stopped".into(),
    }
}

/// The life of a worker: one thread per operation, jobs in order.
fn work(backbone: &dyn Backbone, parameters: &[Tensor], jobs: &Receiver<Job>, replies: &Sender<Reply>) {
    crate::environment::set_threads(1);
    let mut kept: Option<Tensor> = None;
    let mut prepared: Option<(u64, Prepared)> = None;
    for job in jobs {
        let reply = match job {
            Job::Forward { images, share, pass } => {
                if prepared.as_ref().map(|(number, _)| *number) != pass.inference {
                    prepared = pass.inference.map(|number| (number, Prepared::default()));
                }
                let ready = prepared.as_ref().map(|(_, prepared)| prepared);
                forward(backbone, &images, &share, pass, ready).and_then(|features| {
                    let result = features.f_detach()?;
                    kept = pass.train.then_some(features);
                    Ok(vec![Some(result)])
                })
            }
            Job::Backward { gradient } => match kept.take() {
                Some(features) => backward(&features, &gradient, parameters.iter()),
                None => Ok(Vec::new()),
            },
        };
        if replies.send(reply).is_err() {
            return;
        }
    }
}

/// Features of one share.
pub(crate) fn forward(
    backbone: &dyn Backbone,
    images: &Tensor,
    share: &Share,
    pass: Pass,
    prepared: Option<&Prepared>,
) -> Result<Tensor, ModelError> {
    let guard = if pass.train { None } else { Some(tch::no_grad_guard()) };
    let numbers = share.rows.iter().map(|&row| row as u64).collect();
    let rows = Rows::new(&share.segments, numbers, Device::Cpu)?;
    let context = Context::new(pass.train, pass.kind, &rows, pass.noise);
    let context = Context { prepared, convolutions: pass.convolutions, ..context };
    let features = pass.input(images).and_then(|images| backbone.forward(&images.into(), &context)?.into_tensor());
    drop(guard);
    features
}

/// Gradients of parameters from that of the features. tch starts from slopes of one only: this product has the gradient as its
/// slope.
fn backward<'a>(
    features: &Tensor,
    gradient: &Tensor,
    parameters: impl Iterator<Item = &'a Tensor>,
) -> Result<Vec<Option<Tensor>>, ModelError> {
    gradients_of(&features.f_mul(gradient)?, parameters)
}

/// Gradients of the sum of a tensor, one per input; `None` where it does not depend on the input, or the input is frozen.
pub(crate) fn gradients_of<'a>(
    output: &Tensor,
    inputs: impl Iterator<Item = &'a Tensor>,
) -> Result<Vec<Option<Tensor>>, ModelError> {
    let inputs: Vec<&Tensor> = inputs.collect();
    let trained: Vec<&Tensor> = inputs.iter().copied().filter(|input| input.requires_grad()).collect();
    if trained.is_empty() || !output.requires_grad() {
        return Ok(inputs.iter().map(|_| None).collect());
    }
    let mut gradients = Tensor::f_run_backward(&[output], &trained, false, false)?.into_iter();
    let gradient =
        |input: &&Tensor| if input.requires_grad() { gradients.next().filter(Tensor::defined) } else { None };
    Ok(inputs.iter().map(gradient).collect())
}

/// Some rows of a tensor; consecutive ones are a view.
fn rows_of(x: &Tensor, rows: &[i64]) -> Result<Tensor, ModelError> {
    let consecutive = rows.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    Ok(match rows.first() {
        Some(&first) if consecutive => x.f_narrow(0, first, rows.len() as i64)?,
        _ => x.f_index_select(0, &Tensor::f_from_slice(rows)?)?,
    })
}

/// Rows of all shares, one share after another, put back into the order of the batch.
fn in_order(joined: &Tensor, shares: &[Share]) -> Result<Tensor, ModelError> {
    let rows: Vec<i64> = shares.iter().flat_map(|share| share.rows.iter().copied()).collect();
    let mut places = vec![0_i64; rows.len()];
    for (place, row) in (0..).zip(rows) {
        places[row as usize] = place;
    }
    rows_of(joined, &places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_is_distributed_once_and_evenly(lens in prop::collection::vec(1_i64..40, 1..12), replicas in 1_usize..9) {
            let mut start = 0;
            let segments: Vec<Segment> = lens.iter().enumerate().map(|(task, &len)| {
                start += len;
                Segment { task, start: start - len, len }
            }).collect();
            let shares = distribute(&segments, replicas);
            let mut rows: Vec<i64> = shares.iter().flat_map(|share| share.rows.clone()).collect();
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..start).collect::<Vec<_>>());
            let counts: Vec<_> = shares.iter().map(|share| share.rows.len()).collect();
            let missing = if shares.len() < replicas { 0 } else { *counts.iter().min().unwrap() };
            prop_assert!(counts.iter().max().unwrap() - missing <= 1, "{:?}", counts);
            for share in &shares {
                let mut next = 0;
                for segment in &share.segments {
                    prop_assert_eq!(segment.start, next);
                    let all = &segments[segment.task];
                    for row in &share.rows[next as usize..(next + segment.len) as usize] {
                        prop_assert!((all.start..all.start + all.len).contains(row));
                    }
                    next += segment.len;
                }
                prop_assert_eq!(next, share.rows.len() as i64);
            }
        }
    }
}
