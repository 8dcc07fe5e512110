//! Spaces from TOML.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::{Condition, Dimension, Domain, MAX_KEYS, Space, VARIANT};
use crate::document::{Document, Node, NodeValue};
use crate::{Place, SearchError};

/// What a domain is written with; the first of these that is there says which it is.
const FORMS: [&str; 4] = ["log", "uniform", "int", "choice"];
/// All keys of a domain.
const KNOWN: [&str; 6] = ["log", "uniform", "int", "choice", "step", "when"];
/// Most values of a key that are counted.
const MAX_COUNT: f64 = 1e9;

/// A key before its conditions are looked up.
struct Raw<'a> {
    domain: Domain,
    when: Vec<(&'a str, &'a Node)>,
    node: &'a Node,
}

/// The space of two tables of a document.
pub(crate) fn parse_space(
    document: &Document,
    space: Option<&Node>,
    variants: Option<&Node>,
) -> Result<Space, SearchError> {
    let mut raw = BTreeMap::new();
    if let Some(node) = space {
        flatten(document, node, "", &mut raw)?;
    }
    let place = |(key, raw): (&String, &Raw<'_>)| (key.clone(), document.place(&raw.node.key_span));
    let mut places: BTreeMap<String, Place> = raw.iter().map(place).collect();
    let mut sets = BTreeMap::new();
    if let Some(node) = variants {
        sets = parse_variants(document, node, &raw, &mut places)?;
        if sets.len() > 1 {
            let names = sets.keys().map(|name| Value::String(name.clone())).collect();
            raw.insert(VARIANT.to_owned(), Raw { domain: Domain::Choice(names), when: Vec::new(), node });
        }
    }
    if raw.is_empty() && sets.is_empty() {
        let span = space.map_or(0..0, |node| node.key_span.clone());
        let hint = "name a key, such as \"optimizer.learning_rate\" = { log = [1e-4, 1e-2] }, or two [[variants]]";
        return Err(document.refuse(&span, "space", "there is nothing to search", Some(hint)));
    }
    if let Some((key, extra)) = raw.iter().nth(MAX_KEYS) {
        return Err(document.refuse(&extra.node.key_span, key, format!("a space has at most {MAX_KEYS} keys"), None));
    }
    let dimensions = in_order(document, &raw)?;
    Ok(Space { dimensions, variants: sets, places })
}

/// Domains by dotted key: `a.b = …`, `"a.b" = …` and `[space.a]` are the same.
fn flatten<'a>(
    document: &Document,
    node: &'a Node,
    at: &str,
    raw: &mut BTreeMap<String, Raw<'a>>,
) -> Result<(), SearchError> {
    for (name, node) in document.table(node, if at.is_empty() { "space" } else { at })? {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let hint = "write one of { log = [..] }, { uniform = [..] }, { int = [..] }, { choice = [..] }";
        let NodeValue::Table(entries) = &node.value else {
            return Err(document.refuse(&node.span, &key, "it must say which values it takes", Some(hint)));
        };
        if key == VARIANT {
            return Err(document.refuse(&node.key_span, &key, "this name is that of [[variants]]", None));
        }
        let is_domain = entries.iter().any(|(name, entry)| {
            KNOWN.contains(&name.as_str()) && !(name == "when" || matches!(entry.value, NodeValue::Table(_)))
        });
        if !is_domain
            && entries.values().any(|entry| matches!(entry.value, NodeValue::Table(_)))
            && !entries.contains_key("when")
        {
            flatten(document, node, &key, raw)?;
            continue;
        }
        document.only(entries, &key, &KNOWN)?;
        let domain = parse_domain(document, node, entries, &key)?;
        let when = match entries.get("when") {
            Some(when) => conditions(document, when, &key)?,
            None => Vec::new(),
        };
        if raw.insert(key.clone(), Raw { domain, when, node }).is_some() {
            return Err(document.refuse(&node.key_span, &key, "it is there twice", Some("take one of them out")));
        }
    }
    Ok(())
}

/// `when = { "a.b" = value }`; keys may be dotted there too, which makes tables of them.
fn conditions<'a>(document: &Document, when: &'a Node, key: &str) -> Result<Vec<(&'a str, &'a Node)>, SearchError> {
    let entries = document.table(when, &format!("{key}.when"))?;
    if entries.is_empty() {
        let hint = "write when = { \"loss.name\" = \"focal\" }";
        return Err(document.refuse(&when.span, &format!("{key}.when"), "it names no key", Some(hint)));
    }
    Ok(entries.iter().map(|(name, node)| (name.as_str(), node)).collect())
}

fn parse_domain(
    document: &Document,
    node: &Node,
    entries: &BTreeMap<String, Node>,
    key: &str,
) -> Result<Domain, SearchError> {
    let refuse = |node: &Node, problem: &str, hint: Option<&str>| Err(document.refuse(&node.span, key, problem, hint));
    // `log = true` goes with `int`.
    let forms: Vec<&str> = FORMS.into_iter().filter(|form| entries.contains_key(*form)).collect();
    let form = match forms.as_slice() {
        [form] => *form,
        ["log", "int"] if entries["log"].as_bool().is_some() => "int",
        [] => {
            return refuse(
                node,
                "it must say which values it takes",
                Some("write one of `log`, `uniform`, `int`, `choice`"),
            );
        }
        _ => return refuse(node, "it says in several ways which values it takes", Some("keep one of them")),
    };
    let given = &entries[form];
    let step = entries.get("step");
    match form {
        "choice" => {
            if let Some(step) = step {
                return refuse(step, "choices have no step", Some("take `step` out"));
            }
            choices(document, given, key)
        }
        "int" => {
            let ends = ends(document, given, key, Node::as_integer, "integers")?;
            let log = entries.get("log").and_then(Node::as_bool).unwrap_or(false);
            let (low, high) = ends;
            if (high as f64 - low as f64) >= MAX_COUNT {
                return refuse(given, "these are more than 1e9 values", Some("use `uniform` or `log`"));
            }
            match (step, log) {
                (Some(step), true) => refuse(step, "a step does not go with `log`", Some("take one of them out")),
                (None, true) if low < 1 => refuse(given, "the logarithm needs a least value of 1 or more", None),
                (None, true) => Ok(Domain::LogInteger { low, high }),
                (step, false) => {
                    let Some(size) = step.map_or(Some(1), Node::as_integer).filter(|size| *size > 0) else {
                        return refuse(step.unwrap_or(given), "the step must be a positive integer", None);
                    };
                    if (high - low) % size != 0 {
                        let hint = format!("the greatest value could be {}", high - (high - low) % size);
                        return refuse(
                            step.unwrap_or(given),
                            &format!("steps of {size} from {low} do not end at {high}"),
                            Some(&hint),
                        );
                    }
                    Ok(Domain::Integer { low, step: size, count: ((high - low) / size + 1) as usize })
                }
            }
        }
        _ => {
            let (low, high) = ends(document, given, key, Node::as_number, "numbers")?;
            if form == "log" && low <= 0.0 {
                return refuse(
                    given,
                    "the logarithm needs positive ends",
                    Some("use `uniform`, or a small positive end"),
                );
            }
            if !(high - low).is_finite() {
                return refuse(given, "the ends are too far apart", None);
            }
            let Some(step) = step else { return Ok(Domain::Real { low, high, log: form == "log" }) };
            if form == "log" {
                return refuse(step, "a step does not go with `log`", Some("take one of them out"));
            }
            let Some(size) = step.as_number().filter(|size| *size > 0.0) else {
                return refuse(step, "the step must be a positive number", None);
            };
            let steps = (high - low) / size;
            if steps >= MAX_COUNT {
                return refuse(step, "these are more than 1e9 values", Some("take `step` out"));
            }
            if (steps - steps.round()).abs() > 1e-6 || steps.round() < 1.0 {
                return refuse(step, &format!("steps of {size:?} from {low:?} do not end at {high:?}"), None);
            }
            Ok(Domain::Steps { low, step: size, count: steps.round() as usize + 1 })
        }
    }
}

/// `[low, high]`, with `low` below `high`.
fn ends<T: PartialOrd + Copy>(
    document: &Document,
    node: &Node,
    key: &str,
    read: impl Fn(&Node) -> Option<T>,
    kind: &str,
) -> Result<(T, T), SearchError> {
    let items = match &node.value {
        NodeValue::Array(items) => items.as_slice(),
        _ => &[],
    };
    let [low, high] = items else {
        return Err(document.refuse(&node.span, key, format!("a range is two {kind}, [least, greatest]"), None));
    };
    let number = |item: &Node| {
        read(item)
            .ok_or_else(|| document.refuse(&item.span, key, format!("a range is two {kind}, [least, greatest]"), None))
    };
    let (low, high) = (number(low)?, number(high)?);
    if low < high {
        Ok((low, high))
    } else {
        let hint = "the first must be less than the second; to fix a key, set it in the base experiment";
        Err(document.refuse(&node.span, key, "the range is empty", Some(hint)))
    }
}

fn choices(document: &Document, node: &Node, key: &str) -> Result<Domain, SearchError> {
    let NodeValue::Array(items) = &node.value else {
        return Err(document.refuse(&node.span, key, "choices are an array of values", None));
    };
    if items.len() < 2 {
        let hint = "to fix a key, set it in the base experiment";
        return Err(document.refuse(&node.span, key, "there must be two choices or more", Some(hint)));
    }
    let mut values: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        let value = item.to_value();
        if !is_plain(&value) {
            return Err(document.refuse(&item.span, key, "dates, infinity and NaN cannot be choices", None));
        }
        if values.contains(&value) {
            return Err(document.refuse(&item.span, key, "this choice is there twice", Some("take one of them out")));
        }
        values.push(value);
    }
    Ok(Domain::Choice(values))
}

/// Whether it can be written as JSON and read again.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Datetime(_) => false,
        Value::Float(number) => number.is_finite(),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Table(entries) => entries.values().all(is_plain),
        _ => true,
    }
}

/// Variants by name, with the keys that each sets.
fn parse_variants(
    document: &Document,
    node: &Node,
    raw: &BTreeMap<String, Raw<'_>>,
    places: &mut BTreeMap<String, Place>,
) -> Result<BTreeMap<String, toml::Table>, SearchError> {
    let NodeValue::Array(items) = &node.value else {
        return Err(document.refuse(&node.span, "variants", "variants are tables, [[variants]]", None));
    };
    let mut sets = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("variants[{index}]");
        let entries = document.table(item, &at)?;
        document.only(entries, &at, &["name", "set"])?;
        let Some(named) = entries.get("name") else {
            let hint = "add `name = \"…\"` there".to_owned();
            return Err(SearchError::MissingKey {
                key: format!("{at}.name"),
                place: document.place(&item.span).into(),
                hint,
            });
        };
        let Some(name) = named.as_str().filter(|name| medley_core::names::is_name(name)) else {
            return Err(document.refuse(&named.span, &format!("{at}.name"), medley_core::names::NAME_RULE, None));
        };
        let mut set = toml::Table::new();
        if let Some(node) = entries.get("set") {
            for (key, entry) in document.table(node, &format!("{at}.set"))? {
                if raw.contains_key(key) {
                    let hint = "take it out of one of them";
                    return Err(document.refuse(&entry.key_span, key, "a variant sets what is searched", Some(hint)));
                }
                let value = entry.to_value();
                if !is_plain(&value) {
                    return Err(document.refuse(&entry.span, key, "dates, infinity and NaN cannot be set", None));
                }
                places.insert(key.clone(), document.place(&entry.key_span));
                set.insert(key.clone(), value);
            }
        }
        if sets.insert(name.to_owned(), set).is_some() {
            return Err(document.refuse(&named.span, &format!("{at}.name"), "this name is there twice", None));
        }
    }
    Ok(sets)
}

/// The dimensions, each after those that its conditions name, with conditions as indices.
fn in_order(document: &Document, raw: &BTreeMap<String, Raw<'_>>) -> Result<Vec<Dimension>, SearchError> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut dimensions: Vec<Dimension> = Vec::with_capacity(raw.len());
    let mut left: BTreeSet<&str> = raw.keys().map(String::as_str).collect();
    for (key, entry) in raw {
        for (parent, node) in &entry.when {
            if !raw.contains_key(*parent) {
                let known: Vec<&str> =
                    raw.iter().filter(|(_, raw)| raw.domain.is_choice()).map(|(key, _)| key.as_str()).collect();
                return Err(document.unknown(node, &format!("{key}.when.{parent}"), parent, &known));
            }
        }
    }
    while !left.is_empty() {
        let is_ready = |key: &&&str| raw[**key].when.iter().all(|(parent, _)| places.contains_key(parent));
        let Some(&key) = left.iter().find(is_ready) else {
            let circle: Vec<String> = left.iter().map(|key| format!("`{key}`")).collect();
            let key = left.first().copied().unwrap_or_default();
            let problem = format!("conditions go in a circle: {}", circle.join(", "));
            return Err(document.refuse(&raw[key].node.key_span, key, problem, Some("take one of their `when` out")));
        };
        left.remove(key);
        let entry = &raw[key];
        let mut when = Vec::with_capacity(entry.when.len());
        for (parent, node) in &entry.when {
            let choices = matching(document, key, parent, &raw[*parent].domain, node)?;
            when.push(Condition { dimension: places[parent], choices });
        }
        when.sort();
        places.insert(key, dimensions.len());
        dimensions.push(Dimension { key: key.to_owned(), domain: entry.domain.clone(), when });
    }
    Ok(dimensions)
}

/// The choices of a parent that a condition asks for: one value, or an array of some.
fn matching(
    document: &Document,
    key: &str,
    parent: &str,
    domain: &Domain,
    node: &Node,
) -> Result<Vec<usize>, SearchError> {
    let at = format!("{key}.when.{parent}");
    let Domain::Choice(values) = domain else {
        return Err(document.refuse(&node.key_span, &at, "a condition asks for a value of a `choice`", None));
    };
    let find = |value: &Value| values.iter().position(|choice| choice == value);
    if let Some(index) = find(&node.to_value()) {
        return Ok(vec![index]);
    }
    let refuse = |node: &Node| {
        let known = medley_core::text::list(&values.iter().map(Value::to_string).collect::<Vec<_>>());
        document.refuse(
            &node.span,
            &at,
            format!("`{parent}` cannot be {}", node.to_value()),
            Some(&format!("it is one of {known}")),
        )
    };
    match &node.value {
        NodeValue::Array(items) if !items.is_empty() => {
            let mut found: Vec<usize> = items
                .iter()
                .map(|item| find(&item.to_value()).ok_or_else(|| refuse(item)))
                .collect::<Result<_, _>>()?;
            found.sort_unstable();
            found.dedup();
            Ok(found)
        }
        _ => Err(refuse(node)),
    }
}
