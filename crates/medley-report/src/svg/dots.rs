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

/// Values on rows over a common axis.
#[derive(Debug, Clone, PartialEq)]
pub struct DotChart {
    /// What a screen reader says of it.
    pub label: String,
    /// Under the axis.
    pub x_label: String,
    /// Top to bottom.
    pub rows: Vec<DotRow>,
    /// Natural width.
    pub width: f64,
    /// Width of the labels.
    pub label_width: f64,
    /// Width of the notes.
    pub note_width: f64,
}

const ROW: f64 = 28.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 38.0;
const RADIUS: f64 = 4.5;

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
        let (left, right) = (self.label_width + 12.0, self.width - self.note_width - 12.0);
        let x = Scale::around(values, 0.05, (left, right)).within((0.0, 1.0));
        let height = TOP + ROW * self.rows.len() as f64 + BOTTOM;
        let mut canvas = SvgCanvas::new(self.width, height, &self.label);
        self.axis(&mut canvas, &x, height - BOTTOM, (left, right));
        for (index, row) in self.rows.iter().enumerate() {
            self.row(&mut canvas, row, &x, TOP + ROW * (index as f64 + 0.5));
        }
        Some(canvas.finish())
    }

    fn axis(&self, canvas: &mut SvgCanvas, x: &Scale, base: f64, (left, right): (f64, f64)) {
        for (value, label) in x.ticks(6) {
            let at = x.at(value);
            canvas.line("gridline", (at, TOP), (at, base));
            canvas.text("tick", (at, base + 16.0), Anchor::Middle, &label);
        }
        canvas.line("axis", (left, base), (right, base));
        canvas.text("axis-label", (right, base + 32.0), Anchor::End, &self.x_label);
    }

    fn row(&self, canvas: &mut SvgCanvas, row: &DotRow, x: &Scale, y: f64) {
        let longest = (self.label_width / 6.6) as usize;
        canvas.cut_text("row-label", (self.label_width, y + 4.0), Anchor::End, &row.label, longest);
        if let Some((low, high, title)) = row.interval.as_ref().filter(|ends| ends.0.is_finite() && ends.1.is_finite())
        {
            let (from, to) = (x.at(low.min(*high)), x.at(low.max(*high)));
            canvas.rect("interval", (from, y - 4.0), ((to - from).max(1.0), 8.0), 1.0, title);
        }
        for mark in row.marks.iter().filter(|mark| mark.value.is_finite()) {
            draw_mark(canvas, mark.shape, (x.at(mark.value), y), &mark.title);
        }
        canvas.text("row-note", (self.width, y + 4.0), Anchor::End, &row.note);
    }
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
        assert_eq!(drawn.as_str().matches("<circle").count(), 1);
        assert_eq!(drawn.as_str().matches("class=\"interval\"").count(), 1);
        assert!(DotChart { rows: Vec::new(), ..chart }.draw().is_none());
    }
}
