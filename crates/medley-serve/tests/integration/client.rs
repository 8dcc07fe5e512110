//! Requests to a server that has no address.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use medley_package::Classifier;
use medley_serve::{ServeOptions, Server};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The message of an error of this status.
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{:?}", String::from_utf8_lossy(&self.body));
        let body = self.json();
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{body}");
        body["error"].as_str().unwrap().to_owned()
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{:?}", String::from_utf8_lossy(&self.body));
        self
    }
}

pub(crate) fn server(classifier: impl Classifier + 'static, options: ServeOptions) -> Server {
    Server::new(vec![Box::new(classifier)], options).unwrap()
}

/// Two threads, as many as the machines have that this is for.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Response {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Response { status, headers, body: to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec() }
}

pub(crate) async fn get(router: &Router, path: &str) -> Response {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(crate) async fn post(router: &Router, path: &str, body: impl Into<Body>) -> Response {
    send(router, Request::post(path).body(body.into()).unwrap()).await
}

/// A request for grey images of 28 pixels, all of whose pixels are the same.
pub(crate) fn json_request(pixels: &[u8]) -> String {
    let data: Vec<String> = pixels.iter().flat_map(|pixel| std::iter::repeat_n(pixel.to_string(), 784)).collect();
    let (count, data) = (pixels.len(), data.join(","));
    format!(
        r#"{{"inputs": [{{"name": "images", "datatype": "UINT8", "shape": [{count}, 28, 28, 1], "data": [{data}]}}]}}"#
    )
}

/// Bytes alone, as the binary extension has it.
pub(crate) fn bytes_request(path: &str, bytes: Vec<u8>) -> Request<Body> {
    Request::post(path).header("inference-header-content-length", "0").body(bytes.into()).unwrap()
}
