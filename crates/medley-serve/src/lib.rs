//! Classifiers over HTTP: the Open Inference Protocol for programs, pictures for everybody, a page for people.
//!
//! A [`Server`] is given [`Classifier`](medley_package::Classifier)s and knows nothing else of networks. Each has a thread of its own, which
//! computes in batches what single requests ask: while one batch is computed the next one gathers, and [`Batching`] says how large it may
//! get, for how long its first image waits, and how much may wait. What comes beyond is refused at once, with 429 and the time after which
//! to come again.
//!
//! Nothing that a client sends is trusted: [`Limits`] bound bodies, pixels, memory, connections and time, tensors are checked against
//! the model, and every error is one sentence in JSON. The log has paths, numbers and times, and never an image.
//!
//! A server that is asked to [stop](Stop) is not ready any more, lets nobody in, and answers all that it has accepted.
//!
//! ```
//! use axum::body::Body;
//! use axum::http::{Request, StatusCode};
//! use medley_package::{Answer, Classifier, ClassifierError, Model, Package};
//! use medley_serve::{ServeOptions, Server};
//! use tower::ServiceExt as _;
//!
//! /// Bright images are benign.
//! struct ByBrightness(Model);
//!
//! impl Classifier for ByBrightness {
//!     fn model(&self) -> &Model {
//!         &self.0
//!     }
//!
//!     fn classify(&mut self, images: &[u8]) -> Result<Vec<Answer>, ClassifierError> {
//!         let bright = |image: &[u8]| image.iter().map(|&pixel| f32::from(pixel)).sum::<f32>() / 255.0 / image.len() as f32;
//!         let of = |image: &[u8]| [1.0 - bright(image), bright(image)];
//!         let probabilities: Vec<f32> = images.chunks(self.0.input().len()).flat_map(of).collect();
//!         self.0.answers(&probabilities, &[])
//!     }
//! }
//!
//! let model = Package::example().models()[0].clone();
//! let address = format!("/v2/models/{}/infer", model.name());
//! let server = Server::new(vec![Box::new(ByBrightness(model))], ServeOptions::default())?;
//! let pixels = vec!["255"; 28 * 28].join(",");
//! let body = format!(
//!     r#"{{"inputs": [{{"name": "images", "datatype": "UINT8", "shape": [1, 28, 28, 1], "data": [{pixels}]}}]}}"#
//! );
//! let request = Request::post(address).body(Body::from(body))?;
//! // `Server::bind` gives it an address instead.
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let response = server.router().oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! let body = axum::body::to_bytes(response.into_body(), 1 << 20).await?;
//! assert!(std::str::from_utf8(&body)?.contains("normal, benign"));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answers;
mod batching;
mod error;
mod explaining;
mod hosted;
mod http;
mod metrics;
mod models;
mod options;
mod protocol;
mod server;

pub use batching::Batching;
pub use error::ServeError;
pub use hosted::Hosted;
pub use options::{Limits, ServeOptions};
pub use server::{Bound, Ended, Server, Stop};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
