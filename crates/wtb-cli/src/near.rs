//! Near misses: which known name was probably meant.

/// Names at least this similar (Jaro-Winkler, 0 to 1) count as near.
const SIMILARITY_MIN: f64 = 0.75;

/// Returns the known name nearest to `given`, if any is near.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given, &name.to_lowercase()), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}

/// Returns the hint for a name that is not known: the nearest one, and all there are.
pub(crate) fn suggestion(given: &str, known: &[&str]) -> String {
    let all = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`? Known here: {all}"),
        None => format!("known here: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_near_and_another_word_is_not() {
        let known = ["evaluators", "variants", "cases"];
        assert_eq!(nearest("evaluator", known), Some("evaluators"));
        assert_eq!(nearest("Variant", known), Some("variants"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(suggestion("colour", &["a", "b"]), "known here: `a`, `b`");
    }
}
