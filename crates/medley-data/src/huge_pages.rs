//! Memory in pages of 2 MiB.

/// Shorter buffers gain nothing.
const WORTH_IT: usize = 16 << 20;

/// Zeros. Of a long buffer, Linux is asked to make the pages 2 MiB long instead of 4 KiB: each page is a fault when it is first
/// written to, which were a sixth of the time of decoding a large array. Where it has none, the pages are short.
pub(crate) fn zeroed(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    if len >= WORTH_IT {
        advise(&mut bytes);
    }
    bytes
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "advice about a range of addresses is unsafe, as some kinds of it change what is there")]
fn advise(bytes: &mut [u8]) {
    use rustix::mm::{Advice, madvise};
    let page = rustix::param::page_size();
    let skipped = bytes.as_ptr().align_offset(page);
    if let Some(whole) = bytes.get_mut(skipped..) {
        let len = whole.len() / page * page;
        // SAFETY: the range lies within `bytes`, which nobody else has, and this advice leaves what is there as it is.
        let _ = unsafe { madvise(whole.as_mut_ptr().cast(), len, Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_: &mut [u8]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_buffers_are_zeros_of_that_length() {
        for len in [0, 1, 5_000, WORTH_IT - 1, WORTH_IT, WORTH_IT + 12_345] {
            let bytes = zeroed(len);
            assert!(bytes.len() == len && bytes.iter().all(|&byte| byte == 0), "{len}");
        }
    }
}
