//! The run-length code of DICOM (PS3.5 Annex G): `PackBits` in segments, one for each byte of a sample, the highest first.

/// A frame of so many pixels with so many bytes each, little endian, by pixel; `None` where the code is damaged.
pub(super) fn decode(fragment: &[u8], pixels: usize, bytes_each: usize) -> Option<Vec<u8>> {
    let number = |at: usize| Some(u32::from_le_bytes(fragment.get(at..at + 4)?.try_into().ok()?) as usize);
    if number(0)? != bytes_each || bytes_each > 15 {
        return None;
    }
    let mut frame = vec![0; pixels * bytes_each];
    // Two bytes are one sample; three are red, green and blue.
    let width = if bytes_each == 2 { 2 } else { 1 };
    for segment in 0..bytes_each {
        let start = number(4 + 4 * segment)?;
        let end = if segment + 1 < bytes_each { number(8 + 4 * segment)? } else { fragment.len() };
        let byte = segment / width * width + (width - 1 - segment % width);
        unpack(fragment.get(start..end)?, frame.iter_mut().skip(byte).step_by(bytes_each))?;
    }
    Some(frame)
}

/// Fills all targets, or gives `None`.
fn unpack<'a>(mut code: &[u8], mut targets: impl ExactSizeIterator<Item = &'a mut u8>) -> Option<()> {
    while targets.len() > 0 {
        let (&control, rest) = code.split_first()?;
        code = match control {
            128 => rest,
            0..128 => {
                let (literal, rest) = rest.split_at_checked(usize::from(control) + 1)?;
                literal.iter().zip(&mut targets).for_each(|(byte, target)| *target = *byte);
                rest
            }
            129.. => {
                let (byte, rest) = rest.split_first()?;
                targets.by_ref().take(257 - usize::from(control)).for_each(|target| *target = *byte);
                rest
            }
        };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_and_literals_are_unpacked() {
        let header = |segments: &[u32]| -> Vec<u8> {
            let numbers = [segments.len() as u32].into_iter().chain(segments.iter().copied());
            let mut bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
            bytes.resize(64, 0);
            bytes
        };
        // A literal of two, then a run of three.
        let one = [header(&[64]), vec![1, 7, 8, 254, 9]].concat();
        assert_eq!(decode(&one, 5, 1).unwrap(), [7, 8, 9, 9, 9]);
        // High bytes first.
        let two = [header(&[64, 67]), vec![1, 1, 2, 1, 3, 4]].concat();
        assert_eq!(decode(&two, 2, 2).unwrap(), [3, 1, 4, 2]);
        assert_eq!(decode(&one, 6, 1), None);
        assert_eq!(decode(&one, 5, 2), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, pixels in 0_usize..300, each in 0_usize..4) {
            let _ = decode(&bytes, pixels, each);
            let mut header: Vec<u8> = [each as u32, 64, 70, 75].into_iter().flat_map(u32::to_le_bytes).collect();
            header.resize(64, 0);
            header.append(&mut bytes);
            let _ = decode(&header, pixels, each);
        }
    }
}
