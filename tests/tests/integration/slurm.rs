//! `medley study slurm`, with programs in place of those of Slurm. `scripts/check-slurm` does it on a real one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use medley_tests::lab::{Lab, files_under};
use medley_tests::program::{self, Said, must};

/// A folder whose name a shell must not read.
const STUDIES: &str = "it's $(touch odd)";
const STUDY: &str = "[budget]\ntrials = 2\n[objective]\nbase = 'lab.toml'\n[sampler]\nname = 'sobol'\n\
                     [space]\n'optimizer.learning_rate' = { log = [1e-4, 1e-1] }\n";

/// A study that was begun, and `fake/`, with programs that write down what they were asked.
fn begun() -> Lab {
    let lab = Lab::with_tasks(&["breastmnist"], 48);
    lab.config("lab", &["breastmnist"], "");
    let config = std::fs::read_to_string(lab.path().join("lab.toml")).unwrap();
    let config =
        config.replace("{ name = 'resnet9', width = 4 }", "{ name = 'linear' }").replace("dropout = 0.2\n", "");
    lab.write("lab.toml", &config.replace("epochs = 2", "epochs = 60"));
    lab.write("study.toml", STUDY);
    for name in ["whole", "shared"] {
        must(
            lab.path(),
            &["study", "run", "study.toml", "--studies", STUDIES, "--name", name, "--workers", "0", "--quiet"],
        );
    }
    std::fs::create_dir(lab.path().join("fake")).unwrap();
    fake(
        &lab,
        "sbatch",
        "[[ $1 == --version ]] || { echo \"$*\" >> \"$HOME\"/submitted; cp \"${!#}\" \"$HOME\"; echo 17; }",
    );
    fake(&lab, "squeue", "cat \"$HOME\"/state");
    fake(&lab, "scontrol", "echo \"$*\" >> \"$HOME\"/requeued");
    lab
}

fn fake(lab: &Lab, name: &str, line: &str) {
    let path = lab.path().join("fake").join(name);
    std::fs::write(&path, format!("#!/bin/bash\n{line}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a line of bash, with the fakes before all other programs.
fn shell(lab: &Lab, line: &str) -> Said {
    let line =
        format!("PATH=$HOME/fake:$PATH; export SLURM_JOB_ID=18 SLURM_ARRAY_JOB_ID=17 SLURM_ARRAY_TASK_ID=3; {line}");
    program::shell(lab.path(), &line).env("STUDY", lab.path().join(STUDIES).join("shared")).output().unwrap().into()
}

/// The files of runs whose bits are promised.
fn promised(study: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_under(&study.join("trials")).into_iter();
    files
        .filter(|(name, _)| ["checkpoints/", "metrics.csv", "results"].iter().any(|part| name.contains(part)))
        .collect()
}

#[test]
fn a_worker_that_slurm_stops_puts_its_trial_back_and_its_job_into_the_queue() {
    let lab = begun();
    let study = |name: &str| lab.path().join(STUDIES).join(name);
    let said =
        shell(&lab, "medley study slurm \"$STUDY\" --array 4 --per-node 2 --time 1h --confirm 2 -- --partition=cpu");
    assert_eq!(said.code, Some(0), "{said:?}");
    let submitted = std::fs::read_to_string(lab.path().join("submitted")).unwrap();
    assert!(submitted.contains("/slurm/0/workers.sh\n--parsable --dependency=afterany:17 "), "{submitted}");
    // Twice, as where Slurm signals all processes of a job and the script passes it on.
    let stopped = "bash workers.sh & job=$!; until [[ -e $STUDY/trials/1/rungs/2.json ]]; do sleep 0.02; done; \
                   kill -TERM $job $(pgrep -P $job); wait $job";
    lab.write("state", "RUNNING\n");
    let said = shell(&lab, stopped);
    assert_eq!(said.code, Some(143), "{said:?}");
    assert_eq!(std::fs::read_to_string(lab.path().join("requeued")).unwrap(), "requeue 17_3\n");
    let status = must(lab.path(), &["study", "status", study("shared").to_str().unwrap()]).stdout;
    assert!(status.contains("2 waiting"), "{status}");
    // A job that was cancelled stays away.
    lab.write("state", "COMPLETING\n");
    let stopped = stopped.replace("trials/1/rungs/2.json", "trials/1/rungs/9.json");
    let said = shell(&lab, &stopped);
    assert_eq!(said.code, Some(143), "{said:?}");
    assert_eq!(std::fs::read_to_string(lab.path().join("requeued")).unwrap(), "requeue 17_3\n");
    // The last job says that something is left; when the workers have ended, it confirms and reports.
    let said = shell(&lab, "bash finish.sh");
    assert_eq!(said.code, Some(2), "{said:?}");
    for script in ["workers.sh", "finish.sh"] {
        let said = shell(&lab, &format!("bash {script}"));
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
    }
    let logs: String =
        files_under(&study("shared").join("slurm")).into_values().map(|log| String::from_utf8(log).unwrap()).collect();
    for part in ["has trials left", "job 17_3 goes back", "its trials are for others", "2 finished", "report  "] {
        assert!(logs.contains(part), "{part}: {logs}");
    }
    must(lab.path(), &["study", "run", study("whole").to_str().unwrap(), "--quiet"]);
    assert!(promised(&study("whole")) == promised(&study("shared")), "other bits");
    assert!(study("shared").join("confirmation.json").exists() && !lab.path().join("odd").exists());
}

#[test]
fn what_cannot_be_submitted_has_one_message_and_leaves_nothing() {
    let lab = begun();
    let refused = |line: &str, says: &str| {
        let said = shell(&lab, &format!("medley study slurm \"$STUDY\" --array 2 {line}"));
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
        assert!(said.stderr.contains(says), "{line}: {}", said.stderr);
    };
    refused("--time 30", "it must be a time such as");
    refused("--time 30s", "a minute or more");
    refused("--time 1h -- --comment='a b'", "cannot stand in a line");
    refused("--time 1h --data elsewhere", "is not there; name it with --data");
    let without = "/tmp/no such folder";
    let said: Said = program::command(lab.path())
        .args(["study", "slurm", &format!("{STUDIES}/shared"), "--array", "2", "--time", "1h"])
        .env("PATH", without)
        .output()
        .unwrap()
        .into();
    assert!(said.code == Some(2) && said.stderr.contains("`sbatch` is not in PATH"), "{said:?}");
    let script = shell(
        &lab,
        "medley study slurm \"$STUDY\" --array 2 --time 1h --dry-run | bash -n && medley study stop \"$STUDY\"",
    );
    assert_eq!(script.code, Some(0), "{script:?}");
    assert!(!lab.path().join(STUDIES).join("shared/slurm").exists() && !lab.path().join("submitted").exists());
    refused("--time 1h", "is stopped");
    shell(&lab, "medley study stop \"$STUDY\" --undo");
    fake(&lab, "sbatch", "[[ $1 == --version ]] || { echo 'sbatch: error: invalid partition' >&2; exit 1; }");
    refused("--time 1h", "sbatch: error: invalid partition");
}
