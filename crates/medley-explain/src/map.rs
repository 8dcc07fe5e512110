//! A map, and what it says without colour.

use serde::Serialize;
use tch::Tensor;

use crate::ExplainError;
use crate::method::numbers;

/// A number for each place of an image, in the units of the logit; as coarse as the method is.
#[derive(Debug, Clone, PartialEq)]
pub struct AttributionMap {
    shape: Vec<usize>,
    values: Vec<f32>,
    signed: bool,
}

/// What a map says, for those who do not see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapNumbers {
    /// Height and width (depth, height and width) of the map.
    pub shape: Vec<usize>,
    /// The least value, in the units of the logit.
    pub min: f32,
    /// The greatest value.
    pub max: f32,
    /// The sum of all values.
    pub sum: f64,
    /// Where the greatest value is, counted from 0; of equals, the first.
    pub max_at: Vec<usize>,
    /// The smallest box around all places with at least half of the greatest value: the first and the last index along each axis.
    /// `None` of a map without a value above 0.
    pub inside: Option<Vec<[usize; 2]>>,
    /// The share of the map's magnitude, the sum of `|value|`, that lies inside the box, 0 to 1.
    pub share_inside: Option<f64>,
}

impl AttributionMap {
    /// A map `[h, w]` or `[d, h, w]`, row-major. `signed`, if values below 0 have a meaning.
    ///
    /// # Errors
    /// [`ExplainError::Input`] for another number of axes or of values.
    pub fn new(shape: Vec<usize>, values: Vec<f32>, signed: bool) -> Result<Self, ExplainError> {
        let expected = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
        if !(2..=3).contains(&shape.len()) || expected != Some(values.len()) || values.is_empty() {
            let actual = format!("{shape:?} of {} values", values.len());
            let expected = "[h, w] or [d, h, w] and as many values".to_owned();
            return Err(ExplainError::Input { what: "a map is", actual, expected });
        }
        Ok(Self { shape, values, signed })
    }

    pub(crate) fn of_tensor(tensor: &Tensor, signed: bool) -> Result<Self, ExplainError> {
        let shape = tensor.size().iter().map(|&side| side as usize).collect();
        Self::new(shape, numbers(tensor)?.into_iter().map(|value| value as f32).collect(), signed)
    }

    /// Height and width (depth, height and width).
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Whether values below 0 have a meaning: they speak against the class.
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    /// The map at another size, linear along each axis, as PyTorch's `interpolate` with `align_corners=False`: places are squares, and
    /// what lies outside their centres has the value of the nearest.
    ///
    /// # Errors
    /// [`ExplainError::Input`] for another number of axes, or none of a side.
    pub fn resized(&self, shape: &[usize]) -> Result<Self, ExplainError> {
        if shape.len() != self.shape.len() || shape.contains(&0) {
            let expected = format!("{} sides of at least 1", self.shape.len());
            return Err(ExplainError::Input { what: "the size of a map is", actual: format!("{shape:?}"), expected });
        }
        let mut values = self.values.clone();
        // Axis by axis, the last first: what is before an axis still has the old sides, what is behind it the new ones.
        for axis in (0..shape.len()).rev() {
            let (from, to) = (self.shape[axis], shape[axis]);
            let behind: usize = shape[axis + 1..].iter().product();
            let line =
                |block: &[f32]| -> Vec<f32> { (0..to).flat_map(|at| blend(block, at, from, to, behind)).collect() };
            values = values.chunks(from * behind).flat_map(line).collect();
        }
        Self::new(shape.to_vec(), values, self.signed)
    }

    /// One slice of a volume's map; the map itself of a flat image.
    pub(crate) fn slice(&self, index: usize) -> Self {
        let [depth, height, width] = self.shape[..] else { return self.clone() };
        let values = self.values.chunks(height * width).nth(index.min(depth - 1)).unwrap_or_default().to_vec();
        Self { shape: vec![height, width], values, signed: self.signed }
    }

    /// The magnitude that has the full colour: the greatest value, or, where values have signs, the 99th percentile of their magnitudes,
    /// so that one pixel does not make all others pale. 0 of a map of zeros.
    pub fn full_colour(&self) -> f32 {
        let mut magnitudes: Vec<f32> = self.values.iter().map(|value| value.abs()).collect();
        magnitudes.sort_by(f32::total_cmp);
        let greatest = magnitudes.last().copied().unwrap_or(0.0);
        if !self.signed {
            return greatest;
        }
        let percentile = magnitudes[(magnitudes.len() * 99 / 100).min(magnitudes.len() - 1)];
        if percentile > 0.0 { percentile } else { greatest }
    }

    /// What it says, in numbers.
    pub fn numbers(&self) -> MapNumbers {
        let first_greatest = |best: usize, at: usize| if self.values[at] > self.values[best] { at } else { best };
        let best = (0..self.values.len()).fold(0, first_greatest);
        let max = self.values[best];
        let inside = (max > 0.0).then(|| self.box_above(max / 2.0));
        MapNumbers {
            shape: self.shape.clone(),
            min: self.values.iter().copied().fold(f32::INFINITY, f32::min),
            max,
            sum: self.values.iter().map(|&value| f64::from(value)).sum(),
            max_at: self.place(best),
            share_inside: inside.as_ref().map(|inside| self.share(inside)),
            inside,
        }
    }

    fn place(&self, mut index: usize) -> Vec<usize> {
        let mut place = vec![0; self.shape.len()];
        for (at, &side) in place.iter_mut().zip(&self.shape).rev() {
            (*at, index) = (index % side, index / side);
        }
        place
    }

    fn box_above(&self, least: f32) -> Vec<[usize; 2]> {
        let mut inside = vec![[usize::MAX, 0]; self.shape.len()];
        for (index, _) in self.values.iter().enumerate().filter(|(_, value)| **value >= least) {
            for (range, at) in inside.iter_mut().zip(self.place(index)) {
                *range = [range[0].min(at), range[1].max(at)];
            }
        }
        inside
    }

    fn share(&self, inside: &[[usize; 2]]) -> f64 {
        let is_inside =
            |index| self.place(index).iter().zip(inside).all(|(at, [first, last])| (first..=last).contains(&at));
        let magnitude = |(index, value): (usize, &f32)| (f64::from(value.abs()), is_inside(index));
        let (mut within, mut all) = (0.0, 0.0);
        for (magnitude, is_inside) in self.values.iter().enumerate().map(magnitude) {
            all += magnitude;
            within += if is_inside { magnitude } else { 0.0 };
        }
        // Sums of many may differ in the last digit.
        (within / all).min(1.0)
    }
}

/// Line `at` of `to`, out of `from` lines of `behind` values.
fn blend(block: &[f32], at: usize, from: usize, to: usize, behind: usize) -> Vec<f32> {
    let centre = ((at as f32 + 0.5) * (from as f32 / to as f32) - 0.5).max(0.0);
    let low = (centre as usize).min(from - 1);
    let high = (low + 1).min(from - 1);
    let share = centre - low as f32;
    let [low, high] = [low, high].map(|line| &block[line * behind..(line + 1) * behind]);
    low.iter().zip(high).map(|(low, high)| low * (1.0 - share) + high * share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(shape: &[usize], values: &[f32]) -> AttributionMap {
        AttributionMap::new(shape.to_vec(), values.to_vec(), true).unwrap()
    }

    #[test]
    fn sizes_are_changed_as_by_pytorch() {
        // The example in the documentation of `torch.nn.Upsample`.
        let large = map(&[2, 2], &[1.0, 2.0, 3.0, 4.0]).resized(&[4, 4]).unwrap();
        let expected = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
        assert_eq!(large.values(), expected);
        let volume = map(&[2, 1, 1], &[1.0, 2.0]).resized(&[4, 2, 1]).unwrap();
        assert_eq!(volume.values(), [1.0, 1.0, 1.25, 1.25, 1.75, 1.75, 2.0, 2.0]);
        assert_eq!(volume.slice(1).values(), [1.25, 1.25]);
        assert!(map(&[2, 2], &[0.0; 4]).resized(&[2, 0]).is_err());
        assert!(AttributionMap::new(vec![2, 2], vec![0.0; 3], false).is_err());
    }

    #[test]
    fn numbers_say_where_it_is() {
        let numbers = map(&[3, 4], &[0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0]).numbers();
        assert_eq!((numbers.min, numbers.max, numbers.sum), (-1.0, 2.0, 2.0));
        assert_eq!((numbers.max_at, numbers.inside), (vec![1, 1], Some(vec![[1, 1], [1, 2]])));
        assert_eq!(numbers.share_inside, Some(0.75));
        let nothing = map(&[1, 2], &[0.0, -1.0]).numbers();
        assert_eq!((nothing.inside, nothing.share_inside), (None, None));
    }

    #[test]
    fn one_pixel_does_not_pale_the_others() {
        let mut values = vec![1.0; 400];
        values[7] = 100.0;
        assert_eq!(map(&[20, 20], &values).full_colour(), 1.0);
        assert_eq!(AttributionMap::new(vec![20, 20], values, false).unwrap().full_colour(), 100.0);
        assert_eq!(map(&[1, 1], &[0.0]).full_colour(), 0.0);
    }

    proptest! {
        #[test]
        fn a_resized_map_stays_within_its_range(
            (h, w, values) in (1_usize..5, 1_usize..5)
                .prop_flat_map(|(h, w)| (Just(h), Just(w), prop::collection::vec(-9.0_f32..9.0, h * w))),
            size in (1_usize..9, 1_usize..9),
        ) {
            let map = map(&[h, w], &values);
            let range = map.numbers();
            let other = map.resized(&[size.0, size.1]).unwrap().numbers();
            prop_assert!(other.min >= range.min - 1e-5 && other.max <= range.max + 1e-5);
            prop_assert_eq!(map.resized(&[h, w]).unwrap(), map);
        }
    }
}
