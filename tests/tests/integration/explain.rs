//! Where a network looks: pictures, numbers, and a gallery for the report.

use std::path::Path;

use medley_tests::lab::Lab;
use medley_tests::program::must;
use serde_json::Value;

/// A finished run `runs/base-1` of two tasks.
fn trained() -> Lab {
    let lab = Lab::with_tasks(&["breastmnist", "chestmnist"], 24);
    lab.config("base", &["breastmnist", "chestmnist"], "");
    lab.train("base", &[]);
    lab
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_is_explained_and_its_gallery_is_in_the_report() {
    let lab = trained();
    let at = |name: &str| lab.path().join(name);
    let before = fs_err::read(at("runs/base-1/manifest.json")).unwrap();
    let explain = |more: &[&str]| lab.run(&[&["explain", "runs/base-1", "--task", "breastmnist"], more].concat());
    let said = explain(&["--rows", "3,0", "--out", "maps", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let printed: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(printed, json(&at("maps/explanations.json")));
    let first = &printed["explanations"][0];
    assert_eq!((first["image"].as_str(), first["map"]["shape"][0].as_u64()), (Some("breastmnist-val-3"), Some(3)));
    assert!(fs_err::read(at("maps/breastmnist-val-0.png")).unwrap().starts_with(b"\x89PNG"));
    // Integrated gradients say how far they can be believed; the same again has the same bytes.
    for out in ["once", "twice"] {
        let more =
            ["--rows", "1", "--method", "integrated-gradients", "--steps", "8", "--class", "1", "--split", "test"];
        let said = explain(&[&more[..], &["--out", out]].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let bytes = |out: &str| fs_err::read(at(out).join("breastmnist-test-1.png")).unwrap();
    assert_eq!(bytes("once"), bytes("twice"));
    assert!(json(&at("once/explanations.json"))["explanations"][0]["residual"].is_number());
    for (more, code, words) in [
        (vec!["--rows", "3", "--out", "maps"], 4, "maps"),
        (vec!["--rows", "999", "--out", "x"], 2, "has rows 0 to"),
        (vec!["--rows", "3", "--method", "occlusion", "--window", "99", "--out", "x"], 2, "`window` is 99"),
    ] {
        let said = explain(&more);
        assert!(said.code == Some(code) && said.stderr.contains(words), "{more:?}: {said:?}");
        assert!(!at("x").exists());
    }
    must(lab.path(), &["explain", "runs/base-1", "--gallery"]);
    let gallery = json(&at("runs/base-1/gallery.json"));
    assert_eq!((gallery["split"].as_str(), gallery["tasks"].as_array().map(Vec::len)), (Some("val"), Some(2)));
    assert!(gallery["tasks"][1]["errors"][0]["label"].is_number(), "a multi-label task names the label");
    let page = fs_err::read(at("runs/base-1/report.html")).unwrap();
    let text = String::from_utf8_lossy(&page);
    assert!(
        text.contains("Errors and close calls") && text.contains("data:image/png;base64,") && page.len() < 3_000_000
    );
    must(lab.path(), &["explain", "runs/base-1", "--gallery"]);
    assert_eq!(fs_err::read(at("runs/base-1/report.html")).unwrap(), page, "the same bytes");
    assert_eq!(fs_err::read(at("runs/base-1/manifest.json")).unwrap(), before, "no test label was opened");
    // Pictures by a run: what cannot be read is named and passed over.
    must(lab.path(), &["data", "export", "breastmnist", "--out", "exported"]);
    lab.write("exported/breastmnist/broken.png", "no picture");
    let pictures =
        ["explain", "exported/breastmnist", "--model", "runs/base-1", "--task", "breastmnist", "--out", "pictures"];
    let said = lab.run(&[&pictures[..], &["--json"]].concat());
    assert!(said.code == Some(3) && said.stderr.contains("broken.png"), "{said:?}");
    let printed: Value = serde_json::from_str(&said.stdout).unwrap();
    let name = printed["explanations"][0]["image"].as_str().unwrap();
    assert!(lab.path().join("pictures").join(format!("{name}.png")).is_file());
}

#[cfg(unix)]
#[test]
fn a_gallery_does_not_leave_the_run_through_a_link() {
    let lab = trained();
    let target = lab.path().join("mine");
    lab.write("mine", "mine");
    std::os::unix::fs::symlink(&target, lab.path().join("runs/base-1/gallery.json")).unwrap();
    let said = lab.run(&["explain", "runs/base-1", "--gallery"]);
    let kept = fs_err::read(&target).unwrap();
    assert!(kept == b"mine", "{said:?}");
}
