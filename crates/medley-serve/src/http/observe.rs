//! Around every request: a number, a line in the log, a count. Of what a client sent, the log has the path and no content.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::app::Asked;
use super::error::Said;
use super::{ApiError, App};

/// How many images were classified, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted(pub usize);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request less, whatever has become of it: a client that goes away ends it in between.
struct InFlight<'a>(&'a App);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}

pub(crate) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let number = app.next_request();
    app.metrics.in_flight.inc();
    let in_flight = InFlight(&app);
    let method = request.method().clone();
    let asked = Asked::default();
    request.extensions_mut().insert(asked.clone());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    drop(in_flight);
    // A path that is no route may be anything, and so may the name of a method.
    let route = matched.as_ref().map_or("other", MatchedPath::as_str);
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    let method = known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other");
    let (status, seconds) = (response.status().as_u16(), begun.elapsed().as_secs_f64());
    app.metrics.answered(route, method, status, seconds);
    let model = asked.model();
    let images = response.extensions().get::<Counted>().map(|counted| counted.0);
    let error = response.extensions().get::<Said>().map(|said| said.0.clone());
    let milliseconds = (seconds * 1e6).round() / 1e3;
    if status < 500 {
        tracing::info!(request = number, method, route, status, milliseconds, model, images, error, "answered");
    } else {
        tracing::error!(request = number, method, route, status, milliseconds, model, images, error, "failed");
    }
    response.headers_mut().insert(REQUEST_ID, HeaderValue::from(number));
    response
}

/// What a client is told of a fault in this program.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal("the server has a fault; its log says more").into_response()
}
