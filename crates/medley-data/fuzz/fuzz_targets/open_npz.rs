//! A whole file, as it may come from anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use medley_data::open_path;
use medley_data_fuzz::{file, options};

fuzz_target!(|bytes: &[u8]| {
    let _ = open_path(&file(bytes), &options());
});
