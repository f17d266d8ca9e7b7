//! Upgrading a store: from the schema that is found to the one that this program works with.
//!
//! Only the words for it. How a store is upgraded is each store's own business.

use wtb_model::SessionRecord;

/// The schema of a store that is there, beside the one that this program works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The store's address, without secrets.
    pub url: String,
    /// The version found.
    pub from: u32,
    /// The version of this program; never less than `from`.
    pub to: u32,
    /// The sessions that live and so stand in the way. None where nobody can be in the way, and none
    /// where there is nothing to do.
    pub sessions: Vec<SessionRecord>,
}

impl Upgrade {
    /// Whether there is anything to do.
    pub fn is_needed(&self) -> bool {
        self.from < self.to
    }

    /// Returns who stands in the way, as messages name them.
    pub fn in_the_way(&self) -> String {
        let named =
            |session: &SessionRecord| format!("process {} on {}", session.process, session.host);
        self.sessions.iter().map(named).collect::<Vec<_>>().join(", ")
    }
}
