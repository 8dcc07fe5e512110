//! A model that several classifiers compute, and one that is explained.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use medley_serve::{Hosted, ServeOptions, Server};
use serde_json::json;
use tokio::time::sleep;

use crate::client::{get, json_request, post, runtime};
use crate::fake::{Fake, FakeExplainer, Kind, Log, MAP, model};

const INFER: &str = "/v2/models/breast/infer";

async fn until(what: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if what() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come within ten seconds");
}

/// Two classifiers of one model.
fn two(options: ServeOptions) -> (Server, [Arc<Log>; 2]) {
    let [(first, one), (second, other)] = [(); 2].map(|()| Fake::new(model("breast", Kind::Binary)));
    let hosted = Hosted::new(Box::new(first)).with_replica(Box::new(second));
    (Server::hosting(vec![hosted], options).unwrap(), [one, other])
}

#[test]
fn who_is_free_takes_what_waits() {
    let mut options = ServeOptions::default();
    options.batching.max_delay = Duration::ZERO;
    options.batching.max_batch = 2;
    let (server, logs) = two(options);
    let router = server.router();
    runtime().block_on(async {
        for log in &logs {
            Log::set(&log.held, true);
        }
        let ask = |pixel: u8| {
            let router = router.clone();
            tokio::spawn(async move { post(&router, INFER, json_request(&[pixel])).await.ok().json() })
        };
        let mut asked = vec![ask(0)];
        until(|| logs.iter().any(|log| log.batches().len() == 1)).await;
        asked.push(ask(1));
        until(|| logs.iter().all(|log| log.batches().len() == 1)).await;
        // More than one batch of the free one, while the other is held up.
        asked.extend((2..9).map(ask));
        Log::set(&logs[0].held, false);
        until(|| logs[0].batches().iter().sum::<usize>() == 8).await;
        assert_eq!(logs[1].batches(), [1]);
        Log::set(&logs[1].held, false);
        for answer in asked {
            answer.await.unwrap();
        }
    });
}

#[test]
fn the_model_answers_until_the_last_classifier_has_failed() {
    let (server, logs) = two(ServeOptions::default());
    let router = server.router();
    runtime().block_on(async {
        for log in &logs {
            Log::set(&log.panics, true);
        }
        let lost = post(&router, INFER, json_request(&[1])).await.error(503);
        assert!(lost.contains("has failed"), "{lost}");
        assert_eq!(get(&router, "/v2/health/ready").await.status, 200);
        // The other one, which then fails as well.
        post(&router, INFER, json_request(&[1])).await.error(503);
        until(|| logs.iter().all(|log| !log.panics.load(std::sync::atomic::Ordering::SeqCst))).await;
        post(&router, INFER, json_request(&[1])).await.error(503);
        let index = post(&router, "/v2/repository/index", "").await.ok().json();
        assert_eq!(index[0]["state"], "UNAVAILABLE");
        assert_eq!(get(&router, "/v2/health/ready").await.status, 503);
    });
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(28, 28, image::Luma([10])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn explained(places: usize) -> (Server, Arc<Log>) {
    let (explainer, log) = FakeExplainer::new();
    let mut options = ServeOptions::default();
    options.limits.explanations = places;
    let hosted = Hosted::new(Box::new(Fake::new(model("breast", Kind::Binary)).0));
    (Server::hosting(vec![hosted.with_explainer(Box::new(explainer))], options).unwrap(), log)
}

const EXPLAIN: &str = "/predict?explain=grad-cam";

#[test]
fn a_map_comes_with_the_answer_that_it_is_about() {
    let (server, log) = explained(2);
    let router = server.router();
    runtime().block_on(async {
        assert_eq!(get(&router, "/models/breast").await.ok().json()["explains"], true);
        let answer = post(&router, EXPLAIN, png()).await.ok().json();
        let map = json!({"method": "guessing", "class": answer["label"], "data": STANDARD.encode(MAP)});
        assert_eq!((&answer["map"], answer["label"].as_str()), (&map, Some("normal, benign")));
        assert_eq!(log.batches(), [1]);
        assert!(post(&router, "/predict", png()).await.ok().json().get("map").is_none());
        let unknown = post(&router, "/predict?explain=tea-leaves", png()).await.error(400);
        assert!(unknown.contains("grad-cam"), "{unknown}");
        Log::set(&log.fails, true);
        let failed = post(&router, EXPLAIN, png()).await.error(500);
        assert!(failed.contains("as it was asked to"), "{failed}");
        post(&router, EXPLAIN, png()).await.ok();
        Log::set(&log.panics, true);
        post(&router, EXPLAIN, png()).await.error(503);
        // Answers go on.
        post(&router, EXPLAIN, png()).await.error(503);
        post(&router, "/predict", png()).await.ok();
    });
}

#[test]
fn few_wait_for_a_map() {
    let (server, log) = explained(2);
    let router = server.router();
    runtime().block_on(async {
        Log::set(&log.held, true);
        let ask = || {
            let router = router.clone();
            tokio::spawn(async move { post(&router, EXPLAIN, png()).await.status })
        };
        let asked = [ask(), ask(), ask()];
        // One of three is refused, while the other two wait.
        until(|| asked.iter().any(tokio::task::JoinHandle::is_finished)).await;
        Log::set(&log.held, false);
        let mut statuses = Vec::new();
        for answer in asked {
            statuses.push(answer.await.unwrap().as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 429]);
    });
}

#[test]
fn who_explains_nothing_says_so() {
    let server = crate::client::server(Fake::new(model("breast", Kind::Binary)).0, ServeOptions::default());
    let router = server.router();
    runtime().block_on(async {
        assert_eq!(get(&router, "/models/breast").await.ok().json()["explains"], false);
        let said = post(&router, EXPLAIN, png()).await.error(400);
        assert_eq!(said, "`breast` is not explained on this server");
    });
}

#[test]
fn the_index_lists_the_models() {
    let names = ["breast", "moles"];
    let classifiers = names.map(|name| {
        let kind = if name == "moles" { Kind::Colour } else { Kind::Binary };
        Box::new(Fake::new(model(name, kind)).0) as Box<dyn medley_package::Classifier>
    });
    let server = Server::new(classifiers.into(), ServeOptions::default()).unwrap();
    let router = server.router();
    runtime().block_on(async {
        for body in ["", "{}", "{\"ready\": true}"] {
            let index = post(&router, "/v2/repository/index", body).await.ok().json();
            let of = |name| json!({"name": name, "version": "1", "state": "READY", "reason": ""});
            assert_eq!(index, json!(names.map(of)), "{body}");
        }
        let wrong = post(&router, "/v2/repository/index", "[1").await.error(400);
        assert!(wrong.contains("ready"), "{wrong}");
    });
}
