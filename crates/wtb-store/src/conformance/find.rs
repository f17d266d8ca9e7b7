//! From what a person types to the one id that it means.

use wtb_model::{ExecutionRecord, ExecutionStatus};

use super::sample::{
    Batch, HOSTILE, batch_id, continuation, execution, execution_id, session_id, unit,
};
use super::{Place, checks};
use crate::{Change, StoreError};

checks!("find":
    whole_ids_and_prefixes_are_found,
    an_ambiguous_prefix_shows_what_it_fits,
    latest_is_what_was_written_last,
    what_is_no_prefix_finds_nothing,
    a_cell_and_what_it_goes_on_to_are_one,
    candidates_are_shown_as_people_know_them,
);

fn whole_ids_and_prefixes_are_found(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    store.commit(unit([batch.create(), Change::CreateExecution(Box::new(execution(7)))]))?;
    for length in 3..=18 {
        let id = batch_id(1);
        assert_eq!(store.find_batch(&id.as_str()[..length])?, id);
        assert_eq!(store.find_batch(&id.as_str()[2..length])?, id);
    }
    let id = execution_id(7);
    assert_eq!(store.find_execution(id.as_str())?, id);
    assert_eq!(store.find_execution(&id.as_str()[2..10])?, id);
    Ok(())
}

fn an_ambiguous_prefix_shows_what_it_fits(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let create = |number| Change::CreateExecution(Box::new(execution(number)));
    store.commit(unit((0..200).map(create)))?;
    let first = execution_id(0);
    let letter = &first.as_str()[..3];
    match store.find_execution(letter) {
        Err(StoreError::Ambiguous { prefix, candidates, .. }) => {
            assert_eq!(prefix, letter);
            assert!(candidates.len() >= 2, "{candidates:?}");
            assert!(candidates.iter().all(|id| id.starts_with(letter)), "{candidates:?}");
        }
        other => panic!("200 ids have 32 first letters, yet `{letter}` gave {other:?}"),
    }
    assert_eq!(store.find_execution(execution_id(0).as_str())?, execution_id(0));
    Ok(())
}

fn latest_is_what_was_written_last(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    assert!(matches!(store.find_batch("latest"), Err(StoreError::NotFound { .. })));
    for number in [5, 3, 4] {
        let batch = Batch::new(number, &session_id(1), (0, 0, 0));
        let single = Change::CreateExecution(Box::new(execution(number)));
        store.commit(unit([batch.create(), single]))?;
        assert_eq!(store.find_batch("latest")?, batch_id(number));
        assert_eq!(store.find_execution("latest")?, execution_id(number));
    }
    Ok(())
}

fn what_is_no_prefix_finds_nothing(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = Change::CreateExecution(Box::new(execution(1)));
    store.commit(unit([Batch::new(1, &session_id(1), (1, 1, 1)).create(), single]))?;
    let id = execution_id(1);
    let longer = format!("{id}0");
    let other_kind = batch_id(1).to_string();
    for text in HOSTILE.iter().copied().chain(["", "e_", "%", "_", "e_%", &longer, &other_kind]) {
        let found = store.find_execution(text);
        assert!(matches!(found, Err(StoreError::NotFound { .. })), "{text:?}: {found:?}");
        if let Err(error) = found {
            assert!(error.to_string().contains(text), "{error}");
        }
    }
    Ok(())
}

/// An execution that has ended.
fn ended(number: u64) -> ExecutionRecord {
    ExecutionRecord { status: ExecutionStatus::Succeeded, ..execution(number) }
}

fn create(execution: ExecutionRecord) -> Change {
    Change::CreateExecution(Box::new(execution))
}

fn a_cell_and_what_it_goes_on_to_are_one(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let continued = continuation(&ended(1)).id;
    store.commit(unit([create(ended(1)), create(ended(2))]))?;
    assert_eq!(store.find_execution(execution_id(1).as_str())?, execution_id(1));
    store.commit(unit([create(continuation(&ended(1)))]))?;
    let known = execution_id(1).to_string();
    for text in [&known, &known[2..], &known[..10], &known[2..10]] {
        assert_eq!(store.find_execution(text)?, continued, "{text}");
    }
    assert_eq!(store.find_execution(&execution_id(2).as_str()[..12])?, execution_id(2));
    assert_eq!(store.find_execution("latest")?, continued, "it was written last");
    store.commit(unit([create(ended(3))]))?;
    assert_eq!(store.find_execution("latest")?, execution_id(3));
    store.commit(unit([create(continuation(&ended(3))), create(continuation(&ended(2)))]))?;
    assert_eq!(store.find_execution("latest")?, execution_id(2).continuation());
    // Nobody has to know the store's own id of it.
    let unknown = format!("{known}++");
    for text in ["+", "e_+", continued.as_str(), &continued.as_str()[2..], &unknown] {
        let found = store.find_execution(text);
        assert!(matches!(found, Err(StoreError::NotFound { .. })), "{text:?}: {found:?}");
    }
    Ok(())
}

fn candidates_are_shown_as_people_know_them(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let both = |number| [create(ended(number)), create(continuation(&ended(number)))];
    store.commit(unit((0..200).flat_map(both)))?;
    let first = execution_id(0);
    let of_letter = |number: &u64| execution_id(*number).as_str().starts_with(&first.as_str()[..3]);
    let mut known: Vec<_> =
        (0..200).filter(of_letter).map(|n| execution_id(n).to_string()).collect();
    known.sort();
    match store.find_execution(&first.as_str()[..3]) {
        Err(StoreError::Ambiguous { candidates, .. }) => {
            assert!(candidates.len() >= 2, "{candidates:?}");
            assert_eq!(candidates, known[..candidates.len()]);
        }
        other => panic!("200 ids have 32 first letters: {other:?}"),
    }
    assert_eq!(store.find_execution(first.as_str())?, first.continuation());
    Ok(())
}
