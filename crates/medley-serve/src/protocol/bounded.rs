//! Parts of JSON whose size is limited while they are read: a body of many empty objects must not take a hundred times its size.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A list of at most `N`.
#[derive(Debug)]
pub(crate) struct Few<T, const N: usize>(pub Vec<T>);

impl<T, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Few<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FewVisitor<T, const N: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for FewVisitor<T, N> {
            type Value = Few<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == N {
                        return Err(A::Error::custom(format!("a list of more than {N}")));
                    }
                    items.push(item);
                }
                Ok(Few(items))
            }
        }

        deserializer.deserialize_seq(FewVisitor(PhantomData))
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a number or a string")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
                Ok(i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Integer))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// At most 32 parameters. Those that nobody here knows are read and ignored, as the protocol has it.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, Scalar)>);

impl Parameters {
    const MOST: usize = 32;

    pub(crate) fn get(&self, name: &str) -> Option<&Scalar> {
        self.0.iter().rfind(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ParametersVisitor;

        impl<'de> Visitor<'de> for ParametersVisitor {
            type Value = Parameters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {} parameters", Parameters::MOST)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if entries.len() == Parameters::MOST {
                        return Err(A::Error::custom(format!("more than {} parameters", Parameters::MOST)));
                    }
                    entries.push(entry);
                }
                Ok(Parameters(entries))
            }
        }

        deserializer.deserialize_map(ParametersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_end_where_they_may() {
        let two = serde_json::from_str::<Few<u64, 2>>("[1, 2]").unwrap();
        assert_eq!(two.0, [1, 2]);
        let error = serde_json::from_str::<Few<u64, 2>>("[1, 2, 3]").unwrap_err().to_string();
        assert!(error.contains("more than 2"), "{error}");
    }

    #[test]
    fn parameters_are_scalars() {
        let read =
            serde_json::from_str::<Parameters>(r#"{"a": true, "b": 3, "c": "x", "d": 0.5, "e": 18446744073709551615}"#);
        let read = read.unwrap();
        assert_eq!(read.get("a"), Some(&Scalar::Bool(true)));
        assert_eq!(read.get("b"), Some(&Scalar::Integer(3)));
        assert_eq!(read.get("c"), Some(&Scalar::Text("x".into())));
        assert_eq!(read.get("d"), Some(&Scalar::Float(0.5)));
        assert!(matches!(read.get("e"), Some(Scalar::Float(_))));
        assert_eq!(read.get("f"), None);
        assert!(serde_json::from_str::<Parameters>(r#"{"a": [1]}"#).is_err());
        assert!(serde_json::from_str::<Parameters>(r#"{"a": null}"#).is_err());
        let many: String = (0..33).map(|index| format!("\"{index}\": 1,")).collect::<Vec<_>>().concat();
        let error = serde_json::from_str::<Parameters>(&format!("{{{}}}", many.trim_end_matches(','))).unwrap_err();
        assert!(error.to_string().contains("more than 32"), "{error}");
    }
}
