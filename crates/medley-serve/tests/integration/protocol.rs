//! The Open Inference Protocol.

use axum::http::Request;
use medley_serve::ServeOptions;
use serde_json::json;

use crate::client::{get, json_request, post, runtime, send, server};
use crate::fake::{Fake, Kind, Log, model};

fn binary() -> medley_serve::Server {
    server(Fake::new(model("breast", Kind::Binary)).0, ServeOptions::default())
}

#[test]
fn the_server_and_its_models_describe_themselves() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        let about = get(&router, "/v2").await.ok().json();
        assert_eq!((&about["name"], &about["version"]), (&json!("medley"), &json!(env!("CARGO_PKG_VERSION"))));
        assert_eq!(about["extensions"], json!(["classification", "binary_tensor_data", "model_repository"]));
        assert_eq!(get(&router, "/v2/health/live").await.ok().json(), json!({"live": true}));
        assert_eq!(get(&router, "/v2/health/ready").await.ok().json(), json!({"ready": true}));
        let ready = get(&router, "/v2/models/breast/ready").await.ok().json();
        assert_eq!(ready, json!({"name": "breast", "ready": true}));
        let about = get(&router, "/v2/models/breast").await.ok().json();
        assert_eq!(
            about,
            json!({
                "name": "breast", "versions": ["1"], "platform": "medley",
                "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, 28, 28, 1]}],
                "outputs": [
                    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
                    {"name": "class", "datatype": "INT64", "shape": [-1]},
                    {"name": "label", "datatype": "BYTES", "shape": [-1]},
                    {"name": "entropy", "datatype": "FP32", "shape": [-1]},
                    {"name": "warning", "datatype": "BYTES", "shape": [-1]},
                ],
            })
        );
        assert_eq!(get(&router, "/v2/models/breast/versions/1").await.ok().json(), about);
        let error = get(&router, "/v2/models/breast/versions/2").await.error(404);
        assert!(error.contains("no version \"2\""), "{error}");
        let error = get(&router, "/v2/models/chest/ready").await.error(404);
        assert!(error.contains("no model \"chest\"; there is `breast`"), "{error}");
        let error = get(&router, "/v2/models/%FF").await.error(400);
        assert!(error.contains("UTF-8"), "{error}");
        let error = get(&router, "/v3").await.error(404);
        assert!(error.contains("nothing at /v3"), "{error}");
        let error = get(&router, "/v2/models/breast/infer").await.error(405);
        assert!(error.contains("GET is not possible here"), "{error}");
    });
}

#[test]
fn tensors_in_json_are_answered_in_their_order() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        let body = json_request(&[0, 100, 255]).replacen('{', "{\"id\": \"7\",", 1);
        let answer = post(&router, "/v2/models/breast/infer", body).await.ok();
        assert_eq!(answer.headers["content-type"], "application/json");
        let answer = answer.json();
        assert_eq!((&answer["model_name"], &answer["id"]), (&json!("breast"), &json!("7")));
        assert_eq!(answer["parameters"], json!({"notice": "Not for clinical use"}));
        let tensor = |name: &str| {
            let outputs = answer["outputs"].as_array().unwrap();
            outputs.iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
        };
        let probabilities = tensor("probabilities");
        assert_eq!((&probabilities["shape"], &probabilities["datatype"]), (&json!([3, 2]), &json!("FP32")));
        let values: Vec<f64> = serde_json::from_value(probabilities["data"].clone()).unwrap();
        assert!((values[0] + values[1] - 1.0).abs() < 1e-6 && values[0] < values[1], "{values:?}");
        // 255 + 97 wraps around.
        assert!(values[4] > values[5], "{values:?}");
        assert_eq!(tensor("class")["data"], json!([1, 1, 0]));
        assert_eq!(tensor("label")["data"], json!(["normal, benign", "normal, benign", "malignant"]));
        let warnings: Vec<String> = serde_json::from_value(tensor("warning")["data"].clone()).unwrap();
        assert_eq!(warnings[0], "");
        assert!(warnings[2].contains("unlike the training images") && warnings[2].contains("3.8 %"), "{warnings:?}");
    });
}

#[test]
fn tensors_behind_the_json_are_the_same() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        let plain = post(&router, "/v2/models/breast/infer", json_request(&[7, 200])).await.ok().json();
        let json = r#"{"parameters": {"binary_data_output": true}, "inputs": [{"name": "images", "datatype": "UINT8",
            "shape": [2, 28, 28, 1], "parameters": {"binary_data_size": 1568}}]}"#;
        let body = [json.as_bytes(), &[7; 784], &[200; 784]].concat();
        let request = Request::post("/v2/models/breast/versions/1/infer")
            .header("Inference-Header-Content-Length", json.len())
            .body(body.into());
        let answer = send(&router, request.unwrap()).await.ok();
        assert_eq!(answer.headers["content-type"], "application/octet-stream");
        let length: usize = answer.headers["inference-header-content-length"].to_str().unwrap().parse().unwrap();
        let (json, mut rest) = answer.body.split_at(length);
        let json: serde_json::Value = serde_json::from_slice(json).unwrap();
        for (binary, plain) in json["outputs"].as_array().unwrap().iter().zip(plain["outputs"].as_array().unwrap()) {
            assert_eq!((&binary["name"], &binary["shape"]), (&plain["name"], &plain["shape"]));
            let size = binary["parameters"]["binary_data_size"].as_u64().unwrap() as usize;
            let bytes = rest.split_off(..size).unwrap();
            let values = match binary["datatype"].as_str().unwrap() {
                "FP32" => bytes.as_chunks().0.iter().map(|&bytes| json!(f32::from_le_bytes(bytes))).collect(),
                "INT64" => bytes.as_chunks().0.iter().map(|&bytes| json!(i64::from_le_bytes(bytes))).collect(),
                _ => texts(bytes),
            };
            let same =
                |value: &serde_json::Value| value.as_f64().map_or_else(|| value.clone(), |value| json!(value as f32));
            let plain: Vec<_> = plain["data"].as_array().unwrap().iter().map(same).collect();
            let values: Vec<_> = values.iter().map(same).collect();
            assert_eq!(values, plain, "{}", binary["name"]);
        }
        assert!(rest.is_empty());
    });
}

/// Texts with their length before them.
fn texts(mut bytes: &[u8]) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        found.push(json!(std::str::from_utf8(text).unwrap()));
        bytes = rest;
    }
    found
}

#[test]
fn the_most_probable_classes_can_be_asked_for() {
    let server = server(Fake::new(model("moles", Kind::Colour)).0, ServeOptions::default());
    let router = server.router();
    runtime().block_on(async {
        let data = vec!["3"; 2 * 28 * 28 * 3].join(",");
        let body = format!(
            r#"{{"inputs": [{{"name": "images", "datatype": "UINT8", "shape": [2, 28, 28, 3], "data": [{data}]}}],
                "outputs": [{{"name": "probabilities", "parameters": {{"classification": 2}}}}]}}"#
        );
        let answer = post(&router, "/v2/models/moles/infer", body).await.ok().json();
        let output = &answer["outputs"][0];
        assert_eq!((&output["datatype"], &output["shape"]), (&json!("BYTES"), &json!([2, 2])));
        let first = output["data"][0].as_str().unwrap();
        assert!(first.starts_with("0.") && first.ends_with(":2:c"), "{first}");
    });
}

#[test]
fn models_of_labels_and_of_volumes_have_tensors_of_their_own() {
    let server = server(Fake::new(model("chest", Kind::Labels)).0, ServeOptions::default());
    let router = server.router();
    runtime().block_on(async {
        let answer = post(&router, "/v2/models/chest/infer", json_request(&[0, 150])).await.ok().json();
        let labels = answer["outputs"].as_array().unwrap().iter().find(|output| output["name"] == "labels").unwrap();
        assert_eq!((&labels["datatype"], &labels["shape"]), (&json!("BOOL"), &json!([2, 3])));
        assert_eq!(labels["data"], json!([false, false, true, true, true, false]));
    });
    let server = crate::client::server(Fake::new(model("nodule", Kind::Volumes)).0, ServeOptions::default());
    let router = server.router();
    runtime().block_on(async {
        let about = get(&router, "/v2/models/nodule").await.ok().json();
        assert_eq!(about["inputs"][0]["shape"], json!([-1, 28, 28, 28, 1]));
        let request = crate::client::bytes_request("/v2/models/nodule/infer", vec![9; 28 * 28 * 28]);
        let answer = send(&router, request).await.ok();
        assert_eq!(answer.headers["content-type"], "application/octet-stream");
    });
}

#[test]
fn compressed_bodies_are_taken() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        let body = json_request(&[9]);
        for (encoding, compressed) in [("gzip", deflated(&body, true)), ("deflate", deflated(&body, false))] {
            let request = Request::post("/v2/models/breast/infer").header("content-encoding", encoding);
            send(&router, request.body(compressed.into()).unwrap()).await.ok();
        }
        let request = Request::post("/v2/models/breast/infer").header("content-encoding", "br");
        let error = send(&router, request.body(body.into()).unwrap()).await.error(415);
        assert!(error.contains("\"br\" is not known"), "{error}");
        let request = Request::post("/v2/models/breast/infer").header("content-encoding", "gzip");
        let error = send(&router, request.body("no gzip".into()).unwrap()).await.error(400);
        assert!(error.contains("the body cannot be read"), "{error}");
    });
}

fn deflated(text: &str, gzip: bool) -> Vec<u8> {
    use std::io::Write as _;
    if gzip {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        return encoder.finish().unwrap();
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_fails_is_said_and_the_rest_goes_on() {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let server = server(fake, ServeOptions::default());
    let router = server.router();
    runtime().block_on(async {
        let address = "/v2/models/breast/infer";
        Log::set(&log.fails, true);
        let error = post(&router, address, json_request(&[1])).await.error(500);
        assert_eq!(error, "the network cannot classify: as it was asked to");
        post(&router, address, json_request(&[1])).await.ok();
        // A panic ends the model, and the server says so.
        Log::set(&log.panics, true);
        let error = post(&router, address, json_request(&[1])).await.error(503);
        assert!(error.contains("start the server again"), "{error}");
        let error = post(&router, address, json_request(&[1])).await.error(503);
        assert!(error.contains("start the server again"), "{error}");
        let ready = get(&router, "/v2/health/ready").await;
        assert_eq!((ready.status.as_u16(), ready.json()), (503, json!({"ready": false})));
        assert_eq!(get(&router, "/v2/models/breast/ready").await.status, 503);
        get(&router, "/v2/health/live").await.ok();
    });
}
