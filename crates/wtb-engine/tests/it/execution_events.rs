//! Events of executions and attempts: each is made to happen.

use wtb_engine::{AttemptEnd, Beginning, Delivery, Group};
use wtb_model::{
    AttemptOutcome, Direction, EventBody, ExecutionStatus, NodeRecord, NodeStatus, ScoreRecord,
    StoredValue, Timestamp,
};

use crate::audit::audit;
use crate::support::{
    Bench, ended, events, executions, failure, judged, plan, run, statuses, success, take,
};

fn end(end: AttemptEnd) -> Delivery {
    Delivery { end, outcome: AttemptOutcome::default() }
}

#[test]
fn execution_started_names_the_cell_and_its_worker() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    run(&active, 1, |_| success());
    let started = EventBody::ExecutionStarted {
        attempt: 1,
        worker: "w0".to_owned(),
        variant: "v0".to_owned(),
        case: "c0".to_owned(),
        repeat: 0,
    };
    let store = bench.engine.store().as_ref();
    assert_eq!(events(store, active.id().unwrap(), "execution.started"), [started]);
}

#[test]
fn execution_succeeded_keeps_output_nodes_and_metrics() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |_| ())).unwrap();
    let output = StoredValue::Inline { kind: "text".to_owned(), bytes: b"42".to_vec() };
    let node = NodeRecord {
        attempt: 1,
        order: 0,
        node: "answer".to_owned(),
        step: 1,
        status: NodeStatus::Succeeded,
        calls: 1,
        started_at: Timestamp::default(),
        duration_us: 3,
        input: None,
        output: None,
        error: None,
        usage: None,
    };
    let metric = ScoreRecord {
        name: "f1".to_owned(),
        value: Some(0.5),
        direction: Direction::Max,
        source: ScoreRecord::WORKFLOW.to_owned(),
        version: None,
        reason: None,
        error: None,
    };
    run(&active, 1, |_| {
        let outcome = AttemptOutcome {
            output: Some(output.clone()),
            nodes: vec![node.clone()],
            metrics: vec![metric.clone()],
            duration_us: 9,
            ..AttemptOutcome::default()
        };
        Delivery { end: AttemptEnd::Succeeded, outcome }
    });
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let succeeded = EventBody::ExecutionSucceeded {
        attempt: 1,
        duration_us: 9,
        nodes: 1,
        metrics: [("f1".to_owned(), 0.5)].into(),
    };
    assert_eq!(events(store, id, "execution.succeeded"), [succeeded]);
    let execution = &executions(store, id)[0];
    assert_eq!(execution.output, Some(output));
    let detail = store.detail(&execution.id).unwrap();
    assert_eq!((detail.nodes, detail.scores), (vec![node], vec![metric]));
}

#[test]
fn execution_failed_names_the_node_and_goes_on_the_dead_letter_list() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    run(&active, 1, |task| if task.case == 0 { failure("bad\nmore") } else { success() });
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let failed = EventBody::ExecutionFailed {
        attempt: 1,
        node: Some("answer".to_owned()),
        error: "ValueError".to_owned(),
        message: "bad\nmore".to_owned(),
        dead_letter: true,
    };
    assert_eq!(events(store, id, "execution.failed"), [failed]);
    assert!(executions(store, id)[0].dead_letter);
    let shown = &active.progress().failures[0];
    assert_eq!((shown.case.as_str(), shown.message.as_str()), ("c0", "ValueError: bad"));
}

#[test]
fn execution_interrupted_and_paused_are_ends_of_their_own() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    run(&active, 1, |task| {
        end(if task.case == 0 { AttemptEnd::Interrupted } else { AttemptEnd::Paused })
    });
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let interrupted = EventBody::ExecutionInterrupted { attempt: 1 };
    assert_eq!(events(store, id, "execution.interrupted"), [interrupted]);
    assert_eq!(events(store, id, "execution.paused"), [EventBody::ExecutionPaused { attempt: 1 }]);
    assert_eq!(statuses(store, id), [ExecutionStatus::Interrupted, ExecutionStatus::Paused]);
}

#[test]
fn execution_cancelled_alone_stops_its_attempt_and_the_batch_goes_on() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 3, |_| ())).unwrap();
    let ids = active.executions();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    active.cancel_execution(&task.execution).unwrap();
    assert!(task.is_stopped());
    assert!(!active.complete(&task, success()).unwrap());
    active.cancel_execution(&ids[2]).unwrap();
    let twice = active.cancel_execution(&ids[2]).unwrap_err().to_string();
    assert!(twice.contains(ids[2].as_str()) && twice.contains("is over (cancelled)"), "{twice}");
    crate::support::work(&active, key, |_| success());
    assert_eq!(ended(&active).counts.cancelled, 2);
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let reasons: Vec<_> = events(store, id, "execution.cancelled")
        .into_iter()
        .map(|body| match body {
            EventBody::ExecutionCancelled { reason } => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, ["it was cancelled during attempt 1", "it was cancelled"]);
    audit(store, id);
}

#[test]
fn an_execution_that_is_cancelled_before_its_worker_has_seen_it_is_never_run() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    active.pause().unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    assert!(matches!(active.poll(key, std::time::Duration::ZERO), Ok(wtb_engine::Poll::Idle)));
    active.resume().unwrap(); // Assigns the first cell to the worker that asked.
    let first = active.executions()[0].clone();
    active.cancel_execution(&first).unwrap();
    assert_ne!(take(&active, key).execution, first);
    assert!(active.stuck(std::time::Duration::ZERO).is_empty());
    active.cancel().unwrap();
}

#[test]
fn execution_retrying_and_requeued_tell_why() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |spec| spec.retries = 1)).unwrap();
    run(&active, 1, |task| failure(&format!("attempt {}", task.attempt)));
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let retrying = events(store, id, "execution.retrying");
    let [EventBody::ExecutionRetrying { attempt: 1, cause, message, .. }] = &retrying[..] else {
        panic!("{retrying:?}");
    };
    assert_eq!((cause.as_str(), message.as_str()), ("failed", "ValueError: attempt 1"));
    let again = bench.engine.retry(id, &active.executions(), Beginning::Input).unwrap();
    let requeued = events(store, id, "execution.requeued");
    assert_eq!(requeued, [EventBody::ExecutionRequeued { reason: "it is retried".to_owned() }]);
    run(&again, 1, |_| success());
    audit(store, id);
}

#[test]
fn execution_scored_tells_values_and_errors() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |spec| spec.evaluators = judged())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    active.complete(&task, success()).unwrap();
    let wtb_engine::Scoring::Task(scoring) = active.poll_scoring(crate::support::PATIENCE).unwrap()
    else {
        panic!("nothing to score");
    };
    assert_eq!(active.progress().unscored, 1);
    let broken = ScoreRecord {
        name: "style".to_owned(),
        value: None,
        source: "critic".to_owned(),
        version: None,
        error: Some("it raised".to_owned()),
        ..crate::support::score(0.0)
    };
    active.complete_scoring(&scoring, vec![crate::support::score(0.25), broken]).unwrap();
    ended(&active);
    let store = bench.engine.store().as_ref();
    let scored = EventBody::ExecutionScored {
        scores: [("quality".to_owned(), Some(0.25))].into(),
        errors: [("critic".to_owned(), "it raised".to_owned())].into(),
    };
    assert_eq!(events(store, active.id().unwrap(), "execution.scored"), [scored]);
}

#[test]
fn attempt_fenced_names_the_execution_whose_outcome_was_refused() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |_| ())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    assert!(active.complete(&task, success()).unwrap());
    assert!(!active.complete(&task, failure("again")).unwrap());
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let fenced = EventBody::AttemptFenced {
        token: task.token,
        reason: "the attempt was completed before".to_owned(),
    };
    let entry = crate::support::journal(store, id)
        .into_iter()
        .find(|entry| entry.event.body == fenced)
        .expect("a fenced attempt is journaled");
    assert_eq!(entry.event.execution, Some(task.execution));
    active.cancel().unwrap();
    audit(store, id);
}
