//! The tables of keys in this crate's README are made from the declaration of the keys.

use std::path::Path;

use medley_train::config::document;

const BEGIN: &str = "<!-- Made from the source: UPDATE=1 cargo test -p medley-train --test integration readme -->\n";
const END: &str = "<!-- End of what is made from the source -->\n";

#[test]
fn readme_has_every_key_as_declared() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (actual, after) = rest.split_once(END).unwrap();
    let expected = format!("\n{}\n", document::markdown().trim());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
    } else {
        assert_eq!(actual, expected, "run UPDATE=1 cargo test -p medley-train --test integration readme");
    }
}
