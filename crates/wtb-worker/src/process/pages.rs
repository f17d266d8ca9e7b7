//! Large pages for what forks share.

use std::ffi::c_void;

/// The size of a large page, in bytes.
const LARGE: usize = 2 << 20;

/// Puts the memory of the calling process into large pages, where the system has them: a fork then
/// copies one entry of its page table where it would copy 512, and its end drops one.
///
/// It is called when nothing more is imported, once; whatever the system refuses stays as it is.
pub(crate) fn gather() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(private_memory) {
        let (mut at, end) = (start.next_multiple_of(LARGE), end);
        while at + LARGE <= end {
            collapse(at);
            at += LARGE;
        }
    }
}

/// The range of a mapping that is memory of the process alone, and of no file.
fn private_memory(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_writable = fields.next()?.starts_with("rw-p");
    let inode = fields.nth(2)?;
    let name = fields.next().unwrap_or_default();
    let is_plain = inode == "0" && (name.is_empty() || name == "[heap]");
    let parse = |text| usize::from_str_radix(text, 16).ok();
    (is_writable && is_plain).then_some((parse(start)?, parse(end)?))
}

fn collapse(at: usize) {
    // SAFETY: the advice changes how the kernel keeps this memory, and nothing of what is in it; an
    // address that is no memory is refused.
    #[expect(unsafe_code, reason = "the binding does not know this advice")]
    unsafe {
        libc::madvise(at as *mut c_void, LARGE, libc::MADV_COLLAPSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_of_the_process_alone_is_gathered() {
        let heap = "55f0a0000000-55f0a0800000 rw-p 00000000 00:00 0                  [heap]";
        assert_eq!(private_memory(heap), Some((0x55f0_a000_0000, 0x55f0_a080_0000)));
        let unnamed = "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 ";
        assert_eq!(private_memory(unnamed), Some((0x7f00_0000_0000, 0x7f00_0040_0000)));
        for other in [
            "7f0000000000-7f0000400000 r--p 00000000 00:00 0 ",
            "7f0000000000-7f0000400000 rw-s 00000000 00:01 12 /dev/zero (deleted)",
            "7f0000000000-7f0000400000 rw-p 00001000 fe:00 77 /usr/lib/libc.so.6",
            "7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0 [stack]",
        ] {
            assert_eq!(private_memory(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_gathered_stays_as_it_was() {
        let memory: Vec<usize> = (0..2 * LARGE).collect();
        gather();
        assert!(memory.iter().enumerate().all(|(place, value)| place == *value));
    }
}
