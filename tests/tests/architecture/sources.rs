//! What may be written where.

use std::path::Path;

use medley_tests::repository::{production_lines, rust_files, text};

/// Lines of production code under `crates/` that contain one of `needles`, outside `allowed`, as `file:line: text`.
fn offenders(needles: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in rust_files("crates") {
        let name = path.to_str().unwrap();
        let is_source = name.contains("/src/") && !name.ends_with("/tests.rs") && !name.contains("/fuzz/");
        if !is_source || allowed.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        for (number, line) in production_lines(&path) {
            if needles.iter().any(|needle| line.contains(needle)) {
                found.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

#[test]
fn test_labels_are_opened_by_scoring_alone() {
    let allowed = [
        "crates/medley-core/src/sealed.rs",
        "crates/medley-train/src/scoring.rs",
        "crates/medley-predictions/src/matching/truth.rs",
    ];
    let found = offenders(&["for_written"], &allowed);
    assert!(found.is_empty(), "only scoring may make a token:\n{}", found.join("\n"));
    assert!(!offenders(&["for_written"], &allowed[..1]).is_empty(), "the check is blind: scoring was not seen either");
    let on_request =
        offenders(&["on_request("], &["crates/medley-core/src/sealed.rs", "crates/medley-cli/src/commands/data/"]);
    assert!(
        on_request.is_empty(),
        "a person asks for test labels at the command line alone:\n{}",
        on_request.join("\n")
    );
}

#[test]
fn renames_happen_in_storage_alone() {
    let found = offenders(&["::rename(", ".persist("], &["crates/medley-storage/"]);
    assert!(found.is_empty(), "a file takes its name through medley_storage:\n{}", found.join("\n"));
}

/// A path may stand for a pipe, a device, a link or a file without end: `medley_storage` opens it, or refuses it at once.
#[test]
fn files_are_opened_in_storage_alone() {
    let opens = [
        "File::open(",
        "File::create(",
        "File::create_new(",
        "File::options(",
        "OpenOptions::new(",
        "fs::read(",
        "fs_err::read(",
        "read_to_string(\"",
        "fs::read_to_string(",
        "fs_err::read_to_string(",
        "fs::write(",
        "fs_err::write(",
        "fs::copy(",
        "fs_err::copy(",
        "hard_link(",
        "Mmap::map(",
        "MmapMut::map",
    ];
    let allowed = [
        "crates/medley-storage/",
        // A copy without a name, which storage has made.
        "crates/medley-data/src/private_copy.rs",
        // What libtorch says of itself, beside the library that this process has loaded.
        "crates/medley-models/src/environment.rs",
    ];
    let mut found = offenders(&opens, &allowed);
    // What the system says of itself has no other place.
    found.retain(|line| {
        !line.contains("(\"/proc/") && !line.contains("SharedFile::open(") && !line.contains("EventFile::create(")
    });
    assert!(found.is_empty(), "open it with medley_storage:\n{}", found.join("\n"));
    assert!(!offenders(&opens, &allowed[1..]).is_empty(), "the check is blind: storage was not seen either");
}

#[test]
fn core_does_no_input_or_output() {
    for path in rust_files("crates/medley-core/src") {
        for (number, line) in production_lines(&path) {
            for needle in ["std::fs", "std::io", "std::net", "std::env", "std::process", "std::time", "std::thread"] {
                assert!(!line.contains(needle), "{}:{number}: {line}", path.display());
            }
        }
    }
}

#[test]
fn randomness_comes_from_positions_alone() {
    let drawn = ["thread_rng", "rand::rng()", "from_os_rng", "OsRng", "SysRng", "from_entropy", "RandomState"];
    // Names of temporary files, which no result has, must differ between processes.
    let found = offenders(&drawn, &["crates/medley-storage/src/commit.rs"]);
    assert!(found.is_empty(), "draw from medley_core::seed::stream:\n{}", found.join("\n"));
}

#[test]
fn results_never_see_the_clock() {
    // Data, transforms, metrics, networks and reports are functions of what goes in. Calibration measures speed, and what it
    // chooses is recorded with the run.
    // The stream of batches measures how long it was waited for, and hands that out apart from them. A worker measures for how long
    // the lease of another has not changed.
    let may_look = [
        "crates/medley-train/",
        "crates/medley-cli/",
        "crates/medley-torch/",
        "crates/medley-fetch/",
        "crates/medley-augment/src/stream.rs",
        "crates/medley-models/src/calibration/",
        "crates/medley-search/src/study/worker.rs",
        // What people see of a run has the time that is left.
        "crates/medley-monitor/src/screen.rs",
        // How long requests wait decides when batches are computed, and no answer depends on it.
        "crates/medley-serve/",
        // A search within a time, and when its last networks end: what the clock decides is recorded.
        "crates/medley-tune/src/auto/mod.rs",
        "crates/medley-tune/src/auto/turns.rs",
        "crates/medley-tune/src/part.rs",
    ];
    let found = offenders(&["Instant::now", "SystemTime::now", "UNIX_EPOCH"], &may_look);
    assert!(found.is_empty(), "the clock is read in:\n{}", found.join("\n"));
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    for path in rust_files("crates") {
        let source = text(&path);
        for (index, line) in source.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !code.contains("unsafe {") && !code.contains("unsafe impl") {
                continue;
            }
            let before: Vec<_> = source.lines().take(index).collect();
            let said = before.iter().rev().take(6).any(|line| line.contains("SAFETY"));
            assert!(said, "{}:{}: no SAFETY comment above", path.display(), index + 1);
        }
    }
}

#[test]
fn no_test_is_silently_ignored() {
    for path in rust_files("crates").into_iter().chain(rust_files("tests")) {
        for (index, line) in text(&path).lines().enumerate() {
            let bare = concat!("#[ign", "ore]");
            assert!(!line.contains(bare), "{}:{}: say why: #[ignore = \"…\"]", path.display(), index + 1);
        }
    }
}

#[test]
fn files_can_be_read_at_a_sitting() {
    for path in rust_files("crates").into_iter().chain(rust_files("tests")) {
        let lines = text(&path).lines().count();
        assert!(lines <= 700, "{} has {lines} lines; 700 is the most", path.display());
    }
}

#[test]
fn every_crate_opens_with_an_essay() {
    for path in rust_files("crates").into_iter().chain(rust_files("tests")) {
        let name = path.to_str().unwrap();
        if !name.ends_with("/src/lib.rs") && !name.ends_with("/src/main.rs") {
            continue;
        }
        let essay = text(&path).lines().take_while(|line| line.starts_with("//!")).count();
        let enough = if name.ends_with("lib.rs") { 8 } else { 1 };
        assert!(essay >= enough, "{name} opens with {essay} lines of `//!`");
        assert!(
            Path::new(name).starts_with("tests") || text(&path).lines().count() <= 200,
            "{name}: a table of contents, not a room"
        );
    }
}
