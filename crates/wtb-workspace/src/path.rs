//! Paths within a tree: relative, of bytes, in an order that keeps each directory together.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

/// A path within a tree: names of any bytes but NUL and `/`, with `/` between them.
///
/// The order is that of a walk: a directory, then all that is in it, then its next sibling.
///
/// # Examples
///
/// ```
/// use wtb_workspace::TreePath;
///
/// let [within, sibling] = ["a/z", "a-b"].map(|text| TreePath::new(text.as_bytes()).unwrap());
/// assert!(within < sibling);
/// assert!(within.is_within(b"a") && !sibling.is_within(b"a"));
/// assert!(TreePath::new(b"../outside").is_none());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TreePath(Arc<[u8]>);

impl TreePath {
    /// Makes a path, unless it is empty or has a name that is empty, `.`, `..` or has a NUL in it.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
        bytes.split(|byte| *byte == b'/').all(is_name).then(|| Self(bytes.into()))
    }

    /// Makes the path of a name in a directory; the directory of the tree itself is the empty one.
    pub(crate) fn within(directory: &[u8], name: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(directory.len() + 1 + name.len());
        bytes.extend_from_slice(directory);
        if !directory.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns it as the operating system takes it, relative to the tree.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether it is below a directory; everything is below the empty path.
    pub fn is_within(&self, directory: &[u8]) -> bool {
        directory.is_empty()
            || self.0.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
    }

    /// In how many directories it is.
    pub(crate) fn depth(&self) -> usize {
        self.ancestors().count()
    }

    /// Returns the paths of the directories that it is in, outermost first.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        ends.map(|(end, _)| &self.0[..end])
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares paths name by name.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    // No name has a byte as small as what stands for the slash here.
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    match left.iter().zip(right).find(|(left, right)| left != right) {
        Some((left, right)) => rank(left).cmp(&rank(right)),
        None => left.len().cmp(&right.len()),
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().display().fmt(formatter)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0.escape_ascii())
    }
}
