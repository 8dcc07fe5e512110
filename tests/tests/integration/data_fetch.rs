//! `medley data fetch` against a server of our own, and datasheets from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use medley_tests::lab::Lab;
use medley_tests::program::{must, on_a_full_disk};

/// Serves the files of a folder, and 404 for others; gives the address.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut request).unwrap() > 2 {}
            let name = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
            let (status, body) = std::fs::read(folder.join(name)).map_or((404, Vec::new()), |bytes| (200, bytes));
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&body);
        }
    });
    address
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_not_the_published_file_is_kept_aside_and_said() {
    // The server has synthetic files under official names.
    let (lab, elsewhere) = (Lab::new(), Lab::with_tasks(&["breastmnist"], 20));
    let address = serve(elsewhere.path().join("data"));
    let fetch =
        ["data", "fetch", "breastmnist", "retinamnist", "--base-url", &address, "--attempts", "1", "--data", "d"];
    let said = lab.run(&fetch);
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    assert!(said.stdout.contains("breastmnist.npz: FAILED") && said.stdout.contains("rejected"), "{}", said.stdout);
    assert!(said.stdout.contains("retinamnist.npz: FAILED") && said.stdout.contains("404"), "{}", said.stdout);
    assert!(said.stderr.contains(&format!("requesting {address}/breastmnist.npz")), "plain lines: {}", said.stderr);
    assert_eq!(names(&lab.path().join("d")), ["breastmnist.npz.rejected"]);
    let again = lab.run(&fetch).stdout;
    assert!(again.contains("an earlier download with a wrong MD5"), "{again}");
}

#[test]
fn a_name_may_say_the_size() {
    let (lab, elsewhere) = (Lab::new(), Lab::new());
    let address = serve(elsewhere.path().to_owned());
    let said = lab.run(&["data", "fetch", "breastmnist_64", "--base-url", &address, "--attempts", "1", "--data", "d"]);
    assert!(said.stderr.contains(&format!("{address}/breastmnist_64.npz")), "{}", said.stderr);
    assert!(said.stdout.starts_with("d/breastmnist_64.npz: FAILED"), "{}", said.stdout);
}

#[test]
fn a_full_disk_is_no_fault_of_the_data() {
    let (lab, elsewhere) = (Lab::new(), Lab::with_tasks(&["breastmnist"], 20));
    let address = serve(elsewhere.path().join("data"));
    let fetch = ["data", "fetch", "breastmnist", "--base-url", &address, "--attempts", "1", "--data", "d"];
    let said = on_a_full_disk(lab.path(), &fetch);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.stdout.contains("breastmnist.npz: FAILED"), "{}", said.stdout);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    let lab = Lab::new();
    for (more, code, part) in [
        (&["organamnist", "--release", "2.0-2.2.3", "--size", "64"][..], 3, "has no size 64; it has 28"),
        (&["organamnist", "--release", "1.0"][..], 3, "there is no release `1.0`"),
        (&["breastmnist", "--size", "large"][..], 2, "28 or 28,64"),
        (&["nodulemnist3d", "--size", "224"][..], 3, "has no images of size 224"),
        (&["brestmnist"][..], 3, "did you mean `breastmnist`"),
        (&["brestmnist_64"][..], 3, "did you mean `breastmnist`"),
        (&["breastmnist_30"][..], 3, "has no images of size 30"),
    ] {
        let mut arguments = vec!["data", "fetch", "--base-url", "http://127.0.0.1:1", "--data", "d"];
        arguments.extend(more);
        let said = lab.run(&arguments);
        assert_eq!(said.code, Some(code), "{more:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{more:?}: {}", said.stderr);
        assert!(!lab.path().join("d").exists(), "{more:?}");
    }
}

#[test]
fn datasheets_are_written_for_people_and_for_programs() {
    let lab = Lab::with_tasks(&["breastmnist", "retinamnist"], 30);
    let text = must(lab.path(), &["data", "datasheet", "breastmnist", "--data", "data"]).stdout;
    assert!(text.starts_with("# Datasheet: BreastMNIST") && text.contains("| sealed |"), "{text}");
    let opened = ["data", "datasheet", "data/breastmnist.npz", "--open-test-labels"];
    assert!(!must(lab.path(), &opened).stdout.contains("| sealed |"));
    let written =
        ["data", "datasheet", "breastmnist", "retinamnist", "--data", "data", "--format", "html", "--out", "s"];
    must(lab.path(), &written);
    assert_eq!(names(&lab.path().join("s")), ["breastmnist.datasheet.html", "retinamnist.datasheet.html"]);
    // Somebody may have written answers into it.
    let again = lab.run(&written);
    assert_eq!(again.code, Some(4), "{}", again.stderr);
    assert!(again.stderr.contains("exists already") && again.stderr.contains("--overwrite"), "{}", again.stderr);
    must(lab.path(), &[&written[..], &["--overwrite"]].concat());
    let both = lab.run(&["data", "datasheet", "breastmnist", "retinamnist", "--data", "data"]);
    assert_eq!(both.code, Some(2), "two on standard output: {}", both.stderr);
    let json = must(lab.path(), &["data", "datasheet", "breastmnist", "--data", "data", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["tally"]["differs"], 0);
    assert_eq!(json[0]["sections"].as_array().unwrap().len(), 7);
}
