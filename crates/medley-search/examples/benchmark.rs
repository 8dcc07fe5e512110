//! Functions with a known least value, searched by each sampler: the side of Medley in `scripts/compare/search`.
//!
//! ```text
//! cargo run --release -p medley-search --example benchmark -- --samplers random,tpe,gp --seeds 20 --trials 50,200
//! ```
//! prints one line of JSON for each function, sampler and seed: the best value after so many trials, and milliseconds per trial.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example that prints")]

use std::collections::BTreeMap;
use std::f64::consts::{E, PI, TAU};
use std::time::Instant;

use medley_search::{Ask, Direction, Observation, Outcome, Point, Sampler as _, SamplerConfig, Space};
use serde_json::json;

/// A function of points, to become small.
type Function = fn(&Point) -> f64;

/// Name, space, function.
const FUNCTIONS: [(&str, &str, Function); 4] = [
    ("branin", "[space]\nx = { uniform = [-5, 10] }\ny = { uniform = [0, 15] }", branin),
    (
        "hartmann6",
        "[space]\na = { uniform = [0, 1] }\nb = { uniform = [0, 1] }\nc = { uniform = [0, 1] }\n\
         d = { uniform = [0, 1] }\ne = { uniform = [0, 1] }\nf = { uniform = [0, 1] }",
        hartmann6,
    ),
    (
        "mixed",
        "[space]\nlearning_rate = { log = [1e-5, 1.0] }\nbatch = { int = [8, 128], step = 8 }\n\
         width = { int = [4, 512], log = true }\noptimizer = { choice = [\"sgd\", \"adam\", \"lion\"] }",
        mixed,
    ),
    (
        "conditional",
        "[space]\nmodel = { choice = [\"linear\", \"mlp\", \"forest\"] }\n\
         penalty = { log = [1e-6, 1.0], when = { model = \"linear\" } }\n\
         layers = { int = [1, 5], when = { model = \"mlp\" } }\n\
         learning_rate = { log = [1e-5, 1e-1], when = { model = \"mlp\" } }\n\
         dropout = { uniform = [0.0, 0.8], when = { model = \"mlp\" } }\n\
         depth = { int = [1, 20], when = { model = \"forest\" } }\n\
         share = { uniform = [0.1, 1.0], when = { model = \"forest\" } }",
        conditional,
    ),
];

fn number(point: &Point, key: &str) -> f64 {
    let value = point.get(key).unwrap();
    value.as_float().unwrap_or_else(|| value.as_integer().unwrap() as f64)
}

/// Least value 0.397887 (Dixon and Szegö, 1978).
fn branin(point: &Point) -> f64 {
    let (x, y) = (number(point, "x"), number(point, "y"));
    let bend = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

/// Least value -3.32237 (Dixon and Szegö, 1978).
fn hartmann6(point: &Point) -> f64 {
    const HEIGHT: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const WIDTH: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const CENTRE: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let at = ["a", "b", "c", "d", "e", "f"].map(|key| number(point, key));
    let hill = |index: usize| {
        let distance = |key: usize| WIDTH[index][key] * (at[key] - CENTRE[index][key]).powi(2);
        HEIGHT[index] * E.powf(-(0..6).map(distance).sum::<f64>())
    };
    -(0..4).map(hill).sum::<f64>()
}

/// Least value 0: Adam at 1e-3, batches of 48, 128 wide.
fn mixed(point: &Point) -> f64 {
    let (rate, batch) = (number(point, "learning_rate").log10(), number(point, "batch"));
    let (best_rate, offset) = match point.get("optimizer").unwrap().as_str().unwrap() {
        "sgd" => (-1.0, 0.1),
        "adam" => (-3.0, 0.0),
        _ => (-4.0, 0.25),
    };
    let scaled = best_rate + 0.5 * (batch / 48.0).log10();
    0.5 * (rate - scaled).powi(2)
        + ((batch - 48.0) / 64.0).powi(2)
        + 0.075 * (number(point, "width").log2() - 7.0).powi(2)
        + offset
}

/// Least value 0: three layers at 1e-3 with dropout 0.3. The other models are easier, and end at 0.3 and 0.15.
fn conditional(point: &Point) -> f64 {
    match point.get("model").unwrap().as_str().unwrap() {
        "linear" => 0.3 + 0.02 * (number(point, "penalty").log10() + 3.0).powi(2),
        "forest" => {
            0.15 + 0.002 * (number(point, "depth") - 9.0).powi(2) + 0.5 * (number(point, "share") - 0.6).powi(2)
        }
        _ => {
            let rate = number(point, "learning_rate").log10() + 3.0;
            let ripple = 0.05 * (1.0 - (TAU * rate).cos());
            0.1 * (number(point, "layers") - 3.0).powi(2)
                + 0.4 * rate.powi(2)
                + ripple
                + 2.0 * (number(point, "dropout") - 0.3).powi(2)
        }
    }
}

fn main() {
    let mut options = BTreeMap::from([
        ("--samplers", "random,tpe,gp".to_owned()),
        ("--functions", "branin,hartmann6,mixed,conditional".to_owned()),
        ("--seeds", "20".to_owned()),
        ("--trials", "50,200".to_owned()),
    ]);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for pair in arguments.chunks(2) {
        let option = options.get_mut(pair[0].as_str()).unwrap_or_else(|| panic!("there is no option {}", pair[0]));
        pair.get(1).expect("an option has a value").clone_into(option);
    }
    let trials: Vec<usize> = options["--trials"].split(',').map(|count| count.parse().unwrap()).collect();
    let seeds: u64 = options["--seeds"].parse().unwrap();
    let wanted: Vec<&str> = options["--functions"].split(',').collect();
    for (name, text, function) in FUNCTIONS.into_iter().filter(|(name, ..)| wanted.contains(name)) {
        let space = Space::parse(name.as_ref(), text).unwrap();
        for sampler in options["--samplers"].split(',') {
            let config: SamplerConfig = serde_json::from_value(json!({ "name": sampler })).unwrap();
            for seed in 0..seeds {
                let start = Instant::now();
                let values = search(&space, &config, function, seed, *trials.iter().max().unwrap());
                let milliseconds = start.elapsed().as_secs_f64() * 1e3 / values.len() as f64;
                let best = |count: &usize| values[..*count].iter().copied().fold(f64::INFINITY, f64::min);
                let best: BTreeMap<String, f64> = trials.iter().map(|count| (count.to_string(), best(count))).collect();
                let line = json!({ "function": name, "sampler": sampler, "seed": seed, "best": best, "milliseconds": milliseconds });
                println!("{line}");
            }
        }
    }
}

/// The values of trials one after another.
fn search(space: &Space, sampler: &SamplerConfig, function: Function, seed: u64, trials: usize) -> Vec<f64> {
    let mut done: Vec<Observation> = Vec::with_capacity(trials);
    let mut values = Vec::with_capacity(trials);
    for number in 0..trials as u64 {
        let ask = Ask { space, direction: Direction::Minimize, seed, number, seen: &done };
        let point = sampler.propose(&ask).unwrap();
        let value = function(&point);
        values.push(value);
        done.push(Observation { number, cube: space.encode(&point).unwrap(), outcome: Outcome::Finished(value) });
    }
    values
}
