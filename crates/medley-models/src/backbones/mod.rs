//! The trunks, one file each, and the registry that lists them.
//!
//! A new backbone is a file that implements [`Backbone`], a line in [`all`], and a line in `tests/backbones.rs`, which runs
//! the conformance suite on it.

mod resnet;
mod resnet9;

use tch::Tensor;

use crate::config::BackboneConfig;
use crate::{Context, ModelError, Scope};

/// A function from images to features.
pub trait Backbone {
    /// Number of features per image.
    fn features(&self) -> i64;

    /// Images `[N, C, H, W]` in the context's dtype to features `[N, F]` of the same dtype.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when the images are too small or memory runs out, and what the layers report.
    fn forward(&self, images: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError>;
}

/// What a backbone is asked to be.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// As configured.
    pub config: &'a BackboneConfig,
    /// Base number of channels: configured, or the published one.
    pub width: i64,
    /// Channels of the input.
    pub input_channels: i64,
    /// Height and width of the input.
    pub input_size: i64,
}

/// A line of the registry.
#[derive(Debug)]
pub struct Entry {
    /// Name in configs.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Base number of channels when none is configured.
    pub default_width: i64,
    /// Smallest legal height and width of the input.
    pub smallest_input: i64,
    build: Build,
}

type Build = fn(&Scope, &Request<'_>) -> Result<Box<dyn Backbone>, ModelError>;

/// A width beyond this is a typing mistake, and would be refused by memory later and less kindly.
const LARGEST_WIDTH: usize = 4096;

static ALL: &[Entry] = &[resnet9::ENTRY, resnet::RESNET18];

/// All backbones, in the order they are listed.
pub fn all() -> &'static [Entry] {
    ALL
}

/// The entry of one name.
///
/// # Errors
/// [`ModelError::UnknownBackbone`] with the nearest name.
pub fn find(name: &str) -> Result<&'static Entry, ModelError> {
    ALL.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let nearest = ALL
            .iter()
            .map(|entry| (strsim::jaro_winkler(&name.to_lowercase(), entry.name), entry.name))
            .max_by(|left, right| left.0.total_cmp(&right.0));
        let hint = match nearest {
            Some((likeness, nearest)) if likeness > 0.8 => format!("did you mean `{nearest}`?"),
            _ => format!("known are {}", ALL.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")),
        };
        ModelError::UnknownBackbone { key: "net.backbone.name", name: name.to_owned(), hint }
    })
}

impl Entry {
    pub(crate) fn check_width(&self, width: usize) -> Result<(), ModelError> {
        if (1..=LARGEST_WIDTH).contains(&width) {
            Ok(())
        } else {
            let problem = format!(
                "the number of channels of the first stage, 1 to {LARGEST_WIDTH}; published: {}",
                self.default_width
            );
            Err(ModelError::config("net.backbone.width", width, problem))
        }
    }

    /// Builds the backbone in a scope.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a size or width the backbone cannot have, and what [`Scope::parameter`] reports.
    pub fn build(
        &self,
        scope: &Scope,
        config: &BackboneConfig,
        input_channels: i64,
        input_size: i64,
    ) -> Result<Box<dyn Backbone>, ModelError> {
        if input_channels < 1 {
            return Err(ModelError::config("input_channels", input_channels, "at least 1"));
        }
        if input_size < self.smallest_input {
            let problem = format!("`{}` needs at least {} pixels a side", self.name, self.smallest_input);
            return Err(ModelError::config("input_size", input_size, problem));
        }
        let width = match config.width {
            Some(width) => {
                self.check_width(width)?;
                width as i64
            }
            None => self.default_width,
        };
        (self.build)(scope, &Request { config, width, input_channels, input_size })
    }
}
