use super::canvas::{Anchor, SvgCanvas};
use crate::fragment::Fragment;

/// Above this many classes a matrix is not drawn: nobody could read it.
pub const MOST_CLASSES: usize = 64;
/// Above this many classes the counts are only in the titles.
const MOST_COUNTS: usize = 24;
/// The strongest cell; text stays readable on it in light and dark.
const STRONGEST: f64 = 0.72;

/// A confusion matrix as a heat map: counts printed, colour by the share of the row.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfusionMatrix<'a> {
    /// What a screen reader says of it.
    pub label: String,
    /// Class names, in order.
    pub classes: &'a [String],
    /// `[truth][predicted]`.
    pub counts: &'a [Vec<u64>],
}

const TOP: f64 = 40.0;
const BOTTOM: f64 = 6.0;
const LONGEST: usize = 16;
const NUMBER: f64 = 20.0;
const NOTE: f64 = 54.0;

impl ConfusionMatrix<'_> {
    /// Draws it; `None` without counts, or with too many classes.
    pub fn draw(&self) -> Option<Fragment> {
        let classes = self.counts.len();
        if classes == 0 || classes > MOST_CLASSES || self.classes.len() != classes {
            return None;
        }
        let cell = cell_size(classes, self.widest_count());
        let left = self.label_width();
        let side = cell * classes as f64;
        let mut canvas = SvgCanvas::new(left + side + NOTE, TOP + side + BOTTOM, &self.label);
        canvas.text("axis-label", (left, 12.0), Anchor::Start, "predicted →");
        canvas.text("axis-label", (left - 8.0, TOP - 8.0), Anchor::End, "true ↓");
        canvas.text("axis-label", (left + side + NOTE, TOP - 8.0), Anchor::End, "recall");
        for (index, counts) in self.counts.iter().enumerate() {
            let x = left + cell * (index as f64 + 0.5);
            canvas.text("tick", (x, TOP - 8.0), Anchor::Middle, &index.to_string());
            self.row(&mut canvas, index, counts, (left, TOP + cell * index as f64), cell);
        }
        Some(canvas.finish())
    }

    fn row(&self, canvas: &mut SvgCanvas, truth: usize, counts: &[u64], (left, top): (f64, f64), cell: f64) {
        let total: u64 = counts.iter().sum();
        let middle = top + cell / 2.0 + 4.0;
        let number = truth.to_string();
        canvas.text("tick", (left - 8.0, middle), Anchor::End, &number);
        if self.classes[truth] != number {
            canvas.cut_text("row-label", (left - 8.0 - NUMBER, middle), Anchor::End, &self.classes[truth], LONGEST);
        }
        for (predicted, &count) in counts.iter().enumerate() {
            let share = if total > 0 { count as f64 / total as f64 } else { 0.0 };
            let corner = (left + cell * predicted as f64, top);
            let class = if truth == predicted { "hit" } else { "miss" };
            let title = format!(
                "true {}, predicted {}: {count} of {total} ({:.1} %)",
                self.classes[truth],
                self.classes[predicted],
                share * 100.0
            );
            canvas.rect("cell", corner, (cell, cell), 1.0, "");
            canvas.rect(class, corner, (cell, cell), share * STRONGEST, &title);
            if self.counts.len() <= MOST_COUNTS {
                let class = if count == 0 { "count none" } else { "count" };
                canvas.text(class, (corner.0 + cell / 2.0, middle), Anchor::Middle, &count.to_string());
            }
        }
        let recall =
            if total > 0 { format!("{:.1} %", counts[truth] as f64 / total as f64 * 100.0) } else { "–".to_owned() };
        canvas.text("row-note", (left + cell * counts.len() as f64 + NOTE, middle), Anchor::End, &recall);
    }

    fn widest_count(&self) -> usize {
        self.counts.iter().flatten().max().map_or(1, |count| count.to_string().len())
    }

    fn label_width(&self) -> f64 {
        let longest = self.classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(LONGEST);
        (longest as f64 * 6.6 + NUMBER + 12.0).max(64.0)
    }
}

fn cell_size(classes: usize, digits: usize) -> f64 {
    if classes > MOST_COUNTS {
        return 12.0;
    }
    let room = match classes {
        0..=3 => 60.0,
        4..=6 => 42.0,
        7..=9 => 34.0,
        _ => 30.0,
    };
    f64::max(room, digits as f64 * 6.6 + 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_row_and_empty_rows_are_no_error() {
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let counts = [vec![3, 1], vec![0, 0]];
        let drawn = ConfusionMatrix { label: "c".into(), classes: &classes, counts: &counts }.draw().unwrap();
        assert!(drawn.as_str().contains("true cat, predicted dog: 1 of 4 (25.0 %)"));
        assert!(drawn.as_str().contains("true dog, predicted cat: 0 of 0 (0.0 %)"));
        assert!(drawn.as_str().contains("75.0 %"));
    }

    #[test]
    fn what_nobody_could_read_is_not_drawn() {
        let classes: Vec<String> = (0..65).map(|class| class.to_string()).collect();
        let counts = vec![vec![1; 65]; 65];
        assert!(ConfusionMatrix { label: "c".into(), classes: &classes, counts: &counts }.draw().is_none());
        assert!(ConfusionMatrix { label: "c".into(), classes: &[], counts: &[] }.draw().is_none());
    }
}
