use tch::Tensor;

use crate::{Activation, Context, ModelError};

/// Self-attention (Vaswani et al. 2017) of `[N, T, 3 W]`, the queries, keys and values of `T` tokens one after another, each of
/// `W / head` heads: `softmax(Q K' / sqrt(head)) V`, `[N, T, W]`.
pub(crate) fn attention(qkv: &Activation, head: i64, context: &Context<'_>) -> Result<Activation, ModelError> {
    match qkv {
        Activation::Tensor(qkv) => Ok(compute(qkv, head, context)?.into()),
        Activation::Traced(qkv) => {
            let sides = qkv.sides(1)?;
            let (head, tokens, width) = (head as usize, sides[0], sides[1] / 3);
            let scale = Tensor::from((head as f32).sqrt().recip());
            let scale = qkv.constant(&format!("attention.scale_{head}"), &scale)?;
            qkv.then(|graph, qkv| {
                let parts = graph.reshape(qkv, &[None, Some(tokens), Some(3), Some(width / head), Some(head)])?;
                let parts = graph.transpose(&parts, &[2, 0, 3, 1, 4])?;
                let query = graph.select(&parts, 0, 0)?;
                let key = graph.select(&parts, 0, 1)?;
                let value = graph.select(&parts, 0, 2)?;
                // Before the product, so that 16-bit sums stay small.
                let query = graph.mul(&query, &scale)?;
                let key = graph.transpose(&key, &[0, 1, 3, 2])?;
                let scores = graph.matmul(&query, &key)?;
                let weights = graph.softmax(&scores)?;
                let heads = graph.matmul(&weights, &value)?;
                let heads = graph.transpose(&heads, &[0, 2, 1, 3])?;
                graph.reshape(&heads, &[None, Some(tokens), Some(width)])
            })
        }
    }
}

fn compute(qkv: &Tensor, head: i64, context: &Context<'_>) -> Result<Tensor, ModelError> {
    let (n, tokens, width) = qkv.size3()?;
    let width = width / 3;
    let qkv = qkv.f_view([n, tokens, 3, width / head, head])?.f_permute([2, 0, 3, 1, 4])?;
    let part = |index| qkv.f_select(0, index);
    let (query, key, value) = (part(0)?, part(1)?, part(2)?);
    let y = Tensor::f_scaled_dot_product_attention(&query, &key, &value, None::<&Tensor>, 0.0, false, None, false)?;
    if let Some(recorder) = context.recorder {
        recorder.keep(&qkv.f_permute([1, 0, 2, 3, 4])?);
        // Each output value is a sum over the tokens, and so was each of the weights it used, over the head.
        recorder.product(&y, 2 * tokens);
    }
    Ok(y.f_transpose(1, 2)?.f_reshape([n, tokens, width])?)
}
