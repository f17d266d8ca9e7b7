//! What those who submit a unit of work hold until they know what became of it.

use std::sync::mpsc;

use crate::StoreError;

/// What a committed unit left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// The journal's last sequence number after the unit.
    pub sequence: u64,
}

/// A unit that was queued: [`Ticket::wait`] tells what became of it.
///
/// A store may let units gather for some milliseconds and write them together; waiting for a
/// ticket asks it to write at once.
pub struct Ticket {
    result: mpsc::Receiver<Result<Receipt, StoreError>>,
    hurry: Box<dyn Fn() + Send>,
}

impl Ticket {
    /// Makes a ticket and the sender that redeems it; `hurry` is called when somebody waits.
    pub fn new(
        hurry: impl Fn() + Send + 'static,
    ) -> (mpsc::SyncSender<Result<Receipt, StoreError>>, Self) {
        let (sender, result) = mpsc::sync_channel(1);
        (sender, Self { result, hurry: Box::new(hurry) })
    }

    /// Tells what became of the unit if that is known already; `None` while it waits its turn.
    pub fn poll(&self) -> Option<Result<Receipt, StoreError>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(mpsc::TryRecvError::Empty) => None,
            Err(mpsc::TryRecvError::Disconnected) => Some(Err(StoreError::Closed)),
        }
    }

    /// Waits until the unit is durable, or says why it is not.
    pub fn wait(self) -> Result<Receipt, StoreError> {
        if let Some(result) = self.poll() {
            return result;
        }
        (self.hurry)();
        self.result.recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ticket").finish_non_exhaustive()
    }
}
