//! The settings of a run for TensorBoard's hparams page (`tensorboard/plugins/hparams/plugin.proto`, `api.proto`).

use toml::Value;

use super::{FIXED64, VARINT, put_bytes, put_tag, put_varint};

/// The plugin, which is also how its tags begin.
const PLUGIN: &str = "hparams";
const TAG: &str = "_hparams_/session_start_info";

/// Keys with numbers, texts and switches; arrays by their text; keys of tables are dotted.
pub(crate) fn flattened(table: &toml::Table) -> Vec<(String, Value)> {
    fn add(at: &str, value: &Value, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    add(&if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, value, found);
                }
            }
            value => found.push((at.to_owned(), value.clone())),
        }
    }
    let mut found = Vec::new();
    add("", &Value::Table(table.clone()), &mut found);
    found
}

/// `tensorflow.Summary` with one value: `string tag = 1; TensorProto tensor = 8; SummaryMetadata metadata = 9;`
pub(super) fn summary(settings: &[(String, Value)], group: &str, time: f64) -> Vec<u8> {
    // `SummaryMetadata`: `PluginData plugin_data = 1;`, which is `string plugin_name = 1; bytes content = 2;`
    let mut plugin = Vec::new();
    put_bytes(&mut plugin, 1, PLUGIN.as_bytes());
    put_bytes(&mut plugin, 2, &plugin_data(settings, group, time));
    let mut metadata = Vec::new();
    put_bytes(&mut metadata, 1, &plugin);
    // `TensorProto`: `DataType dtype = 1;` (1 is float), `TensorShapeProto tensor_shape = 2;` with `repeated Dim dim = 2;` of size 0.
    let tensor = [1 << 3, 1, (2 << 3) | 2, 2, (2 << 3) | 2, 0];
    let mut value = Vec::new();
    put_bytes(&mut value, 1, TAG.as_bytes());
    put_bytes(&mut value, 8, &tensor);
    put_bytes(&mut value, 9, &metadata);
    let mut summary = Vec::new();
    put_bytes(&mut summary, 1, &value);
    summary
}

/// `HParamsPluginData`: `int32 version = 1; SessionStartInfo session_start_info = 3;`, and that: `map<string, Value> hparams = 1; string
/// group_name = 4; double start_time_secs = 5;`
fn plugin_data(settings: &[(String, Value)], group: &str, time: f64) -> Vec<u8> {
    let mut start = Vec::new();
    for (key, value) in settings {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, key.as_bytes());
        put_bytes(&mut entry, 2, &setting(value));
        put_bytes(&mut start, 1, &entry);
    }
    put_bytes(&mut start, 4, group.as_bytes());
    put_tag(&mut start, 5, FIXED64);
    start.extend(time.to_le_bytes());
    let mut data = Vec::new();
    put_bytes(&mut data, 3, &start);
    data
}

/// `google.protobuf.Value`: `double number_value = 2; string string_value = 3; bool bool_value = 4;`
fn setting(value: &Value) -> Vec<u8> {
    let mut message = Vec::new();
    let mut number = |number: f64| {
        put_tag(&mut message, 2, FIXED64);
        message.extend(number.to_le_bytes());
    };
    match value {
        Value::Integer(integer) => number(*integer as f64),
        Value::Float(float) => number(*float),
        Value::Boolean(flag) => {
            put_tag(&mut message, 4, VARINT);
            put_varint(&mut message, u64::from(*flag));
        }
        Value::String(text) => put_bytes(&mut message, 3, text.as_bytes()),
        other => put_bytes(&mut message, 3, other.to_string().as_bytes()),
    }
    message
}
