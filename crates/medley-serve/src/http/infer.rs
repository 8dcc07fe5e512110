//! The Open Inference Protocol.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::app::{Named, classify};
use super::body::receive;
use super::error::ErrorBody;
use super::observe::Counted;
use super::{ApiError, App};
use crate::models::Served;
use crate::protocol::{self, BINARY_LENGTH, ModelMetadata, ServerMetadata};

/// Whether the server lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Live {
    live: bool,
}

/// Whether the server takes requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    ready: bool,
}

/// Whether a model takes requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelReady {
    name: String,
    ready: bool,
}

/// The server: its name, version and extensions of the protocol.
#[utoipa::path(get, path = "/v2", tag = "Open Inference Protocol", responses((status = 200, body = ServerMetadata)))]
pub(crate) async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata::of_this())
}

/// Whether the server lives.
#[utoipa::path(get, path = "/v2/health/live", tag = "Open Inference Protocol", responses((status = 200, body = Live)))]
pub(crate) async fn live() -> Json<Live> {
    Json(Live { live: true })
}

/// Whether the server takes requests for all of its models.
#[utoipa::path(get, path = "/v2/health/ready", tag = "Open Inference Protocol", responses(
    (status = 200, body = Ready), (status = 503, body = Ready, description = "It is stopping, or a model has failed"),
))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let ready = !app.is_stopping() && app.models.all.iter().all(|model| model.queue.is_open());
    (status(ready), Json(Ready { ready })).into_response()
}

/// A model: the tensors that it takes and gives.
#[utoipa::path(get, path = "/v2/models/{model}", tag = "Open Inference Protocol", params(("model" = String, Path)), responses(
    (status = 200, body = ModelMetadata), (status = 404, body = ErrorBody),
))]
pub(crate) async fn metadata(Named(served): Named) -> Json<ModelMetadata> {
    Json(served.signature.metadata(served.name()))
}

/// Whether a model takes requests.
#[utoipa::path(get, path = "/v2/models/{model}/ready", tag = "Open Inference Protocol", params(("model" = String, Path)), responses(
    (status = 200, body = ModelReady), (status = 404, body = ErrorBody), (status = 503, body = ModelReady),
))]
pub(crate) async fn model_ready(State(app): State<Arc<App>>, Named(served): Named) -> Response {
    let ready = !app.is_stopping() && served.queue.is_open();
    (status(ready), Json(ModelReady { name: served.name().to_owned(), ready })).into_response()
}

/// A model in the index, as Triton lists it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IndexedModel {
    name: String,
    version: String,
    /// `READY` or `UNAVAILABLE`.
    state: &'static str,
    /// Why it is not ready; empty where it is.
    reason: &'static str,
}

/// Which models are wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct IndexRequest {
    /// Those alone that take requests.
    #[serde(default)]
    ready: bool,
}

/// All models and whether they take requests, by Triton's model repository extension. Models cannot be loaded or unloaded.
#[utoipa::path(post, path = "/v2/repository/index", tag = "Open Inference Protocol", request_body = Option<IndexRequest>,
    responses((status = 200, body = [IndexedModel]), (status = 400, body = ErrorBody)))]
pub(crate) async fn index(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Vec<IndexedModel>>, ApiError> {
    let received = receive(&headers, body, &app.limits, &app.bodies).await?;
    // tritonclient sends nothing.
    let wanted = if received.bytes.is_empty() {
        IndexRequest::default()
    } else {
        let parsed = serde_json::from_slice(&received.bytes);
        parsed.map_err(|error| ApiError::bad_request(format!("the body is not {{\"ready\": true}}: {error}")))?
    };
    let of = |served: &Arc<Served>| {
        let (version, open) = (protocol::VERSION.to_owned(), served.queue.is_open());
        let (state, reason) = match (open, app.is_stopping()) {
            (_, true) => ("UNAVAILABLE", "the server is stopping"),
            (false, false) => ("UNAVAILABLE", "the model has failed"),
            (true, false) => ("READY", ""),
        };
        IndexedModel { name: served.name().to_owned(), version, state, reason }
    };
    let models = app.models.all.iter().map(of).filter(|model| !wanted.ready || model.state == "READY");
    Ok(Json(models.collect()))
}

const fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Classifies a tensor of images, `UINT8[n, H, W, C]` as the model's metadata says: in JSON, or with the binary tensor extension as bytes
/// behind the JSON, whose length the header Inference-Header-Content-Length then says.
#[utoipa::path(post, path = "/v2/models/{model}/infer", tag = "Open Inference Protocol", params(("model" = String, Path)),
    request_body(content = protocol::schema::InferRequestSchema),
    responses(
        (status = 200, body = protocol::schema::InferResponseSchema),
        (status = 400, body = ErrorBody, description = "The request does not fit the model"),
        (status = 404, body = ErrorBody), (status = 408, body = ErrorBody, description = "The body did not come in time"),
        (status = 413, body = ErrorBody, description = "The body, or the number of images, is too large"),
        (status = 429, body = ErrorBody, description = "Too much waits; Retry-After says when to come again"),
        (status = 503, body = ErrorBody), (status = 504, body = ErrorBody),
    )
)]
pub(crate) async fn infer(
    State(app): State<Arc<App>>,
    Named(served): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let header = header_length(&headers)?;
    let received = receive(&headers, body, &app.limits, &app.bodies).await?;
    let request = protocol::parse(&received.bytes, header, &served.signature);
    let request = request.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let answers = classify(&served, request.images.clone(), request.count, app.limits.answer_timeout).await?;
    let encoded = protocol::encode(&served.model, &request, &answers);
    let encoded = encoded.map_err(|error| ApiError::internal(format!("the answer cannot be written: {error}")))?;
    let kind = if encoded.json.is_some() { "application/octet-stream" } else { "application/json" };
    let mut response = ([(header::CONTENT_TYPE, kind)], Body::from(encoded.body)).into_response();
    if let Some(length) = encoded.json {
        response.headers_mut().insert(HeaderName::from_static(BINARY_LENGTH), HeaderValue::from(length));
    }
    response.extensions_mut().insert(Counted(request.count));
    Ok(response)
}

/// The length of the JSON, if bytes follow it.
fn header_length(headers: &HeaderMap) -> Result<Option<usize>, ApiError> {
    let Some(value) = headers.get(BINARY_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || ApiError::bad_request("Inference-Header-Content-Length is not a whole number of bytes");
    length.map(Some).ok_or_else(wrong)
}
