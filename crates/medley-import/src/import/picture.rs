//! From a picture file, which may come from anywhere, to bytes of one form.

use std::io::Cursor;
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder as _, DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use medley_storage::ReadError;
use serde::{Deserialize, Serialize};

use super::tiff::pages;

/// The longest edge that is decoded.
const MAX_EDGE: u32 = 32_768;
/// The most bytes that one decoded picture may take.
const MAX_DECODED: u64 = 1 << 30;
/// The largest file that is read.
const MAX_FILE: u64 = 1 << 30;
/// The most frames of an animation.
const MAX_FRAMES: usize = 2_048;

/// What happens to pictures of 16 bits per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SixteenBit {
    /// They are refused: which values matter is not known.
    #[default]
    Refuse,
    /// 0-65535 becomes 0-255.
    FullRange,
    /// The least to the greatest value of each picture become 0-255.
    PictureRange,
}

/// What happens to pictures that are transparent somewhere. A channel that is opaque throughout is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alpha {
    /// They are refused.
    #[default]
    Refuse,
    /// They are laid over black.
    Black,
    /// They are laid over white.
    White,
}

/// A decoded picture: `[H, W, C]` or `[D, H, W]` bytes. RGB whose channels are equal everywhere is grey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) depth: Option<usize>,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// 1 or 3.
    pub(crate) channels: usize,
    pub(crate) bytes: Vec<u8>,
}

/// Endings of the files that can be read, in lower case.
pub(crate) const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff"];

/// Reads a PNG, JPEG, BMP, TIFF or GIF file; the form is told by its first bytes. Turned by its EXIF orientation.
///
/// # Errors
/// A sentence about what is wrong, and what helps.
pub(crate) fn read(path: &Path, sixteen_bit: SixteenBit, alpha: Alpha) -> Result<Picture, String> {
    let bytes = read_file(path)?;
    let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    match reader.format() {
        Some(ImageFormat::Gif) => frames(&bytes, alpha),
        Some(ImageFormat::Tiff) if pages(&bytes) > 1 => {
            Err("it has several pages, of which one could be read: save each as a file, or all as an array".to_owned())
        }
        Some(_) => still(reader, sixteen_bit, alpha),
        None => Err("it is not a PNG, JPEG, BMP, GIF or TIFF file".to_owned()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = medley_storage::read_file(path, MAX_FILE).map_err(|error| match error {
        ReadError::NotAFile { .. } => "it is not a regular file".to_owned(),
        ReadError::TooLarge { .. } => format!("it has more than {MAX_FILE} bytes"),
        error => error.to_string(),
    })?;
    if bytes.is_empty() { Err("it is empty".to_owned()) } else { Ok(bytes) }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    limits.max_alloc = Some(MAX_DECODED);
    limits
}

fn check_size((width, height): (u32, u32), total_bytes: u64) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err(format!("it is {width}x{height} pixels"));
    }
    if width > MAX_EDGE || height > MAX_EDGE || total_bytes > MAX_DECODED {
        return Err(format!(
            "{width}x{height} pixels are too many: at most {MAX_EDGE} per edge and {} MiB decoded; cut or shrink it first",
            MAX_DECODED >> 20
        ));
    }
    Ok(())
}

fn still(mut reader: ImageReader<Cursor<&Vec<u8>>>, sixteen_bit: SixteenBit, alpha: Alpha) -> Result<Picture, String> {
    let broken = |error: image::ImageError| format!("it cannot be decoded: {error}");
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(broken)?;
    check_size(decoder.dimensions(), decoder.total_bytes())?;
    let orientation = decoder.orientation().map_err(broken)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let channels = usize::from(picture.color().channel_count());
    let has_alpha = picture.color().has_alpha();
    let bytes = eight_bits(picture, sixteen_bit)?;
    let (bytes, channels) =
        if has_alpha { (flatten(&bytes, channels, alpha)?, channels - 1) } else { (bytes, channels) };
    Ok(Picture { depth: None, height, width, channels, bytes }.grey_if_it_is())
}

/// Interleaved bytes, the alpha channel with them.
fn eight_bits(picture: DynamicImage, policy: SixteenBit) -> Result<Vec<u8>, String> {
    let deep: Vec<u16> = match picture {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => return Ok(picture.into_bytes()),
        DynamicImage::ImageLuma16(buffer) => buffer.into_raw(),
        DynamicImage::ImageLumaA16(buffer) => buffer.into_raw(),
        DynamicImage::ImageRgb16(buffer) => buffer.into_raw(),
        DynamicImage::ImageRgba16(buffer) => buffer.into_raw(),
        other => return Err(format!("its pixels are {:?}; 8 bits per channel are needed", other.color())),
    };
    let (low, high) = match policy {
        SixteenBit::Refuse => {
            return Err(
                "it has 16 bits per channel; say how they become 8 with --sixteen-bit full-range (0-65535) or \
                        picture-range (least to greatest value of each picture)"
                    .to_owned(),
            );
        }
        SixteenBit::FullRange => (0, u32::from(u16::MAX)),
        SixteenBit::PictureRange => {
            let range = (deep.iter().min(), deep.iter().max());
            (u32::from(*range.0.unwrap_or(&0)), u32::from(*range.1.unwrap_or(&0)))
        }
    };
    let span = (high - low).max(1);
    Ok(deep.into_iter().map(|value| (((u32::from(value) - low) * 255 + span / 2) / span) as u8).collect())
}

/// Takes away the last channel.
fn flatten(bytes: &[u8], channels: usize, policy: Alpha) -> Result<Vec<u8>, String> {
    let opaque = bytes.chunks_exact(channels).all(|pixel| pixel[channels - 1] == 255);
    let ground = match (policy, opaque) {
        (Alpha::Refuse, false) => {
            return Err("it is transparent in places; say what lies behind with --alpha black or white".to_owned());
        }
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

/// One frame is a picture, several are the slices of a volume.
fn frames(bytes: &[u8], alpha: Alpha) -> Result<Picture, String> {
    let broken = |error: image::ImageError| format!("it cannot be decoded: {error}");
    let mut decoder = GifDecoder::new(Cursor::new(bytes)).map_err(broken)?;
    check_size(decoder.dimensions(), decoder.total_bytes())?;
    decoder.set_limits(limits()).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let mut slices: Vec<Picture> = Vec::new();
    for frame in decoder.into_frames() {
        let pixels = frame.map_err(broken)?.into_buffer().into_raw();
        if slices.len() == MAX_FRAMES || (slices.len() as u64 + 1) * pixels.len() as u64 > MAX_DECODED {
            return Err(format!(
                "it has too many frames (at most {MAX_FRAMES}, and {} MiB decoded)",
                MAX_DECODED >> 20
            ));
        }
        let bytes = flatten(&pixels, 4, alpha)?;
        let slice = Picture { depth: None, height: height as usize, width: width as usize, channels: 3, bytes };
        slices.push(slice.grey_if_it_is());
    }
    if slices.len() == 1 {
        return Ok(slices.remove(0));
    }
    if slices.is_empty() || slices.iter().any(|slice| slice.channels != 1) {
        return Err("its frames are in colour: the slices of a volume must be grey".to_owned());
    }
    let depth = Some(slices.len());
    let bytes = slices.into_iter().flat_map(|slice| slice.bytes).collect();
    Ok(Picture { depth, height: height as usize, width: width as usize, channels: 1, bytes })
}

impl Picture {
    /// The shape as people write it.
    pub(crate) fn shape(&self) -> String {
        let depth = self.depth.map_or_else(String::new, |depth| format!("{depth}x"));
        format!("{depth}{}x{}", self.height, self.width)
    }

    /// Drops channels that say the same.
    pub(super) fn grey_if_it_is(self) -> Self {
        let grey =
            self.channels == 3 && self.bytes.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        if !grey {
            return self;
        }
        Self { channels: 1, bytes: self.bytes.iter().step_by(3).copied().collect(), ..self }
    }

    /// Luma by the weights of Rec. 709, rounded.
    pub(crate) fn into_grey(self) -> Self {
        if self.channels == 1 {
            return self;
        }
        let luma = |pixel: &[u8]| {
            let sum = 2_126 * u32::from(pixel[0]) + 7_152 * u32::from(pixel[1]) + 722 * u32::from(pixel[2]);
            ((sum + 5_000) / 10_000) as u8
        };
        Self { channels: 1, bytes: self.bytes.chunks_exact(3).map(luma).collect(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, Rgb, Rgba};

    use super::*;

    fn written(picture: &DynamicImage, name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        picture.save(&path).unwrap();
        (folder, path)
    }

    fn plain(picture: &DynamicImage, name: &str) -> Result<Picture, String> {
        let (_folder, path) = written(picture, name);
        read(&path, SixteenBit::Refuse, Alpha::Refuse)
    }

    #[test]
    fn grey_and_colour_are_told_by_the_pixels() {
        let grey = ImageBuffer::from_fn(3, 2, |x, y| Luma([(10 * x + y) as u8]));
        let expected = Picture { depth: None, height: 2, width: 3, channels: 1, bytes: grey.clone().into_raw() };
        let grey = DynamicImage::ImageLuma8(grey);
        for name in ["a.png", "a.bmp", "a.tiff"] {
            assert_eq!(plain(&grey, name).unwrap(), expected, "{name}");
        }
        assert_eq!(plain(&DynamicImage::ImageRgba8(grey.to_rgba8()), "a.gif").unwrap(), expected);
        assert_eq!(plain(&DynamicImage::ImageRgb8(grey.to_rgb8()), "a.png").unwrap(), expected);
        let colour = ImageBuffer::from_pixel(2, 2, Rgb([200_u8, 100, 50]));
        let picture = plain(&DynamicImage::ImageRgb8(colour), "a.png").unwrap();
        assert_eq!(picture.channels, 3);
        // 0.2126 * 200 + 0.7152 * 100 + 0.0722 * 50 = 117.65
        assert_eq!(picture.into_grey().bytes, [118; 4]);
    }

    #[test]
    fn transparency_is_refused_or_laid_over_a_ground() {
        let opaque = ImageBuffer::from_pixel(2, 1, Rgba([9_u8, 8, 7, 255]));
        assert_eq!(plain(&DynamicImage::ImageRgba8(opaque), "a.png").unwrap().bytes, [9, 8, 7, 9, 8, 7]);
        let clear = DynamicImage::ImageLumaA8(ImageBuffer::from_vec(2, 1, vec![100, 128, 100, 0]).unwrap());
        assert!(plain(&clear, "a.png").unwrap_err().contains("--alpha"));
        let (_folder, path) = written(&clear, "a.png");
        assert_eq!(read(&path, SixteenBit::Refuse, Alpha::Black).unwrap().bytes, [50, 0]);
        assert_eq!(read(&path, SixteenBit::Refuse, Alpha::White).unwrap().bytes, [177, 255]);
    }

    #[test]
    fn sixteen_bits_become_eight_as_told() {
        let deep = DynamicImage::ImageLuma16(ImageBuffer::from_vec(3, 1, vec![0, 1_000, 4_000]).unwrap());
        assert!(plain(&deep, "a.png").unwrap_err().contains("--sixteen-bit"));
        let (_folder, path) = written(&deep, "a.png");
        assert_eq!(read(&path, SixteenBit::FullRange, Alpha::Refuse).unwrap().bytes, [0, 4, 16]);
        assert_eq!(read(&path, SixteenBit::PictureRange, Alpha::Refuse).unwrap().bytes, [0, 64, 255]);
        let flat = DynamicImage::ImageLuma16(ImageBuffer::from_pixel(2, 2, Luma([700])));
        let (_folder, path) = written(&flat, "a.tiff");
        assert_eq!(read(&path, SixteenBit::PictureRange, Alpha::Refuse).unwrap().bytes, [0; 4]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs_err::write(&path, bytes).unwrap();
            read(&path, SixteenBit::Refuse, Alpha::Refuse).unwrap_err()
        };
        assert!(refused("a.png", b"").contains("empty"));
        assert!(refused("a.png", b"no picture at all").contains("not a PNG"));
        let mut png = Vec::new();
        let picture = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(40, 40, Luma([7])));
        picture.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).unwrap();
        assert!(refused("a.png", &png[..png.len() / 2]).contains("cannot be decoded"));
        // A header that claims a picture of 4 GB.
        let mut huge = png.clone();
        huge[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let message = refused("a.png", &huge);
        assert!(message.contains("too many") || message.contains("cannot be decoded"), "{message}");
        assert!(read(folder.path(), SixteenBit::Refuse, Alpha::Refuse).unwrap_err().contains("regular file"));
    }
}
