//! Interrupted, resumed, changed, refused, wrong.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use medley_data::registry::{PublishedFile, Release};
use medley_data::{Entry, Registry, hash_file};
use medley_fetch::{FetchError, FetchEvent, FetchOptions, Fetched, Request, fetch, fetch_all};

use crate::server::{Answer, Server, serve};

/// A set whose published file has the MD5 of `body`.
fn entry(folder: &Path, body: &[u8]) -> Entry {
    let probe = folder.join("probe");
    std::fs::write(&probe, body).unwrap();
    let (md5, _) = hash_file(&probe).unwrap();
    std::fs::remove_file(&probe).unwrap();
    let file = PublishedFile { size: 28, md5, url: "https://example.invalid/breastmnist.npz".into() };
    let mut entry = Registry::builtin().get("breastmnist").unwrap().clone();
    entry.releases = vec![Release { name: "any".into(), rows: [546, 78, 156], files: vec![file] }];
    entry
}

fn options(server: &Server) -> FetchOptions {
    FetchOptions {
        base_url: Some(server.address.clone()),
        timeout: Duration::from_secs(5),
        stall: Duration::from_secs(5),
        attempts: 3,
        backoff: Duration::from_millis(1),
        ..FetchOptions::default()
    }
}

static GO: AtomicBool = AtomicBool::new(false);

fn get(entry: &Entry, folder: &Path, options: &FetchOptions) -> Result<Fetched, FetchError> {
    fetch(&Request::current(entry, 28), folder, options, &GO, &|_| {})
}

fn body() -> Vec<u8> {
    (0..200_000_u32).flat_map(|i| (i * 7).to_le_bytes()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_arrives_whole_and_is_not_fetched_twice() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let seen = AtomicU64::new(0);
    let on_event = |event: FetchEvent| {
        if let FetchEvent::Progress { done, total } = event {
            assert_eq!(total, Some(body.len() as u64));
            seen.store(done, Ordering::SeqCst);
        }
    };
    let outcome = fetch(&Request::current(&entry, 28), folder.path(), &options(&server), &GO, &on_event);
    assert_eq!(outcome.unwrap(), Fetched::Downloaded);
    assert_eq!(seen.load(Ordering::SeqCst), body.len() as u64);
    assert_eq!(names(folder.path()), ["breastmnist.npz"]);
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    assert_eq!(get(&entry, folder.path(), &options(&server)).unwrap(), Fetched::Present);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Break, Answer::Break, Answer::Serve]);
    get(&entry, folder.path(), &options(&server)).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    let requests = server.requests.lock().unwrap();
    assert!(!requests[0].contains("range:"));
    assert!(requests[1].contains(&format!("range: bytes={}-", body.len() / 2)), "{}", requests[1]);
    assert_eq!(names(folder.path()), ["breastmnist.npz"]);
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_anew() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    // What was begun under another tag, and of other content.
    std::fs::write(folder.path().join("breastmnist.npz.part"), b"older content").unwrap();
    std::fs::write(folder.path().join("breastmnist.npz.part.from"), "\"old\"").unwrap();
    let server = serve(&body, "\"new\"", &[Answer::Serve]);
    get(&entry, folder.path(), &options(&server)).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Break, Answer::NoRanges]);
    get(&entry, folder.path(), &options(&server)).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
}

#[test]
fn another_content_is_kept_aside_and_never_used() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), b"what was published");
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let error = get(&entry, folder.path(), &options(&server)).unwrap_err();
    assert!(matches!(error, FetchError::WrongHash { .. }), "{error}");
    assert!(error.to_string().contains("breastmnist.npz.rejected"), "{error}");
    assert_eq!(names(folder.path()), ["breastmnist.npz.rejected"]);
}

#[test]
fn refusals_are_tried_again_only_where_that_helps() {
    for (status, requests) in [(404, 1), (403, 1), (503, 3), (429, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path(), b"x");
        let server = serve(b"x", "\"a\"", &[Answer::Status(status)]);
        let error = get(&entry, folder.path(), &options(&server)).unwrap_err().to_string();
        assert!(error.contains(&status.to_string()) && error.contains(&server.address), "{error}");
        assert_eq!(server.requests.lock().unwrap().len(), requests, "status {status}");
        assert!(names(folder.path()).is_empty());
    }
}

#[test]
fn nobody_listening_is_said_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(folder.path(), b"x");
    let server = Server { address: "http://127.0.0.1:1".into(), requests: Arc::default() };
    let error = get(&entry, folder.path(), &options(&server)).unwrap_err();
    assert!(matches!(error, FetchError::Download { .. }), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_file_of_the_user_is_not_touched() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let path = folder.path().join("breastmnist.npz");
    std::fs::write(&path, b"mine").unwrap();
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let error = get(&entry, folder.path(), &options(&server)).unwrap_err();
    assert!(matches!(error, FetchError::InTheWay { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_rejected_file_is_not_fetched_again_in_a_loop() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), b"what was published");
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    get(&entry, folder.path(), &options(&server)).unwrap_err();
    let error = get(&entry, folder.path(), &options(&server)).unwrap_err();
    assert!(
        matches!(&error, FetchError::InTheWay { path, .. } if path.ends_with("breastmnist.npz.rejected")),
        "{error}"
    );
    assert_eq!(server.requests.lock().unwrap().len(), 1);
    assert_eq!(names(folder.path()), ["breastmnist.npz.rejected"]);
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz.rejected")).unwrap(), body);
}

#[test]
fn mirrors_are_asked_in_turn_and_a_wrong_file_is_kept() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let (gone, wrong, good) = (
        serve(b"x", "\"a\"", &[Answer::Status(404)]),
        serve(b"<html>please log in</html>", "\"b\"", &[Answer::Serve]),
        serve(&body, "\"c\"", &[Answer::Serve]),
    );
    let mirrors = vec![wrong.address.clone(), good.address.clone()];
    let outcome = get(&entry, folder.path(), &FetchOptions { mirrors, ..options(&gone) });
    assert_eq!(outcome.unwrap(), Fetched::Downloaded);
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    assert_eq!(names(folder.path()), ["breastmnist.npz", "breastmnist.npz.rejected"]);
    assert!(good.requests.lock().unwrap()[0].starts_with("get /breastmnist.npz "));
}

#[test]
fn every_address_is_named_when_all_fail() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(folder.path(), b"x");
    let (first, second) = (serve(b"x", "\"a\"", &[Answer::Status(404)]), serve(b"x", "\"a\"", &[Answer::Status(410)]));
    let mirrors = vec![second.address.clone()];
    let error = get(&entry, folder.path(), &FetchOptions { mirrors, ..options(&first) }).unwrap_err().to_string();
    for part in [&first.address, "404", &second.address, "410"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Busy(1), Answer::Serve]);
    let pauses = Mutex::new(Vec::new());
    let on_event = |event: FetchEvent| {
        if let FetchEvent::Retrying { pause, problem } = event {
            assert!(problem.contains("503"), "{problem}");
            pauses.lock().unwrap().push(pause);
        }
    };
    fetch(&Request::current(&entry, 28), folder.path(), &options(&server), &GO, &on_event).unwrap();
    assert_eq!(*pauses.lock().unwrap(), [Duration::from_secs(1)]);

    let patient = serve(&body, "\"a\"", &[Answer::Busy(86_400)]);
    let other = tempfile::tempdir().unwrap();
    let error = get(&entry, other.path(), &options(&patient)).unwrap_err().to_string();
    assert!(error.contains("86400 s"), "{error}");
    assert_eq!(patient.requests.lock().unwrap().len(), 1);
}

#[test]
fn silence_ends_an_attempt_and_the_next_goes_on() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Silence, Answer::Serve]);
    let impatient = FetchOptions { stall: Duration::from_millis(500), ..options(&server) };
    get(&entry, folder.path(), &impatient).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    assert!(server.requests.lock().unwrap()[1].contains(&format!("range: bytes={}-", body.len() / 2)));
}

#[test]
fn another_range_than_was_asked_for_is_not_appended() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Break, Answer::OtherRange, Answer::Serve]);
    get(&entry, folder.path(), &options(&server)).unwrap();
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    assert!(!server.requests.lock().unwrap()[2].contains("range:"), "what was begun is not trusted any more");
}

#[test]
fn a_part_of_other_content_is_thrown_away_once() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    // The tag fits, the bytes do not: a disk that lost some, or somebody who wrote to it.
    std::fs::write(folder.path().join("breastmnist.npz.part"), vec![1; 1_000]).unwrap();
    std::fs::write(folder.path().join("breastmnist.npz.part.from"), "\"a\"").unwrap();
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    assert_eq!(get(&entry, folder.path(), &options(&server)).unwrap(), Fetched::Downloaded);
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    assert_eq!(server.requests.lock().unwrap().len(), 2);
    assert_eq!(names(folder.path()), ["breastmnist.npz"]);
}

#[test]
fn more_than_was_said_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let entry = entry(folder.path(), &body());
    let server = serve(&body(), "\"a\"", &[Answer::TooMuch]);
    get(&entry, folder.path(), &options(&server)).unwrap_err();
    assert!(!folder.path().join("breastmnist.npz").exists());
}

#[test]
fn a_server_that_never_continues_is_given_up() {
    for (answer, requests, part) in [
        (Answer::NoRest, 4, "does not have the rest of what was begun, nor after a start from zero"),
        (Answer::UnnamedRest, 4, "does not send the range that was asked for, nor after a start from zero"),
        (Answer::Drip, 9, "attempt 9 of 9"),
    ] {
        let (folder, body) = (tempfile::tempdir().unwrap(), body());
        let entry = entry(folder.path(), &body);
        let server = serve(&body, "\"a\"", &[answer]);
        let patient = FetchOptions { attempts: 9, ..options(&server) };
        let error = get(&entry, folder.path(), &patient).unwrap_err().to_string();
        assert!(error.contains(part), "{answer:?}: {error}");
        assert_eq!(server.requests.lock().unwrap().len(), requests, "{answer:?}");
    }
}

#[test]
fn more_than_the_file_can_have_is_not_kept() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    // 780 images of 28x28 bytes, a label of at most 8 bytes each, and a mebibyte for headers.
    let most: u64 = 780 * (784 + 8) + (1 << 20);
    assert_eq!(Request::current(&entry, 28).most_bytes().unwrap(), most);
    let longest = AtomicU64::new(0);
    let on_event = |event: FetchEvent| {
        if let FetchEvent::Progress { done, .. } = event {
            longest.fetch_max(done, Ordering::SeqCst);
        }
    };
    let server = serve(&body, "\"a\"", &[Answer::Endless]);
    let request = Request::current(&entry, 28);
    let error = fetch(&request, folder.path(), &options(&server), &GO, &on_event).unwrap_err().to_string();
    assert!(error.contains(&format!("more than the {most} bytes that this file can have")), "{error}");
    assert!(longest.into_inner() <= most);
    assert_eq!(server.requests.lock().unwrap().len(), 1, "it is no better a second time");
    assert!(names(folder.path()).is_empty(), "nothing is left of it");
    let large = vec![0; most as usize + 1];
    let server = serve(&large, "\"a\"", &[Answer::Serve]);
    let error = get(&entry, folder.path(), &options(&server)).unwrap_err().to_string();
    assert!(error.contains(&format!("offers {} bytes, more than the {most}", large.len())), "{error}");
}

#[test]
fn every_published_file_is_within_what_it_can_have() {
    // Bytes of published files, as listed at their source.
    for (name, bytes) in [("breastmnist", 559_580), ("pneumoniamnist", 4_170_669), ("retinamnist", 3_291_041)] {
        let most = Request::current(Registry::builtin().get(name).unwrap(), 28).most_bytes().unwrap();
        assert!(bytes < most && most < 2 * bytes + (1 << 20), "{name}: {most}");
    }
}

#[test]
fn two_that_want_the_same_file_fetch_it_once() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Slow]);
    let waited = AtomicUsize::new(0);
    let outcomes: Vec<Fetched> = std::thread::scope(|scope| {
        let one = || {
            fetch(&Request::current(&entry, 28), folder.path(), &options(&server), &GO, &|event| {
                waited.fetch_add(usize::from(event == FetchEvent::Waiting), Ordering::SeqCst);
            })
        };
        let handles: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|&&outcome| outcome == Fetched::Downloaded).count(), 1);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
    assert!(waited.load(Ordering::SeqCst) >= 1);
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
    assert_eq!(names(folder.path()), ["breastmnist.npz"]);
}

#[test]
fn a_stop_keeps_what_has_arrived() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Slow, Answer::Serve]);
    let stop = AtomicBool::new(false);
    let on_event = |event: FetchEvent| {
        if matches!(event, FetchEvent::Progress { done, .. } if done > 100_000) {
            stop.store(true, Ordering::SeqCst);
        }
    };
    let request = Request::current(&entry, 28);
    let error = fetch(&request, folder.path(), &options(&server), &stop, &on_event).unwrap_err().to_string();
    assert!(error.contains("resumes the download"), "{error}");
    assert_eq!(names(folder.path()), ["breastmnist.npz.part", "breastmnist.npz.part.from"]);
    assert_eq!(get(&entry, folder.path(), &options(&server)).unwrap(), Fetched::Downloaded);
    assert!(server.requests.lock().unwrap()[1].contains("range: bytes="));
    assert_eq!(std::fs::read(folder.path().join("breastmnist.npz")).unwrap(), body);
}

#[test]
fn many_arrive_a_few_at_a_time_and_one_failure_stops_no_other() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let mut entries: Vec<Entry> = (0..6).map(|_| entry(folder.path(), &body)).collect();
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.name = format!("set{index}");
    }
    entries[2].releases[0].files[0].md5 = "0".repeat(32);
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let requests: Vec<Request<'_>> = entries.iter().map(|entry| Request::current(entry, 28)).collect();
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let on_event = |_: usize, event: FetchEvent| match event {
        FetchEvent::Asking { .. } => {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        }
        FetchEvent::Verifying => {
            now.fetch_sub(1, Ordering::SeqCst);
        }
        _ => {}
    };
    let options = FetchOptions { parallel: 2, ..options(&server) };
    let outcomes = fetch_all(&requests, folder.path(), &options, &GO, &on_event);
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(outcome) => assert!(index != 2 && *outcome == Fetched::Downloaded),
            Err(error) => assert!(index == 2 && matches!(error, FetchError::WrongHash { .. }), "{index}: {error}"),
        }
    }
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[test]
fn a_release_is_fetched_from_where_it_lies() {
    let organ = Registry::builtin().get("organamnist").unwrap();
    let request = |release: &str, size| Request { entry: organ, size, release: Some(release.to_owned()) };
    let older = request("2.0-2.2.3", 28);
    assert!(older.published().unwrap().url.contains("zenodo.org/record/6496656/"));
    assert!(Request::current(organ, 28).published().unwrap().url.contains("zenodo.org/records/10519652/"));
    let error = request("2.0-2.2.3", 64).published().unwrap_err().to_string();
    assert!(error.contains("has no size 64; it has 28"), "{error}");
    let error = request("1.0", 28).published().unwrap_err().to_string();
    assert!(error.contains("there is no release `1.0`") && error.contains("2.0-2.2.3"), "{error}");
    // Sets that never changed have one generation, which every name finds.
    let breast = Registry::builtin().get("breastmnist").unwrap();
    let any = Request { entry: breast, size: 28, release: Some("2.0-2.2.3".to_owned()) };
    assert_eq!(any.published().unwrap(), breast.file(28).unwrap());
}

#[test]
fn a_file_of_another_release_is_in_the_way() {
    let (folder, old) = (tempfile::tempdir().unwrap(), b"the older bytes");
    let mut entry = entry(folder.path(), &body());
    let mut older = self::entry(folder.path(), old).releases.remove(0);
    (entry.releases[0].name, older.name) = (">=2.2.4".into(), "2.0-2.2.3".into());
    entry.releases.push(older);
    std::fs::write(folder.path().join("breastmnist.npz"), old).unwrap();
    let server = serve(&body(), "\"a\"", &[Answer::Serve]);
    let ask = |release: Option<&str>| {
        let request = Request { entry: &entry, size: 28, release: release.map(str::to_owned) };
        fetch(&request, folder.path(), &options(&server), &GO, &|_| {})
    };
    assert_eq!(ask(None).unwrap(), Fetched::Present, "any published generation will do");
    assert_eq!(ask(Some("2.0-2.2.3")).unwrap(), Fetched::Present);
    let error = ask(Some(">=2.2.4")).unwrap_err().to_string();
    assert!(error.contains("another release"), "{error}");
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let error = get(&entry, &folder.path().join("file"), &options(&server)).unwrap_err();
    assert!(matches!(error, FetchError::Storage(_)) && error.to_string().contains("file"), "{error}");
    assert!(server.requests.lock().unwrap().is_empty(), "nothing is asked for that could not be kept");
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_in_place_of_the_part_is_not_followed() {
    let (folder, body) = (tempfile::tempdir().unwrap(), body());
    let entry = entry(folder.path(), &body);
    let server = serve(&body, "\"a\"", &[Answer::Serve]);
    let elsewhere = folder.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, folder.path().join("breastmnist.npz.part")).unwrap();
    let error = get(&entry, folder.path(), &options(&server)).unwrap_err();
    assert!(matches!(error, FetchError::InTheWay { .. }), "{error}");
    assert!(!elsewhere.exists());
}
