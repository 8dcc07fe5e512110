//! A worker is this test program again, told by the environment which study it is to work on. With `MEDLEY_SEARCH_KILLS=200` there are
//! as many kills in each study, and more trials.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use medley_core::seed::{Purpose, stream};
use medley_search::{Evaluation, Objective, Study, Trial, TrialState, Verdict, WorkOptions, work};
use rand::RngExt as _;

const FOLDER: &str = "MEDLEY_SEARCH_TEST_STUDY";
const LEASE: &str = "MEDLEY_SEARCH_TEST_LEASE";

/// Some milliseconds a trial, with rungs, which it resumes after.
struct Slow(u64);

fn value_at(trial: &Trial, rung: u64) -> f64 {
    let x = trial.settings["x"].as_float().unwrap();
    (x - 0.3).abs() + (trial.seed % 97) as f64 * 1e-6 + 1.0 / rung as f64
}

impl Objective for Slow {
    fn evaluate(&mut self, trial: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
        let resumed = trial.rungs.last().map_or(0, |(rung, _)| *rung);
        for rung in [1, 3, 9].into_iter().filter(|rung| *rung > resumed) {
            sleep(Duration::from_millis(self.0));
            if report(rung, value_at(trial, rung)) != Verdict::Continue {
                return Ok(Evaluation::Stopped);
            }
        }
        Ok(Evaluation::Finished(value_at(trial, 9)))
    }
}

/// What a child does; nothing when it is run as a test.
#[test]
fn child_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let lease = std::env::var(LEASE).unwrap().parse().unwrap();
    let study = Study::open(Path::new(&folder)).unwrap();
    let options = WorkOptions { lease: Duration::from_millis(lease), poll: Duration::from_millis(2), wait: true };
    work(&study, &mut Slow(12), options).unwrap();
}

/// Kills in each study.
fn kills() -> usize {
    std::env::var("MEDLEY_SEARCH_KILLS").map_or(25, |kills| kills.parse().unwrap())
}

fn spawn(study: &Study, lease: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "workers::child_process", "--nocapture"])
        .env(FOLDER, study.folder())
        .env(LEASE, lease.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn study(folder: &Path, name: &str, trials: u64, rest: &str) -> Study {
    let text = format!(
        "seed = 5\ndirection = \"minimize\"\n[budget]\ntrials = {trials}\n{rest}\n[space]\nx = {{ uniform = [0.0, 1.0] }}\n"
    );
    Study::create(folder, name, "s.toml".as_ref(), &text).unwrap()
}

/// Works with so many processes at once, of which one is killed from time to time; returns how many were.
fn work_with_kills(study: &Study, processes: usize, kills: usize, seed: u64) -> usize {
    let mut rng = stream(seed, Purpose::Search, &[]);
    let mut children: Vec<Child> = (0..processes).map(|_| spawn(study, 60_000)).collect();
    let mut killed = 0;
    while killed < kills {
        sleep(Duration::from_millis(rng.random_range(1..40)));
        let victim = rng.random_range(0..processes);
        if children[victim].try_wait().unwrap().is_some() {
            break;
        }
        children[victim].kill().unwrap();
        children[victim].wait().unwrap();
        children[victim] = spawn(study, 60_000);
        killed += 1;
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    killed
}

/// Numbers, points, rungs, states and values.
fn result(study: &Study) -> Vec<String> {
    let line = |trial: &medley_search::TrialRecord| {
        format!(
            "{} {:?} {:?} {:?} {:?} {:?}",
            trial.number, trial.point, trial.rungs, trial.state, trial.value, trial.message
        )
    };
    study.trials().unwrap().iter().map(line).collect()
}

fn check_whole(study: &Study, trials: u64) {
    let records = study.trials().unwrap();
    assert_eq!(records.iter().map(|trial| trial.number).collect::<Vec<_>>(), (0..trials).collect::<Vec<_>>());
    for trial in &records {
        assert!(trial.state.has_ended() || trial.state == TrialState::Paused, "{trial:?}");
        assert_eq!(study.derive(trial.number).unwrap().as_ref(), Some(&trial.point), "trial {}", trial.number);
    }
}

#[test]
fn a_worker_that_is_killed_again_and_again_comes_to_the_same_end() {
    let trials = 16 * kills() as u64 / 25;
    let folder = tempfile::tempdir().unwrap();
    for (name, kind) in [
        ("tpe", "[sampler]\nname = \"tpe\"\nstartup = 4"),
        ("asha", "[sampler]\nname = \"tpe\"\nstartup = 4\n[pruner]\nname = \"asha\"\nlast = 9"),
        ("median", "[sampler]\nname = \"gp\"\nstartup = 4\n[pruner]\nname = \"median\"\nstartup = 3"),
    ] {
        let whole = study(folder.path(), name, trials, kind);
        assert!(spawn(&whole, 60_000).wait().unwrap().success());
        let killed = study(folder.path(), &format!("{name}-killed"), trials, kind);
        let killed_times = work_with_kills(&killed, 1, kills(), 1);
        assert!(killed_times >= 5, "only {killed_times} kills");
        assert_eq!(result(&killed), result(&whole), "{kind}");
        check_whole(&killed, trials);
    }
}

#[test]
fn two_workers_that_are_killed_lose_nothing_and_count_nothing_twice() {
    let trials = 40 * kills() as u64 / 25;
    let folder = tempfile::tempdir().unwrap();
    let kind = "[sampler]\nname = \"sobol\"";
    let whole = study(folder.path(), "whole", trials, kind);
    assert!(spawn(&whole, 60_000).wait().unwrap().success());
    let killed = study(folder.path(), "killed", trials, kind);
    let killed_times = work_with_kills(&killed, 2, kills(), 2);
    assert!(killed_times >= 5, "only {killed_times} kills");
    assert_eq!(result(&killed), result(&whole), "a sampler that looks at no other trial");

    for (name, kind) in [
        ("tpe", "[sampler]\nname = \"tpe\"\nstartup = 4\n[pruner]\nname = \"asha\"\nlast = 9"),
        ("halving", "[sampler]\nname = \"random\"\n[pruner]\nname = \"halving\"\nlast = 9\ncohort = 10"),
    ] {
        let study = study(folder.path(), name, trials, kind);
        assert!(work_with_kills(&study, 3, kills(), 3) >= 5);
        check_whole(&study, trials);
    }
}

/// A process that stands still for longer than its lease is taken for dead; when it goes on, it finds its trial gone.
#[cfg(unix)]
#[test]
fn a_worker_that_stood_still_writes_nothing_of_what_others_took() {
    use rustix::process::{Pid, Signal, kill_process};
    let folder = tempfile::tempdir().unwrap();
    let kind = "[sampler]\nname = \"sobol\"";
    let whole = study(folder.path(), "whole", 30, kind);
    assert!(spawn(&whole, 200).wait().unwrap().success());
    let study = study(folder.path(), "stopped", 30, kind);
    let mut still = spawn(&study, 200);
    let pid = Pid::from_child(&still);
    while study.trials().unwrap().is_empty() {
        sleep(Duration::from_millis(1));
    }
    kill_process(pid, Signal::STOP).unwrap();
    let mut other = spawn(&study, 200);
    assert!(other.wait().unwrap().success(), "it does not wait for ever");
    check_whole(&study, 30);
    let before = result(&study);
    assert_eq!(before, result(&whole));
    kill_process(pid, Signal::CONT).unwrap();
    assert!(still.wait().unwrap().success());
    assert_eq!(result(&study), before);
}
