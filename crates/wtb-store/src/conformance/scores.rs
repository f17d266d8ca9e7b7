//! Scores: written, replaced, read by execution and by batch.

use wtb_model::{Direction, ScoreRecord};

use super::sample::{Batch, HOSTILE, score, session_id, start, succeed, unit};
use super::{Place, checks, refusal};
use crate::{Change, StoreError};

checks!("scores":
    scores_come_back_and_settle,
    scores_of_one_source_are_replaced,
    scores_of_a_batch_are_in_the_order_of_its_results,
    a_score_is_a_number_or_nothing,
);

fn put(batch: &Batch, index: usize, scores: Vec<ScoreRecord>) -> Change {
    Change::PutScores { execution: batch.executions[index].id.clone(), scores }
}

fn ended(index: usize, batch: &Batch) -> [Change; 2] {
    let id = &batch.executions[index].id;
    [start(id, 1, 1), succeed(id)]
}

fn scores_come_back_and_settle(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let mut written: Vec<_> = (0..)
        .zip(HOSTILE)
        .map(|(number, text)| ScoreRecord {
            version: (number % 2 == 0).then(|| (*text).to_owned()),
            reason: Some((*text).to_owned()),
            ..score(text, text, f64::from(number) / 3.0)
        })
        .collect();
    written.push(ScoreRecord {
        value: None,
        direction: Direction::Min,
        error: Some("it raised".to_owned()),
        ..score("judge", "quality", 0.0)
    });
    written.push(score("limits", "largest", f64::MAX));
    written.push(score("limits", "smallest", f64::MIN_POSITIVE));
    store.commit(unit([batch.create()].into_iter().chain(ended(0, &batch))))?;
    let id = &batch.executions[0].id;
    assert!(!store.execution(id)?.settled);
    store.commit(unit([put(&batch, 0, written.clone())]))?;
    assert!(store.execution(id)?.settled);
    written.sort_by(|a, b| a.source.cmp(&b.source));
    assert_eq!(store.detail(id)?.scores, written);
    Ok(())
}

fn scores_of_one_source_are_replaced(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    store.commit(unit([batch.create()].into_iter().chain(ended(0, &batch))))?;
    let first = vec![score("a", "x", 1.0), score("a", "y", 2.0), score("b", "x", 3.0)];
    store.commit(unit([put(&batch, 0, first)]))?;
    store.commit(unit([put(&batch, 0, vec![score("a", "x", 9.0)])]))?;
    let found = store.detail(&batch.executions[0].id)?.scores;
    assert_eq!(found, [score("a", "x", 9.0), score("b", "x", 3.0)]);
    Ok(())
}

fn scores_of_a_batch_are_in_the_order_of_its_results(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (2, 2, 1));
    let other = Batch::new(2, &session_id(1), (1, 1, 1));
    store.commit(unit([batch.create(), other.create()]))?;
    for index in [3, 0, 2] {
        let scores = vec![score("judge", "z", 0.5), score("judge", "a", 1.0)];
        let changes = ended(index, &batch).into_iter().chain([put(&batch, index, scores)]);
        store.commit(unit(changes))?;
    }
    let changes = ended(0, &other).into_iter().chain([put(&other, 0, vec![score("j", "a", 0.0)])]);
    store.commit(unit(changes))?;
    let id = |index: usize| batch.executions[index].id.clone();
    let expected: Vec<_> = [0, 2, 3]
        .into_iter()
        .flat_map(|index| {
            [(id(index), score("judge", "z", 0.5)), (id(index), score("judge", "a", 1.0))]
        })
        .collect();
    assert_eq!(store.scores(&batch.record.id)?, expected);
    Ok(())
}

fn a_score_is_a_number_or_nothing(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    store.commit(unit([batch.create()].into_iter().chain(ended(0, &batch))))?;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = refusal(store.commit(unit([put(&batch, 0, vec![score("j", "loss", value)])])));
        assert!(error.to_string().contains("`loss`"), "{error}");
    }
    let id = &batch.executions[0].id;
    assert!(store.detail(id)?.scores.is_empty() && !store.execution(id)?.settled);
    Ok(())
}
