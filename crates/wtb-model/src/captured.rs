//! What an attempt printed: the bytes of a process, of which the middle may be missing.

use crate::Value;

/// What a process wrote to one of its streams, as far as it was kept: the head and the tail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes. They follow those of the head directly where nothing was left out.
    pub tail: Vec<u8>,
    /// How many bytes between the two were left out.
    pub omitted_bytes: u64,
}

impl Captured {
    /// The kind of the values that this becomes. It is WTB's own: no serializer of users makes or
    /// reads it, and everybody may show it.
    pub const KIND: &'static str = "text";

    /// Returns it as text: UTF-8, with U+FFFD for what is none, and a line that says how much is
    /// missing where the middle was left out.
    pub fn text(&self) -> String {
        if self.omitted_bytes == 0 {
            return lossy(&[self.head.as_slice(), &self.tail].concat());
        }
        let (head, tail) = (without_cut_end(&self.head), without_cut_begin(&self.tail));
        let cut = (self.head.len() - head.len()) + (self.tail.len() - tail.len());
        let omitted = grouped(self.omitted_bytes.saturating_add(cut as u64));
        let mut text = lossy(head);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        format!("{text}[... {omitted} bytes left out ...]\n{}", lossy(tail))
    }

    /// Returns the text that [`Captured::text`] made, of the value that it was put into.
    pub fn read(value: &Value) -> String {
        lossy(&value.bytes)
    }
}

/// Its text as a value, so that a store keeps it like all that may be large.
impl From<&Captured> for Value {
    fn from(captured: &Captured) -> Self {
        Self::new(Captured::KIND, captured.text().into_bytes())
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a byte continues a character that began before it.
fn continues(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Returns bytes without the begin of a character whose end was cut off.
fn without_cut_end(bytes: &[u8]) -> &[u8] {
    let begin = bytes.iter().rposition(|byte| !continues(*byte)).unwrap_or(0);
    let (whole, last) = bytes.split_at(begin);
    let is_cut = std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    if is_cut { whole } else { bytes }
}

/// Returns bytes without the end of a character whose begin was cut off: at most three bytes, for
/// more are no character's.
fn without_cut_begin(bytes: &[u8]) -> &[u8] {
    let cut = bytes.iter().take_while(|byte| continues(**byte)).count();
    if cut <= 3 { &bytes[cut..] } else { bytes }
}

/// `12,345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(head: impl AsRef<[u8]>, tail: impl AsRef<[u8]>, omitted_bytes: u64) -> String {
        let (head, tail) = (head.as_ref().to_vec(), tail.as_ref().to_vec());
        Captured { head, tail, omitted_bytes }.text()
    }

    #[test]
    fn what_is_whole_is_joined_before_it_is_decoded() {
        assert_eq!(captured("", "", 0), "");
        assert_eq!(captured("a\0b\n", "c\r\n", 0), "a\0b\nc\r\n");
        let (begin, end) = "Zoë €".as_bytes().split_at(3);
        assert_eq!(captured(begin, end, 0), "Zoë €", "the character at the seam is whole");
        assert_eq!(captured(b"\xff\x80ok", b"\xe2\x82", 0), "\u{fffd}\u{fffd}ok\u{fffd}");
    }

    #[test]
    fn what_is_missing_is_said_in_a_line_of_its_own() {
        assert_eq!(captured("begin\n", "end\n", 7), "begin\n[... 7 bytes left out ...]\nend\n");
        let text = captured("begin of a li", "ne\n", 1_234_567);
        assert_eq!(text, "begin of a li\n[... 1,234,567 bytes left out ...]\nne\n");
        assert_eq!(captured("", "", 12_345), "[... 12,345 bytes left out ...]\n");
        assert!(captured("", "", u64::MAX).contains("18,446,744,073,709,551,615 bytes"));
    }

    #[test]
    fn characters_that_are_cut_count_as_left_out() {
        let euro = "€".as_bytes();
        let text = captured([b"a", &euro[..2]].concat(), [&euro[1..], b"b"].concat(), 100);
        assert_eq!(text, "a\n[... 104 bytes left out ...]\nb");
        assert_eq!(captured("a€", "€b", 100), "a€\n[... 100 bytes left out ...]\n€b");
        // What is no text is not taken for a part of a character.
        let text = captured(b"\xff\xff", b"\x80\x80\x80\x80", 100);
        assert_eq!(text.matches('\u{fffd}').count(), 6);
        assert!(text.contains("[... 100 bytes"));
    }

    #[test]
    fn a_value_of_it_is_read_as_it_was() {
        let captured = Captured { head: b"\0\xffZo\xc3\xab".to_vec(), ..Captured::default() };
        let value = Value::from(&captured);
        assert_eq!((value.kind.as_str(), Captured::read(&value)), ("text", captured.text()));
    }
}
