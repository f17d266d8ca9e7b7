//! Values: small ones in their rows, large ones stored once and checked when they are read.

use wtb_model::{AttemptOutcome, AttemptStatus, ExecutionStatus, StoredValue, Value};

use super::sample::{execution, finish, outcome, start, unit};
use super::{Place, checks, refusal};
use crate::{Change, INLINE_BYTES_MAX, StoreError};

checks!("values":
    values_of_every_size_come_back,
    small_values_stay_inline_and_large_ones_are_shared,
    an_object_is_durable_with_the_unit_that_names_it,
    an_object_survives_a_refused_unit,
    an_object_that_is_not_there_is_refused,
    damage_is_found,
);

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| index.to_le_bytes()[0] ^ length.to_le_bytes()[1]).collect()
}

fn values_of_every_size_come_back(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let lengths = [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 70_000, 3_000_000];
    for (kind, length) in
        ["null", "", "msgpack", "msgpack+aes", "e\u{301}", "json"].into_iter().zip(lengths)
    {
        let value = Value::new(kind, bytes(length));
        let stored = store.put_value(value.clone())?;
        // At once: nothing that was put is out of reach for whoever put it.
        assert_eq!(store.value(&stored)?, value);
    }
    Ok(())
}

fn small_values_stay_inline_and_large_ones_are_shared(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let small = store.put_value(Value::new("json", bytes(INLINE_BYTES_MAX)))?;
    assert!(matches!(small, StoredValue::Inline { .. }));
    let large = bytes(INLINE_BYTES_MAX + 1);
    let first = store.put_value(Value::new("json", large.clone()))?;
    let second = store.put_value(Value::new("other", large.clone()))?;
    match (&first, &second) {
        (
            StoredValue::Object { hash, size, .. },
            StoredValue::Object { hash: again, size: same, .. },
        ) => assert_eq!((hash, *size), (again, *same)),
        other => panic!("large values are objects, not {other:?}"),
    }
    assert_eq!(store.value(&first)?, Value::new("json", large.clone()));
    assert_eq!(store.value(&second)?, Value::new("other", large));
    Ok(())
}

fn an_object_is_durable_with_the_unit_that_names_it(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone())), start(id, 1, 1)]))?;
    let [output, state, input] =
        [1_000, 2_000, 3_000].map(|length| Value::new("json", bytes(length)));
    let mut delivered = AttemptOutcome {
        output: Some(store.put_value(output.clone())?),
        state: Some(store.put_value(state.clone())?),
        ..outcome(1)
    };
    delivered.nodes[0].input = Some(store.put_value(input.clone())?);
    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
    store.commit(unit([finish(id, (1, 1), ends, delivered)]))?;

    // Without closing the first: what is durable does not wait for that.
    let again = place.open()?;
    let found = again.execution(id)?;
    let read = |stored: Option<StoredValue>| stored.map(|stored| again.value(&stored)).transpose();
    assert_eq!(read(found.output)?, Some(output));
    assert_eq!(read(found.state)?, Some(state));
    assert_eq!(read(again.detail(id)?.nodes[0].input.clone())?, Some(input));
    Ok(())
}

/// Whatever transaction takes the object also holds a unit that has to be undone.
fn an_object_survives_a_refused_unit(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let mut single = execution(1);
    let value = Value::new("json", bytes(4_000));
    single.input = Some(store.put_value(value.clone())?);
    let create = || Change::CreateExecution(Box::new(single.clone()));
    refusal(store.commit(unit([create(), start(&single.id, 1, 0)])));
    store.commit(unit([create()]))?;
    let again = place.open()?;
    let input = again.execution(&single.id)?.input;
    let input = input.map(|input| again.value(&input)).transpose()?;
    assert_eq!(input, Some(value));
    Ok(())
}

fn an_object_that_is_not_there_is_refused(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let missing = StoredValue::Object { kind: "json".to_owned(), hash: [7; 32], size: 9 };
    assert!(matches!(store.value(&missing), Err(StoreError::NotFound { .. })));
    let mut single = execution(1);
    single.input = Some(missing);
    let error = refusal(store.commit(unit([Change::CreateExecution(Box::new(single))])));
    assert!(matches!(error, StoreError::NotFound { what: "object", .. }), "{error}");
    assert!(error.to_string().contains("0707070707"), "{error}");
    Ok(())
}

fn damage_is_found(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let stored = store.put_value(Value::new("json", bytes(5_000)))?;
    store.flush()?;
    let StoredValue::Object { hash, .. } = stored else { panic!("a large value is an object") };
    if place.damage_object(hash) {
        let error = store.value(&stored).err();
        assert!(matches!(error, Some(StoreError::Corrupt { .. })), "{error:?}");
    } else {
        assert!(store.value(&stored).is_ok());
    }
    Ok(())
}
