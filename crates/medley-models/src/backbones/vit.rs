//! The tiny vision transformer (Dosovitskiy et al. 2020; its size is that of Touvron et al. 2020), names and initialisation as
//! timm's `vit_tiny_patch16_224`.
//!
//! With the small stem, patches are 4 pixels a side, 49 of them in 28 pixels; with the other, 16. Heads have 64 dimensions,
//! so the width is a multiple of 64. The features are the class token after the last norm.

use tch::Tensor;

use super::{Backbone, Entry, Pretrained, Request, Stem};
use crate::init::Init;
use crate::layers::{Conv, ConvOptions, LayerNorm, Linear, attention, gelu};
use crate::{Activation, Context, ModelError, Scope};

const DEPTH: usize = 12;
const HEAD: i64 = 64;
const WEIGHT: Init = Init::TruncatedNormal { std: 0.02 };
const ZERO: Init = Init::Constant(0.0);

pub(super) const ENTRY: Entry = Entry {
    width: Some(192),
    width_step: HEAD,
    stems: true,
    fixed_input: true,
    batch_norm: false,
    adapters: false,
    pretrained: Some(Pretrained { model: "timm vit_tiny_patch16_224", head: "head" }),
    ..Entry::new("vit_tiny", "12-layer transformer on patches", |scope, request| {
        Ok(Box::new(Vit::new(scope, request)?))
    })
};

struct Vit {
    patches: Conv,
    class_token: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    features: i64,
}

impl Vit {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        let side = if request.stem == Stem::Small { 4 } else { 16 };
        if request.input_size % side != 0 {
            let problem = format!("`vit_tiny` cuts the image into patches of {side} pixels: a multiple of {side}");
            return Err(ModelError::config("net.input_size", request.input_size, problem));
        }
        let width = request.width;
        let tokens = (request.input_size / side) * (request.input_size / side) + 1;
        let patch = ConvOptions { kernel: side, stride: side, padding: 0, bias: true, ..ConvOptions::default() };
        Ok(Self {
            patches: Conv::new(&scope.enter("patch_embed.proj"), request.input_channels, width, patch)?,
            class_token: scope.parameter("cls_token", &[1, 1, width], Init::Normal { std: 1e-6 })?,
            positions: scope.parameter("pos_embed", &[1, tokens, width], WEIGHT)?,
            blocks: (0..DEPTH)
                .map(|index| Block::new(&scope.enter("blocks").enter(index), width))
                .collect::<Result<_, _>>()?,
            norm: LayerNorm::new(&scope.enter("norm"), width)?,
            features: width,
        })
    }
}

impl Backbone for Vit {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let patches = self.patches.forward(images, context)?.positions()?;
        if let Some(recorder) = context.recorder {
            recorder.everything();
        }
        let mut x = patches.prepend(&self.class_token, context)?.add_parameter(&self.positions, context)?;
        for block in &self.blocks {
            x = block.forward(&x, context)?;
        }
        // Norms work token by token: only the class token's is needed.
        self.norm.forward(&x.select(1, 0)?, context)
    }
}

struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(scope: &Scope, width: i64) -> Result<Self, ModelError> {
        let linear = |name: &str, input, output| Linear::with_init(&scope.enter(name), input, output, WEIGHT, ZERO);
        Ok(Self {
            norm1: LayerNorm::new(&scope.enter("norm1"), width)?,
            qkv: linear("attn.qkv", width, 3 * width)?,
            proj: linear("attn.proj", width, width)?,
            norm2: LayerNorm::new(&scope.enter("norm2"), width)?,
            fc1: linear("mlp.fc1", width, 4 * width)?,
            fc2: linear("mlp.fc2", 4 * width, width)?,
        })
    }

    fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let x = x.add(&self.attend(&self.norm1.forward(x, context)?, context)?)?;
        let inner = gelu(&self.fc1.forward(&self.norm2.forward(&x, context)?, context)?, context)?;
        x.add(&self.fc2.forward(&inner, context)?)
    }

    /// Tokens `[N, T, W]` to the same shape.
    fn attend(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        self.proj.forward(&attention(&self.qkv.forward(x, context)?, HEAD, context)?, context)
    }
}
