use std::path::Path;

use medley_core::Origin;
use medley_core::text::hex;
use sha2::{Digest as _, Sha256};

use super::*;

#[test]
fn each_is_what_its_description_says() {
    for model in &ALL {
        let name = model.name;
        let package = model.package().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((package.name(), package.models().len()), (name, 1), "{name}");
        let (said, only) = (package.weights(), &package.models()[0]);
        assert_eq!((only.task().name.as_str(), only.task().origin), (name, Origin::Official), "{name}");
        assert!(model.weights.len() < MOST_BYTES, "{name} has {} bytes", model.weights.len());
        assert_eq!(said.sha256, hex(&Sha256::digest(model.weights)), "{name}: run scripts/builtin again");
        assert_eq!(said.file, "model.safetensors", "{name}");
        let config = hex(&Sha256::digest(model.config.as_bytes()));
        assert_eq!(only.lineage().config_sha256, config, "{name}: config.toml is of another run");
        assert_eq!(model.card, package.card(), "{name}: run scripts/builtin again");
    }
}

#[test]
fn each_says_what_users_ask() {
    for model in &ALL {
        let (name, package) = (model.name, model.package().unwrap());
        let only = &package.models()[0];
        assert!(only.unlike().is_some(), "{name} cannot say what is unlike its training images");
        assert!(only.known_answer().is_some(), "{name} cannot be verified");
        assert!(only.metrics().contains_key("val") && only.metrics().contains_key("test"), "{name} has no scores");
        assert!(only.over_seeds().contains_key("test"), "{name} does not say how much luck is in its scores");
        let licence = if name == "dermamnist" { "CC BY-NC 4.0" } else { "CC BY 4.0" };
        assert_eq!(only.data().licence.name(), licence, "{name}");
        assert!(model.card.contains("\n## Licence\n") && model.card.contains(licence), "{name}");
        assert!(model.card.contains("**Not for clinical use.**"), "{name}");
    }
}

#[test]
fn all_folders_are_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut found: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, ALL.map(|model| model.name), "a folder that is not in `ALL`, or they are not in order");
    assert_eq!((find("retinamnist").map(|model| model.name), find("retina")), (Some("retinamnist"), None));
}
