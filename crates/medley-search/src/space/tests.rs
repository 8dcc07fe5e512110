use proptest::prelude::*;
use toml::Value;

use super::*;

fn parse(text: &str) -> Result<Space, SearchError> {
    Space::parse("study.toml".as_ref(), text)
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const WIDE: &str = r#"
    [space]
    "optimizer.learning_rate" = { log = [1e-4, 3e-2] }
    "train.label_smoothing" = { uniform = [0.0, 0.3], step = 0.1 }
    "train.batch_size" = { int = [8, 64], step = 8 }
    net.width = { int = [4, 512], log = true }
    "loss.name" = { choice = ["cross_entropy", "focal", "ldam"] }
    "loss.gamma" = { uniform = [0.5, 5.0], when = { "loss.name" = "focal" } }
    "loss.shape" = { choice = [1, 2.5, [1, 2], { a = true }], when = { "loss.name" = ["focal", "ldam"] } }
    "loss.deep" = { int = [-3, 3], when = { "loss.shape" = 2.5, variant = "big" } }

    [[variants]]
    name = "small"
    [[variants]]
    name = "big"
    set = { "net.depth" = 9, "augment.policy" = "none" }
"#;

#[test]
fn a_message_says_what_where_and_what_to_do() {
    assert_eq!(
        refused("[space]\n\"optimizer.learning_rate\" = { log = [0, 1e-2] }\n"),
        "bad value for `optimizer.learning_rate`: the logarithm needs positive ends\n --> study.toml:2:37\n  |\n2 | \
         \"optimizer.learning_rate\" = { log = [0, 1e-2] }\n  |                                     ^^^^^^^^^\n\
         hint: use `uniform`, or a small positive end"
    );
}

#[test]
fn what_cannot_be_searched_is_refused() {
    for (text, says, mark) in [
        ("a = { log = [2, 1] }", "the range is empty", "[2, 1]"),
        ("a = { uniform = [1, 1] }", "the range is empty", "[1, 1]"),
        ("a = { uniform = [1, 2, 3] }", "a range is two numbers", "[1, 2, 3]"),
        ("a = { int = [1, 2.5] }", "a range is two integers", "2.5"),
        ("a = { uniform = [0, inf] }", "a range is two numbers", "inf"),
        ("a = { uniform = [-1e308, 1e308] }", "too far apart", "[-1e308, 1e308]"),
        ("a = { int = [0, 8], log = true }", "least value of 1", "[0, 8]"),
        ("a = { int = [8, 60], step = 8 }", "steps of 8 from 8 do not end at 60", "8"),
        ("a = { int = [8, 64], step = 0 }", "positive integer", "0"),
        ("a = { uniform = [0, 1], step = 0.3 }", "steps of 0.3 from 0.0 do not end at 1.0", "0.3"),
        ("a = { log = [1, 2], step = 0.1 }", "does not go with `log`", "0.1"),
        ("a = { int = [-9223372036854775808, 9223372036854775807] }", "more than 1e9 values", "[-9"),
        ("a = { choice = [1] }", "two choices or more", "[1]"),
        ("a = { choice = [1, 2, 1] }", "there twice", "1"),
        ("a = { choice = [1, nan] }", "cannot be choices", "nan"),
        ("a = { choice = 3 }", "array of values", "3"),
        ("a = { choice = [1, 2], step = 1 }", "no step", "1"),
        ("a = { choice = [1, 2], int = [1, 2] }", "several ways", "{"),
        ("a = 3", "which values it takes", "3"),
        ("a = {}", "which values it takes", "{}"),
        ("a = { unifrom = [0, 1] }", "did you mean `uniform`", "unifrom"),
        ("variant = { choice = [1, 2] }", "[[variants]]", "variant"),
        ("a = { int = [1, 2], when = { b = 1 } }", "unknown key `a.when.b`", "b"),
        ("a = { int = [1, 2], when = { bb = 1 } }\nbc = { choice = [1, 2] }", "did you mean `bc`", "bb"),
        ("a = { int = [1, 2], when = { b = 3 } }\nb = { choice = [1, 2] }", "`b` cannot be 3", "3"),
        ("a = { int = [1, 2], when = { b = [1, 4] } }\nb = { choice = [1, 2] }", "`b` cannot be 4", "4"),
        ("a = { int = [1, 2], when = { b = 1 } }\nb = { int = [1, 2] }", "asks for a value of a `choice`", "b"),
        ("a = { int = [1, 2], when = {} }", "names no key", "{}"),
        (
            "a = { choice = [1, 2], when = { b = 1 } }\nb = { choice = [1, 2], when = { a = 1 } }",
            "conditions go in a circle: `a`, `b`",
            "a",
        ),
        ("\"a.b\" = { int = [1, 2] }\na.b = { int = [1, 2] }", "it is there twice", "\"a.b\""),
    ] {
        let message = refused(&format!("[space]\n{text}\n"));
        assert!(message.contains(says), "{text}: {message}");
        assert!(
            message.contains("--> study.toml:") && message.contains('^') && text.contains(mark),
            "{text}: {message}"
        );
    }
    for (text, says) in [
        ("", "there is nothing to search"),
        ("[spaec]", "did you mean `space`"),
        ("[space]\na = [", "not TOML"),
        ("[[variants]]\nset = {}", "missing key `variants[0].name`"),
        ("[[variants]]\nname = \"a\"\n[[variants]]\nname = \"a\"", "there twice"),
        ("[[variants]]\nname = \"a/b\"", "letters, digits"),
        ("[[variants]]\nname = \"a\"\nsett = {}", "did you mean `set`"),
        (
            "[[variants]]\nname = \"a\"\nset = { x = 1 }\n[space]\nx = { int = [1, 2] }",
            "a variant sets what is searched",
        ),
    ] {
        assert!(refused(text).contains(says), "{text}: {}", refused(text));
    }
    let deep = format!("[space]\na = {}1{}", "[".repeat(40), "]".repeat(40));
    assert!(refused(&deep).contains("levels"));
}

#[test]
fn a_hostile_text_is_refused_and_not_a_crash() {
    for text in
        ["a.".repeat(20_000) + "b = 1", format!("a = {}", "[".repeat(100_000)), "[space]\n\"\\u0000\" = 1".to_owned()]
    {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn keys_come_after_what_they_depend_on() {
    let space = parse(WIDE).unwrap();
    let keys: Vec<&str> = space.dimensions().iter().map(|dimension| dimension.key.as_str()).collect();
    let at = |key: &str| keys.iter().position(|other| *other == key).unwrap();
    assert!(at("loss.name") < at("loss.shape") && at("loss.shape") < at("loss.deep") && at(VARIANT) < at("loss.deep"));
    assert!(keys.contains(&"net.width"), "{keys:?}");
}

#[test]
fn a_variant_sets_its_keys() {
    let space =
        parse("[[variants]]\nname = \"a\"\nset = { x = 1 }\n[[variants]]\nname = \"b\"\nset = { y = \"z\" }").unwrap();
    let settings = |at: f64| format!("{:?}", space.settings(&space.decode(&[at])));
    assert_eq!(settings(0.2), "{\"x\": Integer(1)}");
    assert_eq!(settings(0.7), "{\"y\": String(\"z\")}");
    let one = parse("[[variants]]\nname = \"a\"\nset = { x = 1 }").unwrap();
    assert_eq!(one.dimensions().len(), 0, "one variant is no choice");
}

#[test]
fn those_who_know_more_can_refuse_a_key_at_its_place() {
    let space = parse(WIDE).unwrap();
    let message = |key: &str| space.refuse(key, "the base experiment has no such key").to_string();
    assert!(message("train.batch_size").contains("--> study.toml:5:5"), "{}", message("train.batch_size"));
    assert!(message("net.depth").contains("--> study.toml:16:13"), "{}", message("net.depth"));
    assert!(message("other").contains("not a point of the space"));
    assert!(space.keys().any(|(key, _)| key == "augment.policy") && space.keys().all(|(key, _)| key != VARIANT));
    assert_eq!(space, Space::parse("elsewhere.toml".as_ref(), &format!("\n{WIDE}")).unwrap());
}

#[test]
fn a_point_has_one_text_and_one_hash() {
    let point: Point = serde_json::from_str(r#"{"b":1.0,"a":{"y":[1,"x"],"x":true},"c":1e-7}"#).unwrap();
    assert_eq!(point.to_string(), "a = { x = true, y = [1, \"x\"] }\nb = 1.0\nc = 0.0000001\n");
    assert_eq!(serde_json::from_str::<Point>(&serde_json::to_string(&point).unwrap()).unwrap(), point);
    assert_eq!(point.hash().len(), 64);
    assert_ne!(point.hash(), Point::default().hash());
}

#[test]
fn what_is_not_of_the_space_has_no_place() {
    let space = parse(WIDE).unwrap();
    let point = space.decode(&vec![0.1; space.dimensions().len()]);
    let changed = |key: &str, value: Option<Value>| {
        let mut values: std::collections::BTreeMap<String, Value> =
            point.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        match value {
            Some(value) => values.insert(key.to_owned(), value),
            None => values.remove(key),
        };
        space.encode(&Point::new(values)).unwrap_err().to_string()
    };
    assert!(changed("other", Some(Value::Integer(1))).contains("`other` is not searched"));
    assert!(changed("net.width", None).contains("`net.width` is missing"));
    assert!(changed("train.batch_size", Some(Value::Integer(9))).contains("an integer in [8, 64] in steps of 8"));
    assert!(changed("loss.gamma", Some(Value::Float(1.0))).contains("condition does not hold"));
    assert!(changed("optimizer.learning_rate", Some(Value::Float(1.0))).contains("[0.0001, 0.03]"));
}

proptest! {
    /// Value to cube to value, for every form.
    #[test]
    fn the_cube_has_each_point(cube in prop::collection::vec(0.0..1.0_f64, 9)) {
        let space = parse(WIDE).unwrap();
        prop_assert_eq!(space.dimensions().len(), cube.len());
        let point = space.decode(&cube);
        let encoded = space.encode(&point).unwrap();
        let back: Vec<f64> = encoded.iter().map(|at| at.unwrap_or(0.5)).collect();
        prop_assert!(back.iter().all(|at| (0.0..1.0).contains(at)));
        let again = space.decode(&back);
        prop_assert_eq!(again.len(), point.len());
        for ((key, value), (other, other_value)) in point.iter().zip(again.iter()) {
            prop_assert_eq!(key, other);
            if let (Value::Float(a), Value::Float(b)) = (value, other_value) {
                prop_assert!((a - b).abs() <= 1e-10 * a.abs(), "{} {}", a, b);
            } else {
                prop_assert_eq!(value, other_value);
            }
        }
        prop_assert_eq!(encoded.iter().map(Option::is_some).collect::<Vec<_>>(), space.active(&cube));
        let read: Point = serde_json::from_str(&serde_json::to_string(&point).unwrap()).unwrap();
        prop_assert_eq!(read.hash(), point.hash());
    }

    /// Cells share the interval without gaps, and the middle of a cell is in it.
    #[test]
    fn cells_are_where_they_say(low in 1_i64..50, more in 1_i64..500, at in 0.0..1.0_f64) {
        for domain in [Domain::LogInteger { low, high: low + more }, Domain::Integer { low, step: 3, count: more as usize + 1 }] {
            let count = domain.count().unwrap();
            let cell = domain.cell(at).unwrap();
            let (from, to) = domain.bounds(cell);
            prop_assert!(from <= at + 1e-12 && at <= to + 1e-12, "{from} {at} {to}");
            prop_assert_eq!(domain.cell(f64::midpoint(from, to)), Some(cell));
            prop_assert!((cell + 1 == count) == (to > 1.0 - 1e-12));
            prop_assert!(cell + 1 == count || (domain.bounds(cell + 1).0 - to).abs() < 1e-12);
        }
    }
}
