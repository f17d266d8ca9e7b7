//! What the journal says: one typed body for each kind of event.
//!
//! The journal is the one source of progress, audit and metrics. An event is written in the unit
//! of work that makes it true, so no event speaks of something that did not happen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BatchId, ExecutionId, SessionId, StatusCounts, Timestamp};

/// Kinds that users publish themselves begin with this.
pub const CUSTOM_PREFIX: &str = "custom.";

/// An event on its way into the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// The session that saw it.
    pub session: SessionId,
    /// The batch it belongs to.
    pub batch: Option<BatchId>,
    /// The execution it belongs to.
    pub execution: Option<ExecutionId>,
    /// What happened.
    pub body: EventBody,
}

/// An event as the journal keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Its place in the journal, increasing without regard to the clock.
    pub sequence: u64,
    /// The event.
    pub event: Event,
}

macro_rules! event_body {
    ($($(#[$doc:meta])* $variant:ident = $kind:literal { $($(#[$field_doc:meta])* $field:ident : $type:ty),* $(,)? }),+ $(,)?) => {
        /// What happened.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum EventBody {
            $($(#[$doc])* #[serde(rename = $kind)] $variant { $($(#[$field_doc])* $field: $type),* },)+
            /// Published by the user through the event bus; the kind begins with `custom.`.
            #[serde(rename = "custom")]
            Custom {
                /// The kind its publisher chose.
                name: String,
                /// What its publisher has to say.
                data: Value,
            },
            /// Of a kind that this program does not know: a newer one wrote it. It is read (see
            /// [`EventBody::from_json`]) and shown, but never written.
            #[serde(skip)]
            Unknown {
                /// The kind.
                kind: String,
                /// Everything else that was written.
                data: Map<String, Value>,
            },
        }

        /// Every kind that WTB itself emits.
        pub const EVENT_KINDS: &[&str] = &[$($kind),+];

        impl EventBody {
            /// Returns the kind's name, such as `execution.succeeded`.
            pub fn kind(&self) -> &str {
                match self {
                    $(Self::$variant { .. } => $kind,)+
                    Self::Custom { name, .. } => name,
                    Self::Unknown { kind, .. } => kind,
                }
            }
        }
    };
}

/// How a published event is tagged, whatever the kind that its publisher chose.
const CUSTOM_TAG: &str = "custom";

impl EventBody {
    /// Reads a body as it was written. Of a kind that this program does not know, it keeps what is
    /// there; a known kind without what belongs to it is an error.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Tagged {
            kind: String,
            #[serde(flatten)]
            data: Map<String, Value>,
        }
        serde_json::from_str(text).or_else(|error| match serde_json::from_str(text) {
            Ok(Tagged { kind, data }) if kind != CUSTOM_TAG && !EVENT_KINDS.contains(&&*kind) => {
                Ok(Self::Unknown { kind, data })
            }
            _ => Err(error),
        })
    }

    /// Returns what there is to say beside the kind: an object, unless a publisher said otherwise.
    pub fn data(&self) -> Value {
        match self {
            Self::Custom { data, .. } => data.clone(),
            Self::Unknown { data, .. } => Value::Object(data.clone()),
            known => {
                let mut data = serde_json::to_value(known).unwrap_or_default();
                if let Some(fields) = data.as_object_mut() {
                    fields.retain(|name, _| name != "kind");
                }
                data
            }
        }
    }
}

event_body! {
    /// A batch was written to the store with all its executions.
    BatchCreated = "batch.created" {
        /// The workflow's name.
        workflow: String,
        /// How many variants.
        variants: u64,
        /// How many cases.
        cases: u64,
        /// How many repeats.
        repeats: u32,
        /// How many executions.
        executions: u64,
    },
    /// A session began to hand out a batch's executions, or took them up again.
    BatchStarted = "batch.started" {
        /// How many executions are outstanding.
        outstanding: u64,
        /// The kind of place the workers live in.
        runner: String,
        /// How many attempts run at once.
        max_workers: u32,
        /// Whether an earlier session had begun it.
        resumed: bool,
    },
    /// Some time or some executions later: where the batch stands.
    BatchProgress = "batch.progress" {
        /// How many executions stand where.
        counts: StatusCounts,
        /// Since this session took the batch up, in milliseconds.
        elapsed_ms: u64,
        /// Executions ended per second in this session.
        per_second: f64,
        /// Estimated milliseconds until the last one ends, once there is a rate.
        remaining_ms: Option<u64>,
    },
    /// Variants, cases or repeats were added.
    BatchExtended = "batch.extended" {
        /// How many executions were added.
        executions: u64,
    },
    /// Nothing new is handed out until the batch is resumed.
    BatchPaused = "batch.paused" {},
    /// A paused batch goes on.
    BatchResumed = "batch.resumed" {},
    /// Every execution ended.
    BatchCompleted = "batch.completed" {
        /// How many executions stand where.
        counts: StatusCounts,
        /// Since this session took the batch up, in milliseconds.
        duration_ms: u64,
    },
    /// Every execution failed, or the fail-fast threshold was reached.
    BatchFailed = "batch.failed" {
        /// Why.
        reason: String,
        /// How many executions stand where.
        counts: StatusCounts,
        /// Since this session took the batch up, in milliseconds.
        duration_ms: u64,
    },
    /// Stopped on request.
    BatchCancelled = "batch.cancelled" {
        /// How many executions stand where.
        counts: StatusCounts,
        /// Since this session took the batch up, in milliseconds.
        duration_ms: u64,
    },
    /// The session let go of the batch before its end; it can be resumed.
    BatchReleased = "batch.released" {
        /// How many executions are outstanding.
        outstanding: u64,
    },
    /// The pool of workers for a batch stands.
    PoolCreated = "pool.created" {
        /// The kind of place the workers live in.
        runner: String,
        /// How many workers.
        workers: u32,
    },
    /// A worker is ready for its first attempt.
    WorkerStarted = "worker.started" {
        /// The worker's name.
        worker: String,
        /// How long it took to get ready, in milliseconds.
        ready_ms: u64,
    },
    /// A worker is lost to the pool: stuck past its deadline, or ended by an error of its own.
    WorkerFailed = "worker.failed" {
        /// The worker's name.
        worker: String,
        /// Why.
        reason: String,
        /// How many attempts it had completed.
        completed: u64,
    },
    /// Another worker took the place of a failed one.
    WorkerReplaced = "worker.replaced" {
        /// The new worker's name.
        worker: String,
        /// The name of the one it replaces.
        replaces: String,
    },
    /// An attempt was handed to a worker.
    ExecutionStarted = "execution.started" {
        /// The attempt's number, from 1.
        attempt: u32,
        /// The worker's name.
        worker: String,
        /// The variant's name.
        variant: String,
        /// The case's id.
        case: String,
        /// Which repeat, from 0.
        repeat: u32,
    },
    /// The workflow reached its end.
    ExecutionSucceeded = "execution.succeeded" {
        /// The attempt's number, from 1.
        attempt: u32,
        /// How long the attempt took, in microseconds.
        duration_us: u64,
        /// How many nodes ran.
        nodes: u64,
        /// Metrics that nodes logged.
        metrics: BTreeMap<String, f64>,
    },
    /// The last attempt raised, and no retry is left.
    ExecutionFailed = "execution.failed" {
        /// The attempt's number, from 1.
        attempt: u32,
        /// The node that failed, when it is known.
        node: Option<String>,
        /// The error's type.
        error: String,
        /// What it says.
        message: String,
        /// Whether it is on the dead-letter list.
        dead_letter: bool,
    },
    /// The last attempt outlived its deadline, and no retry is left.
    ExecutionTimedOut = "execution.timed_out" {
        /// The attempt's number, from 1.
        attempt: u32,
        /// Whether it is on the dead-letter list.
        dead_letter: bool,
    },
    /// Stopped on request.
    ExecutionCancelled = "execution.cancelled" {
        /// Why.
        reason: String,
    },
    /// The workflow asked a question and awaits its answer.
    ExecutionInterrupted = "execution.interrupted" {
        /// The attempt's number, from 1.
        attempt: u32,
    },
    /// The execution stands at a breakpoint.
    ExecutionPaused = "execution.paused" {
        /// The attempt's number, from 1.
        attempt: u32,
    },
    /// An attempt ended badly and another one follows.
    ExecutionRetrying = "execution.retrying" {
        /// The number of the attempt that ended.
        attempt: u32,
        /// How it ended: `failed`, `timed_out`, `lost`, or `cancelled` when its session stopped.
        cause: String,
        /// What went wrong.
        message: String,
        /// How long the next attempt is held back, in milliseconds.
        backoff_ms: u64,
    },
    /// An ended execution was sent back to the queue.
    ExecutionRequeued = "execution.requeued" {
        /// Why.
        reason: String,
    },
    /// An execution was made that begins where another one stood.
    ExecutionForked = "execution.forked" {
        /// The execution that it was forked from.
        source: String,
        /// The checkpoint at which its history begins.
        checkpoint: String,
        /// The variant's name.
        variant: String,
    },
    /// An execution stands at an earlier checkpoint again, in a lineage of its own.
    ExecutionRolledBack = "execution.rolled_back" {
        /// The checkpoint.
        checkpoint: String,
        /// The lineage's name (LangGraph: thread).
        thread: String,
    },
    /// An execution goes on from its head.
    ExecutionResumed = "execution.resumed" {
        /// Where it stood.
        status: String,
        /// Whether its question was answered.
        answered: bool,
        /// Whether its state was updated.
        updated: bool,
    },
    /// Evaluators have given their scores, or failed to.
    ExecutionScored = "execution.scored" {
        /// The scores, by metric.
        scores: BTreeMap<String, Option<f64>>,
        /// What failed, by evaluator.
        errors: BTreeMap<String, String>,
    },
    /// An outcome came too late, twice, or from a worker without a lease, and was refused.
    AttemptFenced = "attempt.fenced" {
        /// The token that the outcome came with.
        token: u64,
        /// Why it was refused.
        reason: String,
    },
    /// The files of an attempt's workspace are stored as it left them.
    FilesTracked = "files.tracked" {
        /// The attempt's number, from 1.
        attempt: u32,
        /// The snapshot's id.
        snapshot: String,
    },
    /// They could not be stored; the attempt's outcome counts all the same.
    FilesTrackingFailed = "files.tracking_failed" {
        /// The attempt's number, from 1.
        attempt: u32,
        /// What went wrong.
        message: String,
    },
    /// Workers want work and there is some, but too much awaits its scores or its end.
    BackpressureApplied = "backpressure.applied" {
        /// How many attempts run or await their scores.
        pending: u64,
        /// How many may.
        limit: u64,
    },
    /// Work is handed out again.
    BackpressureReleased = "backpressure.released" {
        /// How many attempts run or await their scores.
        pending: u64,
    },
    /// A subscriber raised; the event it was given is not delivered to it again.
    SubscriberFailed = "subscriber.failed" {
        /// The subscriber's name.
        subscriber: String,
        /// The sequence number of the event.
        sequence: u64,
        /// What it raised.
        error: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_tagged_with_their_kind() {
        let body = EventBody::ExecutionCancelled { reason: "the batch was cancelled".to_owned() };
        let json = serde_json::to_value(&body).unwrap();
        assert_eq!(json["kind"], "execution.cancelled");
        assert_eq!(body.kind(), "execution.cancelled");
        assert_eq!(serde_json::from_value::<EventBody>(json).unwrap(), body);
    }

    #[test]
    fn custom_events_carry_the_kind_of_their_publisher() {
        let body =
            EventBody::Custom { name: "custom.note".to_owned(), data: serde_json::json!({"a": 1}) };
        assert_eq!(body.kind(), "custom.note");
        let json = serde_json::to_string(&body).unwrap();
        assert_eq!(serde_json::from_str::<EventBody>(&json).unwrap(), body);
    }

    #[test]
    fn what_a_newer_program_wrote_keeps_its_kind_and_data() {
        let text = r#"{"kind": "checkpoint.saved", "step": 3, "name": "custom"}"#;
        let body = EventBody::from_json(text).unwrap();
        assert_eq!(body.kind(), "checkpoint.saved");
        assert_eq!(body.data(), serde_json::json!({"step": 3, "name": "custom"}));
        assert!(serde_json::to_value(&body).is_err(), "it is not ours to write");
        for damaged in
            [r#"{"kind": "execution.paused"}"#, r#"{"kind": "custom"}"#, r#"{"step": 3}"#, "[]"]
        {
            assert!(EventBody::from_json(damaged).is_err(), "{damaged}");
        }
        let newer = r#"{"kind": "execution.paused", "attempt": 1, "node": "a"}"#;
        assert_eq!(
            EventBody::from_json(newer).unwrap(),
            EventBody::ExecutionPaused { attempt: 1 },
            "further fields of a known kind are passed over"
        );
    }

    #[test]
    fn data_is_everything_but_the_kind() {
        let body = EventBody::AttemptFenced { token: 3, reason: "late".to_owned() };
        assert_eq!(body.data(), serde_json::json!({"token": 3, "reason": "late"}));
        let data = serde_json::json!([1, {"kind": 2}]);
        let body = EventBody::Custom { name: "custom.note".to_owned(), data: data.clone() };
        assert_eq!(body.data(), data);
    }

    #[test]
    fn kinds_are_unique() {
        let mut kinds = EVENT_KINDS.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), EVENT_KINDS.len());
    }
}
