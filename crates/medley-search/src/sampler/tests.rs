use proptest::prelude::*;

use super::*;

const TEXT: &str = r#"
    [space]
    a = { log = [1e-4, 1.0] }
    b = { int = [1, 9] }
    c = { choice = ["x", "y", "z"] }
    d = { uniform = [0.0, 1.0], when = { c = "y" } }
    e = { int = [2, 64], log = true, when = { c = ["x", "y"] } }
"#;

fn space(text: &str) -> Space {
    Space::parse("space.toml".as_ref(), text).unwrap()
}

fn sampler(text: &str) -> SamplerConfig {
    let sampler: SamplerConfig = toml::from_str(text).unwrap();
    sampler.check().unwrap();
    sampler
}

fn ask<'a>(space: &'a Space, seed: u64, number: u64, others: &'a [Observation]) -> Ask<'a> {
    Ask { space, direction: Direction::Minimize, seed, number, seen: others }
}

/// Trials one after another, with values of a function of the place.
fn run(
    sampler: &SamplerConfig,
    space: &Space,
    seed: u64,
    count: u64,
    value: impl Fn(&Point) -> f64,
) -> Vec<Observation> {
    let mut trials: Vec<Observation> = Vec::new();
    for number in 0..count {
        let point = sampler.propose(&ask(space, seed, number, &trials)).unwrap();
        let outcome = Outcome::Finished(value(&point));
        trials.push(Observation { number, cube: space.encode(&point).unwrap(), outcome });
    }
    trials
}

#[test]
fn a_grid_has_every_point_once_and_ends() {
    let space = space(TEXT);
    let grid = sampler("name = \"grid\"\nlevels = 3");
    let points: Vec<Point> = (0..).map_while(|number| grid.propose(&ask(&space, 0, number, &[]))).collect();
    // a 3, b 3, and z: 1, x with e: 3, y with d and e: 9.
    assert_eq!(points.len(), 3 * 3 * (1 + 3 + 9));
    let mut texts: Vec<String> = points.iter().map(ToString::to_string).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), points.len());
    assert!(texts.iter().any(|text| text.contains("a = 0.0001\nb = 1\nc = \"y\"\nd = 0.0\ne = 2\n")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("a = 1.0\nb = 9\nc = \"y\"\nd = 1.0\ne = 64\n")), "both ends");
}

/// The L2 star discrepancy (Warnock, 1972).
fn discrepancy(points: &[Vec<f64>]) -> f64 {
    let (count, keys) = (points.len() as f64, points[0].len() as i32);
    let single: f64 = points.iter().map(|x| x.iter().map(|x| 1.0 - x * x).product::<f64>()).sum();
    let pair = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| 1.0 - a.max(*b)).product::<f64>();
    let double: f64 = points.iter().map(|a| points.iter().map(|b| pair(a, b)).sum::<f64>()).sum();
    (3.0_f64.powi(-keys) - 2.0_f64.powi(1 - keys) / count * single + double / (count * count)).sqrt()
}

#[test]
fn a_sobol_sequence_is_far_more_even_than_chance() {
    use rand::RngExt as _;
    for (keys, share) in [(2, 0.4), (6, 0.75)] {
        for seed in 0..3 {
            let sobol: Vec<Vec<f64>> = (0..256).map(|number| Sobol::place(seed, number, keys)).collect();
            let mut rng = medley_core::seed::stream(seed, medley_core::seed::Purpose::Search, &[]);
            let random: Vec<Vec<f64>> = (0..256).map(|_| (0..keys).map(|_| rng.random()).collect()).collect();
            let (even, chance) = (discrepancy(&sobol), discrepancy(&random));
            assert!(even < share * chance, "{keys} keys: {even} {chance}");
        }
    }
    // Each of 64 equal intervals has one of 64 points, in each dimension, also in the last.
    for key in [0, 1, 7, 100, 255] {
        let mut cells: Vec<u64> = (0..64).map(|number| (Sobol::place(5, number, 256)[key] * 64.0) as u64).collect();
        cells.sort_unstable();
        assert_eq!(cells, (0..64).collect::<Vec<_>>(), "dimension {key}");
    }
    assert_ne!(Sobol::place(1, 3, 2), Sobol::place(2, 3, 2));
    assert_ne!(Sobol::place(1, 3, 2), Sobol::place(1, 3 + (1 << 16), 2), "beyond its length it is scrambled again");
}

#[test]
fn those_that_learn_beat_those_that_do_not() {
    let space = space("[space]\nx = { uniform = [-2, 2] }\ny = { log = [1e-3, 1e3] }\nz = { choice = [\"a\", \"b\"] }");
    let bowl = |point: &Point| {
        let (x, y) = (point.get("x").unwrap().as_float().unwrap(), point.get("y").unwrap().as_float().unwrap());
        let offset = if point.get("z").unwrap().as_str() == Some("a") { 0.0 } else { 0.5 };
        (x - 0.7).powi(2) + (y.log10() + 1.0).powi(2) + offset
    };
    let median = |name: &str| {
        let best = |seed: u64| {
            let values = run(&sampler(&format!("name = {name:?}")), &space, seed, 40, bowl).into_iter();
            values.filter_map(|seen| super::gp::loss(Direction::Minimize, &seen)).fold(f64::INFINITY, f64::min)
        };
        let mut best: Vec<f64> = (0..5).map(best).collect();
        best.sort_by(f64::total_cmp);
        best[2]
    };
    let (random, tpe, gp) = (median("random"), median("tpe"), median("gp"));
    assert!(tpe < 0.6 * random, "{tpe} {random}");
    assert!(gp < 0.05 * random, "{gp} {random}");
}

#[test]
fn workers_that_see_each_other_keep_apart() {
    let space = space("[space]\nx = { uniform = [0, 1] }\ny = { uniform = [0, 1] }");
    for name in ["tpe", "gp"] {
        let sampler = sampler(&format!("name = {name:?}"));
        let mut seen = run(&sampler, &space, 3, 30, |point| {
            point.iter().map(|(_, value)| (value.as_float().unwrap() - 0.3).powi(2)).sum()
        });
        let mut running: Vec<Vec<Option<f64>>> = Vec::new();
        for number in 30..38 {
            let point = sampler.propose(&ask(&space, 3, number, &seen)).unwrap();
            let cube = space.encode(&point).unwrap();
            assert!(!running.contains(&cube), "{name}");
            running.push(cube.clone());
            seen.push(Observation { number, cube, outcome: Outcome::Running });
        }
    }
}

#[test]
fn a_small_space_that_is_used_up_is_no_obstacle() {
    let space = space("[space]\nx = { int = [1, 3] }\ny = { choice = [true, false] }");
    for name in ["random", "sobol", "tpe", "gp"] {
        let seen = run(&sampler(&format!("name = {name:?}")), &space, 0, 40, |_| 1.0);
        assert_eq!(seen.len(), 40);
    }
}

#[test]
fn keys_are_checked() {
    assert!(toml::from_str::<SamplerConfig>("name = \"tpe\"\nstratup = 3").is_err());
    assert!(toml::from_str::<SamplerConfig>("name = \"tpa\"").unwrap_err().to_string().contains("tpe"));
    let wrong: SamplerConfig = toml::from_str("name = \"gp\"\nstartup = 0").unwrap();
    assert_eq!(wrong.check().unwrap_err().to_string(), "`sampler.startup` is 0, but must be in [2, 1000]");
    assert_eq!(SamplerConfig::default(), toml::from_str("name = \"tpe\"").unwrap());
}

fn any_seen() -> impl Strategy<Value = Vec<(Vec<f64>, Outcome)>> {
    let outcome = prop_oneof![
        (-10.0..10.0_f64).prop_map(Outcome::Finished),
        (1_u64..9, -1e300..1e300_f64).prop_map(|(rung, value)| Outcome::Stopped { rung, value }),
        Just(Outcome::Running),
        Just(Outcome::Failed),
    ];
    prop::collection::vec((prop::collection::vec(0.0..1.0_f64, 5), outcome), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever was seen, a proposal is a point of the space, and asking again gives it again.
    #[test]
    fn proposals_are_points_and_repeat(seed: u64, number in 0_u64..100_000, seen in any_seen(), name in prop::sample::select(vec!["random", "sobol", "tpe", "gp"])) {
        let space = space(TEXT);
        let observation = |(at, (cube, outcome)): (usize, (Vec<f64>, Outcome))| {
            let cube = space.encode(&space.decode(&cube)).unwrap();
            Observation { number: at as u64, cube, outcome }
        };
        let seen: Vec<Observation> = seen.into_iter().enumerate().map(observation).collect();
        let sampler = sampler(&format!("name = {name:?}"));
        let ask = Ask { direction: Direction::Maximize, ..ask(&space, seed, number, &seen) };
        let point = sampler.propose(&ask).unwrap();
        prop_assert!(space.encode(&point).is_ok(), "{point}");
        prop_assert_eq!(sampler.propose(&ask).unwrap(), point.clone());
        if !sampler.sees_others() {
            prop_assert_eq!(sampler.propose(&Ask { seen: &[], ..ask }).unwrap(), point);
        }
    }
}
