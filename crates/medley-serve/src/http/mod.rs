//! The addresses of a server, and what happens at each.

mod app;
mod body;
mod describe;
mod error;
mod infer;
mod observe;
mod openapi;
mod page;
mod predict;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::decompression::RequestDecompressionLayer;

pub(crate) use app::App;
pub(crate) use error::ApiError;

/// All addresses. A path that is none of them, and a method that an address does not have, are answered in JSON as any other error.
pub(crate) fn router(app: Arc<App>) -> Router {
    let decompress = RequestDecompressionLayer::new().pass_through_unaccepted(true);
    let layers = ServiceBuilder::new()
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), observe::observe))
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(decompress);
    Router::new()
        .route("/", get(page::page))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/models", get(describe::models))
        .route("/predict", post(predict::predict_only))
        .route("/models/{model}", get(describe::model))
        .route("/models/{model}/predict", post(predict::predict))
        .route("/openapi.json", get(openapi::document))
        .route("/metrics", get(describe::metrics))
        .route("/v2", get(infer::server))
        .route("/v2/health/live", get(infer::live))
        .route("/v2/health/ready", get(infer::ready))
        .route("/v2/repository/index", post(infer::index))
        .route("/v2/models/{model}", get(infer::metadata))
        .route("/v2/models/{model}/ready", get(infer::model_ready))
        .route("/v2/models/{model}/infer", post(infer::infer))
        .route("/v2/models/{model}/versions/{version}", get(infer::metadata))
        .route("/v2/models/{model}/versions/{version}/ready", get(infer::model_ready))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer::infer))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(layers)
        .with_state(app)
}

async fn unknown_path(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::not_found(format!("there is nothing at {path}; /openapi.json lists what there is"))
}

async fn unknown_method(method: Method) -> ApiError {
    ApiError::method(format!("{method} is not possible here; /openapi.json lists what is"))
}
