//! Names that are one component of a path on every system: of runs, and of their tags.
//!
//! ```
//! use medley_core::names::is_name;
//!
//! assert!(is_name("small-three-1"));
//! assert!(!is_name("../x") && !is_name("--yes") && !is_name("nul.txt"));
//! ```

/// What [`is_name`] asks for.
pub const NAME_RULE: &str =
    "use up to 100 letters, digits, `-`, `_`, `.`, with no leading `-` or `.`, and no Windows device name";

/// Whether a run can have this name: it is one component of a path on every system, and looks neither like a temporary file nor
/// like an option.
pub fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=100).contains(&name.len())
        && name.chars().all(legal)
        && !name.starts_with(['.', '-'])
        && !is_windows_device(name)
}

/// `CON`, `nul.txt`, `com1`: Windows takes them for devices, in any case and with any ending.
fn is_windows_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered =
        |start| stem.strip_prefix(start).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_component_everywhere() {
        for name in ["a", "small-three-1", "v1.2_x", "con-1", "com", "com10", "console", "a.con", "lpt"] {
            assert!(is_name(name), "{name}");
        }
        let long = "x".repeat(101);
        for name in
            ["", ".", "..", ".hidden", "-x", "a/b", "a b", "ä", "a\n", "con", "NUL.txt", "com1", "lpt9.csv", &long]
        {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
