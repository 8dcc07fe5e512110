use proptest::prelude::*;

use super::*;

fn history(number: u64, state: TrialState, rungs: &[(u64, f64)]) -> History {
    History { number, rungs: rungs.to_vec(), state }
}

fn pruner(text: &str) -> PrunerConfig {
    let pruner: PrunerConfig = toml::from_str(text).unwrap();
    pruner.check().unwrap();
    pruner
}

const UP: Direction = Direction::Maximize;

#[test]
fn the_median_prunes_what_is_worse_than_half() {
    let median = pruner("name = \"median\"\nstartup = 3\nwarmup = 2");
    let others: Vec<History> =
        (0..4).map(|number| history(number, TrialState::Finished, &[(1, 0.1), (2, number as f64)])).collect();
    let judge = |rungs: &[(u64, f64)]| median.judge(UP, &history(9, TrialState::Running, rungs), &others);
    assert_eq!(judge(&[(1, -5.0)]), Verdict::Continue, "below the warmup");
    assert_eq!(judge(&[(2, 1.4)]), Verdict::Prune);
    assert_eq!(judge(&[(2, 1.6)]), Verdict::Continue);
    assert_eq!(judge(&[(1, 1.6), (2, 1.0)]), Verdict::Continue, "its best counts");
    assert_eq!(judge(&[(3, 0.0)]), Verdict::Continue, "nobody was there");
    let running: Vec<History> =
        others.iter().map(|other| History { state: TrialState::Running, ..other.clone() }).collect();
    assert_eq!(median.judge(UP, &history(9, TrialState::Running, &[(2, 0.0)]), &running), Verdict::Continue);
}

#[test]
fn patience_counts_reports_without_gain() {
    let patience = pruner("name = \"patience\"\nreports = 2\nleast = 0.1");
    let judge = |values: &[f64]| {
        let rungs: Vec<(u64, f64)> = values.iter().enumerate().map(|(rung, value)| (rung as u64, *value)).collect();
        patience.judge(UP, &history(0, TrialState::Running, &rungs), &[])
    };
    assert_eq!(judge(&[0.5, 0.55]), Verdict::Continue);
    assert_eq!(judge(&[0.5, 0.55, 0.58]), Verdict::Finish);
    assert_eq!(judge(&[0.5, 0.55, 0.7]), Verdict::Continue);
}

#[test]
fn asha_promotes_the_best_third() {
    let asha = pruner("name = \"asha\"\nlast = 9");
    let mut trials = vec![history(0, TrialState::Paused, &[(1, 0.5)]), history(1, TrialState::Paused, &[(1, 0.7)])];
    assert_eq!(asha.promote(UP, &trials), None, "there are only two");
    assert_eq!(asha.judge(UP, &history(2, TrialState::Running, &[(1, 0.9)]), &trials), Verdict::Continue);
    assert_eq!(asha.judge(UP, &history(2, TrialState::Running, &[(1, 0.6)]), &trials), Verdict::Pause);
    assert_eq!(asha.judge(UP, &history(2, TrialState::Running, &[(2, 0.0)]), &trials), Verdict::Continue, "no level");
    assert_eq!(asha.judge(UP, &history(2, TrialState::Running, &[(9, 0.0)]), &trials), Verdict::Continue, "the end");
    trials.push(history(2, TrialState::Paused, &[(1, 0.6)]));
    assert_eq!(asha.promote(UP, &trials), Some(1));
    assert_eq!(asha.promote(Direction::Minimize, &trials), Some(0));
    trials[1] = history(1, TrialState::Running, &[(1, 0.7)]);
    assert_eq!(asha.promote(UP, &trials), None, "it is on its way");
}

#[test]
fn halving_waits_for_the_cohort() {
    let halving = pruner("name = \"halving\"\nlast = 4\nfactor = 2\ncohort = 4");
    let at = |number, value| history(number, TrialState::Paused, &[(1, value)]);
    let mut trials = vec![at(0, 0.1), at(1, 0.9), at(2, 0.5)];
    assert_eq!(halving.promote(UP, &trials), None);
    trials.push(history(3, TrialState::Running, &[]));
    assert_eq!(halving.promote(UP, &trials), None);
    trials[3] = history(3, TrialState::Failed, &[]);
    assert_eq!(halving.promote(UP, &trials), Some(1), "a failed one is not waited for");
    trials[1] = history(1, TrialState::Paused, &[(1, 0.9), (2, 0.4)]);
    assert_eq!(halving.promote(UP, &trials), Some(2), "the second place");
    trials[2] = history(2, TrialState::Paused, &[(1, 0.5), (2, 0.3)]);
    assert_eq!(halving.promote(UP, &trials), Some(1), "one place of the two at the next level");
    trials[1] = history(1, TrialState::Finished, &[(1, 0.9), (2, 0.4)]);
    assert_eq!(halving.promote(UP, &trials), None);
    trials.push(at(4, 1.0));
    assert_eq!(halving.promote(UP, &trials), None, "another cohort");
}

#[test]
fn hyperband_gives_each_bracket_its_share() {
    let hyperband: Hyperband = toml::from_str("last = 27").unwrap();
    // Levels 1, 3, 9: four brackets of 27, 12, 6 and 4 trials, which is the table of the paper for R = 27.
    let turn: Vec<usize> = (0..49).map(|number| hyperband.bracket(number)).collect();
    let counts: Vec<usize> = (0..4).map(|bracket| turn.iter().filter(|of| **of == bracket).count()).collect();
    assert_eq!(counts, [27, 12, 6, 4]);
    let mut early = turn[..13].to_vec();
    early.sort_unstable();
    early.dedup();
    assert_eq!(early, [0, 1, 2, 3], "mixed");
    assert_eq!(hyperband.bracket(49), hyperband.bracket(0));
    let last = (0..49).find(|number| hyperband.bracket(*number) == 3).unwrap();
    assert_eq!(hyperband.judge(UP, &history(last, TrialState::Running, &[(9, 0.0)]), &[]), Verdict::Continue);
    let first = (0..49).find(|number| hyperband.bracket(*number) == 0).unwrap();
    assert_eq!(hyperband.judge(UP, &history(first, TrialState::Running, &[(9, 0.0)]), &[]), Verdict::Pause);
}

#[test]
fn keys_out_of_range_are_refused() {
    assert!(toml::from_str::<PrunerConfig>("name = \"asha\"").unwrap_err().to_string().contains("last"));
    assert!(toml::from_str::<PrunerConfig>("name = \"asha\"\nlast = 9\nfirts = 1").is_err());
    let wrong: PrunerConfig = toml::from_str("name = \"asha\"\nlast = 9\nfactor = 1").unwrap();
    assert_eq!(wrong.check().unwrap_err().to_string(), "`pruner.factor` is 1, but must be in [2, 100]");
    for name in PrunerConfig::NAMES {
        assert!(toml::from_str::<PrunerConfig>(&format!("name = {name:?}\nlast = 9")).is_ok() || name != "asha");
    }
}

fn any_trials() -> impl Strategy<Value = Vec<History>> {
    let state =
        prop::sample::select(vec![TrialState::Running, TrialState::Paused, TrialState::Finished, TrialState::Failed]);
    let trial = (state, prop::collection::vec(-1.0..1.0_f64, 0..5));
    prop::collection::vec(trial, 1..30).prop_map(|trials| {
        let rungs =
            |values: Vec<f64>| values.into_iter().enumerate().map(|(at, v)| (3_u64.pow(at as u32), v)).collect();
        let numbered = trials.into_iter().enumerate();
        numbered
            .map(|(number, (state, values))| History { number: number as u64, rungs: rungs(values), state })
            .collect()
    })
}

proptest! {
    /// What holds for every pruner: only paused trials are promoted, the order of trials does not matter, and neither does the
    /// direction when values change their sign.
    #[test]
    fn all_are_functions_of_the_set(trials in any_trials(), name in prop::sample::select(PrunerConfig::NAMES.to_vec())) {
        let keys = if ["asha", "halving", "hyperband"].contains(&name) { "last = 81" } else { "" };
        let pruner = pruner(&format!("name = {name:?}\n{keys}"));
        let promoted = pruner.promote(UP, &trials);
        if let Some(number) = promoted {
            prop_assert_eq!(trials[number as usize].state, TrialState::Paused);
        }
        let reversed: Vec<History> = trials.iter().rev().cloned().collect();
        prop_assert_eq!(pruner.promote(UP, &reversed), promoted);
        let negated: Vec<History> = trials.iter().cloned().map(|mut trial| {
            trial.rungs.iter_mut().for_each(|(_, value)| *value = -*value);
            trial
        }).collect();
        prop_assert_eq!(pruner.promote(Direction::Minimize, &negated), promoted);
        let judge = |direction, trials: &[History]| pruner.judge(direction, &trials[0], &trials[1..]);
        let verdict = judge(UP, &trials);
        prop_assert_eq!(judge(Direction::Minimize, &negated), verdict);
        let mut shuffled = trials.clone();
        shuffled[1..].reverse();
        prop_assert_eq!(judge(UP, &shuffled), verdict);
        prop_assert!(verdict != Verdict::Leave);
    }

    /// Among trials at the same level, ASHA never promotes one while a better one waits.
    #[test]
    fn asha_takes_the_best(values in prop::collection::vec(-1.0..1.0_f64, 3..40)) {
        let trials: Vec<History> =
            values.iter().enumerate().map(|(number, value)| history(number as u64, TrialState::Paused, &[(1, *value)])).collect();
        let promoted = pruner("name = \"asha\"\nlast = 9").promote(UP, &trials).unwrap();
        prop_assert!(values.iter().all(|value| *value <= values[promoted as usize]));
    }
}
