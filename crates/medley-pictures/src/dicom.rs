//! DICOM files: uncompressed, RLE and baseline JPEG.
//!
//! Of one sample per pixel, values are rescaled, and the window of the file becomes 0 to 255 (PS3.3 C.11.2.1.2); bytes without a window
//! stay as they are, and other values without one go from the least to the greatest. MONOCHROME1 is inverted.

mod guard;
mod rle;

use std::io::Cursor;

use dicom_object::{DefaultDicomObject, Tag};
use image::ImageFormat;

use crate::raster::{MAX_FRAMES, check_pixels};
use crate::{Decoded, Frames, Note, Picture, PictureError, Rules, raster};

const FRAMES: Tag = Tag(0x0028, 0x0008);
const SAMPLES: Tag = Tag(0x0028, 0x0002);
const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
const PLANAR: Tag = Tag(0x0028, 0x0006);
const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const ALLOCATED: Tag = Tag(0x0028, 0x0100);
const STORED: Tag = Tag(0x0028, 0x0101);
const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
const SIGNED: Tag = Tag(0x0028, 0x0103);
const CENTRE: Tag = Tag(0x0028, 0x1050);
const WIDTH: Tag = Tag(0x0028, 0x1051);
const INTERCEPT: Tag = Tag(0x0028, 0x1052);
const SLOPE: Tag = Tag(0x0028, 0x1053);
const FUNCTION: Tag = Tag(0x0028, 0x1056);
const MODALITY_LUT: Tag = Tag(0x0028, 0x3000);
const PIXEL_DATA: Tag = Tag(0x7fe0, 0x0010);

/// What to do with what is not decoded.
const CONVERT: &str = "convert it first, such as with `dcmdjpeg` of DCMTK or `gdcmconv --raw`";

fn broken(problem: impl Into<String>) -> PictureError {
    PictureError::Broken(format!("DICOM: {}", problem.into()))
}

pub(crate) fn is_dicom(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// How the pixels are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Native,
    Rle,
    Jpeg,
}

impl Coding {
    fn of(syntax: &str) -> Result<Self, PictureError> {
        let name = match syntax.strip_prefix("1.2.840.10008.1.2").unwrap_or("?") {
            "" | ".1" | ".2" => return Ok(Self::Native),
            ".5" => return Ok(Self::Rle),
            ".4.50" | ".4.51" => return Ok(Self::Jpeg),
            ".1.99" => "deflated",
            ".4.57" | ".4.70" => "lossless JPEG",
            ".4.80" | ".4.81" => "JPEG-LS",
            ".4.90" | ".4.91" | ".4.92" | ".4.93" => "JPEG 2000",
            ".4.201" | ".4.202" | ".4.203" => "High-Throughput JPEG 2000",
            video if video.starts_with(".4.10") => "video",
            _ => "unknown",
        };
        let syntax: String = syntax.chars().filter(char::is_ascii_graphic).take(64).collect();
        Err(PictureError::Unsupported { what: format!("the transfer syntax {syntax} ({name})"), instead: CONVERT })
    }
}

/// What the header says of the pixels.
struct Pixels {
    rows: u32,
    columns: u32,
    frames: u32,
    samples: u32,
    allocated: u32,
    stored: u32,
    high_bit: u32,
    signed: bool,
    planar: bool,
    photometric: String,
}

pub(crate) fn decode(bytes: &[u8], wanted: Frames, rules: &Rules) -> Result<Decoded, PictureError> {
    let coding = Coding::of(&guard::check(bytes)?)?;
    // The object, its elements, and what is made of them.
    let _held = rules.budget.hold(3 * bytes.len() as u64);
    let object = dicom_object::OpenFileOptions::new().from_reader(Cursor::new(bytes));
    let object = object.map_err(|error| broken(error.to_string()))?;
    let pixels = Pixels::read(&object)?;
    let read = if wanted == Frames::First { 1 } else { pixels.frames };
    check_pixels((pixels.columns, pixels.rows), u64::from(read), rules)?;
    if read as usize > MAX_FRAMES {
        return Err(PictureError::Frames);
    }
    let decoded = if coding == Coding::Jpeg {
        jpeg(&object, &pixels, read, rules)?
    } else if pixels.samples == 3 {
        colour(&object, &pixels, coding)?
    } else {
        grey(&object, &pixels, coding, read)?
    };
    let first = pixels.frames > 1 && read == 1;
    Ok(if first { decoded.with(Note::First { of: pixels.frames as usize }) } else { decoded })
}

impl Pixels {
    fn read(object: &DefaultDicomObject) -> Result<Self, PictureError> {
        let needed = |tag, name| number(object, tag).ok_or_else(|| broken(format!("it has no {name}")));
        let allocated = needed(ALLOCATED, "BitsAllocated")?;
        let stored = number(object, STORED).unwrap_or(allocated);
        let pixels = Self {
            rows: needed(ROWS, "Rows")?,
            columns: needed(COLUMNS, "Columns")?,
            frames: number(object, FRAMES).unwrap_or(1).max(1),
            samples: number(object, SAMPLES).unwrap_or(1),
            allocated,
            stored,
            high_bit: number(object, HIGH_BIT).unwrap_or_else(|| stored.saturating_sub(1)),
            signed: number(object, SIGNED) == Some(1),
            planar: number(object, PLANAR) == Some(1),
            photometric: text(object, PHOTOMETRIC).unwrap_or_else(|| "MONOCHROME2".to_owned()),
        };
        let known = match pixels.samples {
            1 => matches!(pixels.photometric.as_str(), "MONOCHROME1" | "MONOCHROME2"),
            3 => matches!(pixels.photometric.as_str(), "RGB" | "YBR_FULL" | "YBR_FULL_422") && allocated == 8,
            _ => false,
        };
        if !known || object.get(MODALITY_LUT).is_some() {
            let table = if known { ", by a table of its own" } else { "" };
            let photometric: String = pixels.photometric.chars().filter(char::is_ascii_graphic).take(32).collect();
            let what = format!("{photometric} with {} samples of {allocated} bits{table}", pixels.samples);
            return Err(PictureError::Unsupported { what, instead: CONVERT });
        }
        let bits = matches!(allocated, 8 | 16) && (1..=allocated).contains(&stored);
        if !bits || pixels.high_bit >= allocated || pixels.high_bit + 1 < stored {
            let what = format!("{stored} bits stored in {allocated}, up to bit {}", pixels.high_bit);
            return Err(PictureError::Unsupported { what, instead: CONVERT });
        }
        Ok(pixels)
    }

    fn count(&self) -> usize {
        self.rows as usize * self.columns as usize
    }
}

fn number(object: &DefaultDicomObject, tag: Tag) -> Option<u32> {
    object.get(tag)?.to_int::<u32>().ok()
}

fn real(object: &DefaultDicomObject, tag: Tag) -> Option<f64> {
    // The first of several windows, as viewers show it.
    object.get(tag)?.to_multi_float64().ok()?.first().copied()
}

fn text(object: &DefaultDicomObject, tag: Tag) -> Option<String> {
    let text = object.get(tag)?.to_str().ok()?;
    Some(text.trim_matches([' ', '\0']).to_owned())
}

/// The bytes of a frame, little endian, planes or pixels as they are stored.
fn frame(object: &DefaultDicomObject, pixels: &Pixels, coding: Coding, index: u32) -> Result<Vec<u8>, PictureError> {
    let data = object.get(PIXEL_DATA).ok_or_else(|| broken("it has no pixels"))?;
    let length = pixels.count() * pixels.samples as usize * pixels.allocated as usize / 8;
    let short =
        || broken(format!("it has too few bytes for {} frames of {}x{}", pixels.frames, pixels.rows, pixels.columns));
    if coding == Coding::Rle {
        let fragments = data.fragments().ok_or_else(short)?;
        let fragment = fragments.get(index as usize).ok_or_else(short)?;
        return rle::decode(fragment, pixels.count(), pixels.samples as usize * pixels.allocated as usize / 8)
            .ok_or_else(|| broken("its run-length code is damaged"));
    }
    let all = data.to_bytes().map_err(|error| broken(error.to_string()))?;
    let start = length.checked_mul(index as usize).ok_or_else(short)?;
    Ok(all.get(start..start + length).ok_or_else(short)?.to_vec())
}

fn grey(object: &DefaultDicomObject, pixels: &Pixels, coding: Coding, read: u32) -> Result<Decoded, PictureError> {
    let mut values = Vec::with_capacity(pixels.count() * read as usize);
    for index in 0..read {
        values.extend(samples(&frame(object, pixels, coding, index)?, pixels));
    }
    let (slope, intercept) = (real(object, SLOPE).unwrap_or(1.0), real(object, INTERCEPT).unwrap_or(0.0));
    let mut notes = Vec::new();
    let window = real(object, CENTRE).zip(real(object, WIDTH));
    let plain = slope == 1.0 && intercept == 0.0 && !pixels.signed && pixels.stored == 8;
    let mut bytes: Vec<u8> = match window {
        None if plain => values.iter().map(|&value| value as u8).collect(),
        Some((centre, width)) if centre.is_finite() && width.is_finite() && width >= 1.0 => {
            let function = text(object, FUNCTION).unwrap_or_default();
            notes.push(Note::Window { centre, width });
            values
                .iter()
                .map(|&value| windowed(f64::from(value) * slope + intercept, centre, width, &function))
                .collect()
        }
        Some((centre, width)) => return Err(broken(format!("its window has centre {centre} and width {width}"))),
        None => {
            let rescaled = |value: i32| f64::from(value) * slope + intercept;
            let range = (values.iter().min(), values.iter().max());
            let ends = (rescaled(*range.0.unwrap_or(&0)), rescaled(*range.1.unwrap_or(&0)));
            let (low, high) = (ends.0.min(ends.1), ends.0.max(ends.1));
            if !low.is_finite() || !high.is_finite() {
                return Err(broken(format!("its values are rescaled by {slope} and {intercept}")));
            }
            notes.extend(Note::range(low, high));
            let span = if high > low { high - low } else { 1.0 };
            values.iter().map(|&value| ((rescaled(value) - low) / span * 255.0).round() as u8).collect()
        }
    };
    if pixels.photometric == "MONOCHROME1" {
        invert(&mut bytes);
        notes.push(Note::Inverted);
    }
    Ok(Decoded { picture: picture(pixels, read, 1, bytes), notes })
}

fn picture(pixels: &Pixels, read: u32, channels: usize, bytes: Vec<u8>) -> Picture {
    let depth = (read > 1).then_some(read as usize);
    Picture { depth, height: pixels.rows as usize, width: pixels.columns as usize, channels, bytes }
}

fn invert(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = 255 - *byte;
    }
}

/// The stored bits of each sample, with their sign.
fn samples(bytes: &[u8], pixels: &Pixels) -> impl Iterator<Item = i32> {
    let shift = pixels.high_bit + 1 - pixels.stored;
    let (mask, sign) = ((1_i32 << pixels.stored) - 1, 1_i32 << (pixels.stored - 1));
    let signed = pixels.signed;
    bytes.chunks_exact(pixels.allocated as usize / 8).map(move |sample| {
        let raw = sample.iter().rev().fold(0_i32, |value, &byte| value << 8 | i32::from(byte));
        let value = raw >> shift & mask;
        if signed && value & sign != 0 { value - mask - 1 } else { value }
    })
}

/// The functions of PS3.3 C.11.2.1.2 and C.11.2.1.3.
fn windowed(value: f64, centre: f64, width: f64, function: &str) -> u8 {
    let share = match function {
        "SIGMOID" => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
        "LINEAR_EXACT" => (value - centre) / width + 0.5,
        // A width of 1 is a threshold.
        _ if width == 1.0 => f64::from(u8::from(value > centre - 0.5)),
        _ => (value - (centre - 0.5)) / (width - 1.0) + 0.5,
    };
    (share * 255.0).round().clamp(0.0, 255.0) as u8
}

/// The first frame.
fn colour(object: &DefaultDicomObject, pixels: &Pixels, coding: Coding) -> Result<Decoded, PictureError> {
    if pixels.photometric == "YBR_FULL_422" {
        return Err(PictureError::Unsupported {
            what: "YBR_FULL_422 without compression".to_owned(),
            instead: CONVERT,
        });
    }
    let mut bytes = frame(object, pixels, coding, 0)?;
    // RLE keeps planes in segments, and they are put together by pixel.
    if pixels.planar && coding != Coding::Rle {
        let count = pixels.count();
        bytes = (0..count).flat_map(|at| [bytes[at], bytes[count + at], bytes[2 * count + at]]).collect();
    }
    if pixels.photometric == "YBR_FULL" {
        bytes.chunks_exact_mut(3).for_each(to_rgb);
    }
    Ok(Decoded::of(picture(pixels, 1, 3, bytes).grey_if_it_is()))
}

/// PS3.3 C.7.6.3.1.2, the inverse.
fn to_rgb(pixel: &mut [u8]) {
    let [y, blue, red] = [0, 1, 2].map(|at| f64::from(pixel[at]));
    let (blue, red) = (blue - 128.0, red - 128.0);
    let rgb = [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue];
    pixel.iter_mut().zip(rgb).for_each(|(byte, value)| *byte = value.round().clamp(0.0, 255.0) as u8);
}

/// Frames that are JPEG files. Their values are bytes, and colours are converted as in other JPEG files.
fn jpeg(object: &DefaultDicomObject, pixels: &Pixels, read: u32, rules: &Rules) -> Result<Decoded, PictureError> {
    let fragments =
        object.get(PIXEL_DATA).and_then(|data| data.fragments()).ok_or_else(|| broken("it has no pixels"))?;
    let one_each = fragments.len() == pixels.frames as usize;
    if !one_each && pixels.frames > 1 {
        let what = "several frames in fragments".to_owned();
        return Err(PictureError::Unsupported { what, instead: CONVERT });
    }
    let (mut bytes, mut channels) = (Vec::new(), 1);
    for index in 0..read as usize {
        let file = if one_each { fragments[index].clone() } else { fragments.concat() };
        let still = raster::decode(&file, ImageFormat::Jpeg, Frames::First, rules)?.picture;
        if (still.height, still.width) != (pixels.rows as usize, pixels.columns as usize) {
            let problem = format!("it says {}x{}, and its JPEG is {}", pixels.rows, pixels.columns, still.shape());
            return Err(broken(problem));
        }
        if read > 1 && still.channels != 1 {
            return Err(PictureError::ColourVolume);
        }
        channels = still.channels;
        bytes.extend(still.bytes);
    }
    let mut notes = Vec::new();
    if pixels.photometric == "MONOCHROME1" {
        invert(&mut bytes);
        notes.push(Note::Inverted);
    }
    Ok(Decoded { picture: picture(pixels, read, channels, bytes), notes })
}

#[cfg(test)]
mod tests;
