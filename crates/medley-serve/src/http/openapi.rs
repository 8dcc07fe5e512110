//! The description of the interface, made from the code.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use super::{describe, infer, predict};

/// All addresses.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Medley",
        description = "Classifiers of medical images, for research. Not for clinical use.\n\nThe addresses with `/models/{model}` also \
                       take `/models/{model}/versions/1`, as the Open Inference Protocol has it. Bodies may be compressed with gzip or \
                       deflate. Every error is `{\"error\": \"…\"}`."
    ),
    paths(
        predict::predict_only,
        predict::predict,
        describe::models,
        describe::model,
        describe::metrics,
        document,
        infer::server,
        infer::live,
        infer::ready,
        infer::index,
        infer::metadata,
        infer::model_ready,
        infer::infer,
    )
)]
struct Api;

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "Server", responses((status = 200, content_type = "application/json")))]
pub(crate) async fn document() -> Json<Document> {
    Json(Api::openapi())
}
