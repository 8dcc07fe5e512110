//! What the server counts, in the text format of Prometheus.
//!
//! Labels come from small sets (models, routes, status codes), so nothing that a client sends makes a new time series.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The content type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    route: String,
    method: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    model: String,
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<OfRequest, Counter>,
    request_seconds: Family<OfRoute, Histogram, fn() -> Histogram>,
    /// Requests that are being answered.
    pub in_flight: Gauge,
    /// Open connections.
    pub connections: Gauge,
    models: Arc<ModelFamilies>,
}

/// What is counted for one model.
#[derive(Debug, Clone)]
pub(crate) struct ModelMetrics {
    /// Classified images.
    pub images: Counter,
    /// Images that wait.
    pub waiting: Gauge,
    /// Refused with 429.
    pub refused: Counter,
    /// Images of a batch.
    pub batch_images: Histogram,
    /// From arrival in the queue to the beginning of the batch.
    pub queue_seconds: Histogram,
    /// Of one batch.
    pub compute_seconds: Histogram,
}

#[derive(Debug)]
struct ModelFamilies {
    images: Family<OfModel, Counter>,
    waiting: Family<OfModel, Gauge>,
    refused: Family<OfModel, Counter>,
    batch_images: Family<OfModel, Histogram, fn() -> Histogram>,
    queue_seconds: Family<OfModel, Histogram, fn() -> Histogram>,
    compute_seconds: Family<OfModel, Histogram, fn() -> Histogram>,
}

/// 0.25 ms to 8 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

/// 1 to 1024.
fn counts() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 2.0, 11))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("medley");
        let families = ModelFamilies {
            images: Family::default(),
            waiting: Family::default(),
            refused: Family::default(),
            batch_images: Family::new_with_constructor(counts),
            queue_seconds: Family::new_with_constructor(seconds),
            compute_seconds: Family::new_with_constructor(seconds),
        };
        let requests = Family::default();
        let request_seconds: Family<OfRoute, Histogram, fn() -> Histogram> = Family::new_with_constructor(seconds);
        let (in_flight, connections) = (Gauge::default(), Gauge::default());
        registry.register("requests", "Answered requests", requests.clone());
        registry.register("request_seconds", "Time from the headers to the answer", request_seconds.clone());
        registry.register("requests_in_flight", "Requests that are being answered", in_flight.clone());
        registry.register("connections", "Open connections", connections.clone());
        registry.register("images", "Classified images", families.images.clone());
        registry.register("queue_images", "Images that wait for a batch", families.waiting.clone());
        registry.register("refused", "Requests refused because the queue was full", families.refused.clone());
        registry.register("batch_images", "Images of a batch", families.batch_images.clone());
        registry.register("queue_seconds", "Time in the queue", families.queue_seconds.clone());
        registry.register("compute_seconds", "Time to compute a batch", families.compute_seconds.clone());
        Self { registry, requests, request_seconds, in_flight, connections, models: Arc::new(families) }
    }

    /// The metrics of a model, which are 0 from now on.
    pub(crate) fn of_model(&self, name: &str) -> ModelMetrics {
        let (of, model) = (OfModel { model: name.to_owned() }, &self.models);
        ModelMetrics {
            images: model.images.get_or_create_owned(&of),
            waiting: model.waiting.get_or_create_owned(&of),
            refused: model.refused.get_or_create_owned(&of),
            batch_images: model.batch_images.get_or_create_owned(&of),
            queue_seconds: model.queue_seconds.get_or_create_owned(&of),
            compute_seconds: model.compute_seconds.get_or_create_owned(&of),
        }
    }

    /// Counts an answered request. The route is a pattern such as `/v2/models/{model}`, not a path.
    pub(crate) fn answered(&self, route: &str, method: &str, status: u16, seconds: f64) {
        let of = OfRequest { route: route.to_owned(), method: method.to_owned(), status };
        self.requests.get_or_create(&of).inc();
        self.request_seconds.get_or_create(&OfRoute { route: route.to_owned() }).observe(seconds);
    }

    /// All of it, as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
