use serde::Serialize;

use crate::metric::{Better, Metric, MetricInfo, Needs, Prepared, SINGLE_LABEL};
use crate::sample::{Draw, RankOrder, Sample};

/// Number of bins: that of Guo et al., *On Calibration of Modern Neural Networks*, 2017.
const BINS: usize = 15;

/// The expected calibration error: how far confidence is from accuracy, the mean over bins of confidence weighted by their
/// rows. Confidence is the probability of the class that was decided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalibrationError(pub Binning);

/// How confidences fall into 15 bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// `(0, 1/15]`, `(1/15, 2/15]`, … (Guo et al., 2017); 0 falls into the first.
    EqualWidth,
    /// As many rows in each (Nguyen and O'Connor, 2015): bin `floor(15 * share of rows with lower confidence)`, so that equal
    /// confidences stay together.
    EqualMass,
}

impl Metric for CalibrationError {
    fn info(&self) -> MetricInfo {
        let (id, title) = match self.0 {
            Binning::EqualWidth => ("ece", "ECE"),
            Binning::EqualMass => ("ece_equal_mass", "ECE (equal mass)"),
        };
        MetricInfo {
            id,
            title,
            range: (0.0, 1.0),
            better: Better::Lower,
            kinds: SINGLE_LABEL,
            needs: Needs::Probabilities,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let Some(rows) = Confidences::of(sample) else { return Box::new(|_| None) };
        match self.0 {
            Binning::EqualWidth => Box::new(move |draw| rows.equal_width(draw.weights())),
            Binning::EqualMass => {
                let order = RankOrder::new(&rows.confidence, |_| false);
                Box::new(move |draw| rows.equal_mass(&order, draw))
            }
        }
    }
}

/// What calibration looks at, row by row.
struct Confidences {
    confidence: Vec<f64>,
    right: Vec<bool>,
}

impl Confidences {
    fn of(sample: &Sample) -> Option<Self> {
        let scores = sample.probabilities()?;
        let decisions = sample.decisions();
        let confidence = decisions.iter().enumerate();
        let confidence = confidence.map(|(row, &class)| sample.probability(scores, row, usize::from(class)));
        // Scores are probabilities up to a tolerance; beyond 1 there is no bin.
        let confidence = confidence.map(|value| value.clamp(0.0, 1.0)).collect();
        let right = decisions.iter().zip(sample.labels().values()).map(|(guess, truth)| guess == truth).collect();
        Some(Self { confidence, right })
    }

    fn equal_width(&self, weights: &[u32]) -> Option<f64> {
        let mut bins = Bins::default();
        for ((&confidence, &right), &weight) in self.confidence.iter().zip(&self.right).zip(weights) {
            let bin = ((confidence * BINS as f64).ceil() as usize).saturating_sub(1).min(BINS - 1);
            bins.add(bin, confidence, right, weight);
        }
        bins.error()
    }

    fn equal_mass(&self, order: &RankOrder, draw: &Draw) -> Option<f64> {
        let weights = draw.weights();
        let (mut bins, mut below, mut here) = (Bins::default(), 0_u64, 0_u64);
        for entry in order.ascending() {
            let bin = (BINS as u64 * below / draw.total().max(1)) as usize;
            bins.add(bin.min(BINS - 1), self.confidence[entry.row], self.right[entry.row], weights[entry.row]);
            here += u64::from(weights[entry.row]);
            if entry.ends_tie {
                below += here;
                here = 0;
            }
        }
        bins.error()
    }
}

#[derive(Default)]
struct Bins {
    /// Sum of confidence minus rightness, by bin: the size of a bin cancels.
    gap: [f64; BINS],
    rows: u64,
}

impl Bins {
    fn add(&mut self, bin: usize, confidence: f64, right: bool, weight: u32) {
        self.gap[bin] += f64::from(weight) * (confidence - if right { 1.0 } else { 0.0 });
        self.rows += u64::from(weight);
    }

    fn error(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.gap.iter().map(|gap| gap.abs()).sum::<f64>() / self.rows as f64)
    }
}

/// Calibration of the rows whose true class is rare, middling or common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RarityCalibration {
    /// `rare`, `middle` or `common`.
    pub group: &'static str,
    /// Class indices, rarest first.
    pub classes: Vec<usize>,
    /// Rows of these classes.
    pub rows: usize,
    /// Mean confidence.
    pub confidence: f64,
    /// Share that is right: with confidence above it, the model is too sure of itself here.
    pub accuracy: f64,
    /// Expected calibration error, equal-width bins.
    pub ece: f64,
}

/// Splits the classes into thirds by frequency and measures each: an average over all rows hides rare classes. `frequency`
/// says how often each class occurs, in the training split where it is known, else in the truth itself. Groups without rows
/// are left out; empty for multi-label tasks and for scores that are no probabilities.
pub fn calibration_by_rarity(sample: &Sample, frequency: &[usize]) -> Vec<RarityCalibration> {
    let Some(rows) = SINGLE_LABEL.contains(&sample.kind()).then(|| Confidences::of(sample)).flatten() else {
        return Vec::new();
    };
    let mut classes: Vec<usize> = (0..sample.classes()).collect();
    classes.sort_by_key(|&class| (frequency.get(class).copied().unwrap_or(0), class));
    let third = |at: usize| (classes.len() * at).div_ceil(3);
    let groups = ["rare", "middle", "common"].into_iter().enumerate();
    let measured = groups.filter_map(|(at, group)| {
        let classes = &classes[third(at)..third(at + 1)];
        let weights: Vec<u32> =
            sample.labels().values().iter().map(|&label| u32::from(classes.contains(&usize::from(label)))).collect();
        let count = weights.iter().filter(|&&weight| weight == 1).count();
        let chosen = |value: &dyn Fn(usize) -> f64| -> f64 {
            (0..weights.len()).filter(|&row| weights[row] == 1).map(value).sum::<f64>() / count as f64
        };
        Some(RarityCalibration {
            group,
            classes: classes.to_vec(),
            rows: count,
            confidence: chosen(&|row| rows.confidence[row]),
            accuracy: chosen(&|row| f64::from(u8::from(rows.right[row]))),
            ece: rows.equal_width(&weights)?,
        })
    });
    measured.collect()
}
