//! An image that anybody can make, and what the network says of it: who runs an exported model elsewhere sees whether it answers there
//! as it did here, without the data.

use medley_core::record::ChannelStatistics;
use tch::{Kind, Tensor};

use super::{Answer, Export, Pixels, TaskExport, check};
use crate::{ModelError, MultiTaskNet, Segment};

/// How [`known_image`] and the values that are made of it are computed, in words.
pub fn known_image_rule(pixels: Pixels) -> String {
    let value = match pixels {
        Pixels::Bytes => "b",
        Pixels::Unit => "b / 255",
        Pixels::Normalised => "b / 64 - 2",
    };
    format!(
        "one image; value i, counted from 0 in the order of the input's axes, is {value} with b = ((i * i // 7 + 31 * i) % 509) // 2"
    )
}

/// A pattern of bytes, as dark as bright, without a period that a network could overlook. `Model::known_image` of `medley-package`
/// has the same one.
pub fn known_image(len: usize) -> Vec<u8> {
    (0..len).map(|index| ((index * index / 7 + index * 31) % 509 / 2) as u8).collect()
}

/// What the network answers for [`known_image`] in the form of the model's input, one list for each output. Computed by libtorch in the
/// type of the network's compute plan, so that it does not depend on the graph.
///
/// # Errors
/// As [`super::export`].
pub fn known_answers(net: &MultiTaskNet, wanted: &Export) -> Result<Vec<Vec<f32>>, ModelError> {
    let _guard = tch::no_grad_guard();
    check(net, wanted)?;
    let mut shape = vec![net.options().input_size; 2 + net.axes()];
    shape[..2].copy_from_slice(&[1, wanted.channels]);
    let bytes = known_image(shape.iter().product::<i64>() as usize);
    let image = Tensor::f_from_slice(&bytes)?.f_view(shape.as_slice())?.f_to_kind(Kind::Float)?;
    shape[1] = net.options().input_channels;
    let answer = |output: &TaskExport| {
        let seen = match (&output.normalisation, wanted.pixels) {
            (_, Pixels::Normalised) => image.f_div_scalar(64.0)?.f_sub_scalar(2.0)?,
            // Unit values are bytes over 255, so that both are the same images.
            (normalisation, Pixels::Bytes | Pixels::Unit) => normalised(&image, normalisation.as_ref(), net)?,
        };
        let seen = seen.f_expand(shape.as_slice(), false)?.f_contiguous()?;
        let segment = Segment { task: output.task, start: 0, len: 1 };
        let logits = net.forward(&seen, &[segment], false)?.swap_remove(0);
        let answer = match output.answer {
            Answer::Logits => logits,
            Answer::Softmax => logits.f_softmax(-1, Kind::Float)?,
            Answer::Sigmoid => logits.f_sigmoid()?,
        };
        Ok(Vec::<f32>::try_from(&answer.f_view([-1])?)?)
    };
    wanted.tasks.iter().map(answer).collect()
}

fn normalised(
    image: &Tensor,
    statistics: Option<&ChannelStatistics>,
    net: &MultiTaskNet,
) -> Result<Tensor, ModelError> {
    let unit = image.f_div_scalar(255.0)?;
    let Some(ChannelStatistics { mean, std }) = statistics else { return Ok(unit) };
    let column = |values: &[f32]| -> Result<Tensor, ModelError> {
        let mut shape = vec![1; 1 + net.axes()];
        shape[0] = values.len() as i64;
        Ok(Tensor::f_from_slice(values)?.f_view(shape.as_slice())?)
    };
    Ok(unit.f_sub(&column(mean)?)?.f_div(&column(std)?)?)
}
