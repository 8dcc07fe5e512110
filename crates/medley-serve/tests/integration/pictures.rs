//! Pictures, the page, and what the server says of itself.

use axum::http::Request;
use base64::Engine as _;
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};
use medley_serve::{ServeOptions, Server};
use serde_json::json;

use crate::client::{Response, get, post, runtime, send, server};
use crate::fake::{Fake, Kind, model};

/// A grey PNG of one value.
fn png(width: u32, height: u32, value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = vec![value; (width * height) as usize];
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.write_image(&pixels, width, height, ExtendedColorType::L8).unwrap();
    bytes
}

fn binary() -> Server {
    server(Fake::new(model("breast", Kind::Binary)).0, ServeOptions::default())
}

/// A form of parts: name, file name, bytes.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Request<axum::body::Body> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
        body.extend(format!("--XYZ\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--XYZ--\r\n");
    Request::post("/predict").header("content-type", "multipart/form-data; boundary=XYZ").body(body.into()).unwrap()
}

#[test]
fn a_picture_is_answered() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        let answer = post(&router, "/predict", png(28, 28, 10)).await.ok().json();
        assert_eq!((&answer["model"], &answer["task"]), (&json!("breast"), &json!("breastmnist")));
        assert_eq!(answer["label"], "normal, benign");
        assert_eq!(answer["notice"], "Not for clinical use");
        assert_eq!((&answer["notes"], &answer["warning"]), (&json!([]), &json!(null)));
        let classes: Vec<_> = answer["probabilities"].as_array().unwrap().iter().map(|entry| &entry["class"]).collect();
        assert_eq!(classes, ["malignant", "normal, benign"]);
        assert!(answer.get("labels").is_none() && answer.get("pixels").is_none() && answer.get("synthetic").is_none());
        // The same under the name of the model, and as the file of a form.
        assert_eq!(post(&router, "/models/breast/predict", png(28, 28, 10)).await.ok().json(), answer);
        let form = form(&[("comment", None, b"x"), ("upload", Some("a.png"), &png(28, 28, 10))]);
        assert_eq!(send(&router, form).await.ok().json(), answer);
    });
}

#[test]
fn what_was_done_to_a_picture_is_said_and_shown() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        let answer = post(&router, "/predict?pixels=true", png(40, 30, 200)).await.ok().json();
        assert_eq!(answer["notes"], json!(["resized from 30x40 to 28x28"]));
        assert!(answer["warning"].as_str().unwrap().contains("unlike the training images"), "{answer}");
        assert_eq!(answer["pixels"]["shape"], json!([28, 28, 1]));
        let pixels = answer["pixels"]["data"].as_str().unwrap();
        let pixels = base64::engine::general_purpose::STANDARD.decode(pixels).unwrap();
        assert_eq!(pixels, [200; 784]);
    });
}

#[test]
fn labels_are_a_list() {
    let server = server(Fake::new(model("chest", Kind::Labels)).0, ServeOptions::default());
    runtime().block_on(async {
        let answer = post(&server.router(), "/predict", png(28, 28, 150)).await.ok().json();
        assert_eq!(answer["labels"], json!(["a", "b"]));
        assert!(answer.get("label").is_none());
    });
}

#[test]
fn colour_goes_to_models_of_colour() {
    let server = server(Fake::new(model("moles", Kind::Colour)).0, ServeOptions::default());
    runtime().block_on(async {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = RgbImage::from_pixel(28, 28, Rgb([3, 90, 7]));
        picture.write_to(&mut bytes, image::ImageFormat::Bmp).unwrap();
        let answer = post(&server.router(), "/predict?pixels=true", bytes.into_inner()).await.ok().json();
        assert_eq!((&answer["label"], &answer["pixels"]["shape"]), (&json!("c"), &json!([28, 28, 3])));
    });
}

#[test]
fn what_is_no_picture_is_refused_by_name() {
    let mut options = ServeOptions::default();
    (options.limits.max_pixels, options.limits.max_body) = (10_000, 50_000);
    let server = server(Fake::new(model("breast", Kind::Binary)).0, options);
    let router = server.router();
    runtime().block_on(async {
        let refused = async |status, body: Vec<u8>| post(&router, "/predict", body).await.error(status);
        assert_eq!(refused(400, vec![]).await, "the picture cannot be used: it is empty");
        let error = refused(400, b"text".to_vec()).await;
        assert!(error.starts_with("the picture cannot be used: it is not a PNG"), "{error}");
        let error = refused(400, png(28, 28, 1)[..60].to_vec()).await;
        assert!(error.contains("cannot be decoded"), "{error}");
        let error = refused(413, png(200, 100, 1)).await;
        assert!(error.contains("200x100 pixels are more than 10000"), "{error}");
        let error = refused(413, vec![0; 50_001]).await;
        assert!(error.contains("more than 50000 bytes"), "{error}");

        let request = Request::post("/predict").header("content-type", "application/json").body("{}".into());
        let error = send(&router, request.unwrap()).await.error(415);
        assert!(error.contains("/v2/models/NAME/infer"), "{error}");
        let error = post(&router, "/predict?pixel=true", png(28, 28, 1)).await.error(400);
        assert!(error.contains("unknown field `pixel`"), "{error}");

        let two = form(&[("file", None, &png(28, 28, 1)), ("b", Some("b.png"), &png(28, 28, 1))]);
        assert!(send(&router, two).await.error(400).contains("several files"));
        assert!(send(&router, form(&[("a", None, b"x")])).await.error(400).contains("no file"));
        let request = Request::post("/predict").header("content-type", "multipart/form-data");
        let error = send(&router, request.body("x".into()).unwrap()).await.error(400);
        assert!(error.contains("the form cannot be read"), "{error}");
    });
}

#[test]
fn a_flat_picture_is_no_volume() {
    let server = server(Fake::new(model("nodule", Kind::Volumes)).0, ServeOptions::default());
    runtime().block_on(async {
        let error = post(&server.router(), "/predict", png(28, 28, 1)).await.error(400);
        assert!(error.contains("a flat picture of 28x28; the model takes volumes"), "{error}");
    });
}

#[test]
fn of_several_models_one_is_named() {
    let fakes = ["breast", "chest"].map(|name| Box::new(Fake::new(model(name, Kind::Binary)).0) as _);
    let server = Server::new(fakes.into(), ServeOptions::default()).unwrap();
    let router = server.router();
    runtime().block_on(async {
        let error = post(&router, "/predict", png(28, 28, 1)).await.error(400);
        assert!(error.contains("`breast`, `chest`") && error.contains("/models/NAME/predict"), "{error}");
        assert_eq!(post(&router, "/models/chest/predict", png(28, 28, 1)).await.ok().json()["model"], "chest");
        let models = get(&router, "/models").await.ok().json();
        let names: Vec<_> = models["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
        assert_eq!(names, ["breast", "chest"]);
        let model = get(&router, "/models/breast").await.ok().json();
        assert_eq!((&model["input"], &model["kind"]), (&json!([28, 28, 1]), &json!("binary")));
        assert_eq!((&model["modality"], &model["data_licence"]), (&json!("ultrasound"), &json!("CC BY 4.0")));
        assert_eq!(model["macro_f1"], json!({"val": 0.84}));
    });
}

#[test]
fn the_page_asks_nobody_else() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/page.css", "text/css; charset=utf-8"),
            ("/page.js", "text/javascript; charset=utf-8"),
        ] {
            let file: Response = get(&router, path).await.ok();
            assert_eq!(file.headers["content-type"], kind);
            assert!(file.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
            for elsewhere in ["http:", "https:", "src=\"//", "@import", "eval(", "innerHTML"] {
                assert!(!file.text().contains(elsewhere), "{path} has {elsewhere}");
            }
        }
    });
}

#[test]
fn the_description_has_every_address() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        let document = get(&router, "/openapi.json").await.ok().json();
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().unwrap();
        for path in [
            "/predict",
            "/models",
            "/models/{model}",
            "/models/{model}/predict",
            "/metrics",
            "/openapi.json",
            "/v2",
            "/v2/health/live",
            "/v2/health/ready",
            "/v2/models/{model}",
            "/v2/models/{model}/ready",
            "/v2/models/{model}/infer",
        ] {
            assert!(paths.contains_key(path), "{path}");
        }
        // Every schema that is referred to is there.
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(schemas.contains_key(name), "{name}");
        }
    });
}

#[test]
fn requests_are_counted_and_numbered() {
    let server = binary();
    let router = server.router();
    runtime().block_on(async {
        assert_eq!(post(&router, "/predict", png(28, 28, 1)).await.ok().headers["x-request-id"], "1");
        assert_eq!(get(&router, "/secret/path").await.headers["x-request-id"], "2");
        get(&router, "/v2/models/nobody").await.error(404);
        let metrics = get(&router, "/metrics").await.ok();
        assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        for line in [
            "medley_requests_total{route=\"/predict\",method=\"POST\",status=\"200\"} 1",
            "medley_requests_total{route=\"other\",method=\"GET\",status=\"404\"} 1",
            "medley_requests_total{route=\"/v2/models/{model}\",method=\"GET\",status=\"404\"} 1",
            "medley_images_total{model=\"breast\"} 1",
            "medley_batch_images_count{model=\"breast\"} 1",
        ] {
            assert!(metrics.text().lines().any(|found| found == line), "{line}: {}", metrics.text());
        }
        assert!(!metrics.text().contains("secret") && !metrics.text().contains("nobody"));
    });
}

#[test]
fn the_name_of_a_task_stands_for_its_only_model() {
    let server = binary();
    runtime().block_on(async {
        let answer = post(&server.router(), "/models/breastmnist/predict", png(28, 28, 1)).await.ok().json();
        assert_eq!(answer["model"], "breast");
    });
    let fakes = ["breast", "chest"].map(|name| Box::new(Fake::new(model(name, Kind::Binary)).0) as _);
    let server = Server::new(fakes.into(), ServeOptions::default()).unwrap();
    runtime().block_on(async {
        post(&server.router(), "/models/breastmnist/predict", png(28, 28, 1)).await.error(404);
    });
}
