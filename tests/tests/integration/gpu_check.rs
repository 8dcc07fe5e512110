//! `scripts/gpu-check` on the CPU: its steps pass, and a failing one is told.

use std::process::Command;

use medley_tests::program::{Said, medley};
use medley_tests::python::has_python;
use medley_tests::repository::root;

fn gpu_check(steps: &str, out: &std::path::Path) -> Said {
    let libtorch = std::env::var_os("LIBTORCH").map_or_else(|| root().join("libtorch"), |path| root().join(path));
    Command::new(root().join("scripts/gpu-check"))
        .args(["run", "--device", "cpu", "--epochs", "2", "--steps", steps])
        .arg("--pack")
        .arg(medley().parent().unwrap())
        .arg("--libraries")
        .arg(libtorch.join("lib"))
        .arg("--out")
        .arg(out)
        .output()
        .unwrap()
        .into()
}

#[test]
fn it_trains_and_resumes_on_the_cpu() {
    if !has_python("scripts/gpu-check") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("gpu.json");
    let said = gpu_check("doctor,training,resume", &out);
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    let json: serde_json::Value = serde_json::from_slice(&fs_err::read(&out).unwrap()).unwrap();
    let steps = json["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    assert_eq!(steps[1]["throughput"].as_array().unwrap().len(), 2, "a rate for each epoch: {}", steps[1]);
    // On the CPU a run that was killed goes on to the same bits.
    assert_eq!(steps[2]["same_bits"], true);
}

#[test]
fn a_missing_program_is_named() {
    if !has_python("scripts/gpu-check") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let said = gpu_check("tests", &folder.path().join("gpu.json"));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("lacks cuda-tests: make it with `scripts/gpu-check pack`"), "{}", said.stderr);
}
