//! Typed ids: a one-letter prefix that names the kind, and 80 random bits in lower-case base 32.
//!
//! Ids are random rather than ordered by time, so that a handful of characters is a unique prefix
//! that a person can type. They carry no order: order by creation time or by insertion instead.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many bytes of entropy an id is made from.
pub const ID_ENTROPY_BYTES: usize = 10;

/// Crockford's base 32 alphabet in lower case: no `i`, `l`, `o`, `u`, which people misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BODY_CHARS: usize = 16;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind} id: expected `{prefix}` followed by 16 characters of base 32")]
pub struct IdError {
    /// The offending text.
    pub text: String,
    /// The kind of id that was expected, with its article, such as `a batch`.
    pub kind: &'static str,
    /// The prefix that ids of this kind begin with.
    pub prefix: &'static str,
}

fn encode(entropy: [u8; ID_ENTROPY_BYTES], prefix: &str) -> String {
    let mut text = String::with_capacity(prefix.len() + BODY_CHARS);
    text.push_str(prefix);
    for group in entropy.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        for shift in (0..8).rev() {
            let index = usize::try_from((bits >> (shift * 5)) & 31).unwrap_or_default();
            text.push(char::from(ALPHABET[index]));
        }
    }
    text
}

fn is_body(body: &str) -> bool {
    body.len() == BODY_CHARS && body.bytes().all(|byte| ALPHABET.contains(&byte))
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id from random bytes (the caller owns the source of randomness).
            pub fn from_entropy(entropy: [u8; ID_ENTROPY_BYTES]) -> Self {
                Self(encode(entropy, Self::PREFIX).into_boxed_str())
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                match text.strip_prefix(Self::PREFIX) {
                    Some(body) if is_body(body) => Ok(Self(text.into())),
                    _ => Err(IdError {
                        text: text.to_owned(),
                        kind: $kind,
                        prefix: Self::PREFIX,
                    }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id_type!(
    /// Names a batch: `b_...`.
    BatchId, "b_", "a batch"
);
id_type!(
    /// Names an execution: `e_...`.
    ExecutionId, "e_", "an execution"
);
id_type!(
    /// Names a session: `s_...`.
    SessionId, "s_", "a session"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_json() {
        let id = ExecutionId::from_entropy([7; ID_ENTROPY_BYTES]);
        assert_eq!(id.as_str().len(), 18);
        assert_eq!(id.as_str().parse::<ExecutionId>(), Ok(id.clone()));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ExecutionId>(&json).unwrap(), id);
    }

    #[test]
    fn an_id_of_another_kind_is_refused_with_what_was_expected() {
        let batch = BatchId::from_entropy([1; ID_ENTROPY_BYTES]);
        let error = batch.as_str().parse::<ExecutionId>().unwrap_err();
        assert!(error.to_string().contains("not an execution id: expected `e_`"));
        assert!("e_IIIIIIIIIIIIIIII".parse::<ExecutionId>().is_err());
        assert!("e_short".parse::<ExecutionId>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn different_entropy_gives_different_ids(left: [u8; 10], right: [u8; 10]) {
            let equal = BatchId::from_entropy(left) == BatchId::from_entropy(right);
            proptest::prop_assert_eq!(equal, left == right);
        }
    }
}
