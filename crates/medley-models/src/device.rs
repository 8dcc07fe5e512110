//! Devices by name: `cpu`, `cuda` and `cuda:N`.
//!
//! With `#[serde(with = "medley_models::device")]` a [`Device`] is read and written by its name.

use serde::{Deserialize as _, Deserializer, Serializer, de};
use tch::Device;

use crate::ModelError;

/// Reads `cpu`, `cuda` (the first GPU) or `cuda:N`.
///
/// # Errors
/// [`ModelError::Config`] for any other text.
pub fn parse(text: &str) -> Result<Device, ModelError> {
    let number = match text {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => text.strip_prefix("cuda:").and_then(|number| number.parse::<u8>().ok()),
    };
    number
        .map(|number| Device::Cuda(usize::from(number)))
        .ok_or_else(|| ModelError::config("device", format!("{text:?}"), "use \"cpu\", \"cuda\" or \"cuda:N\""))
}

/// The name that [`parse`] reads: `cpu` or `cuda:N`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(number) => format!("cuda:{number}"),
        Device::Mps => "mps".to_owned(),
        Device::Vulkan => "vulkan".to_owned(),
    }
}

/// For serde.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(device: &Device, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&name(*device))
}

/// For serde.
///
/// # Errors
/// As [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Device, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (text, device, written) in
            [("cpu", Device::Cpu, "cpu"), ("cuda", Device::Cuda(0), "cuda:0"), ("cuda:3", Device::Cuda(3), "cuda:3")]
        {
            assert_eq!(parse(text).unwrap(), device);
            assert_eq!(name(device), written);
        }
        for text in ["", "tpu", "cuda:", "cuda:x", "cuda:256", "CPU"] {
            assert!(parse(text).unwrap_err().to_string().contains("use \"cpu\", \"cuda\" or \"cuda:N\""), "{text}");
        }
    }
}
