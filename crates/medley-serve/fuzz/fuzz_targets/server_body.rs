//! A body of any content at each address that takes one: an answer of 200 or of 4xx, in JSON.
#![no_main]

use std::sync::LazyLock;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use medley_package::{Answer, Classifier, ClassifierError, Model, Package};
use medley_serve::{ServeOptions, Server};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

struct Undecided(Model);

impl Classifier for Undecided {
    fn model(&self) -> &Model {
        &self.0
    }

    fn classify(&mut self, images: &[u8]) -> Result<Vec<Answer>, ClassifierError> {
        let count = images.len() / self.0.input().len();
        self.0.answers(&[0.5, 0.5].repeat(count), &[])
    }
}

static SERVER: LazyLock<(Runtime, Server, String)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let model = Package::example().models()[0].clone();
    let name = model.name().to_owned();
    let mut options = ServeOptions::default();
    options.batching.max_delay = std::time::Duration::ZERO;
    options.limits.max_pixels = 1 << 16;
    options.limits.pictures = 8 << 20;
    let server = Server::new(vec![Box::new(Undecided(model))], options).expect("a server");
    (runtime.expect("a runtime"), server, name)
});

// The first byte chooses the address, the second how long the JSON before the bytes is said to be.
fuzz_target!(|bytes: &[u8]| {
    let [kind, length, body @ ..] = bytes else { return };
    let (runtime, server, name) = &*SERVER;
    let infer = format!("/v2/models/{name}/infer");
    let form = "multipart/form-data; boundary=X";
    let said = body.len().saturating_sub(usize::from(*length)).to_string();
    let (path, header) = match kind % 6 {
        0 => (infer.as_str(), None),
        1 => (infer.as_str(), Some(("inference-header-content-length", said.as_str()))),
        2 => ("/predict?pixels=true", None),
        3 => ("/predict", Some(("content-type", form))),
        4 => ("/v2/repository/index", None),
        _ => (infer.as_str(), Some(("content-encoding", ["gzip", "deflate"][usize::from(length % 2)]))),
    };
    let request = Request::post(path);
    let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    let (status, answer) = runtime.block_on(async {
        let response = server.router().oneshot(request).await.expect("an answer");
        let status = response.status();
        (status, to_bytes(response.into_body(), 1 << 24).await.expect("a body"))
    });
    let said = String::from_utf8_lossy(&answer);
    assert!(status == 200 || status.is_client_error(), "{status}: {said}");
    assert!(status == 200 || said.starts_with("{\"error\":"), "{status}: {said}");
    // What a decoder that gave up is answered with.
    assert!(!said.contains("its decoder gave up"), "{said}");
});
