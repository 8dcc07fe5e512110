//! One member of any content: its header, its type, its shape, its labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use medley_core::{Origin, Split};
use medley_data::{Registry, decode_arrays, read_labels};
use medley_data_fuzz::{archive, file};

fuzz_target!(|bytes: &[u8]| {
    let path = file(&archive(&[("labels", bytes)]));
    if let Ok(arrays) = decode_arrays(&path) {
        assert!(arrays.iter().all(|(_, data)| data.len() <= bytes.len()), "no more bytes than there are");
    }
    for name in ["tissuemnist", "chestmnist"] {
        let entry = Registry::builtin().get(name).expect("a set of the registry");
        let _ = read_labels(&path, &entry.spec(28, Origin::User), Split::Test);
    }
});
