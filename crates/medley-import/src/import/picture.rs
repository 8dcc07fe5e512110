//! From a picture file, which may come from anywhere, to bytes of one form.

use std::io::Cursor;
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder as _, ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use medley_storage::ReadError;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::tiff::pages;

/// The longest edge that is decoded.
const MAX_EDGE: u32 = 32_768;
/// The most frames of an animation.
const MAX_FRAMES: usize = 2_048;
/// What a decoder may allocate beside the picture, such as for a colour profile.
const MAX_ASIDE: u64 = 16 << 20;
/// The most scans of a progressive JPEG; each takes the time of the whole picture. Encoders make about ten.
const MAX_SCANS: usize = 200;

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

/// How pictures are read.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) sixteen_bit: SixteenBit,
    pub(crate) alpha: Alpha,
    /// The most pixels of a picture, or of all frames of an animation.
    pub(crate) max_pixels: u64,
    /// Memory for the pictures that are being decoded.
    pub(crate) budget: Budget,
}

/// Reads a PNG, JPEG, BMP, TIFF or GIF file; the form is told by its first bytes. Turned by its EXIF orientation. Its pixels are counted
/// before any is decoded.
///
/// # Errors
/// A sentence about what is wrong, and what helps.
pub(crate) fn read(path: &Path, rules: &Rules) -> Result<Picture, String> {
    // No picture needs more than its pixels and what stands beside them.
    let bytes = read_file(path, rules.max_pixels.saturating_mul(8).saturating_add(MAX_ASIDE))?;
    match image::guess_format(&bytes) {
        Ok(ImageFormat::Gif) => frames(&bytes, rules),
        Ok(ImageFormat::Tiff) if pages(&bytes) > 1 => {
            Err("it has several pages, of which one could be read: save each as a file, or all as an array".to_owned())
        }
        Ok(ImageFormat::Jpeg) if scans(&bytes) > MAX_SCANS => {
            Err(format!("it is a progressive JPEG of more than {MAX_SCANS} scans; save it again"))
        }
        Ok(format) => still(&bytes, format, rules),
        Err(_) => Err("it is not a PNG, JPEG, BMP, GIF or TIFF".to_owned()),
    }
}

fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let bytes = medley_storage::read_file(path, most).map_err(|error| match error {
        ReadError::NotAFile { .. } => "it is not a regular file".to_owned(),
        ReadError::TooLarge { .. } => format!("it has more than {most} bytes, which is more than --max-pixels allows"),
        error => error.to_string(),
    })?;
    if bytes.is_empty() { Err("it is empty".to_owned()) } else { Ok(bytes) }
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

/// Refuses pictures without pixels, and with too many. `frames` have the same size.
fn check_pixels((width, height): (u32, u32), frames: u64, rules: &Rules) -> Result<(), String> {
    let most = rules.max_pixels;
    if width == 0 || height == 0 {
        return Err(format!("it is {width}x{height} pixels"));
    }
    if width > MAX_EDGE || height > MAX_EDGE {
        return Err(format!(
            "{width}x{height} pixels are too many: at most {MAX_EDGE} per edge; cut or shrink it first"
        ));
    }
    if u64::from(width) * u64::from(height) * frames > most {
        let times = if frames > 1 { format!("{frames} frames of ") } else { String::new() };
        return Err(format!(
            "{times}{width}x{height} pixels are more than {most}; cut or shrink it first, or allow more with --max-pixels"
        ));
    }
    Ok(())
}

fn still(bytes: &[u8], format: ImageFormat, rules: &Rules) -> Result<Picture, String> {
    let broken = |error: image::ImageError| format!("it cannot be decoded: {error}");
    let mut decoder = decoder(bytes, format, rules)?;
    check_colour(decoder.color_type(), rules.sixteen_bit)?;
    let bytes_decoded = decoder.total_bytes();
    // The decoder's own copy, the picture, and what is made of it.
    let _held = rules.budget.hold(bytes.len() as u64 + 4 * bytes_decoded);
    decoder.set_limits(limits(2 * bytes_decoded + MAX_ASIDE)).map_err(broken)?;
    let orientation = decoder.orientation().map_err(broken)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let channels = usize::from(picture.color().channel_count());
    let has_alpha = picture.color().has_alpha();
    let bytes = eight_bits(picture, rules.sixteen_bit)?;
    let (bytes, channels) =
        if has_alpha { (flatten(&bytes, channels, rules.alpha)?, channels - 1) } else { (bytes, channels) };
    Ok(Picture { depth: None, height, width, channels, bytes }.grey_if_it_is())
}

/// A decoder that has read what stands before the pixels, and may not yet allocate for them.
fn decoder<'a>(bytes: &'a [u8], format: ImageFormat, rules: &Rules) -> Result<impl ImageDecoder + 'a, String> {
    // A PNG is read up to its pixels when its decoder is made: what stands before them is limited by itself.
    if let (ImageFormat::Png, Some(size)) = (format, png_size(bytes)) {
        check_pixels(size, 1, rules)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(MAX_ASIDE));
    let decoder = reader.into_decoder().map_err(|error| format!("it cannot be decoded: {error}"))?;
    check_pixels(decoder.dimensions(), 1, rules)?;
    Ok(decoder)
}

/// Width and height of a PNG, from where they stand in each.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (bytes.get(12..16)? == b"IHDR").then_some((number(16)?, number(20)?))
}

/// Refuses before decoding what would be refused after it.
fn check_colour(colour: ColorType, policy: SixteenBit) -> Result<(), String> {
    match colour {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Ok(()),
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => match policy {
            SixteenBit::Refuse => {
                Err("it has 16 bits per channel; say how they become 8 with --sixteen-bit full-range (0-65535) or \
                 picture-range (least to greatest value of each picture)"
                    .to_owned())
            }
            SixteenBit::FullRange | SixteenBit::PictureRange => Ok(()),
        },
        other => Err(format!("its pixels are {other:?}; 8 bits per channel are needed")),
    }
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
        // Refused before it was decoded.
        SixteenBit::Refuse | SixteenBit::FullRange => (0, u32::from(u16::MAX)),
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
fn frames(bytes: &[u8], rules: &Rules) -> Result<Picture, String> {
    let broken = |error: image::ImageError| format!("it cannot be decoded: {error}");
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
        let pixels = frame.map_err(broken)?.into_buffer().into_raw();
        if index == MAX_FRAMES {
            return Err(format!("it has more than {MAX_FRAMES} frames"));
        }
        check_pixels(size, index as u64 + 1, rules)?;
        let bytes = flatten(&pixels, 4, rules.alpha)?;
        let slice = Picture { depth: None, height, width, channels: 3, bytes }.grey_if_it_is();
        if index == 0 {
            first = Some(slice);
            continue;
        }
        let colour = slice.channels != 1 || first.as_ref().is_some_and(|first| first.channels != 1);
        if colour {
            return Err("its frames are in colour: the slices of a volume must be grey".to_owned());
        }
        slices.extend(slice.bytes);
    }
    let first = first.ok_or_else(|| "it has no frame".to_owned())?;
    if slices.is_empty() {
        return Ok(first);
    }
    let bytes = [first.bytes, slices].concat();
    Ok(Picture { depth: Some(bytes.len() / (height * width)), bytes, ..first })
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

    fn rules(sixteen_bit: SixteenBit, alpha: Alpha) -> Rules {
        Rules { sixteen_bit, alpha, max_pixels: 1 << 20, budget: Budget::new(1 << 30) }
    }

    fn read(path: &Path, sixteen_bit: SixteenBit, alpha: Alpha) -> Result<Picture, String> {
        super::read(path, &rules(sixteen_bit, alpha))
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
        huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        assert!(refused("a.png", &huge).contains("30000x30000 pixels are more than 1048576"));
        huge[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        assert!(refused("a.png", &huge).contains("at most 32768 per edge"));
        let jpeg = [b"\xff\xd8\xff\xe0".as_slice(), &b"\xff\xda".repeat(201)].concat();
        assert!(refused("a.jpg", &jpeg).contains("more than 200 scans"));
        assert!(read(folder.path(), SixteenBit::Refuse, Alpha::Refuse).unwrap_err().contains("regular file"));
    }
    /// Frames that are all black but one pixel.
    fn gif(edge: u32, frames: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for _ in 0..frames {
            let mut picture = image::RgbaImage::from_pixel(edge, edge, Rgba([0, 0, 0, 255]));
            picture.put_pixel(0, 0, Rgba([9, 9, 9, 255]));
            encoder.encode_frame(image::Frame::new(picture)).unwrap();
        }
        drop(encoder);
        bytes
    }

    #[test]
    fn pixels_of_all_frames_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        fs_err::write(&path, gif(600, 2)).unwrap();
        let read = |path: &Path| read(path, SixteenBit::Refuse, Alpha::Refuse);
        assert_eq!(read(&path).unwrap().depth, Some(2));
        fs_err::write(&path, gif(600, 3)).unwrap();
        assert!(read(&path).unwrap_err().contains("3 frames of 600x600 pixels are more than 1048576"));
    }

    #[test]
    fn what_stands_beside_the_pixels_is_limited_too() {
        let mut png = Vec::new();
        let grey = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(4, 4, Luma([7])));
        grey.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).unwrap();
        // A colour profile of zeros, which deflate makes a thousand times smaller.
        let with_profile = |length: usize| {
            let profile = [b"icc\0\0".as_slice(), &zeros(length)].concat();
            let chunk = [b"iCCP".as_slice(), &profile].concat();
            let (length, crc) = ((profile.len() as u32).to_be_bytes(), crc32fast::hash(&chunk).to_be_bytes());
            [&png[..33], &length, &chunk, &crc, &png[33..]].concat()
        };
        let rules = rules(SixteenBit::Refuse, Alpha::Refuse);
        for (length, kept) in [(1 << 20, true), (MAX_ASIDE as usize + (1 << 20), false)] {
            let png = with_profile(length);
            let profile = decoder(&png, ImageFormat::Png, &rules).unwrap().icc_profile().unwrap();
            assert_eq!(profile.map(|profile| profile.len() > 1 << 19), kept.then_some(true), "{length}");
            assert_eq!(still(&png, ImageFormat::Png, &rules).unwrap().bytes, vec![7; 16], "{length}");
        }
    }

    /// A deflate stream of so many zeros, about a thousandth as long: one block of the fixed code, a literal and then matches of
    /// length 258 at distance 1.
    fn zeros(count: usize) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.put(0b011, 3);
        bits.code(0x30, 8);
        for _ in 0..(count - 1) / 258 {
            bits.code(0b1100_0101, 8);
            bits.code(0, 5);
        }
        bits.code(0, 7);
        // Adler-32 of zeros: 1, and the number of them.
        let written = 1 + (count as u32 - 1) / 258 * 258;
        [b"\x78\x9c".as_slice(), &bits.bytes, &(((written % 65_521) << 16) | 1).to_be_bytes()].concat()
    }

    #[derive(Default)]
    struct Bits {
        bytes: Vec<u8>,
        filled: u32,
    }

    impl Bits {
        fn put(&mut self, bits: u32, count: u32) {
            for at in 0..count {
                if self.filled.is_multiple_of(8) {
                    self.bytes.push(0);
                }
                let last = self.bytes.len() - 1;
                self.bytes[last] |= ((bits >> at & 1) as u8) << (self.filled % 8);
                self.filled += 1;
            }
        }

        /// Codes go most significant bit first.
        fn code(&mut self, bits: u32, count: u32) {
            for at in (0..count).rev() {
                self.put(bits >> at, 1);
            }
        }
    }
}
