use std::path::Path;

use image::{ImageBuffer, Luma, Rgb, Rgba};

use super::*;
use crate::read_file;

fn written(picture: &DynamicImage, name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    picture.save(&path).unwrap();
    (folder, path)
}

fn rules(sixteen_bit: SixteenBit, alpha: Alpha) -> Rules {
    Rules { sixteen_bit, alpha, max_pixels: 1 << 20, ..Rules::default() }
}

fn read(path: &Path, sixteen_bit: SixteenBit, alpha: Alpha) -> Result<Picture, String> {
    let rules = rules(sixteen_bit, alpha);
    let decoded = read_file(path, &rules).and_then(|bytes| crate::decode(&bytes, Frames::Volume, &rules));
    decoded.map(|decoded| decoded.picture).map_err(|error| error.with_option())
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
        assert_eq!(still(&png, ImageFormat::Png, &rules).unwrap().picture.bytes, vec![7; 16], "{length}");
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

#[test]
fn of_an_animation_the_first_frame_can_be_had() {
    let rules = rules(SixteenBit::Refuse, Alpha::Refuse);
    let bytes = gif(30, 3);
    let decoded = crate::decode(&bytes, Frames::First, &rules).unwrap();
    assert_eq!((decoded.picture.depth, decoded.notes), (None, vec![Note::First { of: 0 }]));
    // Damage behind it does not matter.
    let first = gif(30, 1);
    assert!(crate::decode(&bytes[..first.len() + 20], Frames::First, &rules).is_ok());
    assert!(crate::decode(&bytes[..first.len() + 20], Frames::Volume, &rules).is_err());
}

#[test]
fn animated_png_and_webp_are_noted() {
    let grey = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(4, 4, Luma([7])));
    let mut png = Cursor::new(Vec::new());
    grey.write_to(&mut png, ImageFormat::Png).unwrap();
    let png = png.into_inner();
    assert!(!animated(&png, ImageFormat::Png));
    let chunk = [b"acTL".as_slice(), &2_u32.to_be_bytes(), &0_u32.to_be_bytes()].concat();
    let crc = crc32fast::hash(&chunk).to_be_bytes();
    let moving = [&png[..33], &8_u32.to_be_bytes(), &chunk, &crc, &png[33..]].concat();
    assert!(animated(&moving, ImageFormat::Png));
    let mut webp = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(grey.to_rgb8()).write_to(&mut webp, ImageFormat::WebP).unwrap();
    let rules = rules(SixteenBit::Refuse, Alpha::Refuse);
    let decoded = crate::decode(webp.get_ref(), Frames::First, &rules).unwrap();
    assert_eq!((decoded.picture.bytes, decoded.notes), (vec![7; 16], vec![]));
    assert!(animated(b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02", ImageFormat::WebP));
}

#[test]
fn orientation_is_applied_and_noted() {
    // A PNG with an EXIF chunk that says: turn by 90 degrees clockwise.
    let picture = DynamicImage::ImageLuma8(ImageBuffer::from_vec(2, 1, vec![10, 20]).unwrap());
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    let png = png.into_inner();
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let chunk = [b"eXIf".as_slice(), exif].concat();
    let crc = crc32fast::hash(&chunk).to_be_bytes();
    let turned = [&png[..33], &(exif.len() as u32).to_be_bytes(), &chunk, &crc, &png[33..]].concat();
    let decoded = crate::decode(&turned, Frames::First, &rules(SixteenBit::Refuse, Alpha::Refuse)).unwrap();
    assert_eq!((decoded.picture.height, decoded.picture.width), (2, 1));
    assert_eq!((decoded.picture.bytes, decoded.notes), (vec![10, 20], vec![Note::Orientation]));
}

#[test]
fn inks_become_colours_with_a_note() {
    // Headers of frames with one, three and four components.
    let jpeg =
        |components: u8| [b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\x08\0\x08".as_slice(), &[components]].concat();
    for (components, expected) in [(1, false), (3, false), (4, true)] {
        assert_eq!(is_cmyk(&jpeg(components), ImageFormat::Jpeg, ExtendedColorType::Rgb8), expected);
    }
    assert!(!is_cmyk(b"\xff\xd8\xff", ImageFormat::Jpeg, ExtendedColorType::Rgb8));
    assert!(is_cmyk(b"", ImageFormat::Tiff, ExtendedColorType::Cmyk8));
}

#[test]
fn palettes_are_colours() {
    // Two pixels of a palette of two colours, packed by hand: the encoder of the library makes none.
    let gif = gif(2, 1);
    let decoded = crate::decode(&gif, Frames::First, &rules(SixteenBit::Refuse, Alpha::Refuse)).unwrap();
    assert_eq!(decoded.picture.bytes, [9, 0, 0, 0]);
}
