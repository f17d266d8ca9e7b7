//! The environments that variants need of where they run: the workers of each are a group of their own.

use serde_json::Value;
use wtb_model::VariantRecord;
use wtb_scheduler::Group;

use crate::EngineError;

/// The environments of a batch, in the order in which its variants name them. A variant that needs none
/// in particular is in an environment, too: that of everywhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Environments {
    all: Vec<Option<Value>>,
    of_variants: Vec<Group>,
}

impl Environments {
    pub(crate) fn of(variants: &[VariantRecord]) -> Result<Self, EngineError> {
        let mut found = Self { all: Vec::new(), of_variants: Vec::with_capacity(variants.len()) };
        for variant in variants {
            let environment = variant.environment();
            let known = found.all.iter().position(|one| one.as_ref() == environment);
            let group = known.unwrap_or(found.all.len());
            let Ok(number) = u16::try_from(group) else {
                let text = format!("a batch has at most {} environments; split it", u16::MAX);
                return Err(EngineError::Invalid(text));
            };
            if known.is_none() {
                found.all.push(environment.cloned());
            }
            found.of_variants.push(Group(number));
        }
        Ok(found)
    }

    /// Those of an execution that is driven by itself.
    pub(crate) fn single() -> Self {
        Self { all: vec![None], of_variants: vec![Group(0)] }
    }

    pub(crate) fn all(&self) -> &[Option<Value>] {
        &self.all
    }

    /// The group of the workers that make a variant's attempts.
    pub(crate) fn group(&self, variant: u32) -> Group {
        usize::try_from(variant)
            .ok()
            .and_then(|variant| self.of_variants.get(variant))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wtb_model::VariantRecord;
    use wtb_scheduler::Group;

    use super::Environments;

    #[test]
    fn equal_environments_are_one() {
        let variant = |name: &str, environment: Value| VariantRecord {
            name: name.to_owned(),
            description: json!({ "environment": environment }),
        };
        let own = json!({ "env_vars": { "A": "1" } });
        let variants = [
            VariantRecord { name: "old".to_owned(), description: Value::Null },
            variant("a", own.clone()),
            variant("none", Value::Null),
            variant("b", own.clone()),
        ];
        let found = Environments::of(&variants).unwrap();
        assert_eq!(found.all(), [None, Some(own)]);
        assert_eq!([0, 1, 2, 3].map(|one| found.group(one).0), [0, 1, 0, 1]);
        assert_eq!(found.group(9), Group(0));
    }
}
