use super::canvas::{Anchor, SvgCanvas};
use crate::fragment::Fragment;

/// An axis, from bottom (0) to top (1).
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Above it.
    pub name: String,
    /// Places in [0, 1] and what stands there.
    pub ticks: Vec<(f64, String)>,
}

/// A line across the axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Strand {
    /// A place in [0, 1] for each axis; none where it does not meet it, which breaks the line.
    pub places: Vec<Option<f64>>,
    /// Whether it stands out.
    pub strong: bool,
    /// What it is.
    pub title: String,
}

/// Parallel coordinates: each line is one set of values, with an axis for each.
#[derive(Debug, Clone, PartialEq)]
pub struct ParallelChart {
    /// What a screen reader says of it.
    pub label: String,
    /// From left to right.
    pub axes: Vec<Axis>,
    /// The strong ones are drawn last.
    pub strands: Vec<Strand>,
    /// From an axis to the next.
    pub step: f64,
    /// Natural height.
    pub height: f64,
}

const LEFT: f64 = 60.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 12.0;
/// Characters of a name and of a value.
const LONGEST_NAME: usize = 18;
const LONGEST_VALUE: usize = 11;

impl ParallelChart {
    /// Draws it; `None` without lines, or with fewer than two axes.
    pub fn draw(&self) -> Option<Fragment> {
        if self.axes.len() < 2 || self.strands.is_empty() {
            return None;
        }
        let width = LEFT + RIGHT + self.step * (self.axes.len() - 1) as f64;
        let (low, high) = (self.height - BOTTOM, TOP);
        let x = |axis: usize| LEFT + self.step * axis as f64;
        let y = |place: f64| low + place.clamp(0.0, 1.0) * (high - low);
        let mut canvas = SvgCanvas::new(width, self.height, &self.label);
        for strong in [false, true] {
            for strand in self.strands.iter().filter(|strand| strand.strong == strong) {
                let class = if strong { "line s0" } else { "gridline strand" };
                let mut run = Vec::new();
                for (axis, place) in strand.places.iter().take(self.axes.len()).enumerate() {
                    match place.filter(|place| place.is_finite()) {
                        Some(place) => run.push((x(axis), y(place))),
                        None => flush(&mut canvas, class, &mut run, &strand.title),
                    }
                }
                flush(&mut canvas, class, &mut run, &strand.title);
            }
        }
        for (index, axis) in self.axes.iter().enumerate() {
            canvas.line("axis", (x(index), low), (x(index), high));
            canvas.cut_text("tick", (x(index), TOP - 16.0), Anchor::Middle, &axis.name, LONGEST_NAME);
            for (place, label) in axis.ticks.iter().filter(|(place, _)| place.is_finite()) {
                canvas.line("axis", (x(index), y(*place)), (x(index) + 4.0, y(*place)));
                canvas.cut_text("tick", (x(index) + 7.0, y(*place) + 3.5), Anchor::Start, label, LONGEST_VALUE);
            }
        }
        Some(canvas.finish())
    }
}

/// Draws what has been gathered of a line.
fn flush(canvas: &mut SvgCanvas, class: &str, run: &mut Vec<(f64, f64)>, title: &str) {
    match run.as_slice() {
        [] => {}
        [point] => canvas.circle(class, *point, 2.0, title),
        points => canvas.polyline_of(class, points, title),
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(strands: Vec<Strand>) -> ParallelChart {
        let named = |name: &str| Axis { name: name.into(), ticks: vec![(0.0, "0".into()), (1.0, "a < b".into())] };
        let axes = vec![named("learning_rate"), named("dropout"), named("value")];
        ParallelChart { label: "trials".into(), axes, strands, step: 120.0, height: 240.0 }
    }

    #[test]
    fn a_line_breaks_where_it_meets_no_axis() {
        let strand = |places, strong| Strand { places, strong, title: "trial 0".into() };
        let drawn = chart(vec![
            strand(vec![Some(0.1), None, Some(f64::NAN)], false),
            strand(vec![Some(0.1), Some(2.0), Some(1.0)], true),
        ])
        .draw()
        .unwrap();
        assert_eq!((drawn.as_str().matches("<polyline").count(), drawn.as_str().matches("<circle").count()), (1, 1));
        assert!(drawn.as_str().contains("a &lt; b") && drawn.as_str().contains("<title>trial 0</title></polyline>"));
        assert!(chart(Vec::new()).draw().is_none());
    }
}
