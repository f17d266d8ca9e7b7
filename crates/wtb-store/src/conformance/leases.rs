//! Attempts: what they write, under which lease, and what every step requires.

use wtb_model::{
    AttemptOutcome, AttemptRecord, AttemptStatus, ExecutionRecord, ExecutionStatus, NodeRecord,
    ScoreRecord,
};

use super::sample::{
    Batch, execution, failure, finish, moment, outcome, requeue, score, session_id, start, succeed,
    unit, value,
};
use super::{Place, checks, refusal};
use crate::{Change, StoreError};

checks!("leases":
    an_attempt_comes_back_whole,
    a_retried_execution_keeps_its_attempts,
    a_token_must_grow,
    only_the_live_lease_ends_an_attempt,
    every_step_is_checked,
    only_its_attempt_ends_what_is_running,
    a_requeued_execution_keeps_its_outcome,
);

fn an_attempt_comes_back_whole(place: &dyn Place) -> Result<(), StoreError> {
    let single = execution(1);
    let id = &single.id;
    let delivered = AttemptOutcome {
        state: Some(value("the whole state")),
        interrupts: Some(value("which one?")),
        error: Some(super::sample::error("it's \"odd\"")),
        metrics: vec![score(ScoreRecord::WORKFLOW, "loss", 0.25)],
        warnings: vec!["a warning".to_owned()],
        ..outcome(3)
    };
    let ends = (AttemptStatus::Interrupted, ExecutionStatus::Interrupted);
    let store = place.open()?;
    store.commit(unit([
        Change::CreateExecution(Box::new(single.clone())),
        start(id, 1, 9),
        finish(id, (1, 9), ends, delivered.clone()),
    ]))?;
    drop(store);

    let store = place.open()?;
    let expected = ExecutionRecord {
        status: ExecutionStatus::Interrupted,
        attempts: 1,
        token: 9,
        started_at: Some(moment(100)),
        finished_at: Some(moment(150)),
        duration_us: Some(1_234),
        output: delivered.output,
        state: delivered.state,
        interrupts: delivered.interrupts,
        error: delivered.error.clone(),
        usage: delivered.usage,
        warnings: delivered.warnings,
        lineages: 1,
        ..single.clone()
    };
    assert_eq!(store.execution(id)?, expected);
    let detail = store.detail(id)?;
    assert_eq!(detail.nodes, delivered.nodes);
    assert_eq!(detail.scores, delivered.metrics);
    let attempt = AttemptRecord {
        number: 1,
        token: 9,
        worker: "thread-1".to_owned(),
        status: AttemptStatus::Interrupted,
        started_at: moment(100),
        finished_at: Some(moment(150)),
        error: delivered.error,
        stdout: None,
        stderr: None,
        workspace: None,
        files: None,
    };
    assert_eq!(detail.attempts, [attempt]);
    Ok(())
}

fn a_retried_execution_keeps_its_attempts(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let first = AttemptOutcome {
        metrics: ["loss", "steps"].map(|name| score(ScoreRecord::WORKFLOW, name, 1.0)).to_vec(),
        ..failure("the first try")
    };
    let second = AttemptOutcome {
        metrics: vec![score(ScoreRecord::WORKFLOW, "loss", 2.0)],
        nodes: vec![super::sample::node(2, 0), super::sample::node(2, 1)],
        ..outcome(0)
    };
    store.commit(unit([Change::CreateExecution(Box::new(single.clone())), start(id, 1, 1)]))?;
    let retried = (AttemptStatus::Failed, ExecutionStatus::Queued);
    store.commit(unit([finish(id, (1, 1), retried, first.clone())]))?;
    let waiting = store.execution(id)?;
    assert_eq!(waiting.status, ExecutionStatus::Queued);
    assert_eq!((waiting.error, waiting.finished_at), (first.error.clone(), None));

    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
    store.commit(unit([start(id, 2, 2), finish(id, (2, 2), ends, second.clone())]))?;
    let ended = store.execution(id)?;
    assert_eq!((ended.error, ended.output), (None, second.output), "the last outcome alone");
    assert_eq!((ended.attempts, ended.token, ended.warnings.len()), (2, 2, 0));
    let detail = store.detail(id)?;
    assert_eq!(detail.scores, second.metrics);
    let nodes: Vec<NodeRecord> = first.nodes.into_iter().chain(second.nodes).collect();
    assert_eq!(detail.nodes, nodes);
    let attempts: Vec<_> = detail.attempts.into_iter().map(|a| (a.number, a.status)).collect();
    assert_eq!(attempts, [(1, AttemptStatus::Failed), (2, AttemptStatus::Succeeded)]);
    Ok(())
}

fn a_token_must_grow(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let retried = (AttemptStatus::TimedOut, ExecutionStatus::Queued);
    store.commit(unit([
        Change::CreateExecution(Box::new(single.clone())),
        start(id, 1, 5),
        finish(id, (1, 5), retried, AttemptOutcome::default()),
    ]))?;
    for token in [0, 4, 5] {
        let error = refusal(store.commit(unit([start(id, 2, token)])));
        assert!(matches!(error, StoreError::Fenced { .. }), "{token}: {error}");
    }
    refusal(store.commit(unit([start(id, 1, 6)])));
    assert_eq!(store.detail(id)?.attempts.len(), 1);
    store.commit(unit([start(id, 2, 6)]))?;
    assert_eq!(store.execution(id)?.token, 6);
    Ok(())
}

fn only_the_live_lease_ends_an_attempt(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone()))]))?;
    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
    let end = |lease| store.commit(unit([finish(id, lease, ends, outcome(1))]));
    let fenced = |result| {
        let error = refusal(result);
        assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
        assert!(error.to_string().contains(id.as_str()), "{error}");
    };
    fenced(end((1, 1)));
    fenced(end((1, 0)));
    store.commit(unit([start(id, 1, 3)]))?;
    for lease in [(1, 2), (1, 4), (2, 3), (0, 3)] {
        fenced(end(lease));
    }
    assert_eq!(store.execution(id)?.status, ExecutionStatus::Running);
    end((1, 3))?;
    fenced(end((1, 3)));
    assert_eq!(store.detail(id)?.nodes.len(), 1, "delivered twice, written once");
    Ok(())
}

fn every_step_is_checked(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone()))]))?;
    let illegal = |change| {
        let error = refusal(store.commit(unit([change])));
        assert!(matches!(error, StoreError::Illegal(_)), "{error}");
        assert!(error.to_string().contains(id.as_str()), "{error}");
    };
    let end = |status| Change::FinishExecution { execution: id.clone(), status, at: moment(1) };
    illegal(requeue(id));
    illegal(end(ExecutionStatus::Succeeded));
    store.commit(unit([start(id, 1, 1)]))?;
    illegal(start(id, 2, 2));
    let ends = (AttemptStatus::Running, ExecutionStatus::Succeeded);
    illegal(finish(id, (1, 1), ends, outcome(0)));
    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Running);
    illegal(finish(id, (1, 1), ends, outcome(0)));
    store.commit(unit([succeed(id)]))?;
    illegal(start(id, 2, 2));
    illegal(end(ExecutionStatus::Cancelled));
    Ok(())
}

fn only_its_attempt_ends_what_is_running(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let id = &batch.executions[0].id;
    store.commit(unit([batch.create(), start(id, 1, 1)]))?;
    let cancel = Change::FinishExecution {
        execution: id.clone(),
        status: ExecutionStatus::Cancelled,
        at: moment(1),
    };
    for change in [cancel, requeue(id)] {
        let error = refusal(store.commit(unit([change])));
        assert!(matches!(error, StoreError::Illegal(_)), "{error}");
    }
    assert_eq!(store.batch(&batch.record.id)?.counts.running, 1);
    store.commit(unit([succeed(id)]))?;
    Ok(())
}

fn a_requeued_execution_keeps_its_outcome(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    let ends = (AttemptStatus::Failed, ExecutionStatus::Failed);
    store.commit(unit([
        Change::CreateExecution(Box::new(single.clone())),
        start(id, 1, 1),
        finish(id, (1, 1), ends, failure("no")),
        Change::PutScores { execution: id.clone(), scores: vec![score("judge", "quality", 0.0)] },
    ]))?;
    let dead = store.execution(id)?;
    assert!(dead.dead_letter && dead.settled);
    store.commit(unit([requeue(id)]))?;
    let queued = store.execution(id)?;
    let expected = ExecutionRecord {
        status: ExecutionStatus::Queued,
        dead_letter: false,
        settled: false,
        ..dead
    };
    assert_eq!(queued, expected);
    let detail = store.detail(id)?;
    assert!(detail.scores.is_empty());
    assert_eq!((detail.nodes.len(), detail.attempts.len()), (1, 1));
    store.commit(unit([start(id, 2, 2)]))?;
    assert_eq!(store.execution(id)?.finished_at, None);
    Ok(())
}
