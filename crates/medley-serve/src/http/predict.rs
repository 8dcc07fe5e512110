//! Pictures in, answers out.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use medley_package::{Answer, NOTICE};
use medley_pictures::{Input, PictureError};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::app::{Named, Only, classify};
use super::body::{Received, receive};
use super::error::ErrorBody;
use super::observe::Counted;
use super::{ApiError, App};
use crate::answers::{is_synthetic, warning};
use crate::explaining::NoLook;
use crate::models::Served;

/// What a client may want besides.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PredictQuery {
    /// Whether the answer has the pixels that the model saw.
    #[serde(default)]
    pixels: bool,
    /// Whether, and how, the answer shows where in the picture the model looked.
    #[param(inline)]
    explain: Option<ExplainBy>,
}

/// How maps are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExplainBy {
    /// Grad-CAM, or integrated gradients for networks that it cannot explain.
    GradCam,
}

/// What a model says of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Prediction {
    /// The model.
    pub model: String,
    /// The task that it was trained for.
    pub task: String,
    /// The class by the model's rule, which need not be the most probable one; absent for models that give several labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The labels by the model's rule: none, one or several. Absent for models that give one class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// For each class, in the order of the task.
    pub probabilities: Vec<ClassProbability>,
    /// Entropy of the probabilities in nats: 0 where the model is certain.
    pub entropy: f32,
    /// What was done to the picture before the model saw it, such as resizing.
    pub notes: Vec<String>,
    /// What is to be said about the picture: that it is unlike the training images.
    pub warning: Option<String>,
    /// How unlike the training images it is; higher is less alike. Absent where the model has no threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlike: Option<f32>,
    /// Whether the model learned from generated images, so that its answers mean nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// That this is not for clinical use.
    pub notice: String,
    /// What the model saw, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
    /// Where the model looked, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
}

/// A map of what the model used, which need not be what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Map {
    /// How it was made.
    pub method: String,
    /// The class that it is about: the answer, or the most probable class where there is none.
    pub class: String,
    /// The map over the pixels that the model saw: a PNG in base64.
    pub data: String,
}

/// A class and how probable it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ClassProbability {
    /// Its name.
    pub class: String,
    /// 0 to 1, calibrated if the model is.
    pub probability: f32,
}

/// Pixels as a model sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Pixels {
    /// `[H, W, C]`, or `[D, H, W, C]` for volumes.
    pub shape: Vec<usize>,
    /// Bytes in that order, in base64.
    pub data: String,
}

/// Classifies a picture, where the server has one model.
#[utoipa::path(post, path = "/predict", tag = "Pictures", params(PredictQuery),
    request_body(content((Vec<u8> = "application/octet-stream"), (PictureForm = "multipart/form-data"))),
    responses(
        (status = 200, body = Prediction), (status = 400, body = ErrorBody, description = "Not a picture, or several models"),
        (status = 408, body = ErrorBody), (status = 413, body = ErrorBody, description = "Too many bytes or pixels"),
        (status = 429, body = ErrorBody), (status = 503, body = ErrorBody), (status = 504, body = ErrorBody),
    )
)]
pub(crate) async fn predict_only(
    State(app): State<Arc<App>>,
    Only(served): Only,
    query: Result<Query<PredictQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    answer(&app, &served, query, &headers, body).await
}

/// Classifies a picture: PNG, JPEG, BMP, GIF or TIFF of any size, as the body or as the only file of a form.
#[utoipa::path(post, path = "/models/{model}/predict", tag = "Pictures", params(("model" = String, Path), PredictQuery),
    request_body(content((Vec<u8> = "application/octet-stream"), (PictureForm = "multipart/form-data"))),
    responses(
        (status = 200, body = Prediction), (status = 400, body = ErrorBody, description = "Not a picture"),
        (status = 404, body = ErrorBody), (status = 408, body = ErrorBody),
        (status = 413, body = ErrorBody, description = "Too many bytes or pixels"),
        (status = 429, body = ErrorBody), (status = 503, body = ErrorBody), (status = 504, body = ErrorBody),
    )
)]
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    Named(served): Named,
    query: Result<Query<PredictQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    answer(&app, &served, query, &headers, body).await
}

/// A form with a picture.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) struct PictureForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

async fn answer(
    app: &Arc<App>,
    served: &Arc<Served>,
    query: Result<Query<PredictQuery>, QueryRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let received = receive(headers, body, &app.limits, &app.bodies).await?;
    let picture = match boundary(headers)? {
        Some(boundary) => file_of_form(received.bytes.clone(), boundary).await?,
        None => received.bytes.clone(),
    };
    let Input { pixels, notes } = timeout(app.limits.answer_timeout, decode(app, served, received, picture))
        .await
        .unwrap_or_else(|_| Err(ApiError::slow_model("too many pictures wait to be decoded; try again")))?;
    let pixels = Bytes::from(pixels);
    let answers = classify(served, pixels.clone(), 1, app.limits.answer_timeout).await?;
    let answer = answers.first().ok_or_else(|| ApiError::internal("the classifier gave no answer"))?;
    let mut prediction = prediction(served, answer);
    prediction.notes = notes.iter().map(ToString::to_string).collect();
    if query.pixels {
        let shape = served.signature.input.shape.clone();
        prediction.pixels = Some(Pixels { shape, data: STANDARD.encode(&pixels) });
    }
    if let Some(ExplainBy::GradCam) = query.explain {
        prediction.map =
            Some(timeout(app.limits.answer_timeout, map(served, answer, pixels)).await.unwrap_or_else(|_| {
                Err(ApiError::slow_model("there was no map in time; ask again, or without `explain`"))
            })?);
    }
    let mut response = Json(prediction).into_response();
    response.extensions_mut().insert(Counted(1));
    Ok(response)
}

/// Where the model looked for what it answered.
async fn map(served: &Served, answer: &Answer, pixels: Bytes) -> Result<Map, ApiError> {
    let Some(explaining) = &served.explaining else {
        return Err(ApiError::bad_request(format!("`{}` is not explained on this server", served.name())));
    };
    let most =
        |best: usize, (index, &value): (usize, &f32)| if value > answer.probabilities[best] { index } else { best };
    let class = answer
        .labels
        .first()
        .map_or_else(|| answer.probabilities.iter().enumerate().fold(0, most), |&class| usize::from(class));
    let look = explaining.look(pixels, class).await.map_err(|none| match none {
        NoLook::Full => ApiError::busy("too many maps are waited for; try again after 1 s, or without `explain`", 1),
        NoLook::Failed(message) => ApiError::internal(format!("the map cannot be made: {message}")),
        NoLook::Ended => ApiError::unavailable("what explains this model has failed; start the server again"),
    })?;
    let class = served.model.classes().get(class).cloned().unwrap_or_default();
    Ok(Map { method: look.method, class, data: STANDARD.encode(&look.png) })
}

fn prediction(served: &Served, answer: &Answer) -> Prediction {
    let model = &served.model;
    let name = |&class: &u16| model.classes().get(usize::from(class)).cloned().unwrap_or_default();
    let pairs = model.classes().iter().zip(&answer.probabilities);
    let several = served.signature.gives_labels();
    Prediction {
        model: model.name().to_owned(),
        task: model.task().name.clone(),
        label: if several { None } else { answer.labels.first().map(name) },
        labels: several.then(|| answer.labels.iter().map(name).collect()),
        probabilities: pairs
            .map(|(class, &probability)| ClassProbability { class: class.clone(), probability })
            .collect(),
        entropy: answer.entropy,
        notes: Vec::new(),
        warning: warning(model, answer),
        unlike: answer.unlike.map(|unlike| unlike.score),
        synthetic: is_synthetic(model),
        notice: NOTICE.to_owned(),
        pixels: None,
        map: None,
    }
}

/// The boundary of a form; `None` where the body is the picture itself, whatever its type says: that is looked at in the bytes.
fn boundary(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "multipart/form-data" => {
            let boundary = multer::parse_boundary(kind);
            boundary.map(Some).map_err(|error| ApiError::bad_request(format!("the form cannot be read: {error}")))
        }
        "application/json" => Err(ApiError::media_type(
            "send the picture itself as the body, or as the file of a form; tensors in JSON go to /v2/models/NAME/infer",
        )),
        _ => Ok(None),
    }
}

/// The only file of a form. Fields without a file name are passed over.
async fn file_of_form(body: Bytes, boundary: String) -> Result<Bytes, ApiError> {
    let wrong = |error: multer::Error| ApiError::bad_request(format!("the form cannot be read: {error}"));
    let mut form = multer::Multipart::new(stream::iter([Ok::<_, std::io::Error>(body)]), boundary);
    let mut file = None;
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        let is_file = field.file_name().is_some() || matches!(field.name(), Some("file" | "image"));
        let bytes = field.bytes().await.map_err(wrong)?;
        if is_file && file.replace(bytes).is_some() {
            return Err(ApiError::bad_request("the form has several files; send one picture in a request"));
        }
    }
    file.ok_or_else(|| ApiError::bad_request("the form has no file; put the picture in a field called `file`"))
}

/// The picture as the model takes it. Decoding is work, so it is done where no other request waits for it. It goes on when the client has
/// left, so the place among the decoders and the room of the body are kept until it ends.
async fn decode(app: &Arc<App>, served: &Arc<Served>, received: Received, picture: Bytes) -> Result<Input, ApiError> {
    let slot = Arc::clone(&app.decoders).acquire_owned().await;
    let slot = slot.map_err(|_| ApiError::unavailable("the server is stopping"))?;
    let of = Arc::clone(served);
    let work = move || {
        let _held = (slot, received);
        of.model.decode(&picture, &of.rules)
    };
    let decoded = tokio::task::spawn_blocking(work).await;
    let decoded = decoded.map_err(|_| ApiError::bad_request("the picture cannot be decoded: its decoder gave up"))?;
    decoded.map_err(|error| {
        let message = format!("the picture cannot be used: {error}");
        match error {
            PictureError::Pixels { .. } | PictureError::Edge { .. } | PictureError::TooLong { .. } => {
                ApiError::too_large(message)
            }
            _ => ApiError::bad_request(message),
        }
    })
}
