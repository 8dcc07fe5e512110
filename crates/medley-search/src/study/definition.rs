use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use medley_core::keys::KeyError;
use medley_core::text::parse_duration;
use serde::de::DeserializeOwned;
use toml::Value;

use crate::document::{Document, Node};
use crate::space::parse_space;
use crate::{Direction, Place, PrunerConfig, SamplerConfig, SearchError, Space};

/// A study as its TOML file says, checked.
///
/// ```toml
/// seed = 0
/// direction = "maximize"          # left out, so; or "minimize"
///
/// [budget]                        # trials, time, or both: what is reached first ends the study
/// trials = 50
/// time = "2h"                     # of all workers together
///
/// [sampler]                       # left out, tpe
/// name = "tpe"
///
/// [pruner]                        # left out, none
/// name = "asha"
/// last = 27
///
/// [objective]                     # whatever the objective needs; not looked at here
/// base = "configs/single/breastmnist.toml"
///
/// [space]
/// "optimizer.learning_rate" = { log = [1e-4, 3e-2] }
/// ```
#[derive(Debug, Clone)]
pub struct StudyDefinition {
    /// All randomness comes from it; 0 or more, by default 0.
    pub seed: u64,
    /// Which values are better.
    pub direction: Direction,
    /// Trials, 1 or more; `None` where time alone ends the study.
    pub trials: Option<u64>,
    /// The time that workers may spend, all together.
    pub time: Option<Duration>,
    /// How points are chosen.
    pub sampler: SamplerConfig,
    /// Which trials go on.
    pub pruner: PrunerConfig,
    /// What the objective is told.
    pub objective: toml::Table,
    /// What is searched.
    pub space: Space,
    /// Where keys were written: those above the first table, those of `[objective]`, and `pruner.last`.
    places: BTreeMap<String, Place>,
}

/// Definitions are equal if they say the same, wherever it is written.
impl PartialEq for StudyDefinition {
    fn eq(&self, other: &Self) -> bool {
        let plain = |one: &Self| (one.seed, one.direction, one.trials, one.time);
        plain(self) == plain(other)
            && (&self.sampler, &self.pruner) == (&other.sampler, &other.pruner)
            && (&self.objective, &self.space) == (&other.objective, &other.space)
    }
}

const KNOWN: [&str; 8] = ["seed", "direction", "budget", "sampler", "pruner", "objective", "space", "variants"];

impl StudyDefinition {
    /// Reads the text of a study; `path` is for messages.
    ///
    /// # Errors
    /// [`SearchError`] with the place of what is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SearchError> {
        let (document, root) = Document::parse(path, text)?;
        let entries = document.table(&root, "")?;
        document.only(entries, "", &KNOWN)?;
        let natural = |node: &Node| node.as_integer().and_then(|number| u64::try_from(number).ok());
        let seed = match entries.get("seed") {
            None => 0,
            Some(node) => natural(node)
                .ok_or_else(|| document.refuse(&node.span, "seed", "it must be an integer, 0 or more", None))?,
        };
        let direction = match entries.get("direction").map(|node| (node, node.as_str())) {
            Some((_, Some("minimize"))) => Direction::Minimize,
            None | Some((_, Some("maximize"))) => Direction::Maximize,
            Some((node, _)) => {
                let problem = "it must be \"minimize\" or \"maximize\"";
                return Err(document.refuse(&node.span, "direction", problem, None));
            }
        };
        let Some(budget) = entries.get("budget") else {
            return Err(missing(&document, "budget.trials", "add [budget] with `trials = 50`"));
        };
        let limits = document.table(budget, "budget")?;
        document.only(limits, "budget", &["trials", "time"])?;
        let count = |node: &Node| {
            natural(node).filter(|trials| (1..=10_000_000).contains(trials)).ok_or_else(|| {
                document.refuse(&node.span, "budget.trials", "it must be an integer in [1, 10000000]", None)
            })
        };
        let span_of_time = |node: &Node| {
            let text = node.as_str().ok_or_else(|| "it must be a text such as \"30min\"".to_owned());
            text.and_then(parse_duration).map_err(|problem| document.refuse(&node.span, "budget.time", problem, None))
        };
        let trials = limits.get("trials").map(count).transpose()?;
        let time = limits.get("time").map(span_of_time).transpose()?;
        if trials.is_none() && time.is_none() {
            return Err(missing(&document, "budget.trials", "add `trials = 50` or `time = \"2h\"` to [budget]"));
        }
        let objective = match entries.get("objective").map(|node| (node, node.to_value())) {
            None => toml::Table::new(),
            Some((_, Value::Table(table))) => table,
            Some((node, _)) => return Err(document.refuse(&node.span, "objective", "it must be a table", None)),
        };
        let study = Self {
            seed,
            direction,
            trials,
            sampler: component(
                &document,
                entries.get("sampler"),
                "sampler",
                &SamplerConfig::NAMES,
                SamplerConfig::check,
            )?,
            pruner: component(&document, entries.get("pruner"), "pruner", &PrunerConfig::NAMES, PrunerConfig::check)?,
            objective,
            space: parse_space(&document, entries.get("space"), entries.get("variants"))?,
            time,
            places: places(&document, entries),
        };
        study.check_levels()?;
        Ok(study)
    }

    /// Refuses pruners that could not end a trial, or never pause one.
    fn check_levels(&self) -> Result<(), SearchError> {
        let (first, last) = match &self.pruner {
            PrunerConfig::Halving(pruner) => (pruner.first, pruner.last),
            PrunerConfig::Asha(pruner) => (pruner.first, pruner.last),
            PrunerConfig::Hyperband(pruner) => (pruner.first, pruner.last),
            _ => return Ok(()),
        };
        if first >= last {
            let problem = format!("it is {first}, but levels lie below `pruner.last`, which is {last}");
            return Err(self.refuse("pruner.first", problem));
        }
        match (&self.pruner, self.trials) {
            (PrunerConfig::Halving(halving), Some(trials)) if !trials.is_multiple_of(halving.cohort) => {
                let problem = format!(
                    "it is {trials}, but halving waits for a cohort of {} trials: give a multiple of that, or another `pruner.cohort`",
                    halving.cohort
                );
                Err(self.refuse("budget.trials", problem))
            }
            _ => Ok(()),
        }
    }

    /// [`SearchError::BadValue`] at the place of a key, for those who know more of it, such as the objective of its own. A key that was not
    /// written has no place, and the start of the text is shown.
    pub fn refuse(&self, key: &str, problem: impl Into<String>) -> SearchError {
        let (key, problem) = (key.to_owned(), problem.into());
        match self.places.get(&key).or_else(|| self.places.get("")) {
            Some(place) => SearchError::BadValue { key, problem, place: place.clone().into(), hint: None },
            None => SearchError::NotInSpace { key, problem },
        }
    }
}

/// Where the values of some keys were written; the start of the text under the empty key.
fn places(document: &Document, entries: &BTreeMap<String, Node>) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::from([(String::new(), document.place(&(0..0)))]);
    for (key, node) in entries {
        places.insert(key.clone(), document.place(&node.span));
        if let ("objective" | "pruner" | "budget", Ok(inner)) = (key.as_str(), document.table(node, key)) {
            places.extend(inner.iter().map(|(name, node)| (format!("{key}.{name}"), document.place(&node.span))));
        }
    }
    places
}

fn missing(document: &Document, key: &str, hint: &str) -> SearchError {
    SearchError::MissingKey { key: key.to_owned(), place: document.place(&(0..0)).into(), hint: hint.to_owned() }
}

/// A table whose key `name` says what its other keys are; the default where it is left out.
fn component<T: DeserializeOwned + Default>(
    document: &Document,
    node: Option<&Node>,
    table: &str,
    choices: &[&str],
    check: impl Fn(&T) -> Result<(), KeyError>,
) -> Result<T, SearchError> {
    let Some(node) = node else { return Ok(T::default()) };
    let entries = document.table(node, table)?;
    let Some(named) = entries.get("name") else {
        let hint = format!("add `name = {:?}` there; it can be {}", choices[0], choices.join(", "));
        return Err(SearchError::MissingKey {
            key: format!("{table}.name"),
            place: document.place(&node.span).into(),
            hint,
        });
    };
    if !named.as_str().is_some_and(|name| choices.contains(&name)) {
        let hint = format!("it can be {}", choices.join(", "));
        return Err(document.refuse(&named.span, &format!("{table}.name"), "there is none of this name", Some(&hint)));
    }
    let read = |keys: &BTreeMap<&String, &Node>| -> Result<T, String> {
        let value: toml::Table = keys.iter().map(|(key, node)| ((*key).clone(), node.to_value())).collect();
        Value::Table(value).try_into::<T>().map_err(|error| error.message().to_owned())
    };
    let all: BTreeMap<&String, &Node> = entries.iter().collect();
    let read_all = read(&all).map_err(|problem| {
        // serde does not say of which key it speaks, where the name is one of them: it is the one without which it says something else.
        let guilty = all.keys().find(|key| {
            let others = all.iter().filter(|(other, _)| other != key).map(|(key, node)| (*key, *node)).collect();
            *key.as_str() != *"name" && read(&others).err().as_ref() != Some(&problem)
        });
        match guilty {
            Some(key) if problem.starts_with("unknown field") => {
                let expected = problem.split_once(", ").map_or("", |(_, rest)| rest).to_owned();
                let hint = if expected.is_empty() { "it has no keys".to_owned() } else { expected };
                SearchError::UnknownKey {
                    key: format!("{table}.{key}"),
                    place: document.place(&all[*key].key_span).into(),
                    hint,
                }
            }
            Some(key) => document.refuse(&all[*key].span, &format!("{table}.{key}"), problem, None),
            None => document.refuse(&node.span, table, problem, None),
        }
    })?;
    match check(&read_all) {
        Ok(()) => Ok(read_all),
        Err(KeyError { key, value, allowed }) => {
            let name = key.rsplit('.').next().unwrap_or_default();
            let span = entries.get(name).map_or(&node.span, |entry| &entry.span);
            Err(document.refuse(span, &key, format!("it is {value}, but must be {allowed}"), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        StudyDefinition::parse("study.toml".as_ref(), text).unwrap_err().to_string()
    }

    const WHOLE: &str = "seed = 3\ndirection = \"minimize\"\n[budget]\ntrials = 9\n[pruner]\nname = \"asha\"\nlast = 9\n\
                         [objective]\nanything = [1]\n[space]\nx = { int = [1, 4] }\n";

    #[test]
    fn a_whole_study_is_read() {
        let study = StudyDefinition::parse("study.toml".as_ref(), WHOLE).unwrap();
        assert_eq!((study.seed, study.direction, study.trials), (3, Direction::Minimize, Some(9)));
        assert_eq!(study.sampler, SamplerConfig::default());
        assert!(matches!(study.pruner, PrunerConfig::Asha(_)) && study.objective.contains_key("anything"));
    }

    #[test]
    fn time_may_be_the_budget_and_keys_of_the_objective_have_a_place() {
        let text = WHOLE.replace("direction = \"minimize\"\n", "").replace("trials = 9", "time = \"90s\"");
        let study = StudyDefinition::parse("study.toml".as_ref(), &text).unwrap();
        assert_eq!((study.direction, study.trials), (Direction::Maximize, None));
        assert_eq!(study.time, Some(Duration::from_secs(90)));
        let refused = study.refuse("objective.anything", "it is odd").to_string();
        assert!(refused.contains("it is odd\n --> study.toml:8:12"), "{refused}");
        assert!(study.refuse("objective.base", "it is missing").to_string().contains("study.toml:1:1"));
        assert_ne!(study, StudyDefinition::parse("study.toml".as_ref(), WHOLE).unwrap());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (from, to, says) in [
            ("seed = 3", "seed = -1", "bad value for `seed`: it must be an integer, 0 or more\n --> study.toml:1:8"),
            ("seed", "sead", "unknown key `sead`\n --> study.toml:1:1"),
            ("\"minimize\"", "\"less\"", "bad value for `direction`"),
            ("trials = 9", "trials = 0", "bad value for `budget.trials`"),
            ("trials = 9", "hours = 9", "unknown key `budget.hours`"),
            ("trials = 9", "time = \"9\"", "bad value for `budget.time`: it is \"9\", it must be a time"),
            ("trials = 9\n", "", "missing key `budget.trials`"),
            ("[budget]\ntrials = 9\n", "", "missing key `budget.trials`"),
            ("name = \"asha\"\n", "", "missing key `pruner.name`"),
            ("\"asha\"", "\"ahsa\"", "bad value for `pruner.name`: there is none of this name\n --> study.toml:6:8"),
            ("last = 9", "last = 9\nfirts = 1", "unknown key `pruner.firts`\n --> study.toml:8:1"),
            ("last = 9", "last = \"x\"", "bad value for `pruner.last`: invalid type"),
            (
                "last = 9",
                "last = 9\nfactor = 1",
                "`pruner.factor`: it is 1, but must be in [2, 100]\n --> study.toml:8:10",
            ),
            ("last = 9\n", "", "missing field `last`"),
            (
                "last = 9",
                "last = 9\nfirst = 9",
                "bad value for `pruner.first`: it is 9, but levels lie below `pruner.last`",
            ),
            (
                "\"asha\"",
                "\"halving\"\ncohort = 10",
                "bad value for `budget.trials`: it is 9, but halving waits for a cohort of 10",
            ),
            (
                "x = { int = [1, 4] }",
                "x = { int = [4, 1] }",
                "bad value for `x`: the range is empty\n  --> study.toml:11:13",
            ),
        ] {
            let message = refused(&WHOLE.replace(from, to));
            assert!(message.contains(says), "{to}: {message}");
        }
    }
}
