//! Workers as processes that are killed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use medley_core::seed::{Purpose, stream};
use medley_search::{Study, TrialState};
use rand::RngExt as _;

use crate::lab::{Lab, assert_same, work_in};

/// Where the child processes of a test find their study, and the data.
const STUDY: &str = "MEDLEY_TEST_STUDY";
const DATA: &str = "MEDLEY_TEST_DATA";

#[test]
#[ignore = "other tests run it, in processes of its own"]
fn child_process() {
    let folder = |name| PathBuf::from(std::env::var_os(name).expect("the test that runs it sets it"));
    let study = Study::open(&folder(STUDY)).unwrap();
    work_in(&folder(DATA), &study).unwrap();
}

fn spawn(lab: &Lab, study: &Study) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "workers::child_process", "--ignored"])
        .env(STUDY, study.folder())
        .env(DATA, lab.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Two workers, of which one is killed at a random moment, again and again.
#[test]
fn two_workers_that_are_killed_come_to_the_same_end() {
    let lab = Lab::new();
    let rest = "[budget]\ntrials = 6\n[sampler]\nname = 'sobol'";
    let whole = lab.begin("whole", rest).unwrap();
    lab.work(&whole).unwrap();
    let study = lab.begin("killed", rest).unwrap();
    let mut rng = stream(5, Purpose::Search, &[]);
    let mut children = [spawn(&lab, &study), spawn(&lab, &study)];
    let mut killed = 0;
    while killed < 5 && study.trials().unwrap().iter().filter(|trial| trial.state.has_ended()).count() < 6 {
        sleep(Duration::from_millis(rng.random_range(100..600)));
        let victim = rng.random_range(0..2_usize);
        // Only one that has begun something has something to lose.
        if study.trials().unwrap().iter().any(|trial| trial.state == TrialState::Running) {
            children[victim].kill().unwrap();
            children[victim].wait().unwrap();
            children[victim] = spawn(&lab, &study);
            killed += 1;
        }
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert!(killed > 0);
    assert_same(&whole, &study);
}
