//! The config of a run, as keys with dots.

use std::collections::BTreeMap;

use medley_core::RunLayout;
use medley_core::message::shortened;
use medley_storage::ConfinedFolder;

use crate::RunsError;

/// Largest `config.toml` that is read.
const CONFIG: u64 = 1 << 20;

/// What lists show of a config. Everything is optional: an older or a newer program may have written it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) backbone: Option<String>,
    pub(crate) width: Option<u64>,
    pub(crate) select: Option<String>,
    pub(crate) epochs: Option<usize>,
}

impl Settings {
    pub(crate) fn of(config: &toml::Table) -> Self {
        let table = |name: &str| config.get(name).and_then(toml::Value::as_table);
        let backbone = table("net").and_then(|net| net.get("backbone")?.as_table());
        let text = |value: &toml::Value| value.as_str().map(str::to_owned);
        let count = |value: &toml::Value| value.as_integer().and_then(|count| u64::try_from(count).ok());
        Self {
            backbone: backbone.and_then(|backbone| text(backbone.get("name")?)),
            width: backbone.and_then(|backbone| count(backbone.get("width")?)),
            select: table("select").and_then(|select| text(select.get("name")?)),
            epochs: table("train").and_then(|train| count(train.get("epochs")?)).map(|epochs| epochs as usize),
        }
    }
}

/// Reads `config.toml` of a run.
///
/// # Errors
/// [`RunsError::Read`], [`RunsError::Config`].
pub(crate) fn read(run: &RunLayout) -> Result<toml::Table, RunsError> {
    let text = ConfinedFolder::new(run.root()).read_text(&run.config(), CONFIG)?;
    text.parse()
        .map_err(|error: toml::de::Error| RunsError::Config { path: run.config(), problem: shortened(error.message()) })
}

/// Every value of a config by its key with dots, such as `net.backbone.width`, each written as in TOML.
///
/// ```
/// let config = "seeds = [0, 1]\n[net.backbone]\nname = 'resnet9'\n".parse()?;
/// let flat = medley_runs::flatten(&config);
/// assert_eq!(flat["net.backbone.name"], "\"resnet9\"");
/// assert_eq!(flat["seeds"], "[0, 1]");
/// # Ok::<(), toml::de::Error>(())
/// ```
pub fn flatten(config: &toml::Table) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for (key, value) in config {
        add(&mut flat, &toml_key(key), value);
    }
    flat
}

fn add(flat: &mut BTreeMap<String, String>, key: &str, value: &toml::Value) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (name, value) in table {
                add(flat, &format!("{key}.{}", toml_key(name)), value);
            }
        }
        value => {
            flat.insert(key.to_owned(), on_one_line(value));
        }
    }
}

/// A key as TOML has it: in quotation marks where it must be.
fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { key.to_owned() } else { quoted(key) }
}

fn on_one_line(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => quoted(text),
        toml::Value::Array(items) => format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", ")),
        toml::Value::Table(table) => {
            let entry = |(key, value): (&String, &toml::Value)| format!("{} = {}", toml_key(key), on_one_line(value));
            format!("{{{}}}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A basic string of TOML, which never has more than one line: control characters are escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_lists_show_is_optional() {
        let config = "[net.backbone]\nname = 'resnet9'\nwidth = 8\n[select]\nname = 'auc'\n[train]\nepochs = 3\n";
        let settings = Settings::of(&config.parse().unwrap());
        assert_eq!((settings.backbone.as_deref(), settings.width), (Some("resnet9"), Some(8)));
        assert_eq!((settings.select.as_deref(), settings.epochs), (Some("auc"), Some(3)));
        for strange in ["", "net = 1", "[net]\nbackbone = 'x'", "[train]\nepochs = -1", "[train]\nepochs = 'x'"] {
            assert_eq!(Settings::of(&strange.parse().unwrap()), Settings::default(), "{strange}");
        }
    }

    fn values() -> impl Strategy<Value = toml::Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(toml::Value::from),
            any::<bool>().prop_map(toml::Value::from),
            any::<String>().prop_map(toml::Value::from),
            (-1e9..1e9).prop_map(toml::Value::from),
            prop::collection::vec(any::<String>(), 0..3).prop_map(toml::Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|entries| toml::Value::Table(entries.into_iter().collect()))
        })
    }

    proptest! {
        /// Keys with dots are TOML, so what was flattened can be read back.
        #[test]
        fn flattening_loses_nothing(entries in prop::collection::btree_map(any::<String>(), values(), 0..5)) {
            let config: toml::Table = entries.into_iter().collect();
            let lines: Vec<String> = flatten(&config).iter().map(|(key, value)| format!("{key} = {value}")).collect();
            prop_assert!(lines.iter().all(|line| line.lines().count() == 1));
            prop_assert_eq!(lines.join("\n").parse::<toml::Table>().unwrap(), config);
        }
    }
}
