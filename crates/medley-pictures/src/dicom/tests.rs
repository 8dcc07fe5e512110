use proptest::prelude::*;

use super::*;

/// An element in explicit form, little endian.
fn element(tag: (u16, u16), vr: [u8; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
    bytes.extend(vr);
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if &vr == b"UI" { 0 } else { b' ' });
    }
    if matches!(&vr, b"OB" | b"OW" | b"SQ" | b"UN") {
        bytes.extend([0, 0]);
        bytes.extend((value.len() as u32).to_le_bytes());
    } else {
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    [bytes, value].concat()
}

/// A file with these elements.
fn file(syntax: &str, elements: &[Vec<u8>]) -> Vec<u8> {
    let meta = [
        element((2, 1), *b"OB", &[0, 1]),
        element((2, 2), *b"UI", b"1.2.840.10008.5.1.4.1.1.7"),
        element((2, 3), *b"UI", b"1.2.3"),
        element((2, 0x10), *b"UI", syntax.as_bytes()),
        element((2, 0x12), *b"UI", b"1.2.3"),
    ]
    .concat();
    let length = element((2, 0), *b"UL", &(meta.len() as u32).to_le_bytes());
    [vec![0; 128], b"DICM".to_vec(), length, meta, elements.concat()].concat()
}

fn number(tag: u16, value: u16) -> Vec<u8> {
    element((0x28, tag), *b"US", &value.to_le_bytes())
}

/// What stands before the pixels of a grey image.
fn header(rows: u16, columns: u16, bits: u16, photometric: &str) -> Vec<Vec<u8>> {
    vec![
        number(2, 1),
        element((0x28, 4), *b"CS", photometric.as_bytes()),
        number(0x10, rows),
        number(0x11, columns),
        number(0x100, bits),
        number(0x101, bits),
        number(0x102, bits - 1),
        number(0x103, 0),
    ]
}

fn pixels(bytes: &[u8]) -> Vec<u8> {
    element((0x7fe0, 0x10), *b"OW", bytes)
}

const LITTLE: &str = "1.2.840.10008.1.2.1";

fn read(bytes: &[u8]) -> Result<Decoded, PictureError> {
    crate::decode(bytes, Frames::First, &Rules::default())
}

#[test]
fn bytes_stay_as_they_are() {
    let elements = [header(2, 3, 8, "MONOCHROME2"), vec![pixels(&[1, 2, 3, 4, 5, 255])]].concat();
    let decoded = read(&file(LITTLE, &elements)).unwrap();
    let expected = Picture { depth: None, height: 2, width: 3, channels: 1, bytes: vec![1, 2, 3, 4, 5, 255] };
    assert_eq!((decoded.picture, decoded.notes), (expected, vec![]));
    // MONOCHROME1: 0 is white.
    let elements = [header(2, 3, 8, "MONOCHROME1"), vec![pixels(&[1, 2, 3, 4, 5, 255])]].concat();
    let decoded = read(&file(LITTLE, &elements)).unwrap();
    assert_eq!((decoded.picture.bytes, decoded.notes), (vec![254, 253, 252, 251, 250, 0], vec![Note::Inverted]));
}

#[test]
fn values_go_through_the_window() {
    let values: Vec<u8> = [0_u16, 1024, 1064, 4095].into_iter().flat_map(u16::to_le_bytes).collect();
    let mut elements = header(2, 2, 16, "MONOCHROME2");
    elements.extend([
        element((0x28, 0x1050), *b"DS", b"40\\500"),
        element((0x28, 0x1051), *b"DS", b"400\\2000"),
        element((0x28, 0x1052), *b"DS", b"-1024"),
        element((0x28, 0x1053), *b"DS", b"1"),
        pixels(&values),
    ]);
    let decoded = read(&file(LITTLE, &elements)).unwrap();
    // 0 HU is 39.5 below the middle of 399: (0 - 39.5) / 399 + 0.5 = 0.401; 40 HU: 0.50125.
    assert_eq!(decoded.picture.bytes, [0, 102, 128, 255]);
    assert_eq!(decoded.notes, [Note::Window { centre: 40.0, width: 400.0 }]);
    // Without a window, from the least to the greatest.
    elements.drain(8..10);
    let decoded = read(&file(LITTLE, &elements)).unwrap();
    assert_eq!(decoded.picture.bytes, [0, 64, 66, 255]);
    assert_eq!(decoded.notes, [Note::Range { low: -1024.0, high: 3071.0 }]);
}

#[test]
fn signed_samples_keep_their_sign() {
    let values: Vec<u8> = [-100_i16, 0, 100, 50].into_iter().flat_map(i16::to_le_bytes).collect();
    let mut elements = header(2, 2, 16, "MONOCHROME2");
    elements[7] = number(0x103, 1);
    elements.push(pixels(&values));
    assert_eq!(read(&file(LITTLE, &elements)).unwrap().picture.bytes, [0, 128, 255, 191]);
}

#[test]
fn of_several_frames_one_or_all_are_read() {
    let mut elements = header(1, 2, 8, "MONOCHROME2");
    elements.insert(2, element((0x28, 8), *b"IS", b"3"));
    elements.push(pixels(&[1, 2, 3, 4, 5, 6]));
    let file = file(LITTLE, &elements);
    let first = read(&file).unwrap();
    assert_eq!((first.picture.bytes, first.notes), (vec![1, 2], vec![Note::First { of: 3 }]));
    let all = crate::decode(&file, Frames::Volume, &Rules::default()).unwrap();
    assert_eq!((all.picture.depth, all.picture.bytes), (Some(3), vec![1, 2, 3, 4, 5, 6]));
}

#[test]
fn colours_are_put_together() {
    let mut elements = header(1, 2, 8, "RGB");
    elements[0] = number(2, 3);
    elements.insert(2, number(6, 1));
    elements.push(pixels(&[1, 2, 3, 4, 5, 6]));
    assert_eq!(read(&file(LITTLE, &elements)).unwrap().picture.bytes, [1, 3, 5, 2, 4, 6]);
    let mut pixel = [76, 85, 255];
    to_rgb(&mut pixel);
    assert_eq!(pixel, [254, 0, 0]);
}

/// Fragments behind an empty table of offsets.
fn encapsulated(fragments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [0xe0, 0x7f, 0x10, 0, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff].to_vec();
    for fragment in [b"".as_slice()].iter().chain(fragments) {
        bytes.extend([0xfe, 0xff, 0, 0xe0]);
        bytes.extend((fragment.len() as u32).to_le_bytes());
        bytes.extend(*fragment);
    }
    bytes.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    bytes
}

#[test]
fn compressed_pixels_are_decoded_or_named() {
    let mut rle = vec![1, 0, 0, 0, 64, 0, 0, 0];
    rle.resize(64, 0);
    rle.extend([1, 7, 8, 255, 9]);
    rle.push(0);
    let elements = [header(2, 2, 8, "MONOCHROME2"), vec![encapsulated(&[&rle])]].concat();
    assert_eq!(read(&file("1.2.840.10008.1.2.5", &elements)).unwrap().picture.bytes, [7, 8, 9, 9]);

    let mut jpeg = Cursor::new(Vec::new());
    image::GrayImage::from_pixel(16, 8, image::Luma([90])).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let mut jpeg = jpeg.into_inner();
    jpeg.resize(jpeg.len().next_multiple_of(2), 0);
    let with = |rows| [header(rows, 16, 8, "MONOCHROME2"), vec![encapsulated(&[&jpeg])]].concat();
    assert_eq!(read(&file("1.2.840.10008.1.2.4.50", &with(8))).unwrap().picture.bytes, [90; 128]);
    // What the header says is what is allowed, so it must be what the JPEG says.
    let error = read(&file("1.2.840.10008.1.2.4.50", &with(9))).unwrap_err();
    assert!(error.to_string().contains("its JPEG is 8x16"), "{error}");

    for (syntax, name) in
        [(".4.70", "lossless JPEG"), (".4.90", "JPEG 2000"), (".4.80", "JPEG-LS"), (".1.99", "deflated")]
    {
        let error = read(&file(&format!("1.2.840.10008.1.2{syntax}"), &with(8))).unwrap_err();
        assert!(matches!(&error, PictureError::Unsupported { what, .. } if what.contains(name)), "{error}");
    }
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_held() {
    let elements = [header(2, 3, 8, "MONOCHROME2"), vec![pixels(&[1, 2, 3, 4, 5, 255])]].concat();
    let whole = file(LITTLE, &elements);
    let refused = |bytes: &[u8]| read(bytes).unwrap_err();
    // Four gigabytes of pixels.
    let mut lying = whole.clone();
    let at = whole.len() - 6 - 4;
    lying[at..at + 4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    assert!(refused(&lying).to_string().contains("a value of 4294967280 bytes, where 6 are left"));
    // More pixels than there are bytes, and more than are allowed.
    let short = file(LITTLE, &[header(3, 3, 8, "MONOCHROME2"), vec![pixels(&[1; 6])]].concat());
    assert!(refused(&short).to_string().contains("too few bytes"));
    let huge = file(LITTLE, &[header(30_000, 30_000, 16, "MONOCHROME2"), vec![pixels(&[1; 6])]].concat());
    assert!(matches!(refused(&huge), PictureError::Pixels { .. }));
    let none = file(LITTLE, &[header(0, 3, 8, "MONOCHROME2"), vec![pixels(&[1; 6])]].concat());
    assert!(matches!(refused(&none), PictureError::NoPixels { .. }));
    // Sequences in sequences.
    let mut deep = file(LITTLE, &[]);
    for _ in 0..1_000 {
        deep.extend([0x08, 0, 0x40, 0x11, b'S', b'Q', 0, 0, 0xff, 0xff, 0xff, 0xff]);
        deep.extend([0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff]);
    }
    assert!(refused(&deep).to_string().contains("too deep"));
    // A group of the file whose length is another.
    let mut meta = whole;
    meta[140] += 2;
    assert!(refused(&meta).to_string().contains("length of the file's own group"));
    let palette = [header(2, 3, 8, "PALETTE COLOR"), vec![pixels(&[1; 6])]].concat();
    assert!(matches!(refused(&file(LITTLE, &palette)), PictureError::Unsupported { .. }));
}

/// There are as many bytes as the shape needs.
fn is_whole(picture: &Picture) -> bool {
    picture.bytes.len() == picture.depth.unwrap_or(1) * picture.height * picture.width * picture.channels
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_change_makes_it_panic(at in 132_usize..520, byte: u8, end in 0_usize..600, syntax in 0_usize..4) {
        let syntax = [LITTLE, "1.2.840.10008.1.2", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50"][syntax];
        let mut elements = header(2, 3, 16, "MONOCHROME2");
        elements.extend([element((0x28, 0x1050), *b"DS", b"40"), element((0x28, 0x1051), *b"DS", b"400")]);
        elements.push(if syntax == LITTLE { pixels(&[1; 12]) } else { encapsulated(&[&[7; 80]]) });
        let mut bytes = file(syntax, &elements);
        if let Some(target) = bytes.get_mut(at) {
            *target = byte;
        }
        prop_assert!(read(&bytes).is_err() || is_whole(&read(&bytes).unwrap().picture));
        bytes.truncate(end.max(132));
        prop_assert!(read(&bytes).is_err() || is_whole(&read(&bytes).unwrap().picture));
    }
}
