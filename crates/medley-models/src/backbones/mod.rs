//! The trunks, one file each, and the registry that lists them.
//!
//! A new backbone is a file that implements [`Backbone`], a line in [`all`], and a line in
//! `tests/integration/backbones.rs`, which runs the conformance suite on it.
//!
//! | name | from | 28 pixels | larger | weights of |
//! |---|---|---|---|---|
//! | `linear`, `mlp` | logistic regression, two hidden layers | yes | yes | |
//! | `simple_cnn` | five 3x3 convolutions | yes | yes | |
//! | `resnet9` | Page 2018 | yes | yes | |
//! | `resnet18`, `resnet50` | He et al. 2015 | the official benchmark's stem | torchvision's stem | torchvision |
//! | `wide_resnet` | Zagoruyko and Komodakis 2016 | yes | yes | |
//! | `vgg11_bn`, `vgg16_bn` | Simonyan and Zisserman 2014 | without the last pool and the hidden layers | yes | torchvision |
//! | `densenet121` | Huang et al. 2016 | 3x3 stem | yes | torchvision |
//! | `convnext_tiny` | Liu et al. 2022 | 3x3 stem | yes | torchvision |
//! | `efficientnet_b0` | Tan and Le 2019 | stem of stride 1 | yes | torchvision |
//! | `vit_tiny` | Dosovitskiy et al. 2020, Touvron et al. 2020 | patches of 4 | patches of 16 | timm |
//! | `resnet18_3d`, `resnet50_3d` | Yang et al. 2021 | 28 voxels a side | 64 | |

mod convnext;
mod densenet;
mod efficientnet;
mod keys;
mod linear;
mod mlp;
mod resnet;
mod resnet9;
mod simple_cnn;
mod vgg;
mod vit;
mod wide_resnet;

pub use keys::mark_owners;

use crate::config::{BackboneConfig, BatchNormScope, NetConfig};
use crate::layers::{Space, VolumeConvolution};
use crate::{Activation, Context, ModelError, Scope};

/// A function from images to features.
pub trait Backbone: Send {
    /// Number of features per image.
    fn features(&self) -> i64;

    /// Images `[N, C, H, W]` (or `[N, C, D, H, W]`) in the context's dtype to features `[N, F]` of the same dtype.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when the images are too small or memory runs out, and what the layers report.
    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError>;
}

medley_core::choices! {
    /// What comes before the first block.
    pub enum Stem {
        /// Keeps the resolution: for images of some thirty pixels.
        Small = "small",
        /// Reduces the resolution at once, as published for `ImageNet`.
        Imagenet = "imagenet",
    }
}

/// Below this side, [`Stem::Small`] is the default.
pub const IMAGENET_STEM_FROM: i64 = 64;

/// What a backbone is asked to be.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Channels of the first stage.
    pub width: i64,
    /// Number of layers, where that can be chosen.
    pub depth: usize,
    /// What comes first.
    pub stem: Stem,
    /// Whether a convolution that whitens patches comes before that.
    pub whitening: bool,
    /// Flat, or volumes by one of three convolutions.
    pub space: Space,
    /// Channels of the input.
    pub input_channels: i64,
    /// Height and width (and depth) of the input.
    pub input_size: i64,
}

/// A line of the registry.
#[allow(clippy::struct_excessive_bools, reason = "a table of what a backbone has")]
#[derive(Debug)]
pub struct Entry {
    /// Name in configs.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Channels of the first stage as published; `None` if there is nothing to choose.
    pub width: Option<i64>,
    /// Legal widths are multiples of this.
    pub width_step: i64,
    /// Legal numbers of layers, the default first; empty if there is nothing to choose.
    pub depths: &'static [usize],
    /// Whether there is a small stem and one for `ImageNet`.
    pub stems: bool,
    /// Whether a convolution that whitens patches may come first.
    pub whitening: bool,
    /// Smallest legal height and width of the input, with the small stem.
    pub smallest_input: i64,
    /// Whether it works on volumes.
    pub volumes: bool,
    /// Whether the number of parameters depends on the input size, so that a network computes that size only.
    pub fixed_input: bool,
    /// Whether it has `BatchNorm`, so that tasks can have their own.
    pub batch_norm: bool,
    /// Whether it has norms of any kind, so that task embeddings have something to modulate.
    pub norms: bool,
    /// Whether it has convolutions that residual adapters fit.
    pub adapters: bool,
    /// Whose parameter names and initialisation it has (with the `ImageNet` stem), if it is a port.
    pub pretrained: Option<Pretrained>,
    build: Build,
}

/// A published implementation with the same parameter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pretrained {
    /// Library and model, such as `torchvision resnet18`.
    pub model: &'static str,
    /// What that model calls our head.
    pub head: &'static str,
}

type Build = fn(&Scope, &Request) -> Result<Box<dyn Backbone>, ModelError>;

impl Entry {
    /// The most common kind of entry, to be changed where a backbone differs.
    const fn new(name: &'static str, summary: &'static str, build: Build) -> Self {
        Self {
            name,
            summary,
            width: None,
            width_step: 1,
            depths: &[],
            stems: false,
            whitening: false,
            smallest_input: 8,
            volumes: false,
            fixed_input: false,
            batch_norm: true,
            norms: true,
            adapters: true,
            pretrained: None,
            build,
        }
    }
}

static ALL: &[Entry] = &[
    linear::ENTRY,
    mlp::ENTRY,
    simple_cnn::ENTRY,
    resnet9::ENTRY,
    resnet::RESNET18,
    resnet::RESNET50,
    wide_resnet::ENTRY,
    vgg::VGG11,
    vgg::VGG16,
    densenet::ENTRY,
    convnext::ENTRY,
    efficientnet::ENTRY,
    vit::ENTRY,
    resnet::RESNET18_3D,
    resnet::RESNET50_3D,
];

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
        ModelError::UnknownBackbone { name: name.to_owned(), hint }
    })
}

/// A width beyond this is a typing mistake, and would be refused by memory later and less kindly.
const LARGEST_WIDTH: usize = 4096;

/// An input beyond this too.
const LARGEST_INPUT: i64 = 4096;

impl Entry {
    /// Checks what can be checked before the input size is known.
    pub(crate) fn check(&self, config: &NetConfig) -> Result<(), ModelError> {
        let refuse = |key: &str, value: &dyn std::fmt::Display, problem: String| {
            Err(ModelError::config(format!("net.{key}"), value, problem))
        };
        self.check_keys(&config.backbone)?;
        if config.batch_norm != BatchNormScope::Shared && !self.batch_norm {
            return refuse("batch_norm", &"not `shared`", format!("`{}` has no BatchNorm", self.name));
        }
        if config.task_embedding > 0 && !self.norms {
            let problem = format!("`{}` has no normalisation that an embedding could modulate", self.name);
            return refuse("task_embedding", &config.task_embedding, problem);
        }
        if config.adapters && !self.adapters {
            return refuse("adapters", &true, format!("`{}` has no convolutions that adapters fit", self.name));
        }
        Ok(())
    }

    /// The stem that a config and an input size come to.
    pub fn stem(&self, config: &BackboneConfig, input_size: i64) -> Stem {
        config.stem.unwrap_or(if input_size < IMAGENET_STEM_FROM { Stem::Small } else { Stem::Imagenet })
    }

    /// The published model that takes our parameters as they are: none for other widths, other stems, and other input sizes where
    /// parameters depend on that.
    pub fn published_model(&self, config: &BackboneConfig, input_size: i64) -> Option<&'static str> {
        let width = config.width.is_none_or(|width| Some(width as i64) == self.width);
        let stem = !self.stems || self.stem(config, input_size) == Stem::Imagenet;
        let size = !self.fixed_input || input_size == 224;
        self.pretrained.filter(|_| width && stem && size).map(|pretrained| pretrained.model)
    }

    /// Builds the backbone in a scope.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a size the backbone cannot have, and what [`Scope::parameter`] reports.
    pub(crate) fn build(
        &self,
        scope: &Scope,
        config: &BackboneConfig,
        input_channels: i64,
        input_size: i64,
    ) -> Result<Box<dyn Backbone>, ModelError> {
        if !(1..=LARGEST_WIDTH as i64).contains(&input_channels) {
            return Err(ModelError::config("input_channels", input_channels, format!("1 to {LARGEST_WIDTH}")));
        }
        let stem = self.stem(config, input_size);
        let smallest =
            if self.stems && stem == Stem::Imagenet { self.smallest_input.max(32) } else { self.smallest_input };
        if !(smallest..=LARGEST_INPUT).contains(&input_size) {
            let with = if smallest > self.smallest_input { " with `stem = \"imagenet\"`" } else { "" };
            let problem = format!(
                "`{}`{with} takes {smallest} to {LARGEST_INPUT} pixels a side; images are resized by `net.input_size`, such as {}",
                self.name,
                smallest.max(64)
            );
            return Err(ModelError::config("net.input_size", input_size, problem));
        }
        let request = Request {
            width: config.width.map_or(self.width.unwrap_or(1), |width| width as i64),
            depth: config.depth.or(self.depths.first().copied()).unwrap_or(0),
            stem,
            whitening: config.whitening == Some(true),
            space: if self.volumes {
                Space::Volume(config.convolution.unwrap_or(VolumeConvolution::Full))
            } else {
                Space::Flat
            },
            input_channels,
            input_size,
        };
        (self.build)(scope, &request)
    }
}
