//! Images that are equal but for a little: brightness, contrast, compression, a few pixels.
//!
//! Two images are nearly equal when the Pearson correlation r of their values reaches a threshold. r does not see brightness
//! and contrast. The search is exact: it finds all such pairs, and no others.
//!
//! An image, less its mean and divided by its norm, is a point on a sphere, and r = 1 - d^2 / 2 for the distance d of two points.
//! No projection makes a distance longer, so pairs that are too far apart in a projection need not be looked at. The
//! projection is made of means over blocks, turned so that its first axes hold most of the spread (principal axes). Images
//! are sorted along the first axis; each is compared with those that follow within reach, axis by axis, and only what survives is
//! compared pixel by pixel, in integers.

use medley_core::ImageShape;
use rayon::prelude::*;

use super::pool::Pool;

/// Blocks along each edge of an image, and of a volume.
const BLOCKS: usize = 4;
/// Principal axes that pairs are compared on.
const AXES: usize = 8;
/// Images whose pairs are held at once.
const BLOCK: usize = 512;
/// Images that the axes are computed from, evenly spaced.
const SAMPLE: usize = 4_096;
/// Projections are rounded; this much is added to what is within reach.
const SLACK: f32 = 1e-4;

/// Images that are nearly equal to one another, in a chain.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Similar {
    /// Positions in the list that was searched.
    pub(super) positions: Vec<usize>,
    /// The least correlation of the pairs that hold the group together.
    pub(super) correlation: f64,
}

/// Groups among some images of a pool. Images of one value belong to none.
pub(super) fn similar(pool: &Pool<'_>, images: &[usize], threshold: f64) -> Vec<Similar> {
    let points: Vec<Point> = images
        .par_iter()
        .enumerate()
        .filter_map(|(position, &image)| Point::new(position, pool.image(image), pool.shape()))
        .collect();
    let mut near = Near::new(points, threshold);
    near.points.par_sort_unstable_by(|a, b| a.axes[0].total_cmp(&b.axes[0]).then(a.position.cmp(&b.position)));
    let mut chains = Chains::new(images.len());
    // A block at a time: a low threshold makes every pair a find, and they need not all be held at once.
    for block in (0..near.points.len()).step_by(BLOCK) {
        let found: Vec<(usize, usize, f64)> = (block..(block + BLOCK).min(near.points.len()))
            .into_par_iter()
            .flat_map_iter(|at| near.after(at))
            .filter_map(|(one, other)| {
                let (a, b) = (&near.points[one], &near.points[other]);
                let r = a.correlation(b, pool.image(images[a.position]), pool.image(images[b.position]));
                (r >= threshold).then_some((a.position, b.position, r))
            })
            .collect();
        for (one, other, r) in found {
            chains.join(one, other, r);
        }
    }
    chains.groups()
}

/// An image as a point on the sphere, seen from a few sides.
struct Point {
    position: usize,
    /// Sum of the values, and the sum of squared deviations times the number of values: integers, so that equal images agree to
    /// the bit.
    sum: i64,
    spread: i64,
    /// Coordinates: at first those of the blocks.
    blocks: Vec<f32>,
    axes: [f32; AXES],
}

impl Point {
    fn new(position: usize, image: &[u8], shape: ImageShape) -> Option<Self> {
        let count = image.len() as i64;
        let sum: i64 = image.iter().map(|&value| i64::from(value)).sum();
        let squares: i64 = image.iter().map(|&value| i64::from(value) * i64::from(value)).sum();
        let spread = count * squares - sum * sum;
        if spread == 0 {
            return None;
        }
        let mean = sum as f64 / count as f64;
        let norm = (spread as f64 / count as f64).sqrt();
        Some(Self { position, sum, spread, blocks: block_coordinates(image, shape, mean, norm), axes: [0.0; AXES] })
    }

    /// Pearson correlation, from integers.
    fn correlation(&self, other: &Self, one: &[u8], two: &[u8]) -> f64 {
        // Products of bytes fit 32 bits for 2^16 values.
        let dot: i64 = one
            .chunks(1 << 15)
            .zip(two.chunks(1 << 15))
            .map(|(one, two)| i64::from(one.iter().zip(two).map(|(&a, &b)| u32::from(a) * u32::from(b)).sum::<u32>()))
            .sum();
        let covariance = one.len() as i64 * dot - self.sum * other.sum;
        covariance as f64 / ((self.spread as f64).sqrt() * (other.spread as f64).sqrt())
    }
}

/// The dot products of a normalised image with the unit vectors of the blocks: those that are one value on a block and 0
/// elsewhere. Blocks do not overlap, so the vectors are orthonormal.
fn block_coordinates(image: &[u8], shape: ImageShape, mean: f64, norm: f64) -> Vec<f32> {
    let (depth, channels) = (shape.depth.unwrap_or(1), shape.channels);
    let block = |at: usize, len: usize| at * BLOCKS.min(len) / len;
    let layers = BLOCKS.min(depth);
    let mut sums = vec![0_u64; layers * BLOCKS * BLOCKS * channels];
    let mut counts = vec![0_u64; sums.len()];
    let mut values = image.iter();
    for z in 0..depth {
        for y in 0..shape.height {
            for x in 0..shape.width {
                let place = (block(z, depth) * BLOCKS + block(y, shape.height)) * BLOCKS + block(x, shape.width);
                for channel in 0..channels {
                    let at = place * channels + channel;
                    sums[at] += values.next().map_or(0, |&value| u64::from(value));
                    counts[at] += 1;
                }
            }
        }
    }
    let coordinate = |(&sum, &count): (&u64, &u64)| {
        if count == 0 { 0.0 } else { ((sum as f64 - count as f64 * mean) / (norm * (count as f64).sqrt())) as f32 }
    };
    sums.iter().zip(&counts).map(coordinate).collect()
}

/// Points with their principal axes.
struct Near {
    points: Vec<Point>,
    reach: f32,
}

impl Near {
    fn new(mut points: Vec<Point>, threshold: f64) -> Self {
        let axes = principal_axes(&points);
        points.par_iter_mut().for_each(|point| {
            for (coordinate, axis) in point.axes.iter_mut().zip(&axes) {
                *coordinate = axis.iter().zip(&point.blocks).map(|(a, b)| a * b).sum();
            }
        });
        let reach = (2.0 * (1.0 - threshold)).max(0.0).sqrt() as f32 + SLACK;
        Self { points, reach }
    }

    /// The pairs of a point and those that follow it on the first axis whose projections are within reach.
    fn after(&self, at: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let one = &self.points[at];
        let limit = self.reach * self.reach;
        let following = self.points[at + 1..].iter().take_while(move |other| other.axes[0] - one.axes[0] <= self.reach);
        following
            .enumerate()
            .filter(move |(_, other)| {
                let on_axes: f32 = one.axes.iter().zip(&other.axes).map(|(a, b)| (a - b) * (a - b)).sum();
                on_axes <= limit && {
                    let on_blocks: f32 = one.blocks.iter().zip(&other.blocks).map(|(a, b)| (a - b) * (a - b)).sum();
                    on_blocks <= limit
                }
            })
            .map(move |(offset, _)| (at, at + 1 + offset))
    }
}

/// Orthonormal axes along which the block coordinates of a sample spread most, by power iteration. Any orthonormal axes give
/// the right result; these give it sooner.
fn principal_axes(points: &[Point]) -> Vec<Vec<f32>> {
    let Some(first) = points.first() else { return Vec::new() };
    let width = first.blocks.len();
    let step = points.len().div_ceil(SAMPLE);
    let sample: Vec<&[f32]> = points.iter().step_by(step).map(|point| point.blocks.as_slice()).collect();
    let mean: Vec<f64> =
        (0..width).map(|k| sample.iter().map(|row| f64::from(row[k])).sum::<f64>() / sample.len() as f64).collect();
    let mut covariance = vec![0.0_f64; width * width];
    for row in &sample {
        let centred: Vec<f64> = row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean).collect();
        for (i, &a) in centred.iter().enumerate() {
            for (j, &b) in centred.iter().enumerate() {
                covariance[i * width + j] += a * b;
            }
        }
    }
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for number in 0..AXES.min(width) {
        // A start that is not orthogonal to anything in particular.
        let mut direction: Vec<f64> = (0..width).map(|k| 1.0 + ((k * 37 + number * 11) % 17) as f64).collect();
        for _ in 0..60 {
            make_orthonormal(&mut direction, &axes);
            direction = covariance.chunks_exact(width).map(|row| dot(row, &direction)).collect();
        }
        if !make_orthonormal(&mut direction, &axes) {
            break;
        }
        axes.push(direction);
    }
    axes.into_iter().map(|axis| axis.into_iter().map(|value| value as f32).collect()).collect()
}

/// Gram and Schmidt, twice, which is enough. False if nothing is left.
fn make_orthonormal(axis: &mut [f64], others: &[Vec<f64>]) -> bool {
    for _ in 0..2 {
        for other in others {
            let along = dot(axis, other);
            axis.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let norm = dot(axis, axis).sqrt();
        if norm.is_nan() || norm < 1e-30 {
            axis.fill(0.0);
            return false;
        }
        for value in axis.iter_mut() {
            *value /= norm;
        }
    }
    true
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Images joined by pairs.
struct Chains {
    parent: Vec<usize>,
    /// By root: the least correlation of a pair of its chain.
    least: Vec<f64>,
}

impl Chains {
    fn new(len: usize) -> Self {
        Self { parent: (0..len).collect(), least: vec![1.0; len] }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize, correlation: f64) {
        let (one, other) = (self.root(one), self.root(other));
        // The smaller position is the root, so groups do not depend on the order in which pairs are found.
        let (root, child) = (one.min(other), one.max(other));
        self.parent[child] = root;
        self.least[root] = self.least[root].min(self.least[child]).min(correlation);
    }

    /// The chains of more than one image, in the order of their first.
    fn groups(mut self) -> Vec<Similar> {
        let mut members: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
        for at in 0..self.parent.len() {
            let root = self.root(at);
            members.entry(root).or_default().push(at);
        }
        let groups = members.into_iter().filter(|(_, positions)| positions.len() > 1);
        groups.map(|(root, positions)| Similar { positions, correlation: self.least[root] }).collect()
    }
}
