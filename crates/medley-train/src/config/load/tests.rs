use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Loaded, MAX_BYTES, Origin, ReadError, load, load_recorded, render};

/// A schema with everything that blurs serde's paths: defaults, choices, tagged choices, arrays of tables, maps.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Schema {
    name: String,
    #[serde(default)]
    tasks: Vec<String>,
    #[serde(default)]
    train: Train,
    #[serde(default)]
    net: Net,
    #[serde(default)]
    policies: BTreeMap<String, Policy>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Train {
    epochs: usize,
    batch_size: u16,
    learning_rate: f64,
    shuffle: bool,
    precision: Precision,
}

impl Default for Train {
    fn default() -> Self {
        Self { epochs: 10, batch_size: 128, learning_rate: 0.1, shuffle: true, precision: Precision::Auto }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Precision {
    Auto,
    Fp32,
    Bf16,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Net {
    backbone: Backbone,
}

impl Default for Net {
    fn default() -> Self {
        Self { backbone: Backbone::Resnet18 {} }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
enum Backbone {
    Resnet9 { width: usize },
    Resnet18 {},
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    steps: Vec<Step>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Flip { probability: f64 },
    Shift { pixels: usize },
}

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, name: &str, overrides: &[&str]) -> Result<Loaded<Schema>, ConfigError> {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        load(&self.path(name), &overrides)
    }
}

fn read(text: &str, overrides: &[&str]) -> Loaded<Schema> {
    Files::new(&[("a.toml", text)]).load("a.toml", overrides).unwrap()
}

#[test]
fn layers_merge_in_order() {
    let files = Files::new(&[
        ("shared/base.toml", "tasks = ['a', 'b']\n[train]\nepochs = 1\nbatch_size = 2\nlearning_rate = 3\n"),
        ("middle.toml", "extends = 'shared/base.toml'\nname = 'middle'\ntasks = ['c']\ntrain.epochs = 4\n"),
        ("top.toml", "extends = './middle.toml'\nname = 'top'\n[train]\nshuffle = false\n"),
    ]);
    let loaded = files.load("top.toml", &["train.precision=bf16", "train.batch_size = 5"]).unwrap();
    let expected = Train { epochs: 4, batch_size: 5, learning_rate: 3.0, shuffle: false, precision: Precision::Bf16 };
    assert_eq!(loaded.value.train, expected);
    assert_eq!((loaded.value.name.as_str(), loaded.value.tasks), ("top", vec!["c".to_owned()]));
    let expected = ["shared/base.toml", "./middle.toml", "top.toml"].map(|name| files.path(name));
    assert_eq!(loaded.sources, expected);
    assert!(!loaded.table.contains_key("extends"));
}

#[test]
fn braces_are_a_value_and_sections_merge() {
    let base = "name = 'x'\n[net]\nbackbone = { name = 'resnet9', width = 8 }\n[train]\nepochs = 3\n";
    let files = Files::new(&[
        ("base.toml", base),
        ("replaced.toml", "extends = 'base.toml'\nnet.backbone = { name = 'resnet18' }\n"),
        ("merged.toml", "extends = 'base.toml'\ntrain = { shuffle = false }\n[net.backbone]\nwidth = 9\n"),
    ]);
    assert_eq!(files.load("replaced.toml", &[]).unwrap().value.net.backbone, Backbone::Resnet18 {});
    let merged = files.load("merged.toml", &[]).unwrap().value;
    assert_eq!(merged.net.backbone, Backbone::Resnet9 { width: 9 });
    assert_eq!((merged.train.epochs, merged.train.shuffle), (3, false));
    let replaced = files.load("base.toml", &["net.backbone={name='resnet18'}"]).unwrap().value;
    assert_eq!(replaced.net.backbone, Backbone::Resnet18 {});
}

#[test]
fn overrides_are_toml_or_words() {
    let loaded = read(
        "name = 'x'",
        &[
            "name=small-three",
            " train . epochs = 0x10 ",
            "'train'.\"learning_rate\"=1e-3",
            "tasks=['a', \"b\"]",
            "policies.'odd key'.steps=[{flip={probability=0.5}}]",
            "train.shuffle=false",
            "train.shuffle=true",
        ],
    );
    assert_eq!((loaded.value.name.as_str(), loaded.value.train.epochs), ("small-three", 16));
    assert_eq!((loaded.value.train.learning_rate, loaded.value.train.shuffle), (1e-3, true));
    assert_eq!(loaded.value.tasks, ["a", "b"]);
    assert_eq!(loaded.value.policies["odd key"].steps, [Step::Flip { probability: 0.5 }]);
    for (text, name) in [("name=cuda:1", "cuda:1"), ("name=a=b", "a=b"), ("name=''", ""), ("name = é ", "é")] {
        assert_eq!(read("name = 'x'", &[text]).value.name, name);
    }
}

#[test]
fn values_that_are_refused_later_have_a_place() {
    let files = Files::new(&[
        ("base.toml", "name = 'x'\ntasks = [\n  'a',\n  'b',\n]\n[train]\nepochs = 0\n"),
        ("a.toml", "extends = 'base.toml'\n[policies.a]\nsteps = [{ shift = { pixels = 1 } }]\n"),
    ]);
    let places = files.load("a.toml", &["train.batch_size=3"]).unwrap().places;
    let at = |key| {
        let picture = places.of(key)?.to_string();
        Some(picture.lines().next()?.rsplit(['/', ' ']).next()?.to_owned())
    };
    assert_eq!(at("tasks[1]").as_deref(), Some("base.toml:4:3"));
    assert_eq!(at("policies.a.steps[0].shift.pixels").as_deref(), Some("a.toml:3:31"));
    assert_eq!(at("train.batch_size").as_deref(), Some("--set:1:18"));
    assert_eq!(places.of("train.batch_size").unwrap().origin, Origin::Override);
    for key in ["train.shuffle", "tasks[2]", "tasks.1", "tasks[x]", "tasks[0", "tasks[0]x", "", ".", "train..epochs"] {
        assert_eq!(at(key), None, "{key}");
    }
    let text = places.refuse("train.epochs", "must lie in 1 to 100000").to_string();
    insta::assert_snapshot!(text.replace(&format!("{}/", files.0.path().display()), ""), @"
    bad value for `train.epochs`: must lie in 1 to 100000
     --> base.toml:7:10
      |
    7 | epochs = 0
      |          ^
    ");
    let text = places.refuse("train.shuffle", "no").to_string();
    assert_eq!(text, "bad value for `train.shuffle`: no");
}

/// One page with everything that the loader can say. A change of a message is a change of the snapshot.
#[test]
#[allow(clippy::too_many_lines, reason = "a list of cases")]
fn every_message() {
    let mut page = String::new();
    let mut say = |title: &str, files: &Files, name: &str, overrides: &[&str]| {
        let error = files.load(name, overrides).unwrap_err();
        let text = error.to_string().replace(&format!("{}/", files.0.path().display()), "");
        if let Some(hint) = error.hint() {
            assert!(text.ends_with(&format!("\nhint: {hint}")), "{text}");
        }
        writeln!(page, "## {title}\n{text}\n").unwrap();
    };
    let typed = [
        ("unknown key", "name = 'x'\n\n[train]\n  epoch = 5 # five\n"),
        ("unknown key with another spelling", "name = 'x'\n[train]\nBatch-Size = 5\n"),
        ("unknown key without a neighbour", "name = 'x'\ntrain.zzz = 5\n"),
        ("unknown key of another table", "name = 'x'\ntrain.samples_per_epoch = 5\n"),
        ("unknown table", "name = 'x'\n[trian]\nepochs = 5\n"),
        ("unknown key, quoted", "name = 'x'\n\"a b\\tc\" = 5\n"),
        ("unknown key below a tagged choice", "name = 'x'\n[net.backbone]\nname = 'resnet9'\nwidht = 3\nwidth = 3\n"),
        ("unknown key where there is none", "name = 'x'\nnet.backbone = { name = 'resnet18', width = 3 }\n"),
        ("unknown key in an array", "name = 'x'\n[policies.a]\nsteps = [\n  { flip = { probabilty = 0.5 } },\n]\n"),
        ("string for integer", "name = 'x'\n[train]\nepochs = 'five'\n"),
        ("float for integer", "name = 'x'\n[train]\nepochs = 5.0\n"),
        ("integer for string", "name = 5\n"),
        ("date for integer", "name = 'x'\ntrain.epochs = 2026-01-01\n"),
        ("table for string", "[name]\nx = 1\n"),
        ("value for table", "name = 'x'\ntrain = 3\n"),
        ("string for array", "name = 'x'\ntasks = 'breastmnist'\n"),
        ("integer in an array", "name = 'x'\ntasks = ['a', 3]\n"),
        ("string for boolean", "name = 'x'\n[train]\nshuffle = 'yes'\n"),
        ("string for number", "name = 'x'\ntrain.learning_rate = '0.1'\n"),
        ("wrong type below a tagged choice", "name = 'x'\n[net]\nbackbone = { name = 'resnet9', width = 'wide' }\n"),
        ("negative for unsigned", "name = 'x'\n[train]\nepochs = -5\n"),
        ("too large", "name = 'x'\n[train]\nbatch_size = 70_000\n"),
        ("unknown choice", "name = 'x'\n[train]\nprecision = 'bf15'\n"),
        ("unknown choice without a neighbour", "name = 'x'\n[train]\nprecision = 'half'\n"),
        ("unknown tagged choice", "name = 'x'\nnet.backbone.name = 'resnet'\n"),
        ("unknown variant with content", "name = 'x'\npolicies.a.steps = [{ flop = { probability = 0.5 } }]\n"),
        ("missing key", "tasks = []\n"),
        ("missing key of a table", "name = 'x'\n[policies.a]\n"),
        ("missing key below a tagged choice", "name = 'x'\n[net.backbone]\nname = 'resnet9'\n"),
        ("missing tag", "name = 'x'\n[net.backbone]\nwidth = 3\n"),
        ("syntax", "name = 'x'\n[train\nepochs = 3\n"),
        ("syntax, no value", "name = 'x'\nepochs =\n"),
        ("syntax, unquoted", "name = breast\n"),
        ("syntax, key twice", "name = 'x'\nname = 'y'\n"),
        ("syntax at the end", "name = 'x"),
        ("number too large", "name = 'x'\ntrain.epochs = 99999999999999999999\n"),
        ("too deep", &format!("name = {}{}\n", "[".repeat(40), "]".repeat(40))),
        ("extends a number", "extends = 3\n"),
        ("extends nothing", "extends = ''\n"),
        ("a missing base", "name = 'x'\nextends = 'bsae.toml'\n"),
        ("a base that is no config", "extends = '/etc/passwd'\n"),
        ("a base that is a folder", "extends = 'folder.toml'\n"),
        ("a file that extends itself", "extends = 'a.toml'\n"),
        ("terminal codes", "name = 'x' # \u{202e}evil\n\"\u{7f}\" = 1\n"),
        ("a long line", &format!("{}epoch = 1{}\n", " ".repeat(300), " ".repeat(300))),
    ];
    for (title, text) in typed {
        say(title, &Files::new(&[("a.toml", text), ("folder.toml/b", "")]), "a.toml", &[]);
    }
    let layered = Files::new(&[
        ("base/b.toml", "name = 'x'\n[train]\nepochs = 3\nepoch = 4\n"),
        ("a.toml", "extends = 'base/b.toml'\nname = 'y'\n"),
        ("c.toml", "extends = 'base/d.toml'\n"),
        ("base/d.toml", "extends = '../c.toml'\n"),
    ]);
    say("unknown key of a base", &layered, "a.toml", &[]);
    say("circle", &layered, "c.toml", &[]);
    say("missing file", &layered, "nowhere.toml", &[]);
    let names: Vec<String> = (0..10).map(|at| format!("{at}.toml")).collect();
    let texts: Vec<String> = (0..10).map(|at| format!("extends = '{}.toml'\n", at + 1)).collect();
    let chain: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    say("chain", &Files::new(&chain), "0.toml", &[]);

    let good = Files::new(&[("a.toml", "name = 'x'\n[train]\nepochs = 3\n")]);
    for text in [
        "train.epochs",
        "",
        "=3",
        "train.=3",
        "train epochs=3",
        "train.epochs=",
        "'train.epochs=3",
        "tasks=[a, b]",
        "name='x",
        "name=a\u{1b}[31m",
        "extends='b.toml'",
        "train.epochs.more=3",
        "tasks.0.x=3",
        "train.epoch=3",
        "trian.epochs=3",
        "train.epochs=five",
        "name=5",
        "train=5",
        "train.epochs=99999999999999999999",
    ] {
        let title = format!("--set {}", text.escape_debug());
        let overrides: &[&str] = if text.starts_with("tasks.0") { &["tasks=['a']", text] } else { &[text] };
        say(&title, &good, "a.toml", overrides);
    }
    fs_err::write(good.path("latin.toml"), b"name = 'x'\n# caf\xe9\n").unwrap();
    say("not UTF-8", &good, "latin.toml", &[]);
    fs_err::write(good.path("large.toml"), "#".repeat(MAX_BYTES as usize + 1)).unwrap();
    say("large", &good, "large.toml", &[]);

    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("every_message", page));
}

#[test]
fn a_file_of_the_largest_size_is_read() {
    let text = format!("name = 'x'\n{}", "#".repeat(MAX_BYTES as usize - 11));
    assert_eq!(read(&text, &[]).value.name, "x");
}

/// The parser alone would overflow an ordinary stack on this.
#[test]
fn depth_is_refused_without_a_crash() {
    let key = vec!["a"; 80].join(".");
    for braces in [10, 60, 79, 80, 81, 1_000, 10_000] {
        let nested = format!("{}1{}", format!("{{{key}=").repeat(braces), "}".repeat(braces));
        for text in [format!("[{key}]\n{key}={nested}"), format!("x = {nested}\ny = = 3")] {
            let files = Files::new(&[("a.toml", &text)]);
            assert!(files.load("a.toml", &[]).is_err());
        }
        let files = Files::new(&[("a.toml", "name = 'x'")]);
        assert!(files.load("a.toml", &[&format!("name={nested}")]).is_err());
        assert!(files.load("a.toml", &[&format!("{}.a=1", vec!["a"; braces].join("."))]).is_err());
    }
}

#[test]
fn links_do_not_hide_a_circle() {
    let files = Files::new(&[("a.toml", "extends = 'a.toml'")]);
    std::os::unix::fs::symlink("a.toml", files.path("link.toml")).unwrap();
    assert!(matches!(files.load("link.toml", &[]), Err(ConfigError::Cycle { .. })));
}

/// Whoever wrote a config need not be who reads the error.
#[test]
fn what_a_base_links_to_is_not_shown() {
    use std::os::unix::fs::symlink;
    let outside = Files::new(&[("secret", "password = hunter2\n"), ("secret.toml", "password = hunter2\n")]);
    let files = Files::new(&[
        ("a.toml", "extends = 'link.toml'"),
        ("b.toml", "extends = 'folder/secret.toml'"),
        ("c.toml", "extends = 'inner/../link.toml'"),
        ("inner/d.toml", "extends = '../link.toml'"),
        ("e.toml", "extends = 'pipe.toml'"),
    ]);
    symlink(outside.path("secret"), files.path("link.toml")).unwrap();
    symlink(outside.path("."), files.path("folder")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(files.path("pipe.toml")).status().unwrap().success());
    for (name, expected) in [
        ("a.toml", "is a link"),
        ("b.toml", "is a link"),
        ("c.toml", "is a link"),
        ("inner/d.toml", "is a link"),
        ("e.toml", "is a pipe"),
        ("pipe.toml", "is a pipe"),
    ] {
        let error = anyhow::Error::from(files.load(name, &[]).unwrap_err());
        let text = format!("{error:#}");
        assert!(text.contains(expected) && !text.contains("hunter2"), "{name}: {text}");
    }
    // A user may name a link.
    let error = files.load("link.toml", &[]).unwrap_err().to_string();
    assert!(error.contains("hunter2"), "{error}");
}

#[test]
fn the_config_of_a_run_extends_nothing_and_is_no_link() {
    let files = Files::new(&[("a.toml", "name = 'x'"), ("b.toml", "extends = 'a.toml'")]);
    std::os::unix::fs::symlink("a.toml", files.path("link.toml")).unwrap();
    let recorded = |name: &str| load_recorded::<Schema>(&files.path(name), |_| {});
    assert_eq!(recorded("a.toml").unwrap().value.name, "x");
    assert!(matches!(recorded("b.toml"), Err(ConfigError::RecordedExtends { .. })));
    assert!(matches!(recorded("link.toml"), Err(ConfigError::Unreadable { source: ReadError::Link { .. }, .. })));
}

#[test]
fn rendering_is_canonical() {
    let text = "[train]\nshuffle=false\nepochs=0x3\n[policies.b]\nsteps=[{shift={pixels=1}}]\n[policies.a]\nsteps=[]\n";
    let first = read(&format!("name='x'\n{text}"), &[]);
    let second = read(&format!("{text}[net]\n"), &["name=x", "train.epochs=3"]);
    insta::assert_snapshot!(render(&first.table), @r#"
    name = "x"

    [policies.a]
    steps = []

    [[policies.b.steps]]

    [policies.b.steps.shift]
    pixels = 1

    [train]
    epochs = 3
    shuffle = false
    "#);
    assert_eq!(render(&second.table).replace("[net]\n\n", ""), render(&first.table));
}

fn any_table() -> impl Strategy<Value = toml::Table> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(toml::Value::Integer),
        any::<f64>().prop_filter("NaN is not equal to itself", |x| !x.is_nan()).prop_map(toml::Value::Float),
        any::<bool>().prop_map(toml::Value::Boolean),
        any::<String>().prop_map(toml::Value::String),
    ];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(toml::Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|entries| toml::Value::Table(entries.into_iter().collect())),
        ]
    });
    prop::collection::btree_map(any::<String>().prop_filter("taken", |key| key != "extends"), value, 0..5)
        .prop_map(|entries| entries.into_iter().collect())
}

/// Bytes that look enough like TOML to get past the first line.
fn nearly_toml() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("name".to_owned()),
        Just("train".to_owned()),
        Just("extends".to_owned()),
        Just("'a.toml'".to_owned()),
        prop::sample::select(vec![
            "=", ".", "\n", "[", "]", "{", "}", ",", "'", "\"", "\"\"\"", "#", "-", " ", "\r", "\0"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        any::<f64>().prop_map(|number| number.to_string()),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![nearly_toml(), any::<String>()], more in prop::collection::vec(nearly_toml(), 0..3)) {
        let files = Files::new(&[("a.toml", &text), ("b.toml", "extends = 'a.toml'\nname = 'x'")]);
        let overrides: Vec<&str> = more.iter().map(String::as_str).collect();
        for (name, overrides) in [("a.toml", &[][..]), ("b.toml", &overrides)] {
            if let Err(error) = files.load(name, overrides) {
                let shown = error.to_string();
                prop_assert!(!shown.is_empty() && shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
                prop_assert!(shown.len() < 4_000, "{}", shown.len());
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        fs_err::write(&path, bytes).unwrap();
        let _ = load::<Schema>(&path, &[]);
    }

    #[test]
    fn rendering_is_read_back(table in any_table()) {
        let text = render(&table);
        let files = Files::new(&[("a.toml", &text)]);
        let loaded = load::<toml::Table>(&files.path("a.toml"), &[]).unwrap();
        prop_assert_eq!(&loaded.table, &table);
        prop_assert_eq!(&loaded.value, &table);
        prop_assert_eq!(render(&loaded.table), text);
    }
}

#[test]
fn configs_of_this_repository_are_layered() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let Ok(entries) = fs_err::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            load::<toml::Table>(&path, &[]).unwrap();
        }
    }
}
