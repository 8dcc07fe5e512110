//! The words of the field, and tests that test.

use std::collections::BTreeSet;

use medley_tests::repository::{production_lines, rust_files, text};

/// Words that this code once used where PyTorch, scikit-learn or Rust have one that everybody knows, and that word.
const DIALECT: [(&str, &str); 11] = [
    ("deal", "shuffle or distribute"),
    ("milliard", "billion"),
    ("pace", "throughput or rate"),
    ("painter", "generator"),
    ("permit", "token"),
    ("piece", "chunk"),
    ("rectifier", "ReLU"),
    ("repetition", "seed run"),
    ("trouble", "error"),
    ("twin", "replica, clone or parent"),
    ("verb", "subcommand"),
];

/// The words of the identifiers and messages in a line, in lower case and without a plural s: `SeedRuns` is `seed` and `run`.
fn words(line: &str) -> BTreeSet<String> {
    let mut parts = String::new();
    for c in line.chars() {
        if c.is_uppercase() || !c.is_alphabetic() {
            parts.push(' ');
        }
        parts.extend(c.to_lowercase());
    }
    let word = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    parts.split(|c: char| !c.is_alphabetic()).filter(|part| !part.is_empty()).map(word).collect()
}

#[test]
fn names_and_messages_use_the_words_of_the_field() {
    let mut found = Vec::new();
    for path in rust_files("crates").into_iter().filter(|path| path.to_str().unwrap().contains("/src/")) {
        for (number, line) in production_lines(&path) {
            let words = words(&line);
            for (dialect, field) in DIALECT.iter().filter(|(dialect, _)| words.contains(*dialect)) {
                found.push(format!("{}:{number}: `{dialect}`; write {field}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(words("let SeedTwins = way_to(deal)").is_superset(&["twin", "deal", "seed"].map(String::from).into()));
}

/// Functions of a file, whatever their indentation: name, whether it is a test, and the text from its line to its closing brace.
fn functions(source: &str) -> Vec<(String, bool, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = line.split("fn ").nth(1).filter(|_| !line.trim_start().starts_with("//")) else { continue };
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let body: Vec<&str> = lines[index..].iter().copied().take_while(|line| *line != end).collect();
        let attributes = lines[..index].iter().rev().take_while(|line| line.trim_start().starts_with("#["));
        let is_test = attributes.into_iter().any(|line| line.contains("#[test]"));
        found.push((name, is_test, body.join("\n")));
    }
    found
}

/// Whether something in it can fail: an assertion, a demand for success or failure, or a suite of another file.
fn can_fail(body: &str) -> bool {
    let ways = [
        "assert",
        "panic!",
        "must(",
        "check_",
        ".unwrap_err()",
        ".expect_err(",
        "?;",
        ".unwrap();",
        ".train(",
        "markup::read(",
        "compile_fail",
        "should_panic",
    ];
    ways.iter().any(|way| body.contains(way))
}

#[test]
fn every_test_can_fail() {
    let all = || rust_files("crates").into_iter().chain(rust_files("tests"));
    let suites: Vec<_> =
        all().filter(|path| path.ends_with("conformance.rs")).flat_map(|path| functions(&text(&path))).collect();
    let (mut seen, mut blind) = (0, Vec::new());
    for path in all() {
        let functions = functions(&text(&path));
        // Helpers of the same file that assert, and those that call them.
        let mut asserting: BTreeSet<&str> = suites.iter().map(|(name, _, _)| name.as_str()).collect();
        for _ in 0..3 {
            for (name, _, body) in &functions {
                let rest = body.split_once('{').map_or("", |(_, rest)| rest);
                if can_fail(rest) || asserting.iter().any(|helper| rest.contains(&format!("{helper}("))) {
                    asserting.insert(name);
                }
            }
        }
        for (name, _, _) in functions.iter().filter(|(_, is_test, _)| *is_test) {
            seen += 1;
            if !asserting.contains(name.as_str()) {
                blind.push(format!("{}: the test `{name}` asserts nothing", path.display()));
            }
        }
    }
    assert!(blind.is_empty(), "{}", blind.join("\n"));
    assert!(seen > 500, "only {seen} tests were found: is the search blind?");
}
