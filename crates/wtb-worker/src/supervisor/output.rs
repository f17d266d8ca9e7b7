//! What a worker prints: the beginning and the end of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read as _};

use wtb_model::Captured;

/// How much of the beginning of each of an attempt's outputs is kept, in bytes.
pub const OUTPUT_HEAD_BYTES_MAX: usize = 32 << 10;
/// How much of the end is kept, in bytes.
pub const OUTPUT_TAIL_BYTES_MAX: usize = 96 << 10;

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;
/// How often it is read before something else has its turn.
const READS_MAX: usize = 64;

/// One output of a worker. It is always read, so that a worker never waits; not all of it is kept.
#[derive(Debug)]
pub(super) struct Output {
    /// Until its end.
    file: Option<File>,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Output {
    pub(super) fn new(file: File) -> Self {
        Self { file: Some(file), head: Vec::new(), tail: VecDeque::new(), left_out: 0 }
    }

    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Reads what is there, without waiting.
    pub(super) fn drain(&mut self) {
        let mut bytes = [0; READ_BYTES];
        for _ in 0..READS_MAX {
            let Some(file) = &mut self.file else { return };
            match file.read(&mut bytes) {
                Ok(0) => self.file = None,
                Ok(count) => self.keep(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.file = None,
            }
        }
    }

    /// Returns what was kept, if there was anything, and begins anew.
    pub(super) fn take(&mut self) -> Option<Captured> {
        let captured = Captured {
            head: std::mem::take(&mut self.head),
            tail: std::mem::take(&mut self.tail).into(),
            omitted_bytes: std::mem::take(&mut self.left_out),
        };
        (!captured.head.is_empty()).then_some(captured)
    }

    fn keep(&mut self, mut bytes: &[u8]) {
        let room = OUTPUT_HEAD_BYTES_MAX - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        bytes = rest;
        if let Some(more) = bytes.len().checked_sub(OUTPUT_TAIL_BYTES_MAX) {
            self.left_out += (self.tail.len() + more) as u64;
            self.tail.clear();
            bytes = &bytes[more..];
        }
        let over = (self.tail.len() + bytes.len()).saturating_sub(OUTPUT_TAIL_BYTES_MAX);
        self.tail.drain(..over);
        self.left_out += over as u64;
        self.tail.extend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept<'part>(parts: impl IntoIterator<Item = &'part [u8]>) -> Option<Captured> {
        let mut output = Output::new(File::open("/dev/null").unwrap());
        for part in parts {
            output.keep(part);
        }
        output.take()
    }

    #[test]
    fn short_output_is_kept_whole() {
        assert_eq!(kept([]), None);
        assert_eq!(kept([&b"one "[..], b"two"]).unwrap().text(), "one two");
        let exact = vec![b'x'; OUTPUT_HEAD_BYTES_MAX + OUTPUT_TAIL_BYTES_MAX];
        assert_eq!(kept([&exact[..]]).unwrap().text().len(), exact.len());
    }

    #[test]
    fn the_middle_of_a_flood_is_left_out() {
        let whole: Vec<u8> = (0..1_000_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
        for size in [1, 999, 70_000, 1_000_000] {
            let Captured { head, tail, omitted_bytes } = kept(whole.chunks(size)).unwrap();
            assert_eq!(head, &whole[..OUTPUT_HEAD_BYTES_MAX]);
            assert_eq!(tail, &whole[1_000_000 - OUTPUT_TAIL_BYTES_MAX..]);
            let kept = (head.len() + tail.len()) as u64;
            assert_eq!(omitted_bytes + kept, whole.len() as u64);
        }
    }
}
