//! A text that claims to be an entry of the registry, as a user's own set has one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use medley_core::Origin;
use medley_data::Entry;

fuzz_target!(|text: &str| {
    if let Ok(entry) = toml::from_str::<Entry>(text) {
        for size in entry.sizes().into_iter().chain([0, 28, usize::MAX]) {
            let spec = entry.spec(size, Origin::User);
            let _ = (entry.file_name(size), entry.file(size), spec.shape.checked_len(), spec.label_width());
        }
        let _ = (entry.identify("0", [1, 1, 1]), entry.competition_rows(), entry.rows("any"), entry.is_noncommercial());
        assert_eq!(toml::from_str::<Entry>(&toml::to_string(&entry).expect("what was read can be written")), Ok(entry));
    }
});
