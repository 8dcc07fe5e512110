use super::canvas::{Anchor, SvgCanvas};
use super::scale::Scale;
use crate::fragment::Fragment;

/// How a point is drawn. Sizes and outlines differ, so colour is never needed to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A small disc: what did not come to its end.
    Light,
    /// A ring.
    Plain,
    /// A large filled disc.
    Strong,
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// How it is drawn.
    pub weight: Weight,
    /// What it is.
    pub title: String,
}

/// Points over two axes, and perhaps a line of steps through some values.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterChart {
    /// What a screen reader says of it.
    pub label: String,
    /// Under the x axis.
    pub x_label: String,
    /// Places and labels on the x axis; round numbers where there are none.
    pub x_ticks: Vec<(f64, String)>,
    /// The points; the strong ones are drawn last.
    pub points: Vec<Point>,
    /// Each value holds until the next.
    pub steps: Vec<(f64, f64)>,
    /// Natural size.
    pub size: (f64, f64),
}

const LEFT: f64 = 50.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 38.0;
/// Characters of a label under the x axis.
const LONGEST: usize = 14;

impl ScatterChart {
    /// Draws it; `None` when there is no finite point.
    pub fn draw(&self) -> Option<Fragment> {
        let finite = |x: f64, y: f64| x.is_finite() && y.is_finite();
        let points = || self.points.iter().filter(move |point| finite(point.x, point.y));
        points().next()?;
        let (width, height) = self.size;
        let labelled = self.x_ticks.iter().map(|(at, _)| *at).filter(|at| at.is_finite());
        let x = Scale::around(points().map(|point| point.x).chain(labelled), 0.04, (LEFT, width - RIGHT));
        let y = Scale::around(points().map(|point| point.y), 0.08, (height - BOTTOM, TOP));
        let mut canvas = SvgCanvas::new(width, height, &self.label);
        self.axes(&mut canvas, &x, &y);
        let mut corners = Vec::new();
        for &(at, value) in self.steps.iter().filter(|step| finite(step.0, step.1)) {
            if let Some(&(_, last)) = corners.last() {
                corners.push((x.at(at), last));
            }
            corners.push((x.at(at), y.at(value)));
        }
        if corners.len() > 1 {
            canvas.polyline("line s0", &corners);
        }
        let mut drawn: Vec<&Point> = points().collect();
        drawn.sort_by_key(|point| point.weight);
        for point in drawn {
            let (class, radius) = match point.weight {
                Weight::Light => ("dot s5", 2.6),
                Weight::Plain => ("mark", 4.0),
                Weight::Strong => ("mark ours", 5.5),
            };
            canvas.circle(class, (x.at(point.x), y.at(point.y)), radius, &point.title);
        }
        Some(canvas.finish())
    }

    fn axes(&self, canvas: &mut SvgCanvas, x: &Scale, y: &Scale) {
        let (width, height) = self.size;
        let base = height - BOTTOM;
        canvas.value_axis(y, (LEFT, width - RIGHT), base);
        let ticks = if self.x_ticks.is_empty() { x.ticks(5) } else { self.x_ticks.clone() };
        for (value, label) in ticks.into_iter().filter(|(value, _)| value.is_finite()) {
            let at = x.at(value);
            canvas.line("axis", (at, base), (at, base + 4.0));
            canvas.cut_text("tick", (at, base + 16.0), Anchor::Middle, &label, LONGEST);
        }
        canvas.text("axis-label", (width - RIGHT, height - 4.0), Anchor::End, &self.x_label);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> ScatterChart {
        let point = |(x, y)| Point { x, y, weight: Weight::Plain, title: "trial <0>".into() };
        ScatterChart {
            label: "values".into(),
            x_label: "trial".into(),
            x_ticks: Vec::new(),
            steps: points.clone(),
            points: points.into_iter().map(point).collect(),
            size: (320.0, 200.0),
        }
    }

    #[test]
    fn steps_hold_until_the_next_and_nothing_is_no_chart() {
        let drawn = chart(vec![(0.0, 0.1), (1.0, 0.2), (2.0, 0.4)]).draw().unwrap();
        let line = drawn.as_str().split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.split(' ').count(), 5, "{line}");
        assert_eq!(drawn.as_str().matches("<title>trial &lt;0&gt;</title>").count(), 3);
        assert!(chart(vec![(f64::NAN, 0.0)]).draw().is_none() && chart(Vec::new()).draw().is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_lies_in_the_frame(points in proptest::collection::vec((any::<f64>(), any::<f64>()), 1..20)) {
            if let Some(drawn) = chart(points).draw() {
                prop_assert!(!drawn.as_str().contains("NaN") && !drawn.as_str().contains("inf"));
                for part in drawn.as_str().split("cx=\"").skip(1) {
                    let x: f64 = part.split('"').next().unwrap().parse().unwrap();
                    prop_assert!((0.0..=320.0).contains(&x));
                }
            }
        }
    }
}
