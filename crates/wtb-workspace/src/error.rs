//! What can go wrong with files, said with what was done, where, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use wtb_store::StoreError;

use crate::snapshot::walk::DEPTH_MAX;
use crate::{Rung, TreePath};

/// An error of a snapshot or a workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The operating system refused something.
    #[error("cannot {doing} `{}`: {source}{}", path.display(), remedy(source))]
    Io {
        /// What was being done, such as `read`.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The content of a file cannot be had from the store, or not be put there.
    #[error("the content of `{path}` is not to be had from the store: {source}")]
    Content {
        /// The file, as the snapshot names it.
        path: TreePath,
        /// What the store says.
        source: StoreError,
    },
    /// A snapshot itself cannot be had from the store, or not be put there.
    #[error("the snapshot {id} cannot be read or written: {source}")]
    Snapshot {
        /// The snapshot, or the part of it, by its hash.
        id: String,
        /// What the store says.
        source: StoreError,
    },
    /// What the store has under that hash is no snapshot, or one of a newer program.
    #[error("{id} is no snapshot that this program can read: {reason}")]
    NoSnapshot {
        /// The hash.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text is not the id of a snapshot.
    #[error("`{0}` is not the id of a snapshot: expected 64 hexadecimal digits")]
    BadId(String),
    /// A snapshot has no entry of that path, or none of that kind.
    #[error("the snapshot {id} has no file `{path}`")]
    NoFile {
        /// The snapshot.
        id: String,
        /// The path.
        path: String,
    },
    /// A line of `.wtbignore` is not one.
    #[error("cannot use the ignore rules in `{}`: {reason}; correct or remove the line", path.display())]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A rung that was asked for by name does not work here.
    #[error(
        "workspaces cannot be made by {rung} for `{}` in `{}`: {reason}; leave the choice open, or \
         choose another way", inputs.display(), base.display()
    )]
    Rung {
        /// What was asked for.
        rung: Rung,
        /// The inputs.
        inputs: PathBuf,
        /// Where workspaces are made.
        base: PathBuf,
        /// Why it does not work.
        reason: String,
    },
    /// Inputs and workspaces contain each other.
    #[error(
        "`{}` and the workspaces in `{}` contain each other; keep workspaces outside of what they \
         are made of", inputs.display(), base.display()
    )]
    Nested {
        /// The inputs.
        inputs: PathBuf,
        /// Where workspaces are made.
        base: PathBuf,
    },
    /// Directories lie too deep in each other.
    #[error(
        "`{}` lies below more than {DEPTH_MAX} directories, which is too deep for a workspace; is it there by \
         mistake?", .0.display()
    )]
    Deep(PathBuf),
    /// A workspace's name cannot be one.
    #[error("`{0}` cannot name a workspace: it has to be one part of a path, not hidden")]
    Name(String),
    /// Somebody wrote into a file that several workspaces share.
    #[error(
        "`{}` was written in place although it is shared and read-only: the workspaces that share it \
         are spoilt; run them again, and force copies for what writes so", path.display()
    )]
    SharedFileWritten {
        /// The shared copy.
        path: PathBuf,
    },
}

impl WorkspaceError {
    /// Makes a function that names what was being done when the operating system refused.
    pub(crate) fn io<E: Into<io::Error>>(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { doing, path: path.as_ref().to_owned(), source: source.into() }
    }
}

/// What helps against what the operating system says, where that is known.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => "; free some space on that disk",
        io::ErrorKind::QuotaExceeded => "; free some of the quota",
        io::ErrorKind::PermissionDenied => {
            "; give this user the right to it, or name another place"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; name a place that can be written",
        io::ErrorKind::NotFound => "; check that it exists and that nobody removes it",
        _ if source.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            "; raise the limit of open files (ulimit -n)"
        }
        _ => "",
    }
}
