//! From a picture to what a model takes.

use medley_core::ImageShape;

use crate::{Decoded, Frames, Note, Picture, PictureError, Resizing, Rules, decode, fit};

/// One image or volume as a model takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// `[H, W, C]` or `[D, H, W, C]` bytes of the model's shape.
    pub pixels: Vec<u8>,
    /// What was done to the picture, in that order.
    pub notes: Vec<Note>,
}

/// Decodes a picture and brings it to the shape of a model. Of an animation or a stack, a model of flat images is given the first frame, and
/// a model of volumes all.
///
/// # Errors
/// What [`decode`] says, and [`PictureError::Dimensions`].
pub fn input_of(bytes: &[u8], shape: ImageShape, resizing: Resizing, rules: &Rules) -> Result<Input, PictureError> {
    let frames = if shape.depth.is_some() { Frames::Volume } else { Frames::First };
    to_input(decode(bytes, frames, rules)?, shape, resizing)
}

/// Brings a decoded picture to the shape of a model.
///
/// # Errors
/// [`PictureError::Dimensions`] for a volume where a flat image is wanted, and the other way round.
pub fn to_input(decoded: Decoded, shape: ImageShape, resizing: Resizing) -> Result<Input, PictureError> {
    let Decoded { mut picture, mut notes } = decoded;
    match (picture.depth, shape.depth) {
        (None, Some(_)) => {
            let found = format!("a flat picture of {}", picture.shape());
            return Err(PictureError::Dimensions { found, wanted: "volumes" });
        }
        (Some(_), None) => {
            let found = format!("a volume of {}", picture.shape());
            return Err(PictureError::Dimensions { found, wanted: "flat images" });
        }
        _ => {}
    }
    if shape.channels == 1 && picture.channels == 3 {
        picture = picture.into_grey();
        notes.push(Note::Grey);
    }
    let (from, same) = (picture.shape(), has_shape(&picture, shape));
    let size = shape.height;
    picture.bytes = fit(&picture, size, resizing.fit, resizing.filter);
    (picture.height, picture.width, picture.depth) = (size, size, shape.depth.map(|_| size));
    if !same {
        notes.push(Note::Resized { from, to: picture.shape() });
    }
    if shape.channels == 3 {
        picture = picture.into_colour();
    }
    Ok(Input { pixels: picture.bytes, notes })
}

fn has_shape(picture: &Picture, shape: ImageShape) -> bool {
    picture.depth == shape.depth && picture.height == shape.height && picture.width == shape.width
}
