//! The run as text: Markdown, CSV, LaTeX, and a model card.

mod csv_table;
mod latex_table;
mod markdown_summary;
mod model_card;
mod validation;

pub use csv_table::csv;
pub use latex_table::latex;
pub use markdown_summary::markdown;
pub use model_card::model_card;
