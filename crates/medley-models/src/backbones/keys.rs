//! Which keys of `[net.backbone]` a backbone has, and what they may be there.

use medley_core::keys::{Key, Table as _, Value as _};

use super::{ALL, Entry, LARGEST_WIDTH};
use crate::ModelError;
use crate::config::BackboneConfig;

impl Entry {
    /// Whether a key of `[net.backbone]` means something to this backbone.
    pub fn has_key(&self, key: &str) -> bool {
        match key {
            "name" => true,
            "width" => self.width.is_some(),
            "depth" => !self.depths.is_empty(),
            "stem" => self.stems,
            "whitening" => self.whitening,
            "convolution" => self.volumes,
            _ => false,
        }
    }

    /// The keys of `[net.backbone]` that this backbone has, with its own defaults and ranges.
    pub fn keys(&self) -> Vec<Key> {
        let at = "net.backbone";
        let keys = BackboneConfig::keys(at).into_iter().filter(|key| self.has_key(last_part(&key.path)));
        keys.map(|key| match last_part(&key.path) {
            "name" => Key { default: Some(format!("{:?}", self.name)), ..key },
            "width" => Key { default: self.width.map(|width| width.to_string()), range: Some(self.widths()), ..key },
            "depth" => {
                Key { default: self.depths.first().map(ToString::to_string), range: Some(self.depth_list()), ..key }
            }
            _ => key,
        })
        .collect()
    }

    /// Refuses keys of other backbones, and values that this one cannot have.
    pub(super) fn check_keys(&self, config: &BackboneConfig) -> Result<(), ModelError> {
        let BackboneConfig { width, depth, stem, whitening, convolution, .. } = config;
        let refuse = |key: &str, value: &str, problem: String| {
            Err(ModelError::config(format!("net.backbone.{key}"), value, problem))
        };
        let written = [
            ("width", width.to_toml()),
            ("depth", depth.to_toml()),
            ("stem", stem.to_toml()),
            ("whitening", whitening.to_toml()),
            ("convolution", convolution.to_toml()),
        ];
        for (key, value) in &written {
            if let Some(value) = value
                && !self.has_key(key)
            {
                return refuse(
                    key,
                    value,
                    format!("it is not a key of `{}`, but of {}", self.name, owners(key).join(", ")),
                );
            }
        }
        if let Some(value) = width
            && (!(1..=LARGEST_WIDTH).contains(value) || *value as i64 % self.width_step != 0)
        {
            return refuse("width", &value.to_string(), format!("`{}` takes {}", self.name, self.widths()));
        }
        if let Some(value) = depth
            && !self.depths.contains(value)
        {
            return refuse("depth", &value.to_string(), format!("`{}` takes {}", self.name, self.depth_list()));
        }
        Ok(())
    }

    fn widths(&self) -> String {
        let step = if self.width_step > 1 { format!(", a multiple of {}", self.width_step) } else { String::new() };
        format!("[{}, {LARGEST_WIDTH}]{step}", self.width_step)
    }

    fn depth_list(&self) -> String {
        self.depths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Says of each key of `[net.backbone]` which backbones have it, if not all do.
pub fn mark_owners(keys: Vec<Key>) -> Vec<Key> {
    let mark = |key: Key| match key.path.strip_prefix("net.backbone.").map(owners) {
        Some(owners) if owners.len() < ALL.len() => Key { only_with: owners, ..key },
        _ => key,
    };
    keys.into_iter().map(mark).collect()
}

fn owners(key: &str) -> Vec<&'static str> {
    ALL.iter().filter(|entry| entry.has_key(key)).map(|entry| entry.name).collect()
}

fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones;

    #[test]
    fn every_key_belongs_to_a_backbone() {
        for key in mark_owners(BackboneConfig::keys("net.backbone")) {
            assert!(!owners(last_part(&key.path)).is_empty(), "{}", key.path);
            match last_part(&key.path) {
                "name" => assert_eq!(key.only_with, [""; 0]),
                "depth" => assert_eq!(key.only_with, ["wide_resnet"]),
                "convolution" => assert_eq!(key.only_with, ["resnet18_3d", "resnet50_3d"]),
                "whitening" => assert_eq!(key.only_with, ["resnet9"]),
                _ => assert!(key.only_with.contains(&"resnet18") && !key.only_with.contains(&"linear"), "{key:?}"),
            }
        }
    }

    #[test]
    fn keys_have_the_defaults_and_ranges_of_their_backbone() {
        let keys = |name| {
            let keys = backbones::find(name).unwrap().keys().into_iter();
            keys.map(|key| (key.path, key.default, key.range)).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(keys("linear"), [("net.backbone.name".to_owned(), some("\"linear\""), None)]);
        assert_eq!(keys("vit_tiny")[1].1, some("192"));
        assert_eq!(keys("vit_tiny")[1].2, some("[64, 4096], a multiple of 64"));
        assert_eq!(keys("wide_resnet")[2], ("net.backbone.depth".to_owned(), some("16"), some("16, 22, 28, 40")));
    }
}
