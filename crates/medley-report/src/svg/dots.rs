use super::canvas::{Anchor, SvgCanvas};
use super::scale::Scale;
use crate::fragment::Fragment;

/// How a value is marked. Shapes differ, so colour is never needed to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A filled disc: ours.
    Disc,
    /// A ring.
    Ring,
    /// A hollow square.
    Square,
    /// A hollow diamond.
    Diamond,
    /// A hollow triangle.
    Triangle,
}

/// One value on a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The value.
    pub value: f64,
    /// How it is drawn.
    pub shape: Shape,
    /// What it is.
    pub title: String,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct DotRow {
    /// At its left.
    pub label: String,
    /// A bar behind the marks, and what it is.
    pub interval: Option<(f64, f64, String)>,
    /// Drawn in this order.
    pub marks: Vec<Mark>,
    /// At its right.
    pub note: String,
}

/// Values on rows over a common axis, drawn twice: for wide screens and paper with the label of a row at its left, for narrow screens with
/// the label above it, so that the axis keeps the whole width. The style sheet shows one of the two.
#[derive(Debug, Clone, PartialEq)]
pub struct DotChart {
    /// What a screen reader says of it.
    pub label: String,
    /// Under the axis.
    pub x_label: String,
    /// Top to bottom.
    pub rows: Vec<DotRow>,
    /// Natural width on a wide screen.
    pub width: f64,
    /// Width of the labels on a wide screen.
    pub label_width: f64,
    /// Width of the notes.
    pub note_width: f64,
}

const TOP: f64 = 8.0;
const BOTTOM: f64 = 38.0;
const RADIUS: f64 = 4.5;
/// What a character of a label takes, more rather than less.
const CHARACTER: f64 = 6.6;

/// Where the parts of a row stand, relative to its top.
struct Layout {
    width: f64,
    /// Ends of the axis.
    axis: (f64, f64),
    row: f64,
    /// Base line of label and note.
    text: f64,
    /// Where the label ends or begins.
    label: (f64, Anchor),
    /// Characters of a label that there is room for.
    longest: usize,
    marks: f64,
}

impl Layout {
    /// The label at the left, the note at the right.
    fn wide(chart: &DotChart) -> Self {
        Self {
            width: chart.width,
            axis: (chart.label_width + 12.0, chart.width - chart.note_width - 12.0),
            row: 28.0,
            text: 18.0,
            label: (chart.label_width, Anchor::End),
            longest: (chart.label_width / CHARACTER) as usize,
            marks: 14.0,
        }
    }

    /// Both above the marks.
    fn narrow(chart: &DotChart) -> Self {
        let width = 340.0;
        Self {
            width,
            axis: (8.0, width - 8.0),
            row: 42.0,
            text: 14.0,
            label: (0.0, Anchor::Start),
            longest: ((width - chart.note_width) / CHARACTER) as usize,
            marks: 28.0,
        }
    }
}

impl DotChart {
    /// Draws it; `None` when there is no finite value.
    pub fn draw(&self) -> Option<Fragment> {
        let values = self.rows.iter().flat_map(|row| {
            let ends = row.interval.iter().flat_map(|interval| [interval.0, interval.1]);
            row.marks.iter().map(|mark| mark.value).chain(ends)
        });
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        if values.is_empty() {
            return None;
        }
        let [wide, narrow] = [Layout::wide(self), Layout::narrow(self)].map(|layout| self.draw_as(&layout, &values));
        Some(Fragment::trusted(format!(
            "<div class=\"wide\">\n{wide}\n</div>\n<div class=\"narrow\">\n{narrow}\n</div>"
        )))
    }

    fn draw_as(&self, layout: &Layout, values: &[f64]) -> Fragment {
        let x = Scale::around(values.iter().copied(), 0.05, layout.axis).within((0.0, 1.0));
        let height = TOP + layout.row * self.rows.len() as f64 + BOTTOM;
        let mut canvas = SvgCanvas::new(layout.width, height, &self.label);
        self.axis(&mut canvas, &x, height - BOTTOM, layout.axis);
        for (index, row) in self.rows.iter().enumerate() {
            draw_row(&mut canvas, row, &x, TOP + layout.row * index as f64, layout);
        }
        canvas.finish()
    }

    fn axis(&self, canvas: &mut SvgCanvas, x: &Scale, base: f64, (left, right): (f64, f64)) {
        for (value, label) in x.ticks(if right - left < 350.0 { 4 } else { 6 }) {
            let at = x.at(value);
            canvas.line("gridline", (at, TOP), (at, base));
            canvas.text("tick", (at, base + 16.0), Anchor::Middle, &label);
        }
        canvas.line("axis", (left, base), (right, base));
        canvas.text("axis-label", (right, base + 32.0), Anchor::End, &self.x_label);
    }
}

fn draw_row(canvas: &mut SvgCanvas, row: &DotRow, x: &Scale, top: f64, layout: &Layout) {
    let (text, y) = (top + layout.text, top + layout.marks);
    canvas.cut_text("row-label", (layout.label.0, text), layout.label.1, &row.label, layout.longest);
    if let Some((low, high, title)) = row.interval.as_ref().filter(|ends| ends.0.is_finite() && ends.1.is_finite()) {
        let (from, to) = (x.at(low.min(*high)), x.at(low.max(*high)));
        canvas.rect("interval", (from, y - 4.0), ((to - from).max(1.0), 8.0), 1.0, title);
    }
    for mark in row.marks.iter().filter(|mark| mark.value.is_finite()) {
        draw_mark(canvas, mark.shape, (x.at(mark.value), y), &mark.title);
    }
    canvas.text("row-note", (layout.width, text), Anchor::End, &row.note);
}

fn draw_mark(canvas: &mut SvgCanvas, shape: Shape, (x, y): (f64, f64), title: &str) {
    let r = RADIUS;
    match shape {
        Shape::Disc => canvas.circle("mark ours", (x, y), r, title),
        Shape::Ring => canvas.circle("mark", (x, y), r, title),
        Shape::Square => canvas.rect("mark", (x - r + 0.5, y - r + 0.5), (2.0 * r - 1.0, 2.0 * r - 1.0), 1.0, title),
        Shape::Diamond => {
            canvas.polygon("mark", &[(x, y - r - 1.0), (x + r + 1.0, y), (x, y + r + 1.0), (x - r - 1.0, y)], title);
        }
        Shape::Triangle => {
            canvas.polygon("mark", &[(x, y - r - 0.5), (x + r, y + r - 0.5), (x - r, y + r - 0.5)], title);
        }
    }
}

impl Shape {
    /// A sample for a legend.
    pub fn sample(self) -> Fragment {
        let mut canvas = SvgCanvas::new(14.0, 14.0, "");
        draw_mark(&mut canvas, self, (7.0, 7.0), "");
        let svg = canvas.finish();
        Fragment::trusted(
            svg.as_str().replace("role=\"img\" aria-label=\"\"", "aria-hidden=\"true\"").replace('\n', ""),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_drawn_with_what_is_finite() {
        let mark = |value| Mark { value, shape: Shape::Disc, title: "ours".into() };
        let row = |marks| DotRow {
            label: "BreastMNIST".into(),
            interval: Some((0.7, 0.9, "95 %".into())),
            marks,
            note: "0.8".into(),
        };
        let chart = DotChart {
            label: "accuracy".into(),
            x_label: "accuracy".into(),
            rows: vec![row(vec![mark(0.8), mark(f64::NAN)])],
            width: 600.0,
            label_width: 120.0,
            note_width: 60.0,
        };
        let drawn = chart.draw().unwrap();
        let (wide, narrow) = drawn.as_str().split_once("<div class=\"narrow\">").unwrap();
        for drawn in [wide, narrow] {
            assert_eq!(drawn.matches("<circle").count(), 1);
            assert_eq!(drawn.matches("class=\"interval\"").count(), 1);
            assert_eq!(drawn.matches(">BreastMNIST</text>").count(), 1);
        }
        assert!(wide.contains("width=\"600\"") && narrow.contains("width=\"340\""));
        assert!(DotChart { rows: Vec::new(), ..chart }.draw().is_none());
    }
}
