use crate::fragment::Fragment;

/// What the page's style sheet says of lines, points and text, for a picture that stands alone: on white.
const STYLE: &str = "svg{background:#fff;font-family:system-ui,sans-serif}.tick,.axis-label{fill:#555;font-size:11px}\
.axis{stroke:#555}.gridline{stroke:#ddd}.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.dot{stroke:#fff;stroke-width:1.2}\
.d1{stroke-dasharray:6 3}.d2{stroke-dasharray:2 3.4}.d3{stroke-dasharray:8 3 2 3}.dot.d1,.dot.d2,.dot.d3{stroke-dasharray:none}\
.line.s0{stroke:#1f5f8b}.line.s1{stroke:#b4541a}.line.s2{stroke:#35744a}.line.s3{stroke:#7a4a8c}\
.dot.s0{fill:#1f5f8b}.dot.s1{fill:#b4541a}.dot.s2{fill:#35744a}.dot.s3{fill:#7a4a8c}";

/// A chart of lines as a file of its own, with the style that a page would have given it.
pub fn standalone(chart: &Fragment) -> String {
    let styled = "<svg xmlns=\"http://www.w3.org/2000/svg\"";
    let text = chart.as_str().replacen("<svg", styled, 1);
    match text.find('>') {
        Some(end) => format!("{}>\n<style>{STYLE}</style>{}\n", &text[..end], &text[end + 1..]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LineChart, Series};
    use super::*;

    #[test]
    fn it_is_a_picture_of_its_own() {
        let series = Series { name: "loss".into(), index: 0, points: vec![(0.0, 1.0), (1.0, 2.0)], marks: Vec::new() };
        let chart = LineChart {
            label: "a < b".into(),
            x_label: "step".into(),
            series: vec![series],
            size: (300.0, 200.0),
            y_bounds: (0.0, 9.0),
        };
        let text = standalone(&chart.draw().unwrap());
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" "), "{text}");
        assert!(text.contains(">\n<style>svg{") && text.contains("a &lt; b") && text.ends_with("</svg>\n"), "{text}");
    }
}
