//! PNG, JPEG, BMP, TIFF, GIF and WebP, which may come from anywhere.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::{
    AnimationDecoder as _, ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat,
    ImageReader, Limits,
};

use crate::tiff::{most_values, pages};
use crate::{Alpha, Decoded, Frames, Note, Picture, PictureError, Rules, SixteenBit};

/// The longest edge that is decoded.
pub(crate) const MAX_EDGE: u32 = 32_768;
/// The most frames of an animation.
pub(crate) const MAX_FRAMES: usize = 2_048;
/// What a decoder may allocate beside the picture, such as for a colour profile.
pub(crate) const MAX_ASIDE: u64 = 16 << 20;
/// The most scans of a progressive JPEG; each takes the time of the whole picture. Encoders make about ten.
pub(crate) const MAX_SCANS: usize = 200;

/// Decodes a file of a form that its first bytes tell. Its pixels are counted before any is decoded.
pub(crate) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    wanted: Frames,
    rules: &Rules,
) -> Result<Decoded, PictureError> {
    match format {
        ImageFormat::Gif => frames(bytes, wanted, rules),
        ImageFormat::Tiff => match pages(bytes) {
            2.. if wanted == Frames::Volume => Err(PictureError::Pages),
            2.. => Ok(still(bytes, format, rules)?.with(Note::First { of: 0 })),
            _ => still(bytes, format, rules),
        },
        ImageFormat::Jpeg if scans(bytes) > MAX_SCANS => Err(PictureError::Scans),
        format => still(bytes, format, rules),
    }
}

/// Scans that a JPEG may have: the marker does not occur in their data.
fn scans(jpeg: &[u8]) -> usize {
    jpeg.windows(2).filter(|pair| pair == b"\xff\xda").count()
}

/// Limits of a decoder that may allocate so much.
fn limits(bytes: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    limits.max_alloc = Some(bytes);
    limits
}

fn broken(error: ImageError) -> PictureError {
    PictureError::Broken(error.to_string())
}

/// Refuses pictures without pixels, and with too many. `frames` have the same size.
pub(crate) fn check_pixels((width, height): (u32, u32), frames: u64, rules: &Rules) -> Result<(), PictureError> {
    let shape = || {
        let times = if frames > 1 { format!("{frames} frames of ") } else { String::new() };
        format!("{times}{width}x{height}")
    };
    if width == 0 || height == 0 {
        return Err(PictureError::NoPixels { shape: shape() });
    }
    if width > MAX_EDGE || height > MAX_EDGE {
        return Err(PictureError::Edge { shape: format!("{width}x{height}") });
    }
    let pixels = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(frames);
    if pixels > rules.max_pixels {
        return Err(PictureError::Pixels { shape: shape(), most: rules.max_pixels });
    }
    Ok(())
}

fn still(bytes: &[u8], format: ImageFormat, rules: &Rules) -> Result<Decoded, PictureError> {
    let mut notes = Vec::new();
    let mut decoder = decoder(bytes, format, rules)?;
    check_colour(decoder.color_type(), rules.sixteen_bit)?;
    if is_cmyk(bytes, format, decoder.original_color_type()) {
        notes.push(Note::Cmyk);
    }
    if animated(bytes, format) {
        notes.push(Note::First { of: 0 });
    }
    let bytes_decoded = decoder.total_bytes();
    // The decoder's own copy, the picture, and what is made of it.
    let _held = rules.budget.hold(bytes.len() as u64 + 4 * bytes_decoded);
    decoder.set_limits(limits(2 * bytes_decoded + MAX_ASIDE)).map_err(broken)?;
    let orientation = decoder.orientation().map_err(broken)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if orientation != image::metadata::Orientation::NoTransforms {
        picture.apply_orientation(orientation);
        notes.push(Note::Orientation);
    }
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let channels = usize::from(picture.color().channel_count());
    let has_alpha = picture.color().has_alpha();
    let bytes = eight_bits(picture, rules.sixteen_bit, &mut notes)?;
    let (bytes, channels) =
        if has_alpha { (flatten(&bytes, channels, rules.alpha)?, channels - 1) } else { (bytes, channels) };
    Ok(Decoded { picture: Picture { depth: None, height, width, channels, bytes }.grey_if_it_is(), notes })
}

/// A decoder that has read what stands before the pixels, and may not yet allocate for them.
fn decoder<'a>(bytes: &'a [u8], format: ImageFormat, rules: &Rules) -> Result<impl ImageDecoder + 'a, PictureError> {
    // A PNG is read up to its pixels when its decoder is made: what stands before them is limited by itself.
    if let (ImageFormat::Png, Some(size)) = (format, png_size(bytes)) {
        check_pixels(size, 1, rules)?;
    }
    // The decoder of TIFF heeds limits only when it is made, and by then it has read the lists of the first page.
    let values = if format == ImageFormat::Tiff { most_values(bytes)? } else { 0 };
    let _held = rules.budget.hold(values.saturating_mul(32));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(MAX_ASIDE));
    let decoder = reader.into_decoder().map_err(broken)?;
    check_pixels(decoder.dimensions(), 1, rules)?;
    Ok(decoder)
}

/// Width and height of a PNG, from where they stand in each.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (bytes.get(12..16)? == b"IHDR").then_some((number(16)?, number(20)?))
}

/// Whether the pixels are four inks. The decoder of JPEG does not say so; the number of components stands in the header of the frame.
fn is_cmyk(bytes: &[u8], format: ImageFormat, colour: ExtendedColorType) -> bool {
    if format != ImageFormat::Jpeg {
        return matches!(colour, ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16);
    }
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4).and_then(|four| four.first_chunk()) {
        match marker {
            0xff => at += 1,
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => return bytes.get(at + 9) == Some(&4),
            0xd9 | 0xda => break,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

/// Whether a PNG or WebP has frames beside the picture that is decoded.
fn animated(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        // The chunk that says so stands before the pixels.
        ImageFormat::Png => {
            let mut at = 8;
            while let Some((length, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<4>()) {
                match rest.get(..4) {
                    Some(b"acTL") => return true,
                    Some(b"IDAT") | None => return false,
                    Some(_) => at = at.saturating_add(12 + u32::from_be_bytes(*length) as usize),
                }
            }
            false
        }
        ImageFormat::WebP => bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0),
        _ => false,
    }
}

/// Refuses before decoding what would be refused after it.
fn check_colour(colour: ColorType, policy: SixteenBit) -> Result<(), PictureError> {
    match colour {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Ok(()),
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => match policy {
            SixteenBit::Refuse => Err(PictureError::SixteenBit),
            SixteenBit::FullRange | SixteenBit::PictureRange => Ok(()),
        },
        other => Err(PictureError::Depth(format!("{other:?}"))),
    }
}

/// Interleaved bytes, the alpha channel with them.
fn eight_bits(picture: DynamicImage, policy: SixteenBit, notes: &mut Vec<Note>) -> Result<Vec<u8>, PictureError> {
    let deep: Vec<u16> = match picture {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => return Ok(picture.into_bytes()),
        DynamicImage::ImageLuma16(buffer) => buffer.into_raw(),
        DynamicImage::ImageLumaA16(buffer) => buffer.into_raw(),
        DynamicImage::ImageRgb16(buffer) => buffer.into_raw(),
        DynamicImage::ImageRgba16(buffer) => buffer.into_raw(),
        other => return Err(PictureError::Depth(format!("{:?}", other.color()))),
    };
    let (low, high) = match policy {
        // Refused before it was decoded.
        SixteenBit::Refuse | SixteenBit::FullRange => (0, u32::from(u16::MAX)),
        SixteenBit::PictureRange => {
            let range = (deep.iter().min(), deep.iter().max());
            (u32::from(*range.0.unwrap_or(&0)), u32::from(*range.1.unwrap_or(&0)))
        }
    };
    notes.push(Note::SixteenBit { low: f64::from(low), high: f64::from(high) });
    let span = (high - low).max(1);
    Ok(deep.into_iter().map(|value| (((u32::from(value) - low) * 255 + span / 2) / span) as u8).collect())
}

/// Takes away the last channel.
fn flatten(bytes: &[u8], channels: usize, policy: Alpha) -> Result<Vec<u8>, PictureError> {
    let opaque = bytes.chunks_exact(channels).all(|pixel| pixel[channels - 1] == 255);
    let ground = match (policy, opaque) {
        (Alpha::Refuse, false) => return Err(PictureError::Transparent),
        (Alpha::White, _) => 255,
        (Alpha::Refuse | Alpha::Black, _) => 0,
    };
    let mut flat = Vec::with_capacity(bytes.len() / channels * (channels - 1));
    for pixel in bytes.chunks_exact(channels) {
        let alpha = u32::from(pixel[channels - 1]);
        let over = |&value: &u8| ((u32::from(value) * alpha + ground * (255 - alpha) + 127) / 255) as u8;
        flat.extend(pixel[..channels - 1].iter().map(over));
    }
    Ok(flat)
}

/// One frame is a picture, several are the slices of a volume, or all but the first are passed over.
fn frames(bytes: &[u8], wanted: Frames, rules: &Rules) -> Result<Decoded, PictureError> {
    let mut decoder = GifDecoder::new(Cursor::new(bytes)).map_err(broken)?;
    let size = decoder.dimensions();
    check_pixels(size, 1, rules)?;
    let frame = decoder.total_bytes();
    // Two frames in the decoder and one being flattened; and a byte for each pixel of all slices.
    let slices = (MAX_FRAMES as u64 * frame / 4).min(rules.max_pixels);
    let _held = rules.budget.hold(bytes.len() as u64 + 3 * frame + slices);
    decoder.set_limits(limits(4 * frame + MAX_ASIDE)).map_err(broken)?;
    let (width, height) = (size.0 as usize, size.1 as usize);
    let (mut first, mut slices) = (None, Vec::new());
    for (index, frame) in decoder.into_frames().enumerate() {
        if index > 0 && wanted == Frames::First {
            // Whatever follows, even if it is damaged, is no part of the picture.
            return first.map(|picture| Decoded::of(picture).with(Note::First { of: 0 })).ok_or(PictureError::Frames);
        }
        let pixels = frame.map_err(broken)?.into_buffer().into_raw();
        if index == MAX_FRAMES {
            return Err(PictureError::Frames);
        }
        check_pixels(size, index as u64 + 1, rules)?;
        let bytes = flatten(&pixels, 4, rules.alpha)?;
        let slice = Picture { depth: None, height, width, channels: 3, bytes }.grey_if_it_is();
        if index == 0 {
            first = Some(slice);
            continue;
        }
        let colour = slice.channels != 1 || first.as_ref().is_some_and(|first: &Picture| first.channels != 1);
        if colour {
            return Err(PictureError::ColourVolume);
        }
        slices.extend(slice.bytes);
    }
    let first = first.ok_or_else(|| PictureError::Broken("it has no frame".to_owned()))?;
    if slices.is_empty() {
        return Ok(Decoded::of(first));
    }
    let bytes = [first.bytes, slices].concat();
    Ok(Decoded::of(Picture { depth: Some(bytes.len() / (height * width)), bytes, ..first }))
}

#[cfg(test)]
mod tests;
