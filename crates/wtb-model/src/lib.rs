//! The words of the Workflow Test Bench as types: ids, records, state machines, events.
//!
//! Nothing here does I/O, reads a clock or draws randomness: whoever creates a record passes the
//! time and the entropy in. All other crates depend on this one and it depends on none of them.

mod batch;
mod captured;
mod event;
mod execution;
mod id;
mod score;
mod status;
mod time;
mod value;

pub use batch::{
    Backoff, BatchRecord, BatchSpec, CaseRecord, CheckpointMode, ErrorPolicy, FailFast,
    KeepWorkspaces, SessionRecord, StatusCounts, VariantRecord, WorkspaceSpec,
};
pub use captured::Captured;
pub use event::{CUSTOM_PREFIX, EVENT_KINDS, Event, EventBody, JournalEntry};
pub use execution::{
    AttemptOutcome, AttemptRecord, ErrorInfo, ExecutionRecord, NodeRecord, NodeStatus,
    WorkspaceRecord,
};
pub use id::{BatchId, ExecutionId, ID_ENTROPY_BYTES, IdError, SessionId};
pub use score::{Direction, ScoreRecord};
pub use status::{AttemptStatus, BatchStatus, ExecutionStatus, IllegalTransition};
pub use time::Timestamp;
pub use value::{StoredValue, Value};
