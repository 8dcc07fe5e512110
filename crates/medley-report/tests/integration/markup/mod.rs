//! A strict little reader of the HTML that the report writes.

use std::collections::BTreeSet;

const VOID: [&str; 4] = ["meta", "link", "br", "img"];

/// What was found in a page.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    pub(crate) ids: BTreeSet<String>,
    pub(crate) links: Vec<String>,
    /// `(element, attribute, value)`.
    pub(crate) attributes: Vec<(String, String, String)>,
    pub(crate) elements: Vec<String>,
    pub(crate) text: String,
}

/// Reads a page or fragment; panics where tags do not balance, an attribute is not quoted, or an id occurs twice.
pub(crate) fn read(html: &str) -> Markup {
    let mut found = Markup::default();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        found.text.push_str(&rest[..start]);
        assert!(!rest[..start].contains('>'), "a bare `>` in text: {}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("an unclosed tag");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closing </{name}>, open: {open:?}");
            continue;
        }
        let closed = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "element <{name}>");
        found.elements.push(name.to_owned());
        read_attributes(name, attributes, &mut found);
        if name == "style" {
            let end = rest.find("</style>").expect("an unclosed style");
            rest = &rest[end..];
        }
        if !closed && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    found.text.push_str(rest);
    assert!(open.is_empty(), "left open: {open:?}");
    found
}

fn read_attributes(element: &str, mut rest: &str, found: &mut Markup) {
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return;
        }
        let (name, after) =
            rest.split_once("=\"").unwrap_or_else(|| panic!("<{element}>: attribute `{rest}` has no quoted value"));
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:".contains(&byte)),
            "<{element}>: attribute `{name}`"
        );
        let (value, after) = after.split_once('"').expect("an unclosed attribute");
        assert!(!value.contains(['<', '>']), "<{element} {name}>: {value}");
        match name {
            "id" => assert!(found.ids.insert(value.to_owned()), "id `{value}` twice"),
            "href" | "src" => found.links.push(value.to_owned()),
            _ => {}
        }
        found.attributes.push((element.to_owned(), name.to_owned(), value.to_owned()));
        rest = after;
    }
}
