use super::canvas::{Anchor, SvgCanvas};
use crate::fragment::Fragment;

/// One group of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// At its left.
    pub label: String,
    /// One share (0-1) per series, top to bottom, with what to say of it.
    pub shares: Vec<(f64, String)>,
}

/// Shares as horizontal bars, in groups.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// What a screen reader says of it.
    pub label: String,
    /// Top to bottom.
    pub groups: Vec<Bar>,
    /// Natural width.
    pub width: f64,
}

const BAR: f64 = 7.0;
const GAP: f64 = 9.0;
const LABELS: f64 = 118.0;
const NOTES: f64 = 46.0;

impl BarChart {
    /// Draws it; `None` without groups. The longest bar fills the width.
    pub fn draw(&self) -> Option<Fragment> {
        let finite = |share: f64| if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let longest =
            self.groups.iter().flat_map(|group| &group.shares).map(|share| finite(share.0)).fold(0.0, f64::max);
        let height: f64 = self.groups.iter().map(|group| group.shares.len() as f64 * BAR + GAP).sum();
        if self.groups.is_empty() {
            return None;
        }
        let mut canvas = SvgCanvas::new(self.width, height.max(GAP), &self.label);
        let room = self.width - LABELS - NOTES - 16.0;
        let mut y = GAP / 2.0;
        for group in &self.groups {
            let tall = group.shares.len() as f64 * BAR;
            canvas.cut_text("row-label", (LABELS, y + tall / 2.0 + 4.0), Anchor::End, &group.label, 18);
            for (series, (share, title)) in group.shares.iter().enumerate() {
                let wide = if longest > 0.0 { finite(*share) / longest * room } else { 0.0 };
                let top = y + series as f64 * BAR;
                canvas.rect(&format!("bar b{series}"), (LABELS + 8.0, top), (wide.max(0.5), BAR - 1.5), 1.0, title);
            }
            if let Some((share, _)) = group.shares.last() {
                let note = format!("{:.1} %", finite(*share) * 100.0);
                canvas.text("row-note", (self.width, y + tall / 2.0 + 4.0), Anchor::End, &note);
            }
            y += tall + GAP;
        }
        Some(canvas.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        let bar = |label: &str, share| Bar { label: label.into(), shares: vec![(share, String::new())] };
        let chart = BarChart { label: "balance".into(), groups: vec![bar("a", 0.5), bar("b", 0.25)], width: 372.0 };
        let drawn = chart.draw().unwrap();
        assert!(drawn.as_str().contains("width=\"192\"") && drawn.as_str().contains("width=\"96\""), "{drawn}");
        assert!(BarChart { groups: Vec::new(), ..chart }.draw().is_none());
    }
}
