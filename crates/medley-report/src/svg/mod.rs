//! Charts as inline SVG: the same text for the same values on every machine, so snapshots can hold them.
//!
//! Coordinates are rounded to hundredths, colours are classes that the page's style sheet fills (so one chart serves light,
//! dark and print), and every mark that stands for a value says it in a `<title>`. Values that are not finite are left out.

mod bars;
mod canvas;
mod dots;
mod line;
mod matrix;
mod parallel;
mod scale;
mod scatter;
mod standalone;

pub use bars::{Bar, BarChart};
pub use dots::{DotChart, DotRow, Mark, Shape};
pub use line::{LineChart, Series, line_sample};
pub use matrix::{ConfusionMatrix, MOST_CLASSES};
pub use parallel::{Axis, ParallelChart, Strand};
pub use scale::{Scale, ticks};
pub use scatter::{Point, ScatterChart, Weight};
pub use standalone::standalone;
