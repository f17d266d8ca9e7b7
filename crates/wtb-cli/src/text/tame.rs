//! Texts of users on a terminal: no escape sequence of theirs is carried out.

use std::borrow::Cow;

use super::style::CODES;

/// Returns what a terminal may be sent: pictures in the place of control characters, but for line
/// ends, tabs and, with `keeps_colour`, colours. Names and errors may hold anything, also what a model wrote.
pub(crate) fn tame(text: &str, keeps_colour: bool) -> Cow<'_, str> {
    if !text.chars().any(is_wild) {
        return Cow::Borrowed(text);
    }
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let colour = if keeps_colour { colour_length(rest) } else { None };
        let length = colour.unwrap_or(letter.len_utf8());
        match colour {
            Some(_) => tamed.push_str(&rest[..length]),
            None if is_wild(letter) => tamed.push(picture(letter)),
            None => tamed.push(letter),
        }
        rest = &rest[length..];
    }
    Cow::Owned(tamed)
}

/// Returns a text on one line, for a cell of a table.
pub(crate) fn on_one_line(text: String) -> String {
    if text.contains(['\n', '\t']) {
        text.replace("\r\n", "␤").replace('\n', "␤").replace('\t', " ")
    } else {
        text
    }
}

/// Returns a picture of a control character.
fn picture(letter: char) -> char {
    match letter {
        '\0'..='\u{1f}' => char::from_u32(u32::from('␀') + u32::from(letter)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        _ => '\u{fffd}',
    }
}

/// Whether a terminal would do something at this letter, or write what follows in another direction.
fn is_wild(letter: char) -> bool {
    let turns = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (letter.is_control() && !matches!(letter, '\n' | '\t'))
}

/// The length of the sequence that begins here, if it is one of those that paint: others could hide text.
fn colour_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find('m')?;
    CODES.contains(&&parameters[..end]).then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_of_ours_get_through() {
        let text = "\u{1b}[1;31mred\u{1b}[0m \u{1b}[8m \u{1b}[2J \u{1b}]0;title\u{7} a\rb\tc\n\u{9b}31m \u{202e}txt";
        assert_eq!(
            tame(text, true),
            "\u{1b}[1;31mred\u{1b}[0m ␛[8m ␛[2J ␛]0;title␇ a␍b\tc\n\u{fffd}31m \u{fffd}txt"
        );
        assert!(!tame(text, false).contains('\u{1b}'));
        assert!(matches!(tame("plain ✓ text\n", true), Cow::Borrowed(_)));
    }

    #[test]
    fn a_cell_has_one_line() {
        assert_eq!(on_one_line("a\r\nb\nc\td".to_owned()), "a␤b␤c d");
    }
}
