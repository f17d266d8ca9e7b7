//! Texts that PostgreSQL cannot hold: one character, NUL, is written as two others.
//!
//! `U+0000` becomes `U+001A 0`, and `U+001A` (which nobody types either) `U+001A 1`. Equal texts stay
//! equal and prefixes stay prefixes, so that conditions work on written texts. JSON needs none of
//! this: it escapes both by itself.

use std::borrow::Cow;

const MARK: char = '\u{1a}';

/// Returns a text as it is written.
pub(crate) fn written(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(MARK, "\u{1a}1").replace('\0', "\u{1a}0"))
}

/// Returns the text that was written.
pub(crate) fn read(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    text.replace("\u{1a}0", "\0").replace("\u{1a}1", "\u{1a}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_survives(text in "[a\0\u{1a}01]{0,12}", rest in "[a\0\u{1a}01]{0,4}") {
            let form = written(&text).into_owned();
            prop_assert!(!form.contains('\0'));
            prop_assert_eq!(read(form.clone()), text.clone());
            let longer = text + &rest;
            prop_assert!(written(&longer).starts_with(&form), "a prefix stays one");
        }
    }
}
