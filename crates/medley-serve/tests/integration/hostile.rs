//! Bodies of which nothing good can be expected: an error in JSON, and never a panic.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use image::ImageEncoder as _;
use medley_serve::{ServeOptions, Server};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use crate::client::{json_request, runtime, send, server};
use crate::fake::{Fake, Kind, model};

/// One server for all cases of a test.
struct Target {
    router: Router,
    runtime: Runtime,
    _server: Server,
}

impl Target {
    fn new() -> Self {
        let mut options = ServeOptions::default();
        (options.limits.max_body, options.limits.max_pixels) = (1 << 16, 1 << 16);
        let server = server(Fake::new(model("breast", Kind::Binary)).0, options);
        Self { router: server.router(), runtime: runtime(), _server: server }
    }

    /// What was right by chance may be answered.
    fn ask(&self, path: &str, headers: &[(&str, Vec<u8>)], body: Vec<u8>) -> Result<(), TestCaseError> {
        let mut request = Request::post(path).body(Body::from(body)).unwrap();
        for (name, value) in headers {
            let Ok(value) = HeaderValue::from_bytes(value) else { continue };
            request.headers_mut().insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        let response = self.runtime.block_on(send(&self.router, request));
        let status = response.status.as_u16();
        prop_assert!(status == 200 || (400..500).contains(&status), "{} {:?}", status, response.body);
        if status != 200 {
            let message = response.error(status);
            prop_assert!(message.len() > 10 && message.len() < 1000, "{}", message);
        }
        Ok(())
    }
}

/// Whole bytes, and changes of one that is right: cut, overwritten, repeated.
fn changed(right: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = right.len();
    let places = prop::collection::vec((0..length, any::<u8>()), 0..8);
    let cut = prop_oneof![3 => Just(length), 1 => 0..length];
    (places, cut, prop::collection::vec(any::<u8>(), 0..8)).prop_map(move |(places, cut, tail)| {
        let mut bytes = right.clone();
        for (at, byte) in places {
            bytes[at] = byte;
        }
        bytes.truncate(cut);
        bytes.extend(tail);
        bytes
    })
}

fn png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = (0..400).map(|index| (index * 7) as u8).collect();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.write_image(&pixels, 20, 20, image::ExtendedColorType::L8).unwrap();
    bytes
}

fn form() -> Vec<u8> {
    let head = b"--XYZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n";
    [&head[..], &png(), b"\r\n--XYZ--\r\n"].concat()
}

/// JSON that looks like a request, with values of all kinds in all places.
fn request() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e999".to_owned()),
        Just("-0".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("[[[[[[]]]]]]".to_owned()),
        Just("{\"a\": {\"a\": {}}}".to_owned()),
        Just("[1, 28, 28, 1]".to_owned()),
        Just("[9223372036854775807, 28, 28, 1]".to_owned()),
        Just("\"UINT8\"".to_owned()),
        Just("\"images\"".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\"[a-z]{0,5}\"",
    ];
    let key = prop_oneof![
        Just("id"),
        Just("inputs"),
        Just("outputs"),
        Just("parameters"),
        Just("name"),
        Just("shape"),
        Just("datatype"),
        Just("data"),
        Just("binary_data_size"),
        Just("binary_data"),
        Just("classification"),
    ];
    value.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|entries| {
                let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

/// Runs a check on many bodies.
fn check<S: Strategy>(bodies: S, ask: impl Fn(&Target, S::Value) -> Result<(), TestCaseError>) {
    let target = Target::new();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    runner.run(&bodies, |body| ask(&target, body)).unwrap_or_else(|error| panic!("{error}"));
}

const INFER: &str = "/v2/models/breast/infer";
const LENGTH: &str = "inference-header-content-length";

#[test]
fn bytes_of_any_kind() {
    let bytes = prop::collection::vec(any::<u8>(), 0..2000);
    let header = prop_oneof![
        Just(vec![]),
        (0..3000usize).prop_map(|length| length.to_string().into_bytes()),
        Just(b"18446744073709551616".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    check((bytes, header), |target, (body, header)| {
        target.ask("/predict", &[], body.clone())?;
        target.ask(INFER, &[], body.clone())?;
        target.ask(INFER, &[(LENGTH, header.clone())], body.clone())?;
        target.ask(INFER, &[("content-encoding", b"gzip".to_vec())], body.clone())?;
        target.ask("/predict", &[("content-type", header)], body)
    });
}

#[test]
fn requests_that_are_nearly_right() {
    check(changed(json_request(&[3]).into_bytes()), |target, body| target.ask(INFER, &[], body));
    let json = r#"{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 28, 28, 1], "parameters": {"binary_data_size": 784}}],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": true, "classification": 1}}]}"#;
    let (length, body) = (json.len().to_string().into_bytes(), [json.as_bytes(), &[5; 784]].concat());
    check(changed(body), |target, body| target.ask(INFER, &[(LENGTH, length.clone())], body));
}

#[test]
fn json_of_any_kind() {
    check(request(), |target, body| target.ask(INFER, &[], body.into_bytes()));
}

#[test]
fn pictures_and_forms_that_are_nearly_right() {
    check(changed(png()), |target, body| target.ask("/predict?pixels=true", &[], body));
    let kind = b"multipart/form-data; boundary=XYZ".to_vec();
    check(changed(form()), |target, body| target.ask("/predict", &[("content-type", kind.clone())], body));
}

#[test]
fn bodies_that_would_grow() {
    let target = Target::new();
    // A few bytes that say that they are many.
    let deep = "[".repeat(60_000);
    let objects = format!("{{\"inputs\": [{}]}}", vec!["{}"; 20_000].join(","));
    let parameters = format!("{{\"inputs\": [], \"parameters\": {{\"a\": [{}]}}}}", vec!["0"; 30_000].join(","));
    let shape = format!("{{\"inputs\": [{{\"shape\": [{}]}}]}}", vec!["1"; 30_000].join(","));
    for body in [deep, objects, parameters, shape] {
        target.ask(INFER, &[], body.into_bytes()).unwrap();
    }
    let bomb = gzip(&vec![0; 40 << 20]);
    assert!(bomb.len() < 1 << 16, "{}", bomb.len());
    let request = Request::post(INFER).header("content-encoding", "gzip").body(bomb.into()).unwrap();
    let error = target.runtime.block_on(send(&target.router, request)).error(413);
    assert!(error.contains("more than 65536 bytes"), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
