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

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat};
    use std::io::Cursor;

    use super::*;
    use crate::{Fit, SixteenBit};

    fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn input(bytes: &[u8], shape: ImageShape, fit: Fit) -> Result<Input, PictureError> {
        input_of(bytes, shape, Resizing { fit, ..Resizing::default() }, &Rules::default())
    }

    #[test]
    fn a_picture_of_the_right_size_is_not_touched() {
        let pixels: Vec<u8> = (0..64).collect();
        let grey = DynamicImage::ImageLuma8(image::ImageBuffer::from_vec(8, 8, pixels.clone()).unwrap());
        let png = written(&grey, ImageFormat::Png);
        let read = input(&png, ImageShape::flat(8, 8, 1), Fit::Crop).unwrap();
        assert_eq!((read.pixels, read.notes), (pixels.clone(), vec![]));
        // Grey for a model of colours is repeated, which changes nothing that a note should tell.
        let read = input(&png, ImageShape::flat(8, 8, 3), Fit::Crop).unwrap();
        assert_eq!((read.pixels[..6].to_vec(), read.notes), (vec![0, 0, 0, 1, 1, 1], vec![]));
    }

    #[test]
    fn what_is_done_is_noted() {
        let colour = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(20, 10, image::Rgb([200, 100, 50])));
        let read = input(&written(&colour, ImageFormat::Png), ImageShape::flat(8, 8, 1), Fit::Stretch).unwrap();
        let notes: Vec<String> = read.notes.iter().map(Note::to_string).collect();
        assert_eq!(notes, ["converted from colour to grey", "resized from 10x20 to 8x8"]);
        assert_eq!(read.pixels, [118; 64]);
    }

    #[test]
    fn volumes_and_flat_pictures_are_told_apart() {
        let grey = written(&DynamicImage::new_luma8(8, 8), ImageFormat::Png);
        let error = input(&grey, ImageShape::volume(8, 8, 8, 1), Fit::Pad).unwrap_err();
        assert_eq!(error.to_string(), "it is a flat picture of 8x8; the model takes volumes");
        let decoded = Decoded::of(Picture { depth: Some(4), height: 8, width: 8, channels: 1, bytes: vec![9; 256] });
        assert!(matches!(
            to_input(decoded.clone(), ImageShape::flat(8, 8, 1), Resizing::default()),
            Err(PictureError::Dimensions { .. })
        ));
        let cube = to_input(decoded, ImageShape::volume(8, 8, 8, 1), Resizing::default()).unwrap();
        assert_eq!((cube.pixels.len(), cube.notes.len()), (512, 1));
    }

    #[test]
    fn sixteen_bits_are_refused_or_noted() {
        let deep = DynamicImage::ImageLuma16(image::ImageBuffer::from_pixel(8, 8, image::Luma([300])));
        let png = written(&deep, ImageFormat::Png);
        let shape = ImageShape::flat(8, 8, 1);
        assert_eq!(input(&png, shape, Fit::Pad).unwrap_err(), PictureError::SixteenBit);
        let rules = Rules { sixteen_bit: SixteenBit::FullRange, ..Rules::default() };
        let read = input_of(&png, shape, Resizing::default(), &rules).unwrap();
        assert_eq!((read.pixels[0], read.notes.len()), (1, 1));
    }
}
