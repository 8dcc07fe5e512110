use super::canvas::{Anchor, SvgCanvas};
use super::scale::Scale;
use crate::fragment::Fragment;

/// Colours and dash patterns that the style sheet knows; further series repeat them with the next pattern.
const COLOURS: usize = 6;
const DASHES: usize = 4;

/// Points of a line that a chart of this size can show; of more, every so many-th is drawn.
const MOST_POINTS: usize = 1_024;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its place in the legend, which decides colour and dash.
    pub index: usize,
    /// In order of x. A value that is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
    /// Points to mark, with what to say of them.
    pub marks: Vec<(f64, f64, String)>,
}

/// Lines over a common x axis.
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart {
    /// What a screen reader says of it.
    pub label: String,
    /// Under the x axis, which has whole numbers where there are two of them.
    pub x_label: String,
    /// The lines.
    pub series: Vec<Series>,
    /// Natural size.
    pub size: (f64, f64),
    /// Bounds of y, such as 0-1.
    pub y_bounds: (f64, f64),
}

const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 36.0;

impl LineChart {
    /// Draws it; `None` when there is no finite point.
    pub fn draw(&self) -> Option<Fragment> {
        let finite = || {
            self.series
                .iter()
                .flat_map(|series| &series.points)
                .filter(|point| point.0.is_finite() && point.1.is_finite())
        };
        finite().next()?;
        let (width, height) = self.size;
        let x = Scale::around(finite().map(|point| point.0), 0.0, (LEFT, width - RIGHT));
        let y = Scale::around(finite().map(|point| point.1), 0.08, (height - BOTTOM, TOP)).within(self.y_bounds);
        let mut canvas = SvgCanvas::new(width, height, &self.label);
        self.axes(&mut canvas, &x, &y);
        for series in &self.series {
            draw_series(&mut canvas, series, &x, &y);
        }
        Some(canvas.finish())
    }

    fn axes(&self, canvas: &mut SvgCanvas, x: &Scale, y: &Scale) {
        let (width, height) = self.size;
        let base = height - BOTTOM;
        canvas.value_axis(y, (LEFT, width - RIGHT), base);
        for (value, label) in whole(x.ticks(5)) {
            let at = x.at(value);
            canvas.line("axis", (at, base), (at, base + 4.0));
            canvas.text("tick", (at, base + 16.0), Anchor::Middle, &label);
        }
        canvas.text("axis-label", (width - RIGHT, height - 4.0), Anchor::End, &self.x_label);
    }
}

/// Whole numbers alone, as no epoch is half; all ticks where fewer than two are whole.
fn whole(ticks: Vec<(f64, String)>) -> Vec<(f64, String)> {
    let whole: Vec<_> =
        ticks.iter().filter(|tick| tick.0.fract() == 0.0).map(|tick| (tick.0, format!("{:.0}", tick.0))).collect();
    if whole.len() < 2 { ticks } else { whole }
}

fn draw_series(canvas: &mut SvgCanvas, series: &Series, x: &Scale, y: &Scale) {
    let class = style(series.index);
    for run in series.points.split(|point| !(point.0.is_finite() && point.1.is_finite())) {
        let points: Vec<(f64, f64)> = thinned(run).map(|(a, b)| (x.at(a), y.at(b))).collect();
        match points.as_slice() {
            [] => {}
            [point] => canvas.circle(&format!("dot {class}"), *point, 2.5, &series.name),
            _ => canvas.polyline(&format!("line {class}"), &points),
        }
    }
    for (a, b, title) in series.marks.iter().filter(|mark| mark.0.is_finite() && mark.1.is_finite()) {
        canvas.circle(&format!("dot {class}"), (x.at(*a), y.at(*b)), 4.0, title);
    }
}

/// The first, the last, and of those between so many that they can be seen.
fn thinned(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let (stride, last) = (points.len().div_ceil(MOST_POINTS).max(1), points.len().saturating_sub(1));
    let shown = move |&(index, _): &(usize, _)| index % stride == 0 || index == last;
    points.iter().copied().enumerate().filter(shown).map(|(_, point)| point)
}

fn style(index: usize) -> String {
    format!("s{} d{}", index % COLOURS, index % DASHES)
}

/// A short sample of a line for a legend.
pub fn line_sample(index: usize) -> Fragment {
    let mut canvas = SvgCanvas::new(28.0, 8.0, "");
    canvas.line(&format!("line {}", style(index)), (0.0, 4.0), (28.0, 4.0));
    let svg = canvas.finish();
    Fragment::trusted(svg.as_str().replace("role=\"img\" aria-label=\"\"", "aria-hidden=\"true\"").replace('\n', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chart(points: Vec<(f64, f64)>) -> LineChart {
        let series = Series { name: "seed 0".into(), index: 0, points, marks: Vec::new() };
        LineChart {
            label: "macro-F1".into(),
            x_label: "epoch".into(),
            series: vec![series],
            size: (320.0, 180.0),
            y_bounds: (0.0, 1.0),
        }
    }

    #[test]
    fn a_gap_breaks_the_line_and_nothing_is_no_chart() {
        let drawn = chart(vec![(1.0, 0.1), (2.0, 0.2), (3.0, f64::NAN), (4.0, 0.4)]).draw().unwrap();
        assert_eq!(drawn.as_str().matches("<polyline").count(), 1);
        assert_eq!(drawn.as_str().matches("<circle").count(), 1);
        assert!(chart(vec![(1.0, f64::NAN)]).draw().is_none());
        assert!(chart(Vec::new()).draw().is_none());
    }

    #[test]
    fn a_long_line_has_no_more_points_than_can_be_seen() {
        for (points, expected) in [(0, 0), (1, 1), (1_024, 1_024), (1_025, 513), (1_000_000, 1_024)] {
            let line: Vec<(f64, f64)> = (0..points).map(|x| (f64::from(x), 0.5)).collect();
            let shown: Vec<(f64, f64)> = thinned(&line).collect();
            assert!(shown.first() == line.first() && shown.last() == line.last());
            assert!(shown.len().abs_diff(expected) <= 1, "{} of {points}", shown.len());
        }
    }

    #[test]
    fn epochs_are_whole_numbers() {
        let drawn = chart(vec![(1.0, 0.1), (2.0, 0.2), (3.0, 0.3)]).draw().unwrap();
        let ticks: Vec<&str> = drawn.as_str().lines().filter(|line| line.contains("text-anchor=\"middle\"")).collect();
        assert_eq!(ticks.len(), 3, "{ticks:?}");
        assert!(ticks[0].ends_with(">1</text>"));
        let drawn = chart(vec![(0.1, 0.1), (0.9, 0.2)]).draw().unwrap();
        assert!(drawn.as_str().contains(">0.4</text>"));
    }

    #[test]
    fn every_series_of_the_first_twelve_looks_different() {
        let styles: std::collections::BTreeSet<_> = (0..12).map(style).collect();
        assert_eq!(styles.len(), 12);
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_lies_in_the_frame(points in proptest::collection::vec((any::<f64>(), any::<f64>()), 1..20)) {
            if let Some(drawn) = chart(points).draw() {
                for part in drawn.as_str().split("points=\"").skip(1) {
                    for pair in part.split('"').next().unwrap().split(' ') {
                        let (x, y) = pair.split_once(',').unwrap();
                        let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                        prop_assert!((0.0..=320.0).contains(&x) && (0.0..=180.0).contains(&y));
                    }
                }
                prop_assert!(!drawn.as_str().contains("NaN") && !drawn.as_str().contains("inf"));
            }
        }
    }
}
