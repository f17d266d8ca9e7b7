//! Attempts to start and to end.

use std::collections::BTreeMap;

use wtb_model::{
    AttemptOutcome, AttemptStatus, ErrorInfo, EventBody, ExecutionId, ExecutionStatus, NodeRecord,
    NodeStatus, SessionId,
};

use super::{moment, session_id, value};
use crate::{AttemptStart, Change};

/// The start of an attempt by session 1.
pub fn start(execution: &ExecutionId, attempt: u32, token: u64) -> Change {
    start_by(&session_id(1), execution, (attempt, token))
}

/// The start of an attempt by a session, under a number and a token.
pub fn start_by(
    session: &SessionId,
    execution: &ExecutionId,
    (attempt, token): (u32, u64),
) -> Change {
    Change::StartAttempt(AttemptStart {
        session: session.clone(),
        execution: execution.clone(),
        attempt,
        token,
        worker: "thread-1".to_owned(),
        // Each attempt begins with a lineage of its own.
        lineages: attempt,
        at: moment(i64::from(attempt) * 100),
    })
}

/// What the journal says of the start of a first attempt.
pub fn started() -> EventBody {
    EventBody::ExecutionStarted {
        attempt: 1,
        worker: "thread-1".to_owned(),
        variant: "retriever=0".to_owned(),
        case: "case-1".to_owned(),
        repeat: 0,
    }
}

/// What the journal says of a first attempt that reached the workflow's end through three nodes.
pub fn succeeded() -> EventBody {
    EventBody::ExecutionSucceeded {
        attempt: 1,
        duration_us: 1_234,
        nodes: 3,
        metrics: BTreeMap::new(),
    }
}

/// The end of an attempt: what became of it and of its execution, unsettled.
pub fn finish(
    execution: &ExecutionId,
    (attempt, token): (u32, u64),
    (status, next): (AttemptStatus, ExecutionStatus),
    outcome: AttemptOutcome,
) -> Change {
    Change::FinishAttempt {
        execution: execution.clone(),
        attempt,
        token,
        status,
        next,
        dead_letter: next.is_error(),
        outcome: Box::new(outcome),
        settled: false,
        handed_ahead: false,
        at: moment(i64::from(attempt) * 100 + 50),
    }
}

/// The end of an attempt that was handed out ahead of its start and is cancelled.
pub fn cancel_handed(execution: &ExecutionId, lease: (u32, u64)) -> Change {
    let ends = (AttemptStatus::Cancelled, ExecutionStatus::Cancelled);
    let mut change = finish(execution, lease, ends, outcome(0));
    if let Change::FinishAttempt { handed_ahead, .. } = &mut change {
        *handed_ahead = true;
    }
    change
}

/// The end of a first attempt, under token 1, that reached the workflow's end.
pub fn succeed(execution: &ExecutionId) -> Change {
    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
    finish(execution, (1, 1), ends, outcome(3))
}

/// An execution's way back to the queue, to begin with its input.
pub fn requeue(execution: &ExecutionId) -> Change {
    Change::RequeueExecution { execution: execution.clone(), from_head: false }
}

/// An ended execution's step to the head of its last lineage.
pub fn place(execution: &ExecutionId, lineages: u32) -> Change {
    Change::PlaceExecution { execution: execution.clone(), lineages, at: moment(999) }
}

/// What a worker delivers for a workflow that reached its end through so many nodes.
pub fn outcome(nodes: u32) -> AttemptOutcome {
    AttemptOutcome {
        output: Some(value("{\"answer\": 42}")),
        nodes: (0..nodes).map(|order| node(1, order)).collect(),
        usage: Some(serde_json::json!({"input_tokens": 12})),
        duration_us: 1_234,
        ..AttemptOutcome::default()
    }
}

/// What a worker delivers for a workflow that raised.
pub fn failure(message: &str) -> AttemptOutcome {
    let error = error(message);
    let failed = NodeRecord {
        status: NodeStatus::Failed,
        output: None,
        error: Some(error.clone()),
        ..node(1, 0)
    };
    AttemptOutcome {
        error: Some(error),
        nodes: vec![failed],
        warnings: vec!["the state could not be stored".to_owned()],
        duration_us: 99,
        ..AttemptOutcome::default()
    }
}

/// An error with every field set.
pub fn error(message: &str) -> ErrorInfo {
    ErrorInfo {
        kind: "ValueError".to_owned(),
        message: message.to_owned(),
        traceback: Some("Traceback:\n  line 1".to_owned()),
        node: Some("agent/tools".to_owned()),
    }
}

/// One node of an attempt.
pub fn node(attempt: u32, order: u32) -> NodeRecord {
    NodeRecord {
        attempt,
        order,
        node: format!("agent/node-{order}"),
        step: i64::from(order) - 1,
        status: NodeStatus::Succeeded,
        calls: 1,
        started_at: moment(i64::from(order)),
        duration_us: 10,
        input: Some(value("{\"query\": \"?\"}")),
        output: Some(value("{\"documents\": [1, 2, 3]}")),
        error: None,
        usage: (order == 1).then(|| serde_json::json!({"output_tokens": 3})),
    }
}
