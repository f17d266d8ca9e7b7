//! Checkpoints: what savers put comes back, in the order that LangGraph relies on.

use serde_json::json;
use wtb_model::{AttemptStatus, ExecutionStatus, Value};

use super::sample::{execution, finish, noise, outcome, start, unit};
use super::{Place, checks, refusal};
use crate::{
    Change, CheckpointFilter, CheckpointName, CheckpointRecord, Lease, NEW_INLINE_BYTES_MAX,
    NewChannel, NewCheckpoint, NewValue, NewWrite, NewWrites, Slot, Store, StoreError, UnitOfWork,
};

checks!("checkpoints":
    a_checkpoint_comes_back_whole,
    the_newest_has_the_greatest_id,
    a_channel_that_stays_is_its_parents,
    what_the_parent_does_not_have_is_refused,
    writes_keep_their_order_and_places,
    listing_goes_by_descending_id,
    any_text_is_a_name,
    a_value_that_grows_comes_back_at_every_step,
    a_value_that_grew_elsewhere_can_grow_on,
    only_the_live_lease_writes,
);

pub(super) const ROOT: &str = "";

pub(super) fn name(thread: &str, namespace: &str, id: &str) -> CheckpointName {
    CheckpointName { thread: thread.into(), namespace: namespace.into(), id: id.into() }
}

pub(super) fn value(bytes: &[u8]) -> Value {
    Value::new("msgpack", bytes.to_vec())
}

fn new_value(bytes: &[u8]) -> NewValue {
    NewValue::new(value(bytes), NEW_INLINE_BYTES_MAX)
}

/// A checkpoint with one channel, `x`.
pub(super) fn checkpoint(name: CheckpointName, parent: Option<&str>, x: &[u8]) -> NewCheckpoint {
    let version = format!("v{}", name.id);
    NewCheckpoint {
        metadata: json!({"source": "loop", "of": name.id}).to_string(),
        body: new_value(name.id.as_bytes()),
        channels: vec![NewChannel { name: "x".into(), version, value: Some(new_value(x)) }],
        parent: parent.map(str::to_owned),
        snapshot: None,
        run: None,
        name,
    }
}

pub(super) fn put(checkpoint: NewCheckpoint) -> UnitOfWork {
    unit([Change::PutCheckpoint { checkpoint: Box::new(checkpoint), lease: None }])
}

/// Puts checkpoints `1`, `2`, ... of a thread, each the parent of the next.
pub(super) fn put_chain(store: &dyn Store, thread: &str, length: u8) -> Result<(), StoreError> {
    for number in 1..=length {
        let parent = (number > 1).then(|| (number - 1).to_string());
        let name = name(thread, ROOT, &number.to_string());
        store.commit(put(checkpoint(name, parent.as_deref(), &noise(number.into(), 3_000))))?;
    }
    Ok(())
}

pub(super) fn writes(
    of: CheckpointName,
    task: &str,
    path: &str,
    channels: &[(i64, &str, &str)],
) -> NewWrites {
    let write = |(position, channel, text): &(i64, &str, &str)| NewWrite {
        position: *position,
        channel: (*channel).into(),
        value: new_value(text.as_bytes()),
    };
    NewWrites {
        checkpoint: of,
        task: task.into(),
        path: path.into(),
        writes: channels.iter().map(write).collect(),
        replace: false,
    }
}

pub(super) fn put_writes(writes: NewWrites) -> UnitOfWork {
    unit([Change::PutWrites { writes: Box::new(writes), lease: None }])
}

pub(super) fn ids(store: &dyn Store, filter: &CheckpointFilter) -> Result<Vec<String>, StoreError> {
    let found = store.checkpoints(filter, 1_000)?;
    Ok(found.into_iter().map(|one| one.name.id).collect())
}

pub(super) fn of_thread(thread: &str) -> CheckpointFilter {
    CheckpointFilter { thread: Some(thread.into()), ..CheckpointFilter::default() }
}

/// A checkpoint that has to be there.
pub(super) fn found(
    store: &dyn Store,
    name: &CheckpointName,
) -> Result<CheckpointRecord, StoreError> {
    let CheckpointName { thread, namespace, id } = name;
    store
        .checkpoint(thread, namespace, Some(id))?
        .ok_or_else(|| StoreError::NotFound { what: "checkpoint", id: id.clone() })
}

/// The value of `x` in a checkpoint that has to be there.
pub(super) fn x(store: &dyn Store, thread: &str, id: &str) -> Result<Vec<u8>, StoreError> {
    let channels = found(store, &name(thread, ROOT, id))?.channels;
    let channel = channels.into_iter().find(|(name, _)| name == "x");
    Ok(channel.map(|(_, value)| value.bytes.into()).unwrap_or_default())
}

fn a_checkpoint_comes_back_whole(place: &dyn Place) -> Result<(), StoreError> {
    let large = noise(1, 50_000);
    let channel = |name: &str, bytes: &[u8]| NewChannel {
        name: name.into(),
        version: "1".into(),
        value: Some(new_value(bytes)),
    };
    let given = NewCheckpoint {
        run: Some("r1".into()),
        metadata: json!({"source": "input", "step": -1, "ümlaut": "'\""}).to_string(),
        channels: vec![channel("small", b"s"), channel("large", &large), channel("", b"")],
        ..checkpoint(name("t", "agent:1|inner:2", "c1"), Some("c0"), b"")
    };
    let store = place.open()?;
    store.commit(put(given.clone()))?;
    drop(store);
    let found = found(place.open()?.as_ref(), &name("t", "agent:1|inner:2", "c1"))?;
    assert_eq!((found.name, found.parent), (given.name, given.parent));
    assert_eq!((found.metadata, found.body), (given.metadata, value(b"c1")));
    let channels = [("small", &b"s"[..]), ("large", &large), ("", b"")];
    assert_eq!(found.channels, channels.map(|(name, bytes)| (name.to_owned(), value(bytes))));
    assert_eq!(found.writes, []);
    Ok(())
}

fn the_newest_has_the_greatest_id(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    assert_eq!(store.checkpoint("t", ROOT, None)?, None);
    for id in ["b", "c", "a"] {
        store.commit(put(checkpoint(name("t", ROOT, id), None, b"1")))?;
    }
    store.commit(put(checkpoint(name("t", "sub", "z"), None, b"1")))?;
    let newest =
        |thread| Ok::<_, StoreError>(store.checkpoint(thread, ROOT, None)?.map(|c| c.name.id));
    assert_eq!(newest("t")?.as_deref(), Some("c"));
    assert_eq!(newest("T")?, None);
    store.commit(put(checkpoint(name("t", ROOT, "c"), None, b"again")))?;
    assert_eq!(x(store.as_ref(), "t", "c")?, b"again", "one of the same name is replaced");
    let outline = store.outline("t")?;
    let order: Vec<_> = outline.iter().map(|one| one.name.id.as_str()).collect();
    assert_eq!(order, ["b", "c", "a", "z"], "an outline is in the order of insertion");
    Ok(())
}

fn a_channel_that_stays_is_its_parents(place: &dyn Place) -> Result<(), StoreError> {
    for size in [10, 1_000, 40_000] {
        let store = place.open()?;
        let (thread, bytes) = (format!("t{size}"), noise(size as u64, size));
        store.commit(put(checkpoint(name(&thread, ROOT, "1"), None, &bytes)))?;
        for (id, parent) in [("2", "1"), ("3", "2")] {
            let mut next = checkpoint(name(&thread, ROOT, id), Some(parent), b"");
            next.channels[0] = NewChannel { name: "x".into(), version: "v1".into(), value: None };
            store.commit(put(next))?;
        }
        assert_eq!(x(store.as_ref(), &thread, "3")?, bytes);
    }
    Ok(())
}

fn what_the_parent_does_not_have_is_refused(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    store.commit(put(checkpoint(name("t", ROOT, "1"), None, b"one")))?;
    let wanted = [("x", "v2"), ("y", "v1"), ("x", "v1")];
    for (parent, lacking) in [(Some("1"), vec!["x", "y"]), (Some("0"), vec!["x", "y", "x"])] {
        let mut next = checkpoint(name("t", ROOT, "2"), parent, b"");
        let channel = |(name, version): (&str, &str)| NewChannel {
            name: name.into(),
            version: version.into(),
            value: None,
        };
        next.channels = wanted.map(channel).to_vec();
        let error = refusal(store.commit(put(next)));
        let StoreError::MissingChannels { channels, .. } = error else { panic!("{error}") };
        assert_eq!(channels, lacking);
    }
    assert_eq!(ids(store.as_ref(), &of_thread("t"))?, ["1"]);
    Ok(())
}

fn writes_keep_their_order_and_places(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let of = name("t", ROOT, "1");
    // Before the checkpoint itself: LangGraph writes both at once.
    store.commit(put_writes(writes(
        of.clone(),
        "task2",
        "~b",
        &[(0, "x", "b0"), (1, "y", "b1")],
    )))?;
    store.commit(put(checkpoint(of.clone(), None, b"1")))?;
    store.commit(put_writes(writes(of.clone(), "task1", "~c", &[(0, "x", "c0")])))?;
    store.commit(put_writes(writes(
        of.clone(),
        "task3",
        "~a",
        &[(10, "x", "a10"), (9, "x", "a9")],
    )))?;
    store.commit(put_writes(writes(
        of.clone(),
        "task3",
        "~a",
        &[(9, "x", "late"), (11, "x", "a11")],
    )))?;
    let special = |text| NewWrites {
        replace: true,
        ..writes(of.clone(), "task1", "~c", &[(-1, "__error__", text)])
    };
    store.commit(put_writes(special("first")))?;
    store.commit(put_writes(special("second")))?;
    store.commit(put_writes(writes(name("t", "sub", "1"), "task1", "", &[(0, "x", "other")])))?;
    let found = found(store.as_ref(), &name("t", ROOT, "1"))?;
    let texts: Vec<_> = found
        .writes
        .iter()
        .map(|write| (write.task.as_str(), String::from_utf8_lossy(&write.value.bytes)))
        .collect();
    let texts: Vec<_> = texts.iter().map(|(task, text)| (*task, text.as_ref())).collect();
    let expected = [
        ("task3", "a9"),
        ("task3", "a10"),
        ("task3", "a11"),
        ("task2", "b0"),
        ("task2", "b1"),
        ("task1", "second"),
        ("task1", "c0"),
    ];
    assert_eq!(texts, expected);
    Ok(())
}

fn listing_goes_by_descending_id(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "t", 5)?;
    put_chain(store.as_ref(), "u", 3)?;
    store.commit(put(checkpoint(name("t", "sub", "9"), None, b"")))?;
    let store = store.as_ref();
    assert_eq!(ids(store, &of_thread("t"))?, ["9", "5", "4", "3", "2", "1"]);
    let root = CheckpointFilter { namespace: Some(ROOT.into()), ..of_thread("t") };
    assert_eq!(ids(store, &root)?, ["5", "4", "3", "2", "1"]);
    assert_eq!(
        ids(store, &CheckpointFilter::default())?,
        ["9", "5", "4", "3", "3", "2", "2", "1", "1"]
    );
    let before = CheckpointFilter { before: Some("4".into()), ..root.clone() };
    assert_eq!(ids(store, &before)?, ["3", "2", "1"]);
    let one = CheckpointFilter { id: Some("2".into()), ..CheckpointFilter::default() };
    assert_eq!(ids(store, &one)?, ["2", "2"]);
    let filter = |value| CheckpointFilter {
        metadata: vec![("of".into(), value)],
        ..CheckpointFilter::default()
    };
    assert_eq!(ids(store, &filter(json!("3")))?, ["3", "3"]);
    assert_eq!(ids(store, &filter(json!("' OR 1=1 --")))?, Vec::<String>::new());
    let mut paged = Vec::new();
    let mut filter = CheckpointFilter::default();
    loop {
        let page = store.checkpoints(&filter, 2)?;
        let Some(last) = page.last() else { break };
        filter.after = Some((last.name.id.clone(), last.sequence));
        paged.extend(page.into_iter().map(|one| one.name.id));
    }
    assert_eq!(paged, ids(store, &CheckpointFilter::default())?);
    Ok(())
}

fn any_text_is_a_name(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let odd = ["", "'; DROP TABLE checkpoints; --", "a%b_c*", "\"", "ä🦀", "$1", "?1", "null"];
    for text in odd {
        let mut given = checkpoint(name(text, text, text), Some(text), b"1");
        given.channels[0].name = text.into();
        given.run = Some(text.into());
        store.commit(put(given))?;
        store.commit(put_writes(writes(name(text, text, text), text, text, &[(0, text, text)])))?;
    }
    for text in odd {
        let found = found(store.as_ref(), &name(text, text, text))?;
        assert_eq!((found.parent.as_deref(), found.channels[0].0.as_str()), (Some(text), text));
        assert_eq!((found.writes.len(), found.writes[0].task.as_str()), (1, text));
    }
    store.commit(unit([Change::DeleteRun { run: odd[1].into() }]))?;
    store.commit(unit([Change::DeleteThread { thread: odd[2].into() }]))?;
    assert_eq!(ids(store.as_ref(), &CheckpointFilter::default())?.len(), odd.len() - 2);
    Ok(())
}

fn a_value_that_grows_comes_back_at_every_step(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let slot = Slot { thread: "t".into(), namespace: ROOT.into(), channel: "x".into() };
    let mut steps: Vec<Vec<u8>> = Vec::new();
    for number in 0..40_u8 {
        let mut bytes = steps.last().cloned().unwrap_or_else(|| noise(0, 6_000));
        bytes[0] = number;
        if number % 7 == 3 {
            bytes.drain(1_000..2_500);
        }
        bytes.extend(noise(number.into(), 900));
        let mut given = checkpoint(name("t", ROOT, &format!("{number:03}")), None, b"");
        given.channels[0].value = Some(store.pack(&slot, value(&bytes)));
        store.commit(put(given))?;
        steps.push(bytes);
    }
    for store in [store, place.open()?] {
        for (number, bytes) in steps.iter().enumerate() {
            assert_eq!(&x(store.as_ref(), "t", &format!("{number:03}"))?, bytes, "step {number}");
        }
    }
    Ok(())
}

fn a_value_that_grew_elsewhere_can_grow_on(place: &dyn Place) -> Result<(), StoreError> {
    let (store, other) = (place.open()?, place.open()?);
    let put_step = |store: &dyn Store, thread: &str, length: usize| {
        let slot = Slot { thread: thread.into(), namespace: ROOT.into(), channel: "x".into() };
        let mut given = checkpoint(name(thread, ROOT, &length.to_string()), None, b"");
        given.channels[0].value = Some(store.pack(&slot, value(&noise(5, length))));
        store.commit(put(given)).map(drop)
    };
    for length in [20_000, 21_000, 22_000] {
        put_step(store.as_ref(), "first", length)?;
    }
    // The other store begins with what is there as a difference already, and goes on from it.
    for length in [22_000, 23_000, 24_000] {
        put_step(other.as_ref(), "second", length)?;
    }
    store.commit(unit([Change::DeleteThread { thread: "first".into() }]))?;
    store.collect()?;
    let fresh = place.open()?;
    for length in [22_000, 23_000, 24_000] {
        assert_eq!(x(fresh.as_ref(), "second", &length.to_string())?, noise(5, length));
    }
    Ok(())
}

fn only_the_live_lease_writes(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let single = execution(1);
    let id = &single.id;
    store.commit(unit([Change::CreateExecution(Box::new(single.clone())), start(id, 1, 5)]))?;
    let lease = |token| Some(Lease { execution: id.clone(), token });
    let given = || Box::new(checkpoint(name("t", ROOT, "1"), None, b"1"));
    let written = || Box::new(writes(name("t", ROOT, "1"), "task", "", &[(0, "x", "1")]));
    for token in [4, 6] {
        let change = Change::PutCheckpoint { checkpoint: given(), lease: lease(token) };
        assert!(matches!(refusal(store.commit(unit([change]))), StoreError::Fenced { .. }));
        let change = Change::PutWrites { writes: written(), lease: lease(token) };
        assert!(matches!(refusal(store.commit(unit([change]))), StoreError::Fenced { .. }));
    }
    store.commit(unit([Change::PutCheckpoint { checkpoint: given(), lease: lease(5) }]))?;
    store.commit(unit([Change::PutWrites { writes: written(), lease: lease(5) }]))?;
    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
    store.commit(unit([finish(id, (1, 5), ends, outcome(0))]))?;
    let change = Change::PutCheckpoint { checkpoint: given(), lease: lease(5) };
    let error = refusal(store.commit(unit([change])));
    assert!(matches!(error, StoreError::Fenced { .. }), "its attempt has ended: {error}");
    Ok(())
}
