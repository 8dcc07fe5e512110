//! Configs of older programs.
//!
//! A run folder keeps its config with all keys written out, as the program that made it knew them. Keys that have been renamed or
//! that are no longer there are mended when it is read, so that the run can go on; its `config.toml` stays as it is. In a config
//! that a user wrote, such keys are refused, with the new name.

use super::load::Edit;

/// Keys that have another name now: table, name of the component, old key, new key.
const RENAMED: &[(&str, &str, &str, &str)] = &[("optimizer", "adamw", "momentum", "beta1")];

/// Keys that are in another table now: old and new, both with their table.
const MOVED: &[([&str; 2], [&str; 2])] = &[(["train", "ema_decay"], ["average", "decay"])];

/// Keys that had no meaning for the component named, and are refused now.
const REMOVED: &[(&str, &str, &str)] = &[
    ("optimizer", "sgd", "beta2"),
    ("schedule", "constant", "final_ratio"),
    ("schedule", "multi_step", "final_ratio"),
];

/// The new name of a key of a component.
pub(crate) fn renamed(table: &str, component: &str, key: &str) -> Option<&'static str> {
    let (.., new) = RENAMED.iter().find(|(of, name, old, _)| (*of, *name, *old) == (table, component, key))?;
    Some(new)
}

/// Where a key is now that was in another table, by its dotted name.
pub(super) fn moved(key: &str) -> Option<String> {
    MOVED.iter().find(|(old, _)| old.join(".") == key).map(|(_, new)| new.join("."))
}

/// Brings the config of a run folder up to date.
pub(super) fn upgrade(config: &mut Edit<'_>) {
    for &(table, component, old, new) in RENAMED {
        if config.text(&[table, "name"]) == Some(component) {
            config.rename(table, old, new);
        }
    }
    for &(old, new) in MOVED {
        config.relocate(old, new);
    }
    for &(table, component, key) in REMOVED {
        if config.text(&[table, "name"]) == Some(component) {
            config.remove(table, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use medley_data::Registry;

    use super::super::Experiment;

    /// What the first version wrote, all keys.
    const OLD: &str = include_str!("old_config.toml");

    fn read(text: &str) -> Experiment {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs_err::write(&path, text).unwrap();
        Experiment::load_recorded(&path, "0.1.0", Registry::builtin()).unwrap()
    }

    #[test]
    fn configs_of_the_first_version_mean_what_they_meant() {
        let old = read(OLD);
        let expected = "[optimizer]\nbeta1 = 0.8\nbeta2 = 0.98\nepsilon = 1e-8\ngradient_clip = 1.0\ngroups = []\n\
                        learning_rate = 0.003\nname = \"adamw\"\nweight_decay = 0.05\n";
        let text = old.to_toml().replace("0.00000001", "1e-8");
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("[average]\ndecay = 0.998\nname = \"ema\"\n"), "{text}");
        assert_eq!(*read(&old.to_toml()), *old, "and once more");

        let sgd = read(&OLD.replace("\"adamw\"", "\"sgd\"").replace("\"cosine\"", "\"multi_step\"")).to_toml();
        assert!(sgd.contains("momentum = 0.8\nname = \"sgd\"\nnesterov = true\n"), "{sgd}");
        assert!(sgd.contains("[schedule]\nfactor = 0.1\nmilestones = [0.5, 0.75]\nname = \"multi_step\"\n"), "{sgd}");
    }

    #[test]
    fn in_a_config_of_a_user_the_new_name_is_the_hint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs_err::write(&path, OLD).unwrap();
        let error = Experiment::load(&path, &[], Registry::builtin()).unwrap_err().to_string();
        assert!(error.starts_with("unknown key `optimizer.momentum`\n"), "{error}");
        assert!(error.ends_with("hint: `momentum` of `adamw` is now `beta1`"), "{error}");
    }
}
