//! What the server says of itself, beside the protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use medley_core::{Modality, TaskKind};
use medley_package::NOTICE;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::Named;
use super::error::ErrorBody;
use super::{ApiError, App};
use crate::answers::is_synthetic;
use crate::metrics::CONTENT_TYPE;
use crate::models::Served;

/// All models.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// In the order in which they were named.
    pub models: Vec<ModelDescription>,
    /// That nothing here is for clinical use.
    pub notice: String,
}

/// A model, for people.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ModelDescription {
    /// Its name on this server.
    pub name: String,
    /// The task that it was trained for.
    pub task: String,
    /// The task, as people write it.
    pub title: String,
    /// `binary`, `multi-class`, `ordinal` or `multi-label`.
    #[schema(value_type = String)]
    pub kind: TaskKind,
    /// What kind of images it is for.
    #[schema(value_type = String)]
    pub modality: Modality,
    /// In the order of probabilities.
    pub classes: Vec<String>,
    /// `[H, W, C]`, or `[D, H, W, C]` for volumes: pictures of other sizes are resized.
    pub input: Vec<usize>,
    /// Whether it warns of images that are unlike those of the training.
    pub warns: bool,
    /// Whether it shows where it looked.
    pub explains: bool,
    /// Whether it learned from generated images, so that its answers mean nothing.
    pub synthetic: bool,
    /// The licence of the training images.
    pub data_licence: String,
    /// Macro-F1 by split, if it is known.
    pub macro_f1: BTreeMap<String, f64>,
}

impl ModelDescription {
    fn of(served: &Served) -> Self {
        let (model, task) = (&served.model, served.model.task());
        Self {
            name: model.name().to_owned(),
            task: task.name.clone(),
            title: task.title.clone(),
            kind: task.kind,
            modality: task.modality,
            classes: task.classes.clone(),
            input: served.signature.input.shape.clone(),
            warns: model.unlike().is_some(),
            explains: served.explaining.is_some(),
            synthetic: is_synthetic(model),
            data_licence: model.data().licence.name().to_owned(),
            macro_f1: model.metrics().iter().map(|(split, of)| (split.clone(), of.macro_f1)).collect(),
        }
    }
}

/// All models.
#[utoipa::path(get, path = "/models", tag = "Models", responses((status = 200, body = ModelList)))]
pub(crate) async fn models(State(app): State<Arc<App>>) -> Json<ModelList> {
    let models = app.models.all.iter().map(|served| ModelDescription::of(served)).collect();
    Json(ModelList { models, notice: NOTICE.to_owned() })
}

/// A model: its task, classes and input.
#[utoipa::path(get, path = "/models/{model}", tag = "Models", params(("model" = String, Path)), responses(
    (status = 200, body = ModelDescription), (status = 404, body = ErrorBody),
))]
pub(crate) async fn model(Named(served): Named) -> Json<ModelDescription> {
    Json(ModelDescription::of(&served))
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "Server", responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    for served in &app.models.all {
        served.metrics.waiting.set(served.queue.images() as i64);
    }
    let text = app.metrics.text();
    let text = text.map_err(|error| ApiError::internal(format!("the metrics cannot be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
