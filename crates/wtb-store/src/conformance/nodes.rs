//! Nodes: objects that name others, and keep them as long as something names the node.

use wtb_model::{ExecutionRecord, StoredValue};

use super::sample::{Batch, execution, noise, session_id, unit};
use super::{Place, checks, refusal};
use crate::{Change, Hash, NewObject, Store, StoreError};

checks!("nodes":
    a_node_comes_back_with_its_links,
    what_a_node_names_is_not_collected,
    inputs_that_a_batch_is_given_stay_until_it_is_given_others,
    a_node_ahead_of_its_name_keeps_what_is_older,
    a_node_of_what_is_not_there_is_refused,
    what_was_lost_can_be_put_again,
    damage_of_a_node_is_found,
);

fn put(store: &dyn Store, object: NewObject) -> Result<Hash, StoreError> {
    let hash = object.hash;
    store.put(object)?;
    Ok(hash)
}

fn leaf(store: &dyn Store, number: u64) -> Result<Hash, StoreError> {
    put(store, NewObject::packed(&noise(number, 30_000).into()))
}

fn node(store: &dyn Store, links: &[Hash]) -> Result<Hash, StoreError> {
    put(store, NewObject::node(links, b"payload"))
}

/// An execution that names a node, as one would that has a snapshot.
fn naming(number: u64, hash: Hash) -> Change {
    let input = StoredValue::Object { kind: "snapshot".to_owned(), hash, size: 1 };
    let record = ExecutionRecord { input: Some(input), ..execution(number) };
    Change::CreateExecution(Box::new(record))
}

fn a_node_comes_back_with_its_links(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let links = [leaf(store.as_ref(), 1)?, leaf(store.as_ref(), 2)?];
    let inner = node(store.as_ref(), &links)?;
    let outer = node(store.as_ref(), &[inner])?;
    assert_eq!(store.get_node(inner)?, (links.to_vec(), b"payload".to_vec()));
    store.commit(unit([naming(1, outer)]))?;
    let again = place.open()?;
    assert_eq!(again.get_node(outer)?.0, [inner]);
    assert_eq!(again.get(links[1])?, noise(2, 30_000));
    Ok(())
}

fn what_a_node_names_is_not_collected(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let links = [leaf(store.as_ref(), 1)?, leaf(store.as_ref(), 2)?];
    let inner = node(store.as_ref(), &links)?;
    let outer = node(store.as_ref(), &[inner, links[0]])?;
    store.commit(unit([naming(1, outer)]))?;
    let left = leaf(store.as_ref(), 3)?;
    store.flush()?;
    if !place.age_objects() {
        return Ok(());
    }
    assert_eq!(store.collect()?.objects, 1, "the one that nothing names");
    let again = place.open()?;
    assert!(again.get(left).is_err());
    assert_eq!(again.get_node(inner)?.0, links);
    assert_eq!(again.get(links[1])?, noise(2, 30_000));
    assert_eq!(again.collect()?.objects, 0);
    Ok(())
}

fn inputs_that_a_batch_is_given_stay_until_it_is_given_others(
    place: &dyn Place,
) -> Result<(), StoreError> {
    let store = place.open()?;
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let snapshots = [leaf(store.as_ref(), 1)?, leaf(store.as_ref(), 2)?];
    let give = |session, hash| Change::GiveInputs {
        batch: batch.record.id.clone(),
        session,
        inputs: StoredValue::Object { kind: "inputs".to_owned(), hash, size: 1 },
    };
    let first = node(store.as_ref(), &snapshots[..1])?;
    // Also in the unit that makes the batch.
    store.commit(unit([batch.create(), give(session_id(1), first)]))?;
    let error = refusal(store.commit(unit([give(session_id(2), first)])));
    assert!(matches!(error, StoreError::NotOwner { .. }), "{error}");
    let error = refusal(store.commit(unit([give(session_id(1), [7; 32])])));
    assert!(matches!(error, StoreError::NotFound { what: "object", .. }), "{error}");
    if !place.age_objects() {
        return Ok(());
    }
    store.commit(unit([Change::SetBatchSpec {
        batch: batch.record.id.clone(),
        spec: Box::new(batch.record.spec.clone()),
    }]))?;
    store.collect()?;
    let there = |hash| place.open().and_then(|store| store.get(hash)).is_ok();
    assert_eq!(snapshots.map(there), [true, false]);

    // What was put lately is not put again, and was not collected but for the test: a new memory.
    let store = place.open()?;
    let again = leaf(store.as_ref(), 2)?;
    let second = node(store.as_ref(), &[again])?;
    store.commit(unit([give(session_id(1), second)]))?;
    place.age_objects();
    store.collect()?;
    assert_eq!(snapshots.map(there), [false, true]);
    Ok(())
}

fn a_node_ahead_of_its_name_keeps_what_is_older(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let old = leaf(store.as_ref(), 1)?;
    let inner = node(store.as_ref(), &[old])?;
    store.flush()?;
    place.age_objects();
    let outer = node(store.as_ref(), &[inner])?;
    store.flush()?;
    assert_eq!(store.collect()?.objects, 0);
    store.commit(unit([naming(1, outer)]))?;
    assert_eq!(place.open()?.get(old)?, noise(1, 30_000));
    Ok(())
}

fn a_node_of_what_is_not_there_is_refused(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let there = leaf(store.as_ref(), 1)?;
    let inner = node(store.as_ref(), &[there, [7; 32]])?;
    let outer = node(store.as_ref(), &[inner])?;
    let error = refusal(store.commit(unit([naming(1, outer)])));
    assert!(matches!(error, StoreError::NotFound { what: "object", .. }), "{error}");
    // Whoever comes at the same time is not disturbed.
    store.commit(unit([naming(1, there)]))?;
    Ok(())
}

/// A writer that goes by what it remembers finds out, and writes all of it anew.
fn what_was_lost_can_be_put_again(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let gone = NewObject::packed(&noise(1, 30_000).into());
    let outer = node(store.as_ref(), &[gone.hash])?;
    refusal(store.commit(unit([naming(1, outer)])));
    let put_again = put(store.as_ref(), gone)?;
    let outer = node(store.as_ref(), &[put_again])?;
    store.commit(unit([naming(1, outer)]))?;
    assert_eq!(place.open()?.get_node(outer)?.0, [put_again]);
    Ok(())
}

fn damage_of_a_node_is_found(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let outer = node(store.as_ref(), &[])?;
    store.commit(unit([naming(1, outer)]))?;
    if place.damage_object(outer) {
        let error = store.get_node(outer).err();
        assert!(matches!(error, Some(StoreError::Corrupt { .. })), "{error:?}");
    }
    Ok(())
}
