//! A set in memory: labels first, then an image for each.

use medley_core::seed::{Purpose, stream};
use medley_core::{CoreError, Images, LabelledImages, Labels, OpenedTask, SealedTest, Split, TaskKind, TaskSpec};
use rayon::prelude::*;

use crate::SynthError;
use crate::draws::Draws;
use crate::generators::{self, Content, Recipe};

/// Version of the images. Equal versions and seeds give equal bits.
pub const VERSION: u32 = 1;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthOptions {
    /// Seed.
    pub seed: u64,
    /// How many images.
    pub rows: Rows,
    /// Edge length in pixels, one of the published sizes.
    pub size: usize,
    /// Replace a synthetic file that exists. Other files are never replaced.
    pub overwrite: bool,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self { seed: 0, rows: Rows::AtMost(600), size: 28, overwrite: false }
    }
}

/// How many images a split gets: never fewer than it has classes, never more than the files of the competition have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rows {
    /// As many as the files of the competition.
    Official,
    /// This share of them, 0 to 1, rounded up.
    Fraction(f64),
    /// As many, but not more than this in a split.
    AtMost(usize),
}

impl Rows {
    /// Rows of a split of which `official` are published, of a set with this many classes.
    pub(crate) fn of(self, official: usize, classes: usize) -> usize {
        let wanted = match self {
            Self::Official => official,
            // Conversion makes 0 of a fraction that is no number.
            Self::Fraction(share) => (share * official as f64).ceil() as usize,
            Self::AtMost(most) => most,
        };
        wanted.max(classes).min(official)
    }
}

/// One generated split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthSplit {
    /// `[N, H, W, C]` or `[N, D, H, W, 1]`.
    pub images: Images,
    /// `[N, 1]`, or `[N, L]` for multi-label sets.
    pub labels: Labels,
}

/// Three generated splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthSet {
    /// For fitting.
    pub train: SynthSplit,
    /// For selection.
    pub val: SynthSplit,
    /// For the final score.
    pub test: SynthSplit,
}

impl SynthSet {
    /// The set as if it had been read from a file, its test labels sealed.
    ///
    /// # Errors
    /// As [`LabelledImages::new`], when the set was generated for another task.
    pub fn into_task(self, spec: TaskSpec) -> Result<OpenedTask, CoreError> {
        use std::sync::Arc;
        Ok(OpenedTask {
            train: LabelledImages::new(&spec, Split::Train, Arc::new(self.train.images), self.train.labels)?,
            val: LabelledImages::new(&spec, Split::Val, Arc::new(self.val.images), self.val.labels)?,
            test: SealedTest::new(&spec, Arc::new(self.test.images), self.test.labels)?,
            spec,
        })
    }
}

/// Generates a set with this many rows in train, val and test. From as many rows as there are classes on, each split has every class
/// (for multi-label sets: every label).
///
/// # Errors
/// [`SynthError::Unsupported`] when there is no generator for the set, or none of its shape and classes.
pub fn generate(spec: &TaskSpec, rows: [usize; 3], seed: u64) -> Result<SynthSet, SynthError> {
    let generator = SetGenerator::new(spec, seed)?;
    Ok(SynthSet {
        train: generator.generate(Split::Train, rows[0])?,
        val: generator.generate(Split::Val, rows[1])?,
        test: generator.generate(Split::Test, rows[2])?,
    })
}

/// A set to be generated.
pub(crate) struct SetGenerator<'a> {
    pub(crate) spec: &'a TaskSpec,
    recipe: &'static Recipe,
    position: u64,
    seed: u64,
}

impl<'a> SetGenerator<'a> {
    pub(crate) fn new(spec: &'a TaskSpec, seed: u64) -> Result<Self, SynthError> {
        let refuse = |problem: String| SynthError::Unsupported { name: spec.name.clone(), problem };
        let (position, recipe) =
            generators::find(&spec.name).ok_or_else(|| refuse("there is no generator for it".to_owned()))?;
        let (shape, generator) = (spec.shape, recipe.generator);
        let depth = generator.is_volume().then_some(shape.height);
        let cubic = shape.height == shape.width && shape.depth == depth && shape.channels == generator.channels();
        if !cubic || shape.is_empty() || shape.checked_len().is_none() {
            return Err(refuse(format!("it is not generated at the shape {shape}")));
        }
        if spec.outputs() != recipe.priors.len() {
            return Err(refuse(format!("it has {} classes, not {}", recipe.priors.len(), spec.outputs())));
        }
        Ok(Self { spec, recipe, position, seed })
    }

    fn generate(&self, split: Split, rows: usize) -> Result<SynthSplit, SynthError> {
        let overflow = || SynthError::Unsupported {
            name: self.spec.name.clone(),
            problem: format!("{rows} images of {} exceed the address space", self.spec.shape),
        };
        let mut bytes = vec![0; self.spec.shape.len().checked_mul(rows).ok_or_else(overflow)?];
        let labels = self.labels(split, rows);
        self.render(split, 0, &labels, &mut bytes);
        let split = Images::new(self.spec.shape, rows, bytes).and_then(|images| {
            Ok(SynthSplit { images, labels: Labels::multi(labels, rows, self.spec.label_width())? })
        });
        split.map_err(|source| SynthError::Unsupported { name: self.spec.name.clone(), problem: source.to_string() })
    }

    /// Label rows of a split, `[rows, label_width]`.
    pub(crate) fn labels(&self, split: Split, rows: usize) -> Vec<u16> {
        let priors = self.recipe.priors(split);
        let order = self.first_classes(split);
        let multi = self.spec.kind == TaskKind::MultiLabel;
        let mut labels = Vec::with_capacity(rows * self.spec.label_width());
        for row in 0..rows {
            let mut draws = self.stream(split, row, Some(1));
            if multi {
                let set =
                    |(label, prior): (usize, &f64)| draws.fine() * 10_000.0 < *prior || order.get(row) == Some(&label);
                labels.extend(priors.iter().enumerate().map(set).map(u16::from));
            } else {
                labels.push(order.get(row).copied().unwrap_or_else(|| pick(priors, draws.fine())) as u16);
            }
        }
        labels
    }

    /// The classes of the first rows: each of them once, in random order, so that none is missing.
    fn first_classes(&self, split: Split) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.spec.outputs()).collect();
        let mut draws = Draws::new(stream(self.seed, Purpose::Synthetic, &[self.position, split as u64]));
        for last in (1..order.len()).rev() {
            order.swap(last, draws.count(0, last));
        }
        order
    }

    /// Generates the images of some label rows, of which the first is row `first` of its split.
    pub(crate) fn render(&self, split: Split, first: usize, labels: &[u16], bytes: &mut [u8]) {
        let size = self.spec.shape.height;
        let rows = bytes.par_chunks_exact_mut(self.spec.shape.len()).zip(labels.par_chunks(self.spec.label_width()));
        rows.enumerate().for_each(|(index, (bytes, labels))| {
            let mut draws = self.stream(split, first + index, None);
            let shown = self.shown(labels, &mut draws);
            let class = shown.first().map_or(0, |&class| usize::from(class));
            self.recipe.generator.render(&Content { class, labels: &shown, size }, &mut draws, bytes);
        });
    }

    /// What the image shows: mostly what its label says.
    fn shown(&self, labels: &[u16], draws: &mut Draws) -> Vec<u16> {
        let noise = self.recipe.label_noise;
        if self.spec.kind == TaskKind::MultiLabel {
            // Readers miss findings more often than they invent them.
            return labels
                .iter()
                .map(|&set| u16::from(draws.chance(if set == 0 { 0.1 * noise } else { 1.0 - noise })))
                .collect();
        }
        let other = draws.count(0, self.spec.outputs() - 1) as u16;
        if draws.chance(noise) { vec![other] } else { labels.to_vec() }
    }

    fn stream(&self, split: Split, row: usize, part: Option<u64>) -> Draws {
        let place = [self.position, split as u64, row as u64, part.unwrap_or_default()];
        let place = if part.is_some() { &place[..] } else { &place[..3] };
        Draws::new(stream(self.seed, Purpose::Synthetic, place))
    }
}

/// The class that a number in [0, 1) falls on.
fn pick(priors: &[f64], at: f64) -> usize {
    let mut rest = at * priors.iter().sum::<f64>();
    for (class, prior) in priors.iter().enumerate() {
        rest -= prior;
        if rest < 0.0 {
            return class;
        }
    }
    priors.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_between_classes_and_official() {
        assert_eq!(Rows::Official.of(546, 2), 546);
        assert_eq!(Rows::AtMost(600).of(546, 2), 546);
        assert_eq!(Rows::AtMost(0).of(546, 2), 2);
        assert_eq!(Rows::Fraction(0.1).of(546, 2), 55);
        for odd in [f64::NAN, -3.0, f64::NEG_INFINITY] {
            assert_eq!(Rows::Fraction(odd).of(546, 11), 11);
        }
        assert_eq!(Rows::Fraction(7.0).of(546, 11), 546);
    }

    #[test]
    fn classes_are_picked_by_their_share() {
        assert_eq!([0.0, 0.24, 0.25, 0.99].map(|at| pick(&[1.0, 3.0], at)), [0, 0, 1, 1]);
        assert_eq!(pick(&[1.0, 1.0], 1.0), 1);
    }
}
