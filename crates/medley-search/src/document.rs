//! TOML with the place of everything in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::{Place, SearchError};

/// The parser recurses as deep as dotted keys and braces make it; this stack holds all that it accepts.
const PARSER_STACK: usize = 64 << 20;
/// Most tables and arrays within each other.
const MAX_DEPTH: usize = 32;

/// A text and its name.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    path: PathBuf,
    text: Arc<str>,
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: NodeValue,
    /// Of the value.
    pub(crate) span: Range<usize>,
    /// Of its key; for items of arrays, the same as `span`.
    pub(crate) key_span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum NodeValue {
    Leaf(toml::Value),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Document {
    /// Parses a text.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<(Self, Node), SearchError> {
        let document = Self { path: path.to_owned(), text: text.into() };
        let root = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("study".to_owned()).stack_size(PARSER_STACK);
            match thread.spawn_scoped(scope, || document.root()) {
                Ok(handle) => handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(source) => Err(SearchError::NoThread { source }),
            }
        })?;
        Ok((document, root))
    }

    fn root(&self) -> Result<Node, SearchError> {
        let table = DeTable::parse(&self.text).map_err(|error| SearchError::Syntax {
            problem: error.message().to_owned(),
            place: self.place(&error.span().unwrap_or(0..0)).into(),
        })?;
        let entries = self.entries(table.into_inner(), 0)?;
        Ok(Node { value: NodeValue::Table(entries), span: 0..0, key_span: 0..0 })
    }

    fn entries(&self, table: DeTable<'_>, depth: usize) -> Result<BTreeMap<String, Node>, SearchError> {
        let mut entries = BTreeMap::new();
        for (key, value) in table {
            let node = Node { key_span: key.span(), ..self.node(value, depth + 1)? };
            entries.insert(key.into_inner().into_owned(), node);
        }
        Ok(entries)
    }

    fn node(&self, value: Spanned<DeValue<'_>>, depth: usize) -> Result<Node, SearchError> {
        let span = value.span();
        let syntax = |problem: String| SearchError::Syntax { problem, place: self.place(&span).into() };
        if depth > MAX_DEPTH {
            return Err(syntax(format!("more than {MAX_DEPTH} levels of tables and arrays")));
        }
        let value = match value.into_inner() {
            DeValue::Table(table) => NodeValue::Table(self.entries(table, depth)?),
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| self.node(item, depth + 1));
                NodeValue::Array(items.collect::<Result<_, _>>()?)
            }
            leaf => {
                let leaf = ValueDeserializer::from(Spanned::new(span.clone(), leaf));
                let leaf = toml::Value::deserialize(leaf);
                NodeValue::Leaf(leaf.map_err(|_| syntax("this number does not fit in 64 bits".to_owned()))?)
            }
        };
        Ok(Node { value, key_span: span.clone(), span })
    }

    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        Place::new(&self.path, &self.text, span)
    }

    /// [`SearchError::BadValue`] at a span.
    pub(crate) fn refuse(
        &self,
        span: &Range<usize>,
        key: &str,
        problem: impl Into<String>,
        hint: Option<&str>,
    ) -> SearchError {
        SearchError::BadValue {
            key: key.to_owned(),
            problem: problem.into(),
            place: self.place(span).into(),
            hint: hint.map(str::to_owned),
        }
    }

    /// [`SearchError::UnknownKey`] with the nearest of the known keys.
    pub(crate) fn unknown(&self, node: &Node, key: &str, name: &str, known: &[&str]) -> SearchError {
        let near = |word: &&&str| strsim::damerau_levenshtein(name, word);
        let nearest = known.iter().min_by_key(near).filter(|word| near(word) <= 2.max(name.len() / 3));
        let hint = match nearest {
            Some(word) => format!("did you mean `{word}`?"),
            None => {
                format!("known here: {}", known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
            }
        };
        SearchError::UnknownKey { key: key.to_owned(), place: self.place(&node.key_span).into(), hint }
    }

    /// Refuses entries of a table that have another name than these.
    pub(crate) fn only(&self, entries: &BTreeMap<String, Node>, at: &str, known: &[&str]) -> Result<(), SearchError> {
        match entries.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, node)) => Err(self.unknown(node, &medley_core::keys::dotted(at, name), name, known)),
            None => Ok(()),
        }
    }

    /// The entries of a table.
    pub(crate) fn table<'a>(&self, node: &'a Node, key: &str) -> Result<&'a BTreeMap<String, Node>, SearchError> {
        match &node.value {
            NodeValue::Table(entries) => Ok(entries),
            _ => Err(self.refuse(&node.span, key, "it must be a table", None)),
        }
    }
}

impl Node {
    pub(crate) fn to_value(&self) -> toml::Value {
        match &self.value {
            NodeValue::Leaf(value) => value.clone(),
            NodeValue::Array(items) => items.iter().map(Self::to_value).collect::<Vec<_>>().into(),
            NodeValue::Table(entries) => {
                toml::Value::Table(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Leaf(value) => value.as_str(),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match &self.value {
            NodeValue::Leaf(value) => value.as_bool(),
            _ => None,
        }
    }

    pub(crate) fn as_integer(&self) -> Option<i64> {
        match &self.value {
            NodeValue::Leaf(value) => value.as_integer(),
            _ => None,
        }
    }

    /// A finite number; integers too.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match &self.value {
            NodeValue::Leaf(toml::Value::Float(value)) => Some(*value).filter(|value| value.is_finite()),
            NodeValue::Leaf(toml::Value::Integer(value)) => Some(*value as f64),
            _ => None,
        }
    }
}
