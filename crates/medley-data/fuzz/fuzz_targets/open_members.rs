//! Six members of any content in a sound archive; a set that opens gets its datasheet too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use medley_audit::datasheet::Subject;
use medley_data_fuzz::{archive, cut, file, options};

fuzz_target!(|bytes: &[u8]| {
    let path = file(&archive(&cut(bytes)));
    if let Ok(subject) = Subject::open(&path, &options()) {
        let sheet = subject.datasheet(None).expect("what opens can be described");
        assert!(!sheet.markdown().is_empty() && sheet.html().is_ok());
    }
});
