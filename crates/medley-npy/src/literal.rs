//! The text of a header: `{'descr': '|u1', 'fortran_order': False, 'shape': (546, 28, 28), }`.
//!
//! NumPy reads it as any Python literal. Here it is exactly a dictionary of three keys with values of three forms, read once from left
//! to right: brackets in brackets have no meaning, so they cost nothing. A list of fields, which describes a structured array, is told
//! from its first bracket.

/// What the text says. Nothing of it is checked but its form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Literal<'a> {
    pub(crate) description: Description<'a>,
    pub(crate) fortran_order: bool,
    /// Each dimension as written.
    pub(crate) shape: Vec<&'a str>,
}

/// The type of the items.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Description<'a> {
    /// A type string, such as `<f4`.
    Plain(&'a str),
    /// Fields by name.
    Structured,
}

/// Why a text is no header: what was expected, and at which byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unexpected {
    pub(crate) expected: &'static str,
    pub(crate) at: usize,
}

/// Dimensions that are collected; whether they are too many is for the caller to say.
const MAX_DIMENSIONS: usize = 64;

/// Reads the text of a header.
pub(crate) fn parse(text: &str) -> Result<Literal<'_>, Unexpected> {
    let mut cursor = Cursor { text, at: 0 };
    let (mut description, mut fortran_order, mut shape) = (None, None, None);
    cursor.token("{", "`{`")?;
    while !cursor.take("}") {
        let start = cursor.at;
        match cursor.string("a key in quotation marks")? {
            "descr" if description.is_none() => {
                cursor.token(":", "`:`")?;
                description = Some(cursor.description()?);
                if description == Some(Description::Structured) {
                    // Whatever follows, the array cannot be used.
                    return Ok(Literal {
                        description: Description::Structured,
                        fortran_order: false,
                        shape: Vec::new(),
                    });
                }
            }
            "fortran_order" if fortran_order.is_none() => {
                cursor.token(":", "`:`")?;
                fortran_order = Some(cursor.boolean()?);
            }
            "shape" if shape.is_none() => {
                cursor.token(":", "`:`")?;
                shape = Some(cursor.tuple()?);
            }
            _ => {
                let expected = "each of the keys `descr`, `fortran_order` and `shape` once";
                return Err(Unexpected { expected, at: start });
            }
        }
        if !cursor.take(",") {
            cursor.token("}", "`,` or `}`")?;
            break;
        }
    }
    cursor.skip_space();
    if cursor.at < text.len() {
        return Err(cursor.unexpected("the end"));
    }
    match (description, fortran_order, shape) {
        (Some(description), Some(fortran_order), Some(shape)) => Ok(Literal { description, fortran_order, shape }),
        _ => Err(cursor.unexpected("each of the keys `descr`, `fortran_order` and `shape` once")),
    }
}

/// A place in the text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn unexpected(&self, expected: &'static str) -> Unexpected {
        Unexpected { expected, at: self.at }
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r', '\x0c']).len();
    }

    /// Takes a token, if it comes next.
    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn token(&mut self, token: &str, expected: &'static str) -> Result<(), Unexpected> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// A string in quotation marks of either kind. Nothing in a header needs an escape.
    fn string(&mut self, expected: &'static str) -> Result<&'a str, Unexpected> {
        let mark = if self.take("'") { '\'' } else { '"' };
        if mark == '"' {
            self.token("\"", expected)?;
        }
        let rest = self.rest();
        let end = rest.find([mark, '\\', '\n', '\r']).filter(|&end| rest[end..].starts_with(mark));
        let end = end.ok_or_else(|| self.unexpected("a string without escapes, and its end"))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn description(&mut self) -> Result<Description<'a>, Unexpected> {
        if self.take("[") { Ok(Description::Structured) } else { self.string("a type string").map(Description::Plain) }
    }

    fn boolean(&mut self) -> Result<bool, Unexpected> {
        let found = self.take("True");
        if found || self.take("False") { Ok(found) } else { Err(self.unexpected("`True` or `False`")) }
    }

    /// `()`, `(5,)`, `(5, 7)`: a tuple of whole numbers. One without a comma, `(5)`, is a number in brackets.
    fn tuple(&mut self) -> Result<Vec<&'a str>, Unexpected> {
        self.token("(", "`(`")?;
        let mut numbers = Vec::new();
        while !self.take(")") {
            if numbers.len() == MAX_DIMENSIONS {
                return Err(self.unexpected("no more dimensions"));
            }
            numbers.push(self.number()?);
            if !self.take(",") {
                let alone = numbers.len() == 1;
                self.token(")", "`,` or `)`")?;
                return if alone { Err(self.unexpected("`,` after the only dimension")) } else { Ok(numbers) };
            }
        }
        Ok(numbers)
    }

    /// A whole number. Python 2 wrote `5L` for large ones.
    fn number(&mut self) -> Result<&'a str, Unexpected> {
        self.skip_space();
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(self.unexpected("a whole number"));
        }
        self.at += sign + digits + usize::from(rest[sign + digits..].starts_with('L'));
        Ok(&rest[..sign + digits])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_header() {
        let plain = |text, order, shape: &[&'static str]| {
            Ok(Literal { description: Description::Plain(text), fortran_order: order, shape: shape.to_vec() })
        };
        for (text, expected) in [
            (
                "{'descr': '|u1', 'fortran_order': False, 'shape': (546, 28, 28), }   \n",
                plain("|u1", false, &["546", "28", "28"]),
            ),
            ("{\"shape\":(7,),\"fortran_order\":True,\"descr\":\"<f4\"}", plain("<f4", true, &["7"])),
            (" { 'descr' : '>i8' , 'fortran_order' : False , 'shape' : ( ) } ", plain(">i8", false, &[])),
            ("{'descr': '<i8', 'fortran_order': False, 'shape': (5L, 3L)}", plain("<i8", false, &["5", "3"])),
            ("{'descr': '<i8', 'fortran_order': False, 'shape': (-1, 3)}", plain("<i8", false, &["-1", "3"])),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        let structured = parse("{'descr': [('a', '<u1')], 'fortran_order': False, 'shape': (1,), }").unwrap();
        assert_eq!(structured.description, Description::Structured);
    }

    #[test]
    fn what_is_no_header_is_said_where() {
        for (text, expected, at) in [
            ("", "`{`", 0),
            ("nonsense", "`{`", 0),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} x", "the end", 56),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (5), }", "`,` after the only dimension", 53),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': [5], }", "`(`", 50),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (((((", "a whole number", 51),
            ("{'descr': '|u1', 'fortran_order': 0, 'shape': (5,), }", "`True` or `False`", 34),
            ("{'descr': '|u1', 'descr': '|u1'}", "each of the keys `descr`, `fortran_order` and `shape` once", 17),
            ("{'descr': '|u1'}", "each of the keys `descr`, `fortran_order` and `shape` once", 16),
            ("{'descr': '|u1' 'shape': (5,), }", "`,` or `}`", 16),
            ("{'descr': 'a\\'b'}", "a string without escapes, and its end", 11),
            ("{'descr': 7}", "a type string", 10),
            ("{[[[[[", "a key in quotation marks", 1),
        ] {
            assert_eq!(parse(text), Err(Unexpected { expected, at }), "{text}");
        }
    }
}
