//! What lies where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use medley_tests::repository::{files, root, rust_files, text};

#[test]
fn the_top_level_is_tidy() {
    let allowed = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "configs",
        "crates",
        "data",
        "rust-toolchain.toml",
        "scripts",
        "tests",
    ];
    let top: BTreeSet<_> = files()
        .iter()
        .filter_map(|path| path.components().next()?.as_os_str().to_str().map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect();
    for name in &top {
        assert!(allowed.contains(&name.as_str()), "`{name}` has no place at the top level");
    }
    for name in allowed {
        assert!(top.contains(name), "`{name}` is missing");
    }
}

#[test]
fn every_crate_has_a_manifest_of_the_house() {
    // Fuzz targets are a workspace of their own, as they need flags that others do not.
    let is_member =
        |path: &Path| path != Path::new("Cargo.toml") && !path.parent().is_some_and(|path| path.ends_with("fuzz"));
    let manifests: Vec<_> =
        files().into_iter().filter(|path| path.ends_with("Cargo.toml") && is_member(path)).collect();
    assert!(manifests.len() >= 10);
    for path in manifests {
        let manifest: toml::Table = text(&path).parse().unwrap();
        let shown = path.display();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{shown}: [lints] workspace = true");
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            assert_eq!(manifest["package"][key]["workspace"].as_bool(), Some(true), "{shown}: {key}.workspace = true");
        }
        assert!(
            manifest["package"]["description"].as_str().is_some_and(|text| text.len() > 10),
            "{shown}: description"
        );
        assert!(root().join(path.with_file_name("README.md")).is_file(), "{shown}: no README.md beside it");
    }
}

#[test]
fn integration_tests_of_a_crate_are_one_program() {
    let mut programs = BTreeMap::<_, Vec<_>>::new();
    for manifest in files().iter().filter(|path| path.ends_with("Cargo.toml")) {
        let folder = manifest.with_file_name("tests");
        for path in rust_files(folder.to_str().unwrap()) {
            let parts: Vec<_> = path.strip_prefix(&folder).unwrap().iter().collect();
            if parts.len() == 1 || (parts.len() == 2 && path.ends_with("main.rs")) {
                programs.entry(folder.clone()).or_default().push(path);
            }
        }
    }
    assert!(programs.len() > 10, "{programs:?}");
    for paths in programs.values().filter(|paths| paths.len() > 1) {
        for path in paths.iter().filter(|path| !path.ends_with("integration/main.rs")) {
            let says_why =
                text(path).lines().any(|line| line.starts_with("//!") && line.contains("program of its own"));
            assert!(
                says_why,
                "{}: make it a module of tests/integration, or say why it is a program of its own",
                path.display()
            );
        }
    }
}

#[test]
fn no_large_or_generated_file_is_kept() {
    for path in files() {
        let size = fs_err::metadata(root().join(&path)).unwrap().len();
        let name = path.to_str().unwrap();
        // Weights that are embedded in the program: of each model one file.
        let built_in = name.starts_with("crates/medley-builtin/models/") && name.ends_with("/model.safetensors");
        let most = if built_in { 3_000_000 } else { 300_000 };
        assert!(size <= most, "{} has {size} bytes", path.display());
        for ending in [".npz.part", ".pending-snap", ".snap.new", ".so", ".whl", ".orig", ".rej", "~"] {
            assert!(!name.ends_with(ending), "{name} is a left-over");
        }
    }
}

#[test]
fn no_real_data_is_kept() {
    for path in files() {
        if path.extension().is_some_and(|extension| extension == "npz") {
            assert!(path.to_str().unwrap().contains("/tests/fixtures/"), "{} must not be committed", path.display());
        }
    }
}
