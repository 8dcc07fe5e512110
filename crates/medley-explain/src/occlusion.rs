//! Occlusion; see [`Method::Occlusion`](crate::Method::Occlusion).

use tch::Tensor;

use crate::method::{Explanation, Question};
use crate::{AttributionMap, ExplainError};

pub(crate) fn explain(question: &Question<'_>, window: usize, stride: usize) -> Result<Vec<Explanation>, ExplainError> {
    let space = question.space();
    let side = space.iter().copied().min().unwrap_or(0) as usize;
    let bad = |option, value: usize, most: usize| {
        Err(ExplainError::Option { option, value: value.to_string(), problem: format!("1 to {most}") })
    };
    if !(1..=side).contains(&window) {
        return bad("window", window, side);
    }
    if !(1..=window).contains(&stride) {
        return bad("stride", stride, window);
    }
    let rows = question.classes.len();
    let whole = question.logits(question.images)?;
    let places = space.iter().product::<i64>() as usize;
    let (mut sums, mut covered) = (vec![0.0_f64; rows * places], vec![0_u32; places]);
    let windows = windows(&space, window, stride);
    for windows in windows.chunks((question.batch / rows).max(1)) {
        let hidden: Vec<Tensor> = windows.iter().map(|one| hide(question, one)).collect::<Result<_, _>>()?;
        let logits = question.logits(&Tensor::f_cat(&hidden, 0)?)?;
        for (one, logits) in windows.iter().zip(logits.chunks(rows)) {
            for place in one.places(&space) {
                covered[place] += 1;
                for (row, (&whole, &hidden)) in whole.iter().zip(logits).enumerate() {
                    sums[row * places + place] += whole - hidden;
                }
            }
        }
    }
    (question.classes.iter().zip(whole).zip(sums.chunks(places)))
        .map(|((&class, logit), sums)| {
            let means: Vec<f32> =
                sums.iter().zip(&covered).map(|(sum, &count)| (sum / f64::from(count)) as f32).collect();
            let map = AttributionMap::of_tensor(&Tensor::f_from_slice(&means)?.f_view(space.as_slice())?, true)?;
            Ok(Explanation { class, map, logit, baseline_logit: None, residual: None })
        })
        .collect()
}

/// From where to where, along each axis.
struct Window(Vec<(i64, i64)>);

impl Window {
    /// Indices of its places in an array of such sides.
    fn places(&self, space: &[i64]) -> Vec<usize> {
        self.0.iter().zip(space).fold(vec![0], |before, (&(start, end), &side)| {
            before.iter().flat_map(|&place| (start..end).map(move |at| place * side as usize + at as usize)).collect()
        })
    }
}

/// All windows, first axis slowest. The last along an axis may be cut by the border: every place is covered.
fn windows(space: &[i64], window: usize, stride: usize) -> Vec<Window> {
    let starts = |side: i64| (0..=(side as usize - window).div_ceil(stride)).map(move |index| index * stride);
    let mut all = vec![Vec::new()];
    for &side in space {
        let ranges: Vec<(i64, i64)> =
            starts(side).map(|start| (start as i64, side.min((start + window) as i64))).collect();
        all = all
            .iter()
            .flat_map(|before| ranges.iter().map(move |&range| [before.as_slice(), &[range]].concat()))
            .collect();
    }
    all.into_iter().map(Window).collect()
}

/// The images with the baseline in a window.
fn hide(question: &Question<'_>, window: &Window) -> Result<Tensor, ExplainError> {
    let mut images = question.images.f_zeros_like()?;
    images.f_copy_(question.images)?;
    let mut part = images.shallow_clone();
    for (axis, &(start, end)) in (2..).zip(&window.0) {
        part = part.f_narrow(axis, start, end - start)?;
    }
    part.f_copy_(&question.baseline.f_expand_as(&part)?)?;
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_place() {
        for (space, window, stride) in
            [(vec![7, 5], 3, 2), (vec![4, 4], 4, 1), (vec![5, 6, 7], 2, 2), (vec![1, 1], 1, 1)]
        {
            let mut covered = vec![0; space.iter().product::<i64>() as usize];
            for one in windows(&space, window, stride) {
                for place in one.places(&space) {
                    covered[place] += 1;
                }
            }
            assert!(covered.iter().all(|&count| count > 0), "{space:?} {window} {stride}: {covered:?}");
        }
        assert_eq!(windows(&[28, 28], 4, 2).len(), 13 * 13);
        assert_eq!(Window(vec![(1, 2), (2, 4)]).places(&[3, 4]), [6, 7]);
    }
}
