//! The macros that declare keys.

/// Declares the keys of a TOML table: `name: type = default, in range;`, with the meaning as doc comment. See [`keys`](mod@crate::keys).
/// A key without a default has to be written, and a table with such a key has no `Default`.
///
/// The crate that uses it needs serde. A value of another type than numbers, strings, words of [`choices!`](crate::choices!) and
/// tables of this macro implements [`Value`](crate::keys::Value).
#[macro_export]
macro_rules! keys {
    // What is the same with and without required keys.
    (@table $name:ident [$($about:literal)+] {
        $([$($doc:literal)+] $key:ident: $type:ty, [$($default:expr)?] [$($range:expr)?];)*
    }) => {
        impl $crate::keys::Table for $name {
            fn about() -> ::std::string::String {
                $crate::keys::meaning(&[$($about),+])
            }

            #[allow(unused, clippy::allow_attributes, reason = "a table may have no keys, and a key no range and no default")]
            fn keys(at: &str) -> ::std::vec::Vec<$crate::keys::Key> {
                let mut keys = ::std::vec::Vec::new();
                $(
                    let range = <$type as $crate::keys::Value>::range();
                    $(let range = Some($crate::keys::interval::<<$type as $crate::keys::Ranged>::Number>(&($range)));)?
                    let (default, required): (::std::option::Option<::std::string::String>, bool) = (None, true);
                    $(
                        let value: $type = $default;
                        let (default, required) = ($crate::keys::Value::to_toml(&value), false);
                    )?
                    keys.extend(<$type as $crate::keys::Value>::describe($crate::keys::Key {
                        path: $crate::keys::dotted(at, stringify!($key)),
                        kind: <$type as $crate::keys::Value>::KIND,
                        default,
                        required,
                        range,
                        meaning: $crate::keys::meaning(&[$($doc),+]),
                        only_with: ::std::vec::Vec::new(),
                    }));
                )*
                keys
            }

            fn check(&self, at: &str) -> ::std::result::Result<(), $crate::keys::KeyError> {
                let _ = at;
                $(
                    $($crate::keys::check_range(at, stringify!($key), &self.$key, &($range))?;)?
                    $crate::keys::Value::check_within(&self.$key, &$crate::keys::dotted(at, stringify!($key)))?;
                )*
                Ok(())
            }
        }

        impl $crate::keys::Value for $name {
            const KIND: &'static str = "table";

            fn to_toml(&self) -> ::std::option::Option<::std::string::String> {
                None
            }

            fn keys_within(at: &str) -> ::std::vec::Vec<$crate::keys::Key> {
                <Self as $crate::keys::Table>::keys(at)
            }

            fn check_within(&self, at: &str) -> ::std::result::Result<(), $crate::keys::KeyError> {
                $crate::keys::Table::check(self, at)
            }
        }
    };
    (@or_missing $error:ty, $key:ident) => {
        return Err(<$error as ::serde::de::Error>::missing_field(stringify!($key).trim_start_matches("r#")))
    };
    (@or_missing $error:ty, $key:ident = $default:expr) => {
        $default
    };
    // Every key has a default.
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:path),+)])?
        $visibility:vis struct $name:ident {
            $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr $(, in $range:expr)?;)*
        }
    ) => {
        $(#[doc = $about])+
        $(#[derive($($derive),+)])?
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        $visibility struct $name {
            $($(#[doc = $doc])+ #[serde(skip_serializing_if = "::medley_core::keys::Value::is_left_out", serialize_with = "::medley_core::keys::Value::write")] pub $key: $type,)*
        }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        $crate::keys! { @table $name [$($about)+] { $([$($doc)+] $key: $type, [$default] [$($range)?];)* } }
    };
    // Some must be written.
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:path),+)])?
        $visibility:vis struct $name:ident {
            $($(#[doc = $doc:literal])+ $key:ident: $type:ty $(= $default:expr)? $(, in $range:expr)?;)*
        }
    ) => {
        $(#[doc = $about])+
        $(#[derive($($derive),+)])?
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize)]
        $visibility struct $name {
            $($(#[doc = $doc])+ #[serde(skip_serializing_if = "::medley_core::keys::Value::is_left_out", serialize_with = "::medley_core::keys::Value::write")] pub $key: $type,)*
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Written {
                    $(#[serde(default)] $key: ::std::option::Option<$type>,)*
                }
                let written = <Written as ::serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self {
                    $($key: match written.$key {
                        Some(value) => value,
                        None => $crate::keys!(@or_missing D::Error, $key $(= $default)?),
                    },)*
                })
            }
        }

        $crate::keys! { @table $name [$($about)+] { $([$($doc)+] $key: $type, [$($default)?] [$($range)?];)* } }
    };
}

/// Declares a key's words, each with its meaning as doc comment: an enum that serde reads and writes. See [`keys`](mod@crate::keys).
#[macro_export]
macro_rules! choices {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[doc = $doc:literal])+ $(#[$default:ident])? $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        $visibility enum $name {
            $($(#[doc = $doc])+ $(#[$default])? #[serde(rename = $word)] $variant,)*
        }

        impl $crate::keys::Value for $name {
            const KIND: &'static str = "string";

            fn to_toml(&self) -> ::std::option::Option<::std::string::String> {
                let word = match self { $(Self::$variant => $word,)* };
                Some(format!("{word:?}"))
            }

            fn range() -> ::std::option::Option<::std::string::String> {
                Some($crate::keys::choice_range(&[$(($word, $crate::keys::meaning(&[$($doc),+])),)*]))
            }
        }
    };
}
