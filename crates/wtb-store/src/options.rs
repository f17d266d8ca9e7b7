//! The options that an address may carry in its query.

/// Says that an option is unknown, which known one was probably meant, and which there are.
pub fn unknown(key: &str, known: &[&str]) -> String {
    format!("unknown option `{key}`{} (known: {})", hint(key, known), listed(known))
}

/// Says that an option has a value that it cannot have, which one was probably meant, and which there are.
pub fn unknown_value(key: &str, value: &str, known: &[&str]) -> String {
    let (hint, listed) = (hint(value, known), listed(known));
    format!("`{key}` is `{value}`, but must be one of {listed}{hint}")
}

fn hint(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|known| (distance(word, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= known.len() / 3 => {
            format!("; did you mean `{known}`?")
        }
        _ => String::new(),
    }
}

fn listed(known: &[&str]) -> String {
    let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
    known.join(", ")
}

/// The number of single-character edits that lead from one text to the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (index, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[index + 1];
            row[index + 1] = substituted.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[right.len()]
}
