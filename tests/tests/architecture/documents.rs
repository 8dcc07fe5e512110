//! Documents that must not drift from the code.

use std::path::Path;

use medley_tests::repository::{files, root, text};

/// Text between back-ticks, outside fenced blocks.
fn quoted(document: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn paths_in_documents_exist() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for path in quoted(&text(Path::new(document))) {
            let looks_like_a_path = ["crates/", "scripts/", "configs/", "tests/", ".cargo/", ".ci/"]
                .iter()
                .any(|start| path.starts_with(start) && path.len() > start.len());
            let is_plain = !path.contains(['<', '*', '{', ' ', '…']);
            if looks_like_a_path && is_plain {
                let (file, item) =
                    path.split_once("::").map_or((path.as_str(), None), |(file, item)| (file, Some(item)));
                assert!(root().join(file).exists(), "{document} names `{path}`, which is not there");
                if let Some(item) = item {
                    let source = text(Path::new(file));
                    let there = source.contains(&format!("fn {item}")) || source.contains(&format!("struct {item}"));
                    assert!(there, "{document} names `{path}`, but {file} has no such item");
                }
            }
        }
    }
}

#[test]
fn every_invariant_names_its_test() {
    let document = text(Path::new("ARCHITECTURE.md"));
    let section = document.split("## Invariants").nth(1).expect("ARCHITECTURE.md has the section Invariants");
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ") && !line.contains("Held by")).collect();
    assert!(rows.len() >= 10, "the table has {} rows", rows.len());
    for row in rows {
        assert!(row.contains(".rs::") || row.contains("compile"), "no test is named: {row}");
    }
}

#[test]
fn every_crate_is_on_the_map() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        let document_text = text(Path::new(document));
        for path in files() {
            if path.starts_with("crates") && path.ends_with("Cargo.toml") {
                let name = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
                assert!(document_text.contains(name), "{document} does not mention {name}");
            }
        }
    }
}
