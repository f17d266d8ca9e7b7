//! Threads of checkpoints: copied, pruned, deleted, and what is collected afterwards.

use serde_json::json;
use wtb_model::Value;

use super::checkpoints::{
    ROOT, checkpoint, found, ids, name, of_thread, put, put_chain, put_writes, value, writes, x,
};
use super::sample::{execution, noise, unit};
use super::{Place, checks};
use crate::{Change, ChannelHistory, CheckpointFilter, Slot, StoreError};

checks!("threads":
    a_copy_shares_nothing_but_values,
    a_copy_up_to_a_checkpoint_has_its_ancestors,
    pruning_keeps_what_is_needed,
    histories_end_at_the_nearest_value,
    deleting_leaves_the_others,
    collecting_takes_what_nothing_names,
    a_writer_notices_that_another_collected,
);

fn a_copy_shares_nothing_but_values(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "t", 3)?;
    store.commit(put(checkpoint(name("t", "sub", "2"), None, b"sub")))?;
    store.commit(put_writes(writes(name("t", ROOT, "3"), "task", "", &[(0, "x", "pending")])))?;
    let copy = |source: &str, target: &str| {
        let (source, target) = (source.to_owned(), target.to_owned());
        unit([Change::CopyThread { source, target, up_to: None }])
    };
    store.commit(copy("t", "copy"))?;
    store.commit(copy("unknown", "nothing"))?;
    let strip = |thread| {
        let mut found = store.checkpoints(&of_thread(thread), 100)?;
        for one in &mut found {
            one.name.thread.clear();
            one.sequence = 0;
        }
        Ok::<_, StoreError>(found)
    };
    assert_eq!(strip("copy")?, strip("t")?);
    assert_eq!(strip("copy")?.len(), 4);
    assert_eq!(strip("nothing")?, []);
    let order = |thread| {
        let outline = store.outline(thread)?;
        Ok::<_, StoreError>(outline.into_iter().map(|one| one.name.id).collect::<Vec<_>>())
    };
    assert_eq!(order("copy")?, order("t")?, "the order of insertion is kept");
    store.commit(unit([Change::DeleteThread { thread: "t".into() }]))?;
    assert_eq!(strip("t")?, []);
    assert_eq!(x(store.as_ref(), "copy", "3")?, noise(3, 3_000));
    Ok(())
}

fn a_copy_up_to_a_checkpoint_has_its_ancestors(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "t", 2)?;
    store.commit(put(checkpoint(name("t", "early", "e"), None, b"")))?;
    store.commit(put(checkpoint(name("t", ROOT, "branch"), Some("1"), b"")))?;
    store.commit(put(checkpoint(name("t", ROOT, "3"), Some("2"), b"")))?;
    store.commit(put(checkpoint(name("t", "late", "l"), None, b"")))?;
    for id in ["2", "3", "branch"] {
        store.commit(put_writes(writes(name("t", ROOT, id), "task", "", &[(0, "x", id)])))?;
    }
    let up_to = Some("3".to_owned());
    let (source, target) = ("t".to_owned(), "fork".to_owned());
    store.commit(unit([Change::CopyThread { source, target, up_to }]))?;
    let outline = store.outline("fork")?;
    let order: Vec<_> = outline.iter().map(|one| one.name.id.as_str()).collect();
    assert_eq!(order, ["1", "2", "e", "3"]);
    let writes_of = |id| found(store.as_ref(), &name("fork", ROOT, id)).map(|one| one.writes.len());
    assert_eq!((writes_of("2")?, writes_of("3")?), (1, 0), "its own tasks run again");
    assert_eq!(store.outline("t")?.len(), 6, "the source is as it was");
    Ok(())
}

fn pruning_keeps_what_is_needed(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "t", 4)?;
    store.commit(put(checkpoint(name("t", "sub", "1"), None, b"")))?;
    for id in ["1", "4"] {
        store.commit(put_writes(writes(name("t", ROOT, id), "task", "", &[(0, "x", id)])))?;
    }
    // A channel kept as differences: its last value is that of checkpoint 2.
    for (id, parent) in [("1", None), ("2", Some("1")), ("3", Some("2")), ("4", Some("3"))] {
        let mut given = checkpoint(name("delta", ROOT, id), parent, b"");
        given.metadata = json!({"counters_since_delta_snapshot": {"x": [1, 1]}}).to_string();
        if id > "2" {
            given.channels.clear();
        }
        store.commit(put(given))?;
        store.commit(put_writes(writes(name("delta", ROOT, id), "task", "", &[(0, "x", id)])))?;
    }
    let prune = |thread: &str| unit([Change::PruneThread { thread: thread.to_owned() }]);
    for thread in ["t", "delta", "unknown"] {
        store.commit(prune(thread))?;
    }
    assert_eq!(ids(store.as_ref(), &of_thread("t"))?, ["4", "1"], "the newest of each namespace");
    assert_eq!(found(store.as_ref(), &name("t", ROOT, "4"))?.writes.len(), 1);
    assert_eq!(ids(store.as_ref(), &of_thread("delta"))?, ["4", "3", "2"]);
    Ok(())
}

fn histories_end_at_the_nearest_value(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    for (id, parent) in [("1", None), ("2", Some("1")), ("3", Some("2")), ("4", Some("3"))] {
        let mut given = checkpoint(name("t", ROOT, id), parent, id.as_bytes());
        if id > "2" {
            given.channels.clear();
        }
        store.commit(put(given))?;
        let of = name("t", ROOT, id);
        store.commit(put_writes(writes(of.clone(), "b", "~2", &[(0, "x", "second")])))?;
        store.commit(put_writes(writes(of, "a", "~1", &[(0, "x", id), (1, "y", "y")])))?;
    }
    store.commit(put_writes(writes(name("t", ROOT, "0"), "z", "", &[(0, "x", "off the path")])))?;
    let channels = ["x", "y", "x"].map(str::to_owned);
    let texts = |history: &ChannelHistory| {
        let text = |value: &Value| String::from_utf8_lossy(&value.bytes).into_owned();
        let writes: Vec<_> = history.writes.iter().map(|write| text(&write.value)).collect();
        (history.seed.as_ref().map(text), writes.join(" "))
    };
    let found = store.channel_history(&name("t", ROOT, "4"), &channels[..2])?;
    assert_eq!(texts(&found[0]), (Some("2".to_owned()), "2 second 3 second".to_owned()));
    assert_eq!(texts(&found[1]), (None, "y y y".to_owned()));
    let newest = store.channel_history(&name("t", ROOT, ""), &channels[..1])?;
    assert_eq!(newest, found[..1], "without an id it is the newest");
    let none = store.channel_history(&name("unknown", ROOT, ""), &channels[..1])?;
    assert_eq!(none, [ChannelHistory::default()]);
    Ok(())
}

fn deleting_leaves_the_others(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    for thread in ["t", "u"] {
        put_chain(store.as_ref(), thread, 2)?;
        let mut given = checkpoint(name(thread, "sub", "9"), None, b"");
        given.run = Some(format!("run of {thread}"));
        store.commit(put(given))?;
        let of = name(thread, "sub", "9");
        store.commit(put_writes(writes(of, "task", "", &[(0, "x", "1")])))?;
    }
    for thread in ["t", "unknown"] {
        store.commit(unit([Change::DeleteThread { thread: thread.into() }]))?;
    }
    assert_eq!(ids(store.as_ref(), &CheckpointFilter::default())?, ["9", "2", "1"]);
    store.commit(unit([Change::DeleteRun { run: "run of u".into() }]))?;
    assert_eq!(ids(store.as_ref(), &CheckpointFilter::default())?, ["2", "1"]);
    store.commit(put(checkpoint(name("u", "sub", "9"), None, b"")))?;
    let again = found(store.as_ref(), &name("u", "sub", "9"))?;
    assert_eq!(again.writes, [], "its writes went with it");
    Ok(())
}

fn collecting_takes_what_nothing_names(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "kept", 3)?;
    let slot = Slot { thread: "grown".into(), namespace: ROOT.into(), channel: "x".into() };
    let mut bytes = noise(9, 20_000);
    for id in ["1", "2", "3"] {
        bytes.extend(noise(id.len() as u64 + 50, 2_000));
        let mut given = checkpoint(name("grown", ROOT, id), None, b"");
        given.channels[0].value = Some(store.pack(&slot, value(&bytes)));
        store.commit(put(given))?;
    }
    assert_eq!(store.collect()?.objects, 0, "everything is named");
    store.commit(unit([Change::PruneThread { thread: "grown".into() }]))?;
    store.collect()?;
    let store = place.open()?;
    assert_eq!(x(store.as_ref(), "grown", "3")?, bytes, "a rope keeps its pieces");
    assert_eq!(x(store.as_ref(), "kept", "1")?, noise(1, 3_000));
    for thread in ["grown", "kept"] {
        store.commit(unit([Change::DeleteThread { thread: thread.into() }]))?;
    }
    let collected = store.collect()?;
    assert!(collected.objects >= 4 && collected.bytes > 9_000, "{collected:?}");
    assert_eq!(store.collect()?.objects, 0);
    // What somebody put ahead of what will name it stays.
    let single = execution(1);
    let input = store.put_value(value(&noise(77, 9_000)))?;
    store.flush()?;
    store.collect()?;
    let single = wtb_model::ExecutionRecord { input: Some(input.clone()), ..single };
    store.commit(unit([Change::CreateExecution(Box::new(single))]))?;
    assert_eq!(store.value(&input)?.bytes, noise(77, 9_000));
    Ok(())
}

fn a_writer_notices_that_another_collected(place: &dyn Place) -> Result<(), StoreError> {
    let (store, other) = (place.open()?, place.open()?);
    put_chain(store.as_ref(), "t", 2)?;
    other.commit(unit([Change::DeleteThread { thread: "t".into() }]))?;
    assert_eq!(other.collect()?.objects, 2);
    put_chain(store.as_ref(), "t", 2)?;
    assert_eq!(x(other.as_ref(), "t", "2")?, noise(2, 3_000), "written again, not remembered");
    Ok(())
}
