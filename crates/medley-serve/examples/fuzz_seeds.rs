//! Writes the inputs that `scripts/fuzz` starts from: `fuzz_seeds CORPUS`, a folder per target.

use std::error::Error;
use std::io::{Cursor, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use image::{DynamicImage, ImageFormat, Luma, Rgb};

fn picture(format: ImageFormat, colour: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    let picture = if colour {
        DynamicImage::from(image::RgbImage::from_fn(12, 10, |x, y| Rgb([x as u8 * 20, y as u8 * 20, 7])))
    } else {
        DynamicImage::from(image::GrayImage::from_fn(12, 10, |x, y| Luma([(x * y) as u8])))
    };
    // The encoder of GIF takes no grey.
    let picture = if format == ImageFormat::Gif { picture.into_rgb8().into() } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format)?;
    Ok(bytes.into_inner())
}

/// An element of a DICOM file in explicit form, little endian; of even length.
fn element(tag: (u16, u16), kind: [u8; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    bytes.extend(kind);
    if matches!(&kind, b"OB" | b"OW") {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    [bytes, value.to_vec()].concat()
}

/// A grey image of 4x4 pixels.
fn dicom() -> Vec<u8> {
    let number = |tag: u16, value: u16| element((0x28, tag), *b"US", &value.to_le_bytes());
    let meta = [
        element((2, 1), *b"OB", &[0, 1]),
        element((2, 2), *b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
        element((2, 3), *b"UI", b"1.2.3\0"),
        element((2, 0x10), *b"UI", b"1.2.840.10008.1.2.1\0"),
        element((2, 0x12), *b"UI", b"1.2.3\0"),
    ]
    .concat();
    let length = element((2, 0), *b"UL", &(meta.len() as u32).to_le_bytes());
    let header = [number(2, 1), element((0x28, 4), *b"CS", b"MONOCHROME2 "), number(0x10, 4), number(0x11, 4)].concat();
    let depth = [number(0x100, 8), number(0x101, 8), number(0x102, 7), number(0x103, 0)].concat();
    let pixels = element((0x7fe0, 0x10), *b"OW", &[0, 9, 40, 99, 1, 2, 3, 4, 5, 6, 7, 8, 200, 201, 202, 255]);
    [vec![0; 128], b"DICM".to_vec(), length, meta, header, depth, pixels].concat()
}

/// A volume of 2x3x4 bytes.
fn nifti() -> Vec<u8> {
    let mut bytes = vec![0_u8; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348_i32.to_le_bytes());
    for (axis, length) in [3_u16, 2, 3, 4].into_iter().enumerate() {
        put(40 + 2 * axis, &length.to_le_bytes());
    }
    put(70, &2_i16.to_le_bytes());
    put(72, &8_i16.to_le_bytes());
    put(108, &352_f32.to_le_bytes());
    put(344, b"n+1\0");
    bytes.extend(0..24);
    bytes
}

fn gzipped(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn deflated(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    fs_err::create_dir_all(folder)?;
    Ok(fs_err::write(folder.join(name), bytes)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args().nth(1).ok_or("name the folder of the corpus")?;
    let (pictures, bodies) = (Path::new(&corpus).join("picture"), Path::new(&corpus).join("server_body"));
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Tiff];
    for format in formats {
        for colour in [false, true] {
            let name = format!("{}-{colour}", format.extensions_str()[0]);
            write(&pictures, &name, &picture(format, colour)?)?;
        }
    }
    write(&pictures, "webp", &picture(ImageFormat::WebP, true)?)?;
    write(&pictures, "dicom", &dicom())?;
    write(&pictures, "nifti", &nifti())?;
    write(&pictures, "nifti-gz", &gzipped(&nifti())?)?;

    // The first byte chooses the address, the second how many bytes follow the JSON.
    let json =
        br#"{"id": "a", "inputs": [{"name": "images", "datatype": "UINT8", "shape": [0, 28, 28, 1], "data": []}]}"#;
    let pixels = ["7"; 784].join(",");
    let whole = format!(
        r#"{{"inputs": [{{"name": "images", "datatype": "UINT8", "shape": [1, 28, 28, 1], "data": [{pixels}]}}]}}"#
    );
    let binary = br#"{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 28, 28, 1], "parameters": {"binary_data_size": 784}}],
"outputs": [{"name": "probabilities", "parameters": {"classification": 1}}]}"#;
    let png = picture(ImageFormat::Png, false)?;
    let form =
        [&b"--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"[..], &png, b"\r\n--X--\r\n"];
    for (name, kind, length, body) in [
        ("json", 0, 0, json.to_vec()),
        ("pixels", 0, 0, whole.clone().into_bytes()),
        ("binary", 1, 255, [&binary[..], &[7; 255]].concat()),
        ("png", 2, 0, png.clone()),
        ("form", 3, 0, form.concat()),
        ("index", 4, 0, br#"{"ready": true}"#.to_vec()),
        ("gzip", 5, 0, gzipped(whole.as_bytes())?),
        ("deflate", 5, 1, deflated(whole.as_bytes())?),
    ] {
        write(&bodies, name, &[&[kind, length], &body[..]].concat())?;
    }
    Ok(())
}
