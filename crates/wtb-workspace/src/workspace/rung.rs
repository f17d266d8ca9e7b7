//! The ways to make a workspace, best first.

use std::fmt;
use std::str::FromStr;

/// How a workspace is made of its inputs.
///
/// Whatever is written in a workspace never reaches its inputs or another workspace, with an exception: see
/// [`Rung::Hardlink`], which is taken only when it is asked for. What differs:
///
/// | | overlay | reflink | hardlink | copy |
/// |---|---|---|---|---|
/// | takes, for many files | a mount | a call for each file | a copy of the small files | a copy |
/// | first write to a large file | copies it | copies nothing | is refused | copies nothing |
/// | renaming a directory of the inputs | fails with `EXDEV` in a user namespace, as between file systems; `shutil.move` copes | works | works | works |
/// | inputs that change meanwhile | show through: undefined | no | no | no |
/// | where | Linux, in a mount namespace | btrfs, XFS and the like | where permission bits bind this user | everywhere |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// A file system that keeps what is written in a directory of its own, over the inputs.
    Overlay,
    /// Files that share their blocks until one of them is written.
    Reflink,
    /// Large files are names of one read-only copy that all workspaces share; small ones are copies.
    /// Who ignores permission bits, as root does, would write into that copy: there it is not offered.
    /// And who owns a file may give himself the right (`chmod`): what he writes then is in all workspaces
    /// that share it. The next snapshot of each finds that out, and fails.
    Hardlink,
    /// Copies. Holes stay holes.
    Copy,
}

impl Rung {
    /// All, best first.
    pub const ALL: [Self; 4] = [Self::Overlay, Self::Reflink, Self::Hardlink, Self::Copy];

    /// Why [`Rung::Hardlink`] is taken by those alone who ask for it.
    pub(super) const NOT_CHOSEN: &str = "it is taken only when it is asked for: whoever gives himself the \
        right to write into a shared file writes into all workspaces that share it";

    /// Whether it is taken without being asked for.
    pub const fn is_chosen(self) -> bool {
        !matches!(self, Self::Hardlink)
    }

    /// Returns its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Reflink => "reflink",
            Self::Hardlink => "hardlink",
            Self::Copy => "copy",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Rung {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|rung| rung.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(|rung| format!("`{rung}`")).join(", ");
            format!("`{text}` is no way to make a workspace (known: {known})")
        })
    }
}
