//! The tiny vision transformer (Dosovitskiy et al. 2020; its size is that of Touvron et al. 2020), names and initialisation as
//! timm's `vit_tiny_patch16_224`.
//!
//! With the small stem, patches are 4 pixels a side, 49 of them in 28 pixels; with the other, 16. Heads have 64 dimensions,
//! so the width is a multiple of 64. The features are the class token after the last norm.

use tch::Tensor;

use super::{Backbone, Entry, Pretrained, Request, Stem};
use crate::init::Init;
use crate::layers::{Conv, ConvOptions, LayerNorm, Linear, gelu};
use crate::{Context, ModelError, Scope};

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

    fn forward(&self, images: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let patches = self.patches.forward(images, context)?.f_flatten(2, -1)?.f_transpose(1, 2)?;
        if let Some(recorder) = context.recorder {
            recorder.everything();
        }
        let class = self.class_token.f_to_kind(context.kind)?.f_expand([images.size()[0], -1, -1], false)?;
        let tokens = Tensor::f_cat(&[class, patches], 1)?;
        let mut x = tokens.f_add(&self.positions.f_to_kind(context.kind)?)?;
        for block in &self.blocks {
            x = block.forward(&x, context)?;
        }
        // Norms work token by token: only the class token's is needed.
        self.norm.forward(&x.f_select(1, 0)?, context)
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

    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let x = x.f_add(&self.attend(&self.norm1.forward(x, context)?, context)?)?;
        let inner = gelu(&self.fc1.forward(&self.norm2.forward(&x, context)?, context)?, context)?;
        Ok(x.f_add(&self.fc2.forward(&inner, context)?)?)
    }

    /// Tokens `[N, T, W]` to the same shape.
    fn attend(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let (n, tokens, width) = x.size3()?;
        let qkv =
            self.qkv.forward(x, context)?.f_view([n, tokens, 3, width / HEAD, HEAD])?.f_permute([2, 0, 3, 1, 4])?;
        let part = |index| qkv.f_select(0, index);
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let y = Tensor::f_scaled_dot_product_attention(&query, &key, &value, None::<&Tensor>, 0.0, false, None, false)?;
        if let Some(recorder) = context.recorder {
            recorder.keep(&qkv.f_permute([1, 0, 2, 3, 4])?);
            // Each output value is a sum over the tokens, and so was each of the weights it used, over the head.
            recorder.product(&y, 2 * tokens);
        }
        self.proj.forward(&y.f_transpose(1, 2)?.f_reshape([n, tokens, width])?, context)
    }
}
