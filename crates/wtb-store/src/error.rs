//! What can go wrong with a store, said so that its user knows what to do.

use wtb_model::IllegalTransition;

/// An error of a store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The address is not one that a store can be opened from.
    #[error("cannot open the store `{url}`: {reason}")]
    Open {
        /// The address as given.
        url: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The database was written by a newer program.
    #[error(
        "the store `{url}` has schema version {found}, but this program knows versions up to \
         {known}: upgrade the program, or open another store"
    )]
    Newer {
        /// The address of the store.
        url: String,
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// Programs that would go on with the older schema use the store.
    #[error(
        "the store `{url}` cannot be upgraded while it is in use by {by}: they would go on with the \
         older schema; end them first"
    )]
    InUse {
        /// The address of the store, without secrets.
        url: String,
        /// Who uses it.
        by: String,
    },
    /// Nothing has that id.
    #[error("there is no {what} `{id}` in this store")]
    NotFound {
        /// The kind of thing, such as `batch`.
        what: &'static str,
        /// The id or prefix as given.
        id: String,
    },
    /// A prefix fits several ids.
    #[error("`{prefix}` fits more than one {what}: {}", candidates.join(", "))]
    Ambiguous {
        /// The kind of thing, such as `batch`.
        what: &'static str,
        /// The prefix as given.
        prefix: String,
        /// Some of the ids that it fits.
        candidates: Vec<String>,
    },
    /// The lease under which the change was made is no longer the live one.
    #[error("{what} was refused: its lease (token {token}) is no longer the live one")]
    Fenced {
        /// What was refused.
        what: String,
        /// The token it came with.
        token: u64,
    },
    /// It is no longer as it was when the change was decided upon.
    #[error("{what} has moved on in the meantime: look at it again")]
    Moved {
        /// What is to be looked at again.
        what: String,
    },
    /// A checkpoint refers to values of its parent that the parent does not have.
    #[error("{what} takes {} from its parent, which does not have them so", channels.join(", "))]
    MissingChannels {
        /// The checkpoint.
        what: String,
        /// The channels.
        channels: Vec<String>,
    },
    /// Another session drives the batch.
    #[error("{what} was refused: {}", driven_by(owner.as_deref()))]
    NotOwner {
        /// What was refused.
        what: String,
        /// The session that drives it, as text; `None` when nobody does.
        owner: Option<String>,
    },
    /// A state machine does not have that step.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Stored bytes are not what was written.
    #[error("the object {hash} is corrupted: {reason}")]
    Corrupt {
        /// The hash that names the object.
        hash: String,
        /// What is wrong with its bytes.
        reason: String,
    },
    /// The directory with the store's large objects cannot be used.
    #[error("the store's directory of objects `{path}` cannot be used: {reason}")]
    Directory {
        /// It, or a file in it.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A stored record cannot be read.
    #[error("cannot read {what} from the store: {reason}")]
    Unreadable {
        /// What was read.
        what: String,
        /// Why it cannot be.
        reason: String,
    },
    /// The disk is full.
    #[error("the disk of the store is full; free some space and resume: {0}")]
    Full(String),
    /// The database cannot be written.
    #[error("the store cannot be written: {0}")]
    ReadOnly(String),
    /// The database stayed locked for longer than the busy timeout.
    #[error("the store stayed locked by another program: {0}")]
    Busy(String),
    /// The operating system refused to read or to write the database's files.
    #[error(
        "the operating system would not read or write the store; look at free space, quotas, \
         limits of file size and the disk itself, and resume: {0}"
    )]
    Io(String),
    /// The server of the store cannot be reached, or lets nobody in.
    #[error("the server of the store `{url}` cannot be reached: {reason}")]
    Unavailable {
        /// The address of the store, without secrets.
        url: String,
        /// What the attempt to reach it met, for how long it was tried, and what to do.
        reason: String,
    },
    /// The store is closed, or its writer ended.
    #[error("the store is closed")]
    Closed,
    /// What the store said to the process that has it open, which passed it on.
    #[error("{0}")]
    Elsewhere(String),
    /// Anything else that the database reports.
    #[error("the store failed while {doing}: {reason}")]
    Backend {
        /// What was being done.
        doing: String,
        /// What the database said.
        reason: String,
    },
}

impl StoreError {
    /// Adds the store's address to what concerns the whole database. Called once for each error,
    /// where it leaves the store: what meets it further in does not know the address.
    #[must_use]
    pub fn at_store(self, url: &str) -> Self {
        let at = |reason: String| format!("`{url}`: {reason}");
        match self {
            Self::Full(reason) => Self::Full(at(reason)),
            Self::ReadOnly(reason) => Self::ReadOnly(at(reason)),
            Self::Busy(reason) => Self::Busy(at(reason)),
            Self::Io(reason) => Self::Io(at(reason)),
            other => other,
        }
    }
}

fn driven_by(owner: Option<&str>) -> String {
    match owner {
        Some(owner) => format!("another session drives the batch ({owner})"),
        None => "no session drives the batch at present; resume it to go on".to_owned(),
    }
}
