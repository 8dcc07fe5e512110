use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a text, in hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // A String takes whatever is written to it.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
