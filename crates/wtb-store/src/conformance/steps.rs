//! The heads of threads, their steps, and copies that begin at one of them.

use super::checkpoints::{
    ROOT, checkpoint, found, name, put, put_chain, put_writes, value, writes, x,
};
use super::sample::{noise, unit};
use super::{Place, checks, refusal};
use crate::{Change, CheckpointName, Store, StoreError, WriteOutline};

checks!("steps":
    the_head_was_inserted_last,
    a_head_comes_whole,
    steps_are_in_the_order_of_insertion,
    steps_have_their_bodies_and_outlines_of_writes,
    a_copy_does_not_run_the_tasks_of_its_head,
    a_copy_begins_at_what_the_source_has,
    an_object_that_is_gone_is_missing,
);

fn head(store: &dyn Store, thread: &str, namespace: &str) -> Result<Option<String>, StoreError> {
    Ok(store.head(thread, namespace)?.map(|head| head.name.id))
}

fn the_head_was_inserted_last(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    assert_eq!(head(store.as_ref(), "t", ROOT)?, None);
    // A clock that goes backwards, and threads beside each other.
    for id in ["5", "3", "4", "1"] {
        for (thread, namespace) in [("t", ROOT), ("t", "sub"), ("u", ROOT)] {
            store.commit(put(checkpoint(name(thread, namespace, id), None, b"")))?;
            assert_eq!(head(store.as_ref(), thread, namespace)?.as_deref(), Some(id));
        }
    }
    assert_eq!(store.checkpoint("t", ROOT, None)?.map(|one| one.name.id).as_deref(), Some("5"));
    store.commit(put(checkpoint(name("t", "sub", "2"), None, b"")))?;
    store.commit(put(checkpoint(name("t", ROOT, "3"), None, b"again")))?;
    let store = place.open()?;
    let heads = [("t", ROOT), ("t", "sub"), ("u", ROOT), ("u", "sub"), ("T", ROOT)];
    let expected = [Some("1"), Some("2"), Some("1"), None, None];
    for ((thread, namespace), expected) in heads.into_iter().zip(expected) {
        let found = head(store.as_ref(), thread, namespace)?;
        assert_eq!(found.as_deref(), expected, "{thread} {namespace}");
    }
    for thread in ["u", "t"] {
        store.commit(unit([Change::DeleteThread { thread: thread.into() }]))?;
        assert_eq!(head(store.as_ref(), thread, ROOT)?, None);
    }
    Ok(())
}

fn a_head_comes_whole(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "t", 2)?;
    let of = name("t", ROOT, "2");
    store.commit(put_writes(writes(of.clone(), "b", "~2", &[(0, "x", "second")])))?;
    store.commit(put_writes(writes(of.clone(), "a", "~1", &[(0, "x", "first")])))?;
    for store in [store, place.open()?] {
        let whole = found(store.as_ref(), &of)?;
        assert_eq!((whole.parent.as_deref(), whole.writes.len()), (Some("1"), 2));
        assert_eq!(store.head("t", ROOT)?, Some(whole));
    }
    Ok(())
}

fn steps_are_in_the_order_of_insertion(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    assert_eq!(store.steps("t")?, []);
    let names = [("t", "b"), ("t|sub", "9"), ("t", "c"), ("t|sub", "1"), ("t", "a")];
    for (number, (namespace, id)) in (0..).zip(names) {
        let namespace = namespace.strip_prefix('t').unwrap_or_default();
        let given = checkpoint(name("t", namespace, id), Some("0"), &noise(number, 3_000));
        store.commit(put(given))?;
        store.commit(put(checkpoint(name("other", namespace, id), None, b"")))?;
    }
    let steps = store.steps("t")?;
    let outlines: Vec<_> = steps.iter().map(|step| step.outline.clone()).collect();
    assert_eq!(outlines, store.outline("t")?);
    let ids: Vec<_> = steps.iter().map(|step| step.outline.name.id.as_str()).collect();
    assert_eq!(ids, names.map(|(_, id)| id));
    Ok(())
}

fn steps_have_their_bodies_and_outlines_of_writes(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let large = noise(7, 30_000);
    let mut given = checkpoint(name("t", ROOT, "2"), Some("1"), b"");
    given.body = crate::NewValue::new(value(&large), crate::NEW_INLINE_BYTES_MAX);
    store.commit(put(checkpoint(name("t", ROOT, "1"), None, b"")))?;
    let all = [
        (name("t", ROOT, "1"), "task2", "~b", vec![(1, "y", "b1"), (0, "x", "b0")]),
        (name("t", ROOT, "1"), "task1", "~c", vec![(0, "x", "c0"), (-1, "__error__", "e")]),
        (name("t", ROOT, "1"), "task3", "~a", vec![(0, "z", "a0")]),
        (name("t", "sub", "1"), "task1", "", vec![(0, "inner", "0")]),
        (name("u", ROOT, "1"), "task1", "", vec![(0, "other", "0")]),
        (name("t", ROOT, "nothing"), "task1", "", vec![(0, "x", "without its checkpoint")]),
    ];
    for (of, task, path, channels) in all {
        store.commit(put_writes(writes(of, task, path, &channels)))?;
    }
    store.commit(put(given))?;
    store.commit(put(checkpoint(name("t", "sub", "1"), None, b"")))?;
    let write = |task: &str, path: &str, channel: &str| WriteOutline {
        task: task.into(),
        path: path.into(),
        channel: channel.into(),
    };
    let expected = [
        (
            value(b"1"),
            vec![
                write("task3", "~a", "z"),
                write("task2", "~b", "x"),
                write("task2", "~b", "y"),
                write("task1", "~c", "__error__"),
                write("task1", "~c", "x"),
            ],
        ),
        (value(&large), Vec::new()),
        (value(b"1"), vec![write("task1", "", "inner")]),
    ];
    for store in [store, place.open()?] {
        let steps = store.steps("t")?.into_iter().map(|step| (step.body, step.writes));
        assert_eq!(steps.collect::<Vec<_>>(), expected);
    }
    Ok(())
}

fn copy(source: &str, target: &str, up_to: Option<&str>) -> Change {
    let (source, target) = (source.to_owned(), target.to_owned());
    Change::CopyThread { source, target, up_to: up_to.map(str::to_owned) }
}

fn a_copy_does_not_run_the_tasks_of_its_head(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "t", 2)?;
    // Another namespace has a checkpoint of the same id, whose tasks have run.
    store.commit(put(checkpoint(name("t", "sub", "3"), None, b"")))?;
    store.commit(put(checkpoint(name("t", ROOT, "3"), Some("2"), b"")))?;
    let names = [name("t", ROOT, "2"), name("t", "sub", "3"), name("t", ROOT, "3")];
    for of in &names {
        store.commit(put_writes(writes(
            of.clone(),
            "task",
            "",
            &[(0, "x", "1"), (1, "y", "2")],
        )))?;
    }
    store.commit(unit([copy("t", "begun", Some("3")), copy("t", "whole", None)]))?;
    let written = |thread: &str| {
        let of = names.iter().map(|of| CheckpointName { thread: thread.into(), ..of.clone() });
        let counts = of.map(|of| found(store.as_ref(), &of).map(|one| one.writes.len()));
        counts.collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(written("begun")?, [2, 2, 0]);
    assert_eq!(written("whole")?, [2, 2, 2]);
    assert_eq!(written("t")?, [2, 2, 2]);
    assert_eq!(head(store.as_ref(), "begun", ROOT)?.as_deref(), Some("3"));
    assert_eq!(x(store.as_ref(), "begun", "2")?, noise(2, 3_000));
    Ok(())
}

fn a_copy_begins_at_what_the_source_has(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    put_chain(store.as_ref(), "t", 2)?;
    store.commit(put(checkpoint(name("t", "sub", "inner"), None, b"")))?;
    store.commit(put(checkpoint(name("u", ROOT, "3"), None, b"")))?;
    // Not that of a subgraph, not that of another thread, not only written to, not at all.
    store.commit(put_writes(writes(name("t", ROOT, "4"), "task", "", &[(0, "x", "1")])))?;
    for (source, id) in [("t", "inner"), ("t", "3"), ("t", "4"), ("t", ""), ("unknown", "1")] {
        let before = checkpoint(name("begun", ROOT, "0"), None, b"");
        let put = Change::PutCheckpoint { checkpoint: Box::new(before), lease: None };
        let error = refusal(store.commit(unit([put, copy(source, "begun", Some(id))])));
        assert!(matches!(error, StoreError::NotFound { what: "checkpoint", .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{id}`")), "{error}");
        assert_eq!(store.outline("begun")?, []);
    }
    store.commit(unit([copy("t", "begun", Some("1"))]))?;
    assert_eq!(store.outline("begun")?.len(), 1);
    Ok(())
}

fn an_object_that_is_gone_is_missing(place: &dyn Place) -> Result<(), StoreError> {
    let large = noise(1, 30_000);
    for of_body in [false, true] {
        let store = place.open()?;
        let mut given = checkpoint(name("t", ROOT, "1"), None, &large);
        let content = crate::NewValue::new(value(&large), crate::NEW_INLINE_BYTES_MAX);
        let Some(hash) = content.object.as_ref().map(|object| object.hash) else {
            panic!("a large value is an object");
        };
        if of_body {
            given.channels.clear();
            given.body = content;
        }
        store.commit(put(given))?;
        drop(store);
        if !place.remove_object(hash) {
            return Ok(());
        }
        let store = place.open()?;
        let mut errors = vec![store.checkpoint("t", ROOT, None).err(), store.head("t", ROOT).err()];
        errors.extend(of_body.then(|| store.steps("t").err()));
        for error in errors {
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("is corrupted: it is missing"), "{error}");
        }
        store.commit(unit([Change::DeleteThread { thread: "t".into() }]))?;
    }
    Ok(())
}
