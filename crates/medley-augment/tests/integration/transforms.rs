//! Every transform of the registry: conformance, round trip through TOML, and what refuses which parameter.

use std::collections::BTreeSet;

use medley_augment::conformance::check_transform;
use medley_augment::{PolicyConfig, TransformConfig};

/// Legal examples; at least one per transform.
const LEGAL: &[&str] = &[
    "type = 'flip', axis = 'horizontal'",
    "type = 'flip', axis = 'vertical', probability = 1.0",
    "type = 'flip', axis = 'depth', probability = 0.3",
    "type = 'dihedral'",
    "type = 'right_angle_turns'",
    "type = 'right_angle_turns', mirror = true",
    "type = 'shift', pixels = 3",
    "type = 'affine', degrees = 10.0, translate = 0.1, scale = [0.9, 1.1], shear = 5.0",
    "type = 'affine', degrees = 180.0, translate = 1.0, scale = [0.1, 10.0], shear = 80.0, probability = 0.9",
    "type = 'affine'",
    "type = 'elastic', deviation = 0.03",
    "type = 'elastic', deviation = 0.5, grid = 32, probability = 0.8",
    "type = 'brightness', amount = 0.4",
    "type = 'contrast', amount = 1.0",
    "type = 'gamma', exponent = [0.5, 2.0]",
    "type = 'gamma', exponent = [0.1, 10.0]",
    "type = 'saturation', amount = 1.0",
    "type = 'hue', turn = 0.5",
    "type = 'colour_jitter', brightness = 0.2, contrast = 0.2, saturation = 0.2, hue = 0.1",
    "type = 'channel_jitter', scale = 0.5, shift = 0.3",
    "type = 'intensity'",
    "type = 'intensity', factor = [0.0, 10.0]",
    "type = 'gaussian_blur', deviation = [0.1, 2.0]",
    "type = 'gaussian_blur', deviation = [0.05, 20.0], probability = 1.0",
    "type = 'sharpness', factor = [0.0, 10.0], probability = 1.0",
    "type = 'gaussian_noise', deviation = [0.0, 1.0]",
    "type = 'poisson_noise', photons = [1.0, 100.0], probability = 1.0",
    "type = 'speckle_noise', deviation = [0.1, 1.0]",
    "type = 'cutout', size = 8",
    "type = 'cutout', size = 1000, fill = 'mean', probability = 0.5",
    "type = 'random_erasing'",
    "type = 'random_erasing', area = [0.0, 1.0], aspect = [0.05, 20.0], fill = 'noise', probability = 1.0",
    "type = 'rand_augment'",
    "type = 'rand_augment', operations = 8, magnitude = 30",
    "type = 'trivial_augment'",
    "type = 'augmix'",
    "type = 'augmix', severity = 10, width = 8, depth = 8, alpha = 0.01",
    "type = 'random_corruption', modality = 'dermatoscope'",
    "type = 'random_corruption', modality = 'pathology', severity = [5, 5], probability = 0.9",
    "type = 'random_corruption', modality = 'abdominal-ct', severity = [1, 2]",
    "type = 'random_corruption', modality = 'shape'",
    "type = 'corruption', kind = 'jpeg_compression', severity = 5, modality = 'fundus'",
    "type = 'corruption', kind = 'motion_blur', severity = 5",
    "type = 'corruption', kind = 'zoom_blur', severity = 3",
    "type = 'corruption', kind = 'characters', severity = 5",
    "type = 'corruption', kind = 'black_corner', severity = 5",
    "type = 'corruption', kind = 'stain_deposit', severity = 5",
    "type = 'corruption', kind = 'bubble', severity = 5",
    "type = 'corruption', kind = 'saturate', severity = 5",
    "type = 'corruption', kind = 'pixelate', severity = 5",
];

/// Illegal examples with the key that must be named.
const ILLEGAL: &[(&str, &str)] = &[
    ("type = 'flip', axis = 'vertical', probability = -0.1", "probability"),
    ("type = 'shift', pixels = 2000", "pixels"),
    ("type = 'affine', degrees = 181.0", "degrees"),
    ("type = 'affine', translate = 1.5", "translate"),
    ("type = 'affine', scale = [1.1, 0.9]", "scale"),
    ("type = 'affine', scale = [0.0, 1.0]", "scale"),
    ("type = 'affine', shear = 90.0", "shear"),
    ("type = 'affine', probability = nan", "probability"),
    ("type = 'elastic', deviation = 0.6", "deviation"),
    ("type = 'elastic', deviation = 0.1, grid = 1", "grid"),
    ("type = 'elastic', deviation = 0.1, probability = 2.0", "probability"),
    ("type = 'brightness', amount = 1.1", "amount"),
    ("type = 'contrast', amount = nan", "amount"),
    ("type = 'gamma', exponent = [0.0, 1.0]", "exponent"),
    ("type = 'saturation', amount = -1.0", "amount"),
    ("type = 'hue', turn = 0.6", "turn"),
    ("type = 'colour_jitter', brightness = 2.0", "brightness"),
    ("type = 'colour_jitter', contrast = 2.0", "contrast"),
    ("type = 'colour_jitter', saturation = 2.0", "saturation"),
    ("type = 'colour_jitter', hue = 2.0", "hue"),
    ("type = 'channel_jitter', scale = 2.0", "scale"),
    ("type = 'channel_jitter', shift = 2.0", "shift"),
    ("type = 'intensity', factor = [-1.0, 1.0]", "factor"),
    ("type = 'gaussian_blur', deviation = [0.0, 1.0]", "deviation"),
    ("type = 'sharpness', factor = [0.0, inf]", "factor"),
    ("type = 'gaussian_noise', deviation = [0.5, 0.1]", "deviation"),
    ("type = 'poisson_noise', photons = [0.0, 1.0]", "photons"),
    ("type = 'speckle_noise', deviation = [0.0, 1.1]", "deviation"),
    ("type = 'cutout', size = 0", "size"),
    ("type = 'random_erasing', area = [0.5, 1.5]", "area"),
    ("type = 'random_erasing', aspect = [0.0, 1.0]", "aspect"),
    ("type = 'rand_augment', operations = 0", "operations"),
    ("type = 'rand_augment', magnitude = 31", "magnitude"),
    ("type = 'augmix', severity = 0", "severity"),
    ("type = 'augmix', width = 9", "width"),
    ("type = 'augmix', depth = 0", "depth"),
    ("type = 'augmix', alpha = 0.0", "alpha"),
    ("type = 'corruption', kind = 'bubble', severity = 6", "severity"),
    ("type = 'corruption', kind = 'bubble', severity = 1, probability = -1.0", "probability"),
    ("type = 'random_corruption', modality = 'oct', severity = [0, 5]", "severity"),
    ("type = 'random_corruption', modality = 'oct', probability = 3.0", "probability"),
];

fn policy(step: &str) -> PolicyConfig {
    toml::from_str(&format!("steps = [{{ {step} }}]")).unwrap_or_else(|error| panic!("{step}: {error}"))
}

fn name(step: &TransformConfig) -> String {
    serde_json::to_value(step).unwrap()["type"].as_str().unwrap().to_owned()
}

#[test]
fn every_transform_conforms() {
    let mut seen = BTreeSet::new();
    for example in LEGAL {
        let step = policy(example).steps.remove(0);
        check_transform(step.build().unwrap_or_else(|error| panic!("{example}: {error}")).as_ref());
        seen.insert(name(&step));
    }
    let all: BTreeSet<_> = TransformConfig::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, all, "a transform without an example");
}

#[test]
fn every_config_survives_toml_and_json() {
    for example in LEGAL {
        let policy = policy(example);
        assert_eq!(toml::from_str::<PolicyConfig>(&toml::to_string(&policy).unwrap()).unwrap(), policy, "{example}");
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<PolicyConfig>(&json).unwrap(), policy, "{example}");
    }
}

#[test]
fn parameters_out_of_range_are_refused_by_key() {
    for (example, key) in ILLEGAL {
        let error = policy(example).check().expect_err(example).to_string();
        assert!(error.starts_with(&format!("`steps[0].{key}` is ")), "{example}: {error}");
    }
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    for example in LEGAL {
        let text = format!("steps = [{{ {example}, surprise = 1 }}]");
        let error = toml::from_str::<PolicyConfig>(&text).expect_err(example).to_string();
        assert!(error.contains("unknown field `surprise`"), "{example}: {error}");
    }
}
