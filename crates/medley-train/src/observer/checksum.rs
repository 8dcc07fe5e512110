//! CRC-32C as the records of TensorBoard are framed with it.

/// The checksum as `TFRecord` files store it: rotated and shifted, so that a checksum of data that holds checksums is not
/// degenerate (`tensorflow/core/lib/hash/crc32c.h`).
pub(super) fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The usual check value, 0xe3069283, masked as `tensorflow/core/lib/hash/crc32c.h` does.
    #[test]
    fn the_published_value_is_masked() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked(b"123456789"), 0xc78a_b0e5);
        assert_eq!(masked(b""), 0xa282_ead8);
    }
}
