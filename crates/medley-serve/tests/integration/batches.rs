//! Single requests become batches; what is too much is refused.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use medley_serve::{Batching, Limits, ServeOptions};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::{Response, bytes_request, get, json_request, post, runtime, send, server};
use crate::fake::{Fake, Kind, Log, model};

const ADDRESS: &str = "/v2/models/breast/infer";

fn options(max_batch: usize, max_delay: u64, queue: usize) -> ServeOptions {
    let batching = Batching { max_batch, max_delay: Duration::from_millis(max_delay), queue };
    ServeOptions { batching, limits: Limits::default() }
}

/// Waits for what must come.
async fn until(mut what: impl AsyncFnMut() -> bool) {
    for _ in 0..10_000 {
        if what().await {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come within ten seconds");
}

/// The value of a metric.
async fn metric(router: &Router, line: &str) -> f64 {
    let text = get(router, "/metrics").await.ok();
    let found = text.text().lines().find_map(|found| found.strip_prefix(line)).map(str::trim);
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{line}: {}", text.text()))
}

async fn waiting(router: &Router) -> f64 {
    metric(router, "medley_queue_images{model=\"breast\"}").await
}

fn ask(router: &Router, pixels: &[u8]) -> JoinHandle<Response> {
    let (router, body) = (router.clone(), json_request(pixels));
    tokio::spawn(async move { post(&router, ADDRESS, body).await })
}

/// One request that is being computed, and is held there.
async fn held(router: &Router, log: &Arc<Log>) -> JoinHandle<Response> {
    Log::set(&log.held, true);
    let first = ask(router, &[0]);
    until(async || log.batches().len() == 1).await;
    first
}

fn class(response: Response) -> i64 {
    let json = response.ok().json();
    let outputs = json["outputs"].as_array().unwrap();
    outputs.iter().find(|output| output["name"] == "class").unwrap()["data"][0].as_i64().unwrap()
}

#[test]
fn what_waits_is_computed_in_full_batches() {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let server = server(fake, options(8, 0, 64));
    let router = server.router();
    runtime().block_on(async {
        let first = held(&router, &log).await;
        let asked: Vec<_> = (0..20u8).map(|index| (index * 12, ask(&router, &[index * 12]))).collect();
        until(async || waiting(&router).await == 20.0).await;
        Log::set(&log.held, false);
        class(first.await.unwrap());
        let mut answers = Vec::new();
        for (pixel, answer) in asked {
            answers.push((pixel, class(answer.await.unwrap())));
        }
        assert_eq!(log.batches(), [1, 8, 8, 4]);
        for (pixel, answer) in answers {
            // As a batch of one says.
            assert_eq!(class(post(&router, ADDRESS, json_request(&[pixel])).await), answer, "{pixel}");
        }
        assert_eq!(metric(&router, "medley_images_total{model=\"breast\"}").await, 41.0);
    });
}

#[test]
fn a_full_batch_waits_no_longer_and_a_lone_image_not_for_ever() {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    // Nobody waits for a minute: the batch is computed when it is full.
    let server = server(fake, options(3, 10_000, 64));
    let router = server.router();
    runtime().block_on(async {
        let asked: Vec<_> = (0..3).map(|pixel| ask(&router, &[pixel])).collect();
        for answer in asked {
            class(answer.await.unwrap());
        }
        assert_eq!(log.batches(), [3]);
    });
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let server = crate::client::server(fake, options(64, 20, 64));
    let router = server.router();
    runtime().block_on(async {
        class(post(&router, ADDRESS, json_request(&[1])).await);
        assert_eq!(log.batches(), [1]);
    });
}

#[test]
fn requests_of_many_images_are_cut_and_put_together_again() {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let server = server(fake, options(4, 0, 64));
    let router = server.router();
    runtime().block_on(async {
        let answer = post(&router, ADDRESS, json_request(&[0, 255, 0, 255, 255, 0, 0, 0, 255, 255])).await.ok().json();
        assert_eq!(answer["outputs"][1]["data"], json!([1, 0, 1, 0, 0, 1, 1, 1, 0, 0]));
        assert_eq!(log.batches(), [4, 4, 2]);
        let error = send(&router, bytes_request(ADDRESS, vec![0; 65 * 784])).await.error(413);
        assert_eq!(error, "at most 64 images fit in one request; send them in several");
    });
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_again() {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let server = server(fake, options(2, 0, 4));
    let router = server.router();
    runtime().block_on(async {
        let first = held(&router, &log).await;
        let taken: Vec<_> = (0..4).map(|pixel| ask(&router, &[pixel])).collect();
        until(async || waiting(&router).await == 4.0).await;
        let refused = post(&router, ADDRESS, json_request(&[9])).await;
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.error(429), "too many images wait already; try again after 1 s");
        assert_eq!(metric(&router, "medley_refused_total{model=\"breast\"}").await, 1.0);
        Log::set(&log.held, false);
        class(first.await.unwrap());
        for answer in taken {
            class(answer.await.unwrap());
        }
        class(post(&router, ADDRESS, json_request(&[9])).await);
    });
}

#[test]
fn who_waits_too_long_is_told_and_not_computed() {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let mut options = options(4, 0, 64);
    options.limits.answer_timeout = Duration::from_millis(30);
    let server = server(fake, options);
    let router = server.router();
    runtime().block_on(async {
        let first = held(&router, &log).await;
        let second = ask(&router, &[1]);
        assert_eq!(first.await.unwrap().error(504), "there was no answer within 0.03 s");
        assert_eq!(second.await.unwrap().error(504), "there was no answer within 0.03 s");
        Log::set(&log.held, false);
        until(async || waiting(&router).await == 0.0).await;
        until(async || post(&router, ADDRESS, json_request(&[2])).await.status == 200).await;
        // The second request was in no batch.
        assert!(log.batches().iter().all(|&images| images == 1), "{:?}", log.batches());
        assert_eq!(metric(&router, "medley_requests_in_flight").await, 1.0);
    });
}

#[test]
fn bodies_share_their_memory() {
    let (fake, log) = Fake::new(model("breast", Kind::Binary));
    let mut options = options(4, 0, 64);
    (options.limits.max_body, options.limits.bodies) = (2_000, 2_000);
    let server = server(fake, options);
    let router = server.router();
    runtime().block_on(async {
        Log::set(&log.held, true);
        let first = {
            let router = router.clone();
            tokio::spawn(async move { send(&router, bytes_request(ADDRESS, vec![0; 2 * 784])).await })
        };
        until(async || log.batches().len() == 1).await;
        let refused = send(&router, bytes_request(ADDRESS, vec![0; 784])).await;
        assert_eq!(refused.headers["retry-after"], "1");
        let error = refused.error(429);
        assert!(error.contains("all the memory there is"), "{error}");
        Log::set(&log.held, false);
        first.await.unwrap().ok();
        send(&router, bytes_request(ADDRESS, vec![0; 2 * 784])).await.ok();
        let error = send(&router, bytes_request(ADDRESS, vec![0; 3 * 784])).await.error(413);
        assert_eq!(error, "the body has more than 2000 bytes, which is the most");
    });
}

#[test]
fn models_do_not_wait_for_each_other() {
    let (slow, log) = Fake::new(model("breast", Kind::Binary));
    let (quick, _) = Fake::new(model("chest", Kind::Labels));
    let server = medley_serve::Server::new(vec![Box::new(slow), Box::new(quick)], options(4, 0, 64)).unwrap();
    let router = server.router();
    runtime().block_on(async {
        let first = held(&router, &log).await;
        post(&router, "/v2/models/chest/infer", json_request(&[3])).await.ok();
        Log::set(&log.held, false);
        class(first.await.unwrap());
    });
}

#[test]
fn impossible_servers_do_not_start() {
    let start = |names: &[&str], options| {
        let fakes = names.iter().map(|name| Box::new(Fake::new(model(name, Kind::Binary)).0) as _).collect();
        medley_serve::Server::new(fakes, options).unwrap_err().to_string()
    };
    assert_eq!(start(&[], ServeOptions::default()), "there is no model to serve; name at least one");
    let twice = start(&["a", "b", "a"], ServeOptions::default());
    assert!(twice.starts_with("two models are called `a`"), "{twice}");
    assert_eq!(start(&["a"], options(0, 0, 4)), "--max-batch is 0; it must be from 1 to 65536");
}
