use std::fmt::Write as _;

use super::scale::Scale;
use crate::fragment::{Fragment, escape};

/// Where a text sits relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// To the right of it.
    Start,
    /// Around it.
    Middle,
    /// To the left of it.
    End,
}

/// An SVG element in the making. Lengths are in CSS pixels at natural size, y points down.
pub(super) struct SvgCanvas {
    width: f64,
    height: f64,
    label: String,
    body: String,
}

impl SvgCanvas {
    /// An empty picture. `label` is what a screen reader says of it.
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        Self { width, height, label: label.to_owned(), body: String::new() }
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        self.push(&format!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    /// A line through points.
    pub(super) fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut text = String::new();
        for (index, &(x, y)) in points.iter().enumerate() {
            let _ = write!(text, "{}{},{}", if index > 0 { " " } else { "" }, number(x), number(y));
        }
        self.push(&format!(r#"<polyline class="{class}" points="{text}"/>"#));
    }

    /// A line through points that says what it is.
    pub(super) fn polyline_of(&mut self, class: &str, points: &[(f64, f64)], title: &str) {
        let text: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect();
        self.push(&format!(r#"<polyline class="{class}" points="{}">{}</polyline>"#, text.join(" "), tip(title)));
    }

    /// A closed shape through points.
    pub(super) fn polygon(&mut self, class: &str, points: &[(f64, f64)], title: &str) {
        let text: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect();
        self.push(&format!(r#"<polygon class="{class}" points="{}">{}</polygon>"#, text.join(" "), tip(title)));
    }

    /// A rectangle, filled as strongly as `opacity` (0-1) says.
    pub(super) fn rect(&mut self, class: &str, corner: (f64, f64), size: (f64, f64), opacity: f64, title: &str) {
        let [x, y, width, height] = [corner.0, corner.1, size.0.max(0.0), size.1.max(0.0)].map(number);
        let opacity = if opacity < 1.0 { format!(r#" fill-opacity="{}""#, number(opacity)) } else { String::new() };
        self.push(&format!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"{opacity}>{}</rect>"#,
            tip(title)
        ));
    }

    /// A disc or ring.
    pub(super) fn circle(&mut self, class: &str, centre: (f64, f64), radius: f64, title: &str) {
        let [x, y, r] = [centre.0, centre.1, radius].map(number);
        self.push(&format!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{r}">{}</circle>"#, tip(title)));
    }

    /// Grid lines with their values from `left` to `right`, and the line at `base` that points stand over.
    pub(super) fn value_axis(&mut self, scale: &Scale, (left, right): (f64, f64), base: f64) {
        for (value, label) in scale.ticks(4) {
            let at = scale.at(value);
            self.line("gridline", (left, at), (right, at));
            self.text("tick", (left - 7.0, at + 3.5), Anchor::End, &label);
        }
        self.line("axis", (left, base), (right, base));
    }

    /// A text, escaped here.
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let [x, y] = [at.0, at.1].map(number);
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        self.push(&format!(r#"<text class="{class}" x="{x}" y="{y}"{anchor}>{}</text>"#, escape(text)));
    }

    /// The same, cut to `longest` characters; the whole text is then in a `<title>`.
    pub(super) fn cut_text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str, longest: usize) {
        if text.chars().count() <= longest {
            return self.text(class, at, anchor, text);
        }
        let short: String = text.chars().take(longest.saturating_sub(1)).collect();
        self.text(class, at, anchor, &format!("{}…", short.trim_end()));
        let close = self.body.len() - "</text>\n".len();
        self.body.insert_str(close, &tip(text));
    }

    /// The element.
    pub(super) fn finish(self) -> Fragment {
        let [width, height] = [self.width, self.height].map(number);
        Fragment::trusted(format!(
            "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n{}</svg>",
            escape(&self.label),
            self.body
        ))
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }
}

fn tip(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) }
}

/// A coordinate: at most two decimals, no trailing zeros, no negative zero. What is not finite becomes 0, though charts
/// leave such values out.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" || text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_escaped_everywhere() {
        let mut canvas = SvgCanvas::new(10.0, 10.0, "a \"quoted\" <label>");
        canvas.text("t", (1.0, 2.0), Anchor::End, "<script>");
        canvas.cut_text("t", (1.0, 2.0), Anchor::Start, "a <very> long & winding name", 8);
        canvas.circle("c", (1.0, 1.0), 2.0, "<b>");
        insta::assert_snapshot!(canvas.finish(), @r#"
        <svg role="img" aria-label="a &quot;quoted&quot; &lt;label&gt;" viewBox="0 0 10 10" width="10" height="10">
        <text class="t" x="1" y="2" text-anchor="end">&lt;script&gt;</text>
        <text class="t" x="1" y="2">a &lt;very…<title>a &lt;very&gt; long &amp; winding name</title></text>
        <circle class="c" cx="1" cy="1" r="2"><title>&lt;b&gt;</title></circle>
        </svg>
        "#);
    }

    proptest! {
        #[test]
        fn coordinates_are_short_and_close(value in -1e6_f64..1e6) {
            let text = number(value);
            prop_assert!(text.len() <= 11 && text != "-0" && !text.contains('e'));
            prop_assert!((text.parse::<f64>().unwrap() - value).abs() <= 0.005 + 1e-9);
        }

        #[test]
        fn any_float_is_a_coordinate(value in any::<f64>()) {
            prop_assert!(number(value).parse::<f64>().unwrap().is_finite());
        }
    }
}
