//! The attempts that run, and what is known of those that do not run any more.
//!
//! Invariants: tokens strictly increase; a token is accepted or expired at most once. The memory of
//! expired tokens is one bit per attempt ever started, so that a late outcome can be told from a
//! repeated one however late it comes.

use std::collections::BTreeMap;

use crate::{
    command::FenceReason,
    ids::{CellIndex, Token, WorkerId},
};

/// One running attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) cell: CellIndex,
    pub(crate) number: u32,
    pub(crate) worker: WorkerId,
    pub(crate) has_begun: bool,
}

/// All attempts of one scheduler. A tree, not a hash map, because commands must come out in the
/// same order each time.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    running: BTreeMap<Token, Attempt>,
    first: u64,
    next: u64,
    /// Bit i belongs to token `first + i`.
    expired: Vec<u64>,
}

impl Attempts {
    pub(crate) const fn new(first_token: u64) -> Self {
        Self {
            running: BTreeMap::new(),
            first: first_token,
            next: first_token,
            expired: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn is_running(&self, token: Token) -> bool {
        self.running.contains_key(&token)
    }

    /// Returns a running attempt.
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Attempt> {
        self.running.get_mut(&token)
    }

    /// Enters an attempt under a new token.
    pub(crate) fn start(&mut self, attempt: Attempt) -> Token {
        let token = Token(self.next);
        self.next += 1;
        self.running.insert(token, attempt);
        token
    }

    /// Removes a running attempt whose outcome counts.
    pub(crate) fn accept(&mut self, token: Token) -> Option<Attempt> {
        self.running.remove(&token)
    }

    /// Removes a running attempt whose outcome, if it ever comes, will not count.
    pub(crate) fn expire(&mut self, token: Token) -> Option<Attempt> {
        let attempt = self.running.remove(&token)?;
        let (word, bit) = self.place(token)?;
        if word >= self.expired.len() {
            self.expired.resize(word + 1, 0);
        }
        self.expired[word] |= bit;
        Some(attempt)
    }

    /// Returns why a token that is not running is refused.
    pub(crate) fn refusal(&self, token: Token) -> FenceReason {
        if token.0 >= self.next {
            return FenceReason::Unknown;
        }
        let Some((word, bit)) = self.place(token) else {
            return FenceReason::Stale;
        };
        match self.expired.get(word) {
            Some(bits) if bits & bit != 0 => FenceReason::Stale,
            _ => FenceReason::Duplicate,
        }
    }

    /// Returns the running attempts of a worker, oldest first. Looks at all that run.
    pub(crate) fn of_worker(&self, worker: WorkerId) -> Vec<Token> {
        let of_worker = self.running.iter().filter(|(_, attempt)| attempt.worker == worker);
        of_worker.map(|(token, _)| *token).collect()
    }

    /// Returns the running attempt of a cell. Looks at all that run.
    pub(crate) fn of_cell(&self, cell: CellIndex) -> Option<Token> {
        self.running.iter().find(|(_, attempt)| attempt.cell == cell).map(|(token, _)| *token)
    }

    /// Returns all running attempts, oldest first.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.running.keys().copied().collect()
    }

    fn place(&self, token: Token) -> Option<(usize, u64)> {
        let offset = token.0.checked_sub(self.first)?;
        let word = usize::try_from(offset / 64).ok()?;
        Some((word, 1 << (offset % 64)))
    }
}
