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
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal, $body:ident, $shown:ident) => {
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
                    Some(body) if $body(body) => Ok(Self(text.into())),
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
                formatter.write_str($shown(&self.0))
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
    BatchId, "b_", "a batch", is_body, whole
);
id_type!(
    /// Names an execution: `e_...`.
    ///
    /// A cell that was rolled back or resumed goes on beside the result that its batch keeps, under
    /// the same id with a `+` behind it: see [`ExecutionId::continuation`]. That is for stores and
    /// programs ([`ExecutionId::as_str`]); what it is displayed as is what people know.
    ExecutionId, "e_", "an execution", is_execution_body, known
);
id_type!(
    /// Names a session: `s_...`.
    SessionId, "s_", "a session", is_body, whole
);

fn whole(id: &str) -> &str {
    id
}

fn known(id: &str) -> &str {
    id.trim_end_matches(ExecutionId::CONTINUED)
}

fn is_execution_body(body: &str) -> bool {
    is_body(body.strip_suffix(ExecutionId::CONTINUED).unwrap_or(body))
}

impl ExecutionId {
    /// What ends the id under which a cell goes on by itself, for the queries of stores.
    pub const CONTINUED: char = '+';

    /// Returns the id under which a cell goes on beside the result that its batch keeps.
    #[must_use]
    pub fn continuation(&self) -> Self {
        if self.is_continuation() {
            self.clone()
        } else {
            Self(format!("{}{}", self.0, Self::CONTINUED).into())
        }
    }

    /// Whether a cell goes on under this id.
    pub fn is_continuation(&self) -> bool {
        self.0.ends_with(Self::CONTINUED)
    }

    /// Returns the id that people know: that of the cell, if a cell goes on under this one.
    #[must_use]
    pub fn known(&self) -> Self {
        Self(known(&self.0).into())
    }

    /// Names one of the execution's lineages (LangGraph: threads), which are numbered from 1.
    pub fn thread(&self, lineage: u32) -> String {
        format!("{self}/{lineage}")
    }
}

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
    fn a_cell_that_goes_on_is_known_by_its_own_id() {
        let cell = ExecutionId::from_entropy([7; ID_ENTROPY_BYTES]);
        let continued = cell.continuation();
        assert_eq!(continued.as_str(), format!("{cell}+"));
        assert_eq!(continued.as_str().parse::<ExecutionId>(), Ok(continued.clone()));
        assert!(continued.is_continuation() && !cell.is_continuation());
        assert_eq!(continued.to_string(), cell.as_str());
        assert_eq!(format!("{continued:?}"), continued.as_str());
        assert_eq!(
            (continued.known(), continued.continuation()),
            (cell.clone(), continued.clone())
        );
        assert_eq!(continued.thread(2), cell.thread(2));
        assert!(format!("{}+", continued.as_str()).parse::<ExecutionId>().is_err());
        assert!("b_0123456789abcdef+".parse::<BatchId>().is_err());
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
