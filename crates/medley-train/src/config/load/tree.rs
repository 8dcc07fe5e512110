//! The merged config, with the place of everything in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::place::{Origin, Place};
use super::{ConfigError, MAX_DEPTH};

/// A text that values came from.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) origin: Origin,
    pub(super) text: Arc<str>,
}

impl Document {
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        Place::new(self.origin.clone(), &self.text, span)
    }
}

/// A value and where it was written.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: NodeValue,
    /// Of the value.
    pub(super) span: Range<usize>,
    /// Of its key; for items of arrays, the same as `span`.
    pub(super) key_span: Range<usize>,
    /// Index into the documents of the tree.
    document: usize,
}

#[derive(Debug)]
pub(super) enum NodeValue {
    Leaf(toml::Value),
    Array(Vec<Node>),
    Table {
        entries: BTreeMap<String, Node>,
        /// Written in braces: one value, which is replaced whole by another such.
        braced: bool,
    },
}

impl Node {
    /// A value without anything below it.
    fn leaf(value: toml::Value, span: Range<usize>) -> Self {
        Self { value: NodeValue::Leaf(value), key_span: span.clone(), span, document: 0 }
    }

    /// Takes an entry out of a table.
    pub(super) fn remove(&mut self, key: &str) -> Option<Node> {
        match &mut self.value {
            NodeValue::Table { entries, .. } => entries.remove(key),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Leaf(value) => value.as_str(),
            _ => None,
        }
    }

    fn to_value(&self) -> toml::Value {
        match &self.value {
            NodeValue::Leaf(value) => value.clone(),
            NodeValue::Array(items) => items.iter().map(Self::to_value).collect::<Vec<_>>().into(),
            NodeValue::Table { entries, .. } => {
                toml::Value::Table(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }

    /// Says which document the node and all below it come from.
    fn settle(&mut self, document: usize) {
        self.document = document;
        match &mut self.value {
            NodeValue::Leaf(_) => {}
            NodeValue::Array(items) => items.iter_mut().for_each(|item| item.settle(document)),
            NodeValue::Table { entries, .. } => entries.values_mut().for_each(|node| node.settle(document)),
        }
    }

    /// Lays another value over this one. Braces replace braces, or everything.
    fn merge(&mut self, over: Self, braces_replace_all: bool) {
        match (&mut self.value, over.value) {
            (NodeValue::Table { entries, braced }, NodeValue::Table { entries: over_entries, braced: over_braced })
                if !(over_braced && (*braced || braces_replace_all)) =>
            {
                for (key, node) in over_entries {
                    match entries.get_mut(&key) {
                        Some(under) => under.merge(node, braces_replace_all),
                        None => {
                            entries.insert(key, node);
                        }
                    }
                }
                *braced &= over_braced;
            }
            (under, over) => *under = over,
        }
        (self.span, self.key_span, self.document) = (over.span, over.key_span, over.document);
    }
}

/// The merged config.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    documents: Vec<Document>,
}

/// A step of a path into the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// `tasks[1].name` with its steps joined, keys that are not bare in quotes.
pub(super) fn dotted(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let (joint, step) = match step {
            Step::Index(index) => ("", format!("[{index}]")),
            Step::Key(key) if !key.is_empty() && key.chars().all(is_bare) => (".", key.clone()),
            Step::Key(key) => (".", format!("{key:?}")),
        };
        if !text.is_empty() {
            text.push_str(joint);
        }
        text.push_str(&step);
    }
    text
}

/// The steps of a dotted key with bare keys and indices; `None` for anything else.
pub(super) fn parse_steps(key: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in key.split('.') {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() || !name.chars().all(is_bare) {
            return None;
        }
        steps.push(Step::Key(name.to_owned()));
        for index in indices.split_inclusive(']') {
            let index = index.strip_prefix('[')?.strip_suffix(']')?;
            steps.push(Step::Index(index.parse().ok()?));
        }
    }
    Some(steps)
}

/// Whether a character can stand in a key without quotes.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

impl Tree {
    pub(super) fn new() -> Self {
        let value = NodeValue::Table { entries: BTreeMap::new(), braced: false };
        Self { root: Node { value, span: 0..0, key_span: 0..0, document: 0 }, documents: Vec::new() }
    }

    /// Lays a document over what is there.
    pub(super) fn lay(&mut self, document: Document, root: Node) {
        self.merge(document, root, false);
    }

    /// Lays a document over what is there; its tables in braces replace what they are laid over.
    pub(super) fn replace(&mut self, document: Document, root: Node) {
        self.merge(document, root, true);
    }

    fn merge(&mut self, document: Document, mut root: Node, braces_replace_all: bool) {
        root.settle(self.documents.len());
        self.documents.push(document);
        self.root.merge(root, braces_replace_all);
    }

    pub(super) fn to_table(&self) -> toml::Table {
        match self.root.to_value() {
            toml::Value::Table(table) => table,
            _ => toml::Table::new(),
        }
    }

    /// What a path leads to.
    pub(super) fn get(&self, path: &[Step]) -> Option<&Node> {
        path.iter().try_fold(&self.root, |node, step| match (&node.value, step) {
            (NodeValue::Table { entries, .. }, Step::Key(key)) => entries.get(key),
            (NodeValue::Array(items), Step::Index(index)) => items.get(*index),
            _ => None,
        })
    }

    pub(super) fn place_of_key(&self, node: &Node) -> Option<Box<Place>> {
        self.documents.get(node.document).map(|document| document.place(&node.key_span).into())
    }

    pub(super) fn place_of_value(&self, node: &Node) -> Option<Box<Place>> {
        self.documents.get(node.document).map(|document| document.place(&node.span).into())
    }
}

/// Changes of a config that was read: to bring one of an older program up to date.
pub(in crate::config) struct Edit<'a>(&'a mut Tree);

impl<'a> Edit<'a> {
    pub(super) fn new(tree: &'a mut Tree) -> Self {
        Self(tree)
    }

    /// The string at a path of keys.
    pub(in crate::config) fn text(&self, path: &[&str]) -> Option<&str> {
        let steps: Vec<Step> = path.iter().map(|&key| Step::Key(key.to_owned())).collect();
        self.0.get(&steps).and_then(Node::as_str)
    }

    /// Gives a key of a table another name, unless there is one of that name.
    pub(in crate::config) fn rename(&mut self, table: &str, old: &str, new: &str) {
        if let Some(entries) = self.entries(table)
            && !entries.contains_key(new)
            && let Some(node) = entries.remove(old)
        {
            entries.insert(new.to_owned(), node);
        }
    }

    /// Moves a key to another table, which is made if it is not there, unless that has one of its name.
    pub(in crate::config) fn relocate(&mut self, [table, key]: [&str; 2], [new_table, new_key]: [&str; 2]) {
        let Some(node) = self.entries(table).and_then(|entries| entries.remove(key)) else { return };
        if self.entries(new_table).is_none()
            && let NodeValue::Table { entries, .. } = &mut self.0.root.value
        {
            let value = NodeValue::Table { entries: BTreeMap::new(), braced: false };
            let empty =
                Node { value, span: node.span.clone(), key_span: node.key_span.clone(), document: node.document };
            entries.entry(new_table.to_owned()).or_insert(empty);
        }
        if let Some(entries) = self.entries(new_table) {
            entries.entry(new_key.to_owned()).or_insert(node);
        }
    }

    /// Takes a key out of a table.
    pub(in crate::config) fn remove(&mut self, table: &str, key: &str) {
        if let Some(entries) = self.entries(table) {
            entries.remove(key);
        }
    }

    fn entries(&mut self, table: &str) -> Option<&mut BTreeMap<String, Node>> {
        let NodeValue::Table { entries, .. } = &mut self.0.root.value else { return None };
        match &mut entries.get_mut(table)?.value {
            NodeValue::Table { entries, .. } => Some(entries),
            _ => None,
        }
    }
}

/// Turns a parsed document into nodes.
///
/// # Errors
/// [`ConfigError::TooDeep`], and [`ConfigError::Syntax`] for numbers that do not fit.
pub(super) fn from_table(table: Spanned<DeTable<'_>>, document: &Document) -> Result<Node, ConfigError> {
    let span = table.span();
    entries(table.into_inner(), document, 0).map(|entries| Node {
        value: NodeValue::Table { entries, braced: false },
        key_span: 0..0,
        span,
        document: 0,
    })
}

/// Turns a parsed value into nodes.
fn from_value(value: Spanned<DeValue<'_>>, document: &Document, depth: usize) -> Result<Node, ConfigError> {
    let span = value.span();
    if depth > MAX_DEPTH {
        return Err(ConfigError::TooDeep { place: document.place(&span).into(), limit: MAX_DEPTH });
    }
    let value = match value.into_inner() {
        DeValue::Table(table) => {
            let braced = document.text.get(span.clone()).is_some_and(|text| text.starts_with('{'));
            NodeValue::Table { entries: entries(table, document, depth)?, braced }
        }
        DeValue::Array(items) => NodeValue::Array(
            items.into_iter().map(|item| from_value(item, document, depth + 1)).collect::<Result<_, _>>()?,
        ),
        leaf => {
            let leaf = ValueDeserializer::from(Spanned::new(span.clone(), leaf));
            let leaf = toml::Value::deserialize(leaf).map_err(|_| ConfigError::Syntax {
                problem: "this number does not fit in 64 bits".to_owned(),
                place: document.place(&span).into(),
            })?;
            return Ok(Node::leaf(leaf, span));
        }
    };
    Ok(Node { value, key_span: span.clone(), span, document: 0 })
}

fn entries(table: DeTable<'_>, document: &Document, depth: usize) -> Result<BTreeMap<String, Node>, ConfigError> {
    let mut entries = BTreeMap::new();
    for (key, value) in table {
        let key_span = key.span();
        let mut node = from_value(value, document, depth + 1)?;
        node.key_span = key_span;
        entries.insert(key.into_inner().into_owned(), node);
    }
    Ok(entries)
}
