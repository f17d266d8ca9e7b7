//! Scores: before a cell counts as done, in a later session, and again.

use wtb_engine::{CompareRequest, Group, Scoring, compare_batches};
use wtb_model::{BatchStatus, EventBody, ScoreRecord};

use crate::support::{
    Bench, PATIENCE, ended, events, executions, failure, judge, judged, plan, run, score, success,
    take,
};

#[test]
fn a_batch_ends_when_its_scores_are_in() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(2, 3, |spec| spec.evaluators = judged())).unwrap();
    let end = run(&active, 2, |task| if task.variant == 1 { failure("no") } else { success() });
    assert_eq!(end.status, Some(BatchStatus::CompletedWithErrors));
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    assert_eq!(store.scores(id).unwrap().len(), 3, "what failed is not scored");
    assert!(executions(store, id).iter().all(|execution| execution.settled));
    let comparison =
        compare_batches(store, std::slice::from_ref(id), &CompareRequest::default()).unwrap();
    assert_eq!(comparison.metric.as_deref(), Some("quality"));
    assert_eq!(comparison.leader.as_deref(), Some("v0"));
    assert_eq!((comparison.variants[0].mean, comparison.variants[1].mean), (Some(1.0), Some(0.0)));
}

#[test]
fn the_outcome_is_durable_when_it_is_to_be_scored() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |spec| spec.evaluators = judged())).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    active.complete(&task, success()).unwrap();
    let Scoring::Task(scoring) = active.poll_scoring(PATIENCE).unwrap() else {
        panic!("nothing to score");
    };
    let stored = bench.engine.store().execution(&scoring.execution).unwrap();
    assert!(!stored.settled && stored.finished_at.is_some());
    active.complete_scoring(&scoring, vec![score(0.5)]).unwrap();
    active.complete_scoring(&scoring, vec![score(0.75)]).unwrap();
    ended(&active);
    let scores = bench.engine.store().scores(active.id().unwrap()).unwrap();
    assert_eq!(scores.len(), 1, "a second delivery replaces the first");
    assert_eq!(scores[0].1.value, Some(0.75));
}

#[test]
fn what_ended_without_a_score_is_scored_by_the_next_session_and_not_run_again() {
    let mut bench = Bench::new();
    let active = bench.engine.submit(plan(1, 2, |spec| spec.evaluators = judged())).unwrap();
    let id = active.id().unwrap().clone();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    for _ in 0..2 {
        let task = take(&active, key);
        active.complete(&task, success()).unwrap();
    }
    active.abandon().unwrap();
    assert!(ended(&active).resumable, "the scores are missing");
    bench.reopen();
    let again = bench.engine.resume(&id).unwrap();
    assert_eq!(again.progress().unscored, 2);
    let end = run(&again, 1, |_| panic!("nothing is left to run"));
    assert_eq!(end.status, Some(BatchStatus::Completed));
    assert_eq!(bench.engine.store().scores(&id).unwrap().len(), 2);
}

#[test]
fn scoring_again_replaces_and_a_score_that_is_no_number_is_refused() {
    let bench = Bench::new();
    let active = bench.engine.submit(plan(1, 1, |spec| spec.evaluators = judged())).unwrap();
    run(&active, 1, |_| success());
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    let execution = active.executions().remove(0);
    bench.engine.put_scores(&execution, vec![score(0.25)]).unwrap();
    let logged = ScoreRecord { source: "other".to_owned(), ..score(0.5) };
    bench.engine.put_scores(&execution, vec![logged]).unwrap();
    let values: Vec<_> = store.scores(id).unwrap().iter().map(|(_, one)| one.value).collect();
    assert_eq!(values, [Some(0.25), Some(0.5)]);
    assert!(bench.engine.put_scores(&execution, vec![score(f64::NAN)]).is_err());
    assert_eq!(events(store, id, "execution.scored").len(), 3);
}

#[test]
fn failing_fast_still_scores_what_had_succeeded() {
    let bench = Bench::new();
    let change = |spec: &mut wtb_model::BatchSpec| {
        spec.evaluators = judged();
        spec.fail_fast = Some(wtb_model::FailFast::Count(1));
    };
    let active = bench.engine.submit(plan(1, 3, change)).unwrap();
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let good = take(&active, key);
    active.complete(&good, success()).unwrap();
    let bad = take(&active, key);
    active.complete(&bad, failure("no")).unwrap();
    judge(&active);
    assert_eq!(ended(&active).status, Some(BatchStatus::Failed));
    let (store, id) = (bench.engine.store().as_ref(), active.id().unwrap());
    assert_eq!(store.scores(id).unwrap().len(), 1);
    assert!(matches!(events(store, id, "batch.failed")[..], [EventBody::BatchFailed { .. }]));
}
