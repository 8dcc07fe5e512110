//! What every metric must hold, for whoever adds one.

use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};

use crate::metric::{ANY_KIND, Metric, Needs, prepare, value};
use crate::sample::{Draw, Sample};

/// Checks a metric on made-up samples of the kinds it is defined for: it lies in its range, does not depend on the order of
/// rows, values a weight of two as a row twice and of zero as a row left out, needs no more than it says, and gives the same
/// bits twice.
///
/// # Panics
/// With the metric, the sample and the property that does not hold.
pub fn check_metric(metric: &dyn Metric) {
    let info = metric.info();
    let id = info.id;
    assert!(
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    );
    assert!(!info.kinds.is_empty(), "{id}: a metric of no kind of task");
    let mut defined = 0;
    for &kind in ANY_KIND {
        for variant in 0..24 {
            let rows = MadeUp::new(kind, variant);
            let sample = rows.sample();
            let found = value(metric, &sample);
            let place = format!("{id}, {kind}, variant {variant}");
            if !info.kinds.contains(&kind) {
                assert_eq!(found, None, "{place}: defined for a kind that it does not name");
                continue;
            }
            defined += usize::from(found.is_some());
            assert_eq!(found.map(f64::to_bits), value(metric, &sample).map(f64::to_bits), "{place}: not deterministic");
            check_range(metric, found, &place);
            check_order(metric, &rows, found, &place);
            check_weights(metric, &rows, &sample, &place);
            check_needs(metric, &rows, &place);
        }
    }
    assert!(defined > 0, "{id}: defined on no sample");
}

fn check_range(metric: &dyn Metric, found: Option<f64>, place: &str) {
    let (low, high) = metric.info().range;
    if let Some(found) = found {
        assert!(found.is_finite() && found >= low && found <= high, "{place}: {found} is outside {low} to {high}");
    }
}

fn check_order(metric: &dyn Metric, rows: &MadeUp, expected: Option<f64>, place: &str) {
    let reversed: Vec<usize> = (0..rows.count()).rev().collect();
    let found = value(metric, &rows.chosen(&reversed).sample());
    assert!(close(found, expected), "{place}: {expected:?}, but {found:?} when the rows are reversed");
}

fn check_weights(metric: &dyn Metric, rows: &MadeUp, sample: &Sample, place: &str) {
    let weights: Vec<u32> = (0..rows.count()).map(|row| (hash(row as u64, 77) % 4) as u32).collect();
    let repeated: Vec<usize> =
        weights.iter().enumerate().flat_map(|(row, &weight)| vec![row; weight as usize]).collect();
    if repeated.is_empty() {
        return;
    }
    let weighted = prepare(metric, sample)(&Draw::new(sample, weights));
    let expected = value(metric, &rows.chosen(&repeated).sample());
    assert!(close(weighted, expected), "{place}: {weighted:?} with weights, {expected:?} with repeated rows");
}

fn check_needs(metric: &dyn Metric, rows: &MadeUp, place: &str) {
    let sample = rows.sample();
    let bare = Sample::from_decisions(&rows.spec, rows.labels(), sample.decisions().to_vec());
    let bare = bare.expect("decisions of a sample fit its task");
    let found = value(metric, &bare);
    if metric.info().needs == Needs::Decisions {
        assert!(close(found, value(metric, &sample)), "{place}: scores matter to a metric of decisions");
    } else {
        assert_eq!(found, None, "{place}: defined without scores");
    }
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * (1.0 + a.abs()),
        (a, b) => a == b,
    }
}

/// Rows of a small task, with ties in every second variant and absent classes in every third.
struct MadeUp {
    spec: TaskSpec,
    labels: Vec<Vec<u16>>,
    scores: Vec<Vec<f64>>,
}

impl MadeUp {
    fn new(kind: TaskKind, variant: u64) -> Self {
        let classes = if kind == TaskKind::Binary { 2 } else { 3 + (variant % 3) as usize };
        let spec = TaskSpec {
            name: "made-up".into(),
            title: "Made up".into(),
            kind,
            modality: Modality::Other,
            classes: (0..classes).map(|class| class.to_string()).collect(),
            shape: ImageShape::flat(1, 1, 1),
            origin: Origin::User,
        };
        let rows = 1 + (hash(variant, 1) % 60) as usize;
        let mut made = Self { spec, labels: Vec::new(), scores: Vec::new() };
        for row in 0..rows as u64 {
            let draw = |place: u64| hash(variant << 32 | row, place);
            let present = if variant % 3 == 2 { (classes - 1).max(1) } else { classes } as u64;
            made.labels.push(if kind == TaskKind::MultiLabel {
                (0..classes as u64).map(|label| u16::from(draw(label) % present.max(2) == 0)).collect()
            } else {
                vec![(draw(0) % present) as u16]
            });
            // Eighths are exact, so ties in a sum of eighths stay ties in any order.
            let steps = if variant.is_multiple_of(2) { 8 } else { 1 << 20 };
            let raw: Vec<f64> = (0..classes as u64).map(|class| (draw(20 + class) % steps) as f64 + 0.5).collect();
            let sum: f64 = if kind == TaskKind::MultiLabel { steps as f64 } else { raw.iter().sum() };
            made.scores.push(raw.iter().map(|value| value / sum).collect());
        }
        made
    }

    fn count(&self) -> usize {
        self.labels.len()
    }

    fn labels(&self) -> Labels {
        Labels::multi(self.labels.concat(), self.count(), self.spec.label_width()).expect("the numbers multiply")
    }

    fn sample(&self) -> Sample {
        let scores =
            Scores::new(self.scores.concat(), self.count(), self.spec.outputs()).expect("the numbers multiply");
        Sample::new(&self.spec, self.labels(), scores).expect("made-up rows fit their task")
    }

    fn chosen(&self, rows: &[usize]) -> Self {
        Self {
            spec: self.spec.clone(),
            labels: rows.iter().map(|&row| self.labels[row].clone()).collect(),
            scores: rows.iter().map(|&row| self.scores[row].clone()).collect(),
        }
    }
}

/// A number from a place: the finaliser of SplitMix64.
fn hash(a: u64, b: u64) -> u64 {
    let mut value = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xd1b5_4a32_d192_ed03);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
