//! A short round of each kind of `scripts/attack`: what was held stays held.

use std::process::Command;

use medley_tests::program::{Said, medley};
use medley_tests::python::has_python;
use medley_tests::repository::root;

fn attack(arguments: &[&str]) -> Said {
    let script = root().join("scripts/attack");
    Command::new(script).args(arguments).arg("--bin").arg(medley()).output().expect("the script starts").into()
}

/// Asserts that a few rounds of a kind are held.
fn held(kind: &str, rounds: &str, seed: &str) {
    if has_python("scripts/attack") {
        let said = attack(&[kind, "--rounds", rounds, "--seed", seed]);
        assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("not held    0"), "{}", said.stdout);
    }
}

#[test]
fn kills_are_held() {
    held("kills", "3", "21");
}

#[test]
fn signals_are_held() {
    held("signals", "2", "12");
}

#[test]
fn full_disks_are_held() {
    held("disk", "5", "23");
}

#[test]
fn damaged_files_are_held() {
    held("files", "6", "22");
}

#[test]
fn hostile_run_folders_are_held() {
    held("runs", "6", "21");
}

#[test]
fn hostile_configs_are_held() {
    held("configs", "6", "12");
}

#[test]
fn lying_servers_are_held() {
    held("servers", "4", "12");
}

#[test]
fn hostile_pictures_are_held() {
    held("images", "4", "21");
}

#[test]
fn races_are_held() {
    held("races", "3", "12");
}

#[test]
fn disturbed_studies_are_held() {
    held("studies", "1", "12");
}

#[test]
fn what_is_not_held_is_said_with_how_to_repeat_it() {
    if !has_python("scripts/attack") {
        return;
    }
    // A program that takes everything for good.
    let script = root().join("scripts/attack");
    let arguments = ["configs", "--round", "0", "--seed", "12", "--bin", "/bin/true"];
    let said: Said = Command::new(&script).args(arguments).output().expect("the script starts").into();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("NOT HELD configs: ") && said.stdout.contains("exit code 0, not 2"), "{said:?}");
    assert!(said.stdout.contains("scripts/attack configs --seed 12 --round 0"), "{said:?}");
    let wrong = attack(&["frobnicate"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("frobnicate") && wrong.stderr.contains("kills"), "{wrong:?}");
}
