//! What all requests share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use bytes::Bytes;
use medley_package::Answer;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::ApiError;
use super::body::Bodies;
use crate::batching::{Failure, Refusal};
use crate::metrics::Metrics;
use crate::models::{Models, Served};
use crate::options::Limits;
use crate::{Hosted, ServeError, ServeOptions};

/// The server, as requests see it.
#[derive(Debug)]
pub(crate) struct App {
    pub models: Models,
    pub limits: Limits,
    pub metrics: Metrics,
    /// Memory for bodies.
    pub bodies: Arc<Bodies>,
    /// As many pictures are decoded at once.
    pub decoders: Arc<Semaphore>,
    stopping: AtomicBool,
    requests: AtomicU64,
}

impl App {
    pub(crate) fn new(models: Vec<Hosted>, options: &ServeOptions) -> Result<Self, ServeError> {
        options.check()?;
        let metrics = Metrics::new();
        let models = Models::start(models, options, &metrics)?;
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Ok(Self {
            models,
            limits: options.limits,
            metrics,
            bodies: Arc::new(Bodies::new(options.limits.bodies)),
            decoders: Arc::new(Semaphore::new(cores)),
            stopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        })
    }

    /// From now on it is not ready. What comes is answered still.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The number of a request, from 1.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Answers to images, once they have been in a batch.
pub(crate) async fn classify(
    served: &Served,
    images: Bytes,
    count: usize,
    within: Duration,
) -> Result<Vec<Answer>, ApiError> {
    let receiver = served.queue.push(images, count).inspect_err(|refusal| {
        if matches!(refusal, Refusal::Full { .. }) {
            served.metrics.refused.inc();
        }
    })?;
    match timeout(within, receiver).await {
        Ok(Ok(answers)) => Ok(answers?),
        Ok(Err(oneshot::error::RecvError { .. })) => Err(Failure::Ended.into()),
        Err(_) => Err(ApiError::slow_model(format!("there was no answer within {} s", within.as_secs_f64()))),
    }
}

/// The model that a path names, in the version that it may name.
pub(crate) struct Named(pub Arc<Served>);

impl FromRequestParts<Arc<App>> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let parameters = RawPathParams::from_request_parts(parts, app).await;
        let parameters = parameters.map_err(|error| ApiError::bad_request(error.to_string()))?;
        let value = |wanted: &str| parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
        let name = value("model").unwrap_or_default();
        let served = app.models.find(name).ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            ApiError::not_found(format!("there is no model {name:?}; there is {}", app.models.names()))
        })?;
        if let Some(version) = value("version").filter(|version| *version != crate::protocol::VERSION) {
            let version: String = version.chars().take(64).collect();
            return Err(ApiError::not_found(format!(
                "there is no version {version:?} of `{}`; there is \"1\"",
                served.name()
            )));
        }
        Asked::note(parts, served);
        Ok(Self(Arc::clone(served)))
    }
}

/// The only model that there is.
pub(crate) struct Only(pub Arc<Served>);

impl FromRequestParts<Arc<App>> for Only {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let [served] = app.models.all.as_slice() else {
            let names = app.models.names();
            return Err(ApiError::bad_request(format!(
                "this server has several models, {names}: send the picture to /models/NAME/predict"
            )));
        };
        Asked::note(parts, served);
        Ok(Self(Arc::clone(served)))
    }
}

/// Which model a request asks, for the log: it is known before there is an answer, or an error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked(Arc<OnceLock<Arc<Served>>>);

impl Asked {
    fn note(parts: &Parts, served: &Arc<Served>) {
        if let Some(Self(cell)) = parts.extensions.get() {
            let _ = cell.set(Arc::clone(served));
        }
    }

    pub(crate) fn model(&self) -> Option<&str> {
        self.0.get().map(|served| served.name())
    }
}
