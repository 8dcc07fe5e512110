//! Progress over images.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for work that goes image by image; it draws nothing where standard error is no terminal.
pub fn images_bar(name: &str, images: u64) -> ProgressBar {
    let bar = ProgressBar::new(images).with_prefix(name.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix:16} {bar:32} {pos}/{len} images, {eta} left") {
        bar.set_style(style);
    }
    bar
}
