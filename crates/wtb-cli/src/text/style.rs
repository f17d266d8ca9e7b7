//! Paint: a few tones, used to repeat what the words say and never to say something alone.

/// What paint is made of, and the code that ends it.
pub(super) const CODES: [&str; 7] = ["0", "1", "1;31", "2", "32", "33", "36"];

/// What a piece of text is, and so which colour it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Something went well.
    Good,
    /// Something went wrong.
    Bad,
    /// Something deserves a look.
    Warn,
    /// A heading, or the important part of a line.
    Strong,
    /// An explanation beside it.
    Note,
    /// Less important.
    Faint,
}

/// Whether text is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colored: bool,
}

impl Style {
    /// Text as it is.
    pub(crate) const fn plain() -> Self {
        Self { colored: false }
    }

    /// Text with ANSI colours.
    pub(crate) const fn colored() -> Self {
        Self { colored: true }
    }

    /// Whether text is painted.
    pub(crate) const fn is_colored(self) -> bool {
        self.colored
    }

    /// Returns the text in its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colored || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warn => "33",
            Tone::Strong => "1",
            Tone::Note => "36",
            Tone::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_paint_is_made_of_the_codes() {
        use Tone::{Bad, Faint, Good, Note, Strong, Warn};
        for tone in [Bad, Faint, Good, Note, Strong, Warn] {
            let painted = Style::colored().paint(tone, "x");
            let codes = painted.split("\u{1b}[").skip(1);
            let codes: Vec<_> = codes.map(|part| part.split('m').next().unwrap()).collect();
            assert!(codes.iter().all(|code| CODES.contains(code)), "{codes:?}");
        }
    }

    #[test]
    fn paint_is_wrapped_around_the_text_or_left_away() {
        assert_eq!(Style::plain().paint(Tone::Bad, "FAIL"), "FAIL");
        assert_eq!(Style::colored().paint(Tone::Bad, "FAIL"), "\u{1b}[1;31mFAIL\u{1b}[0m");
    }
}
