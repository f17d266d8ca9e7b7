//! Snapshots and the collector of the store's objects.

use wtb_model::ExecutionRecord;
use wtb_store::conformance::sample::{execution, unit};
use wtb_store::{Change, Checkpoints as _, Store as _, StoreError};
use wtb_workspace::{SnapshotId, StatCache};

use crate::world::World;

fn naming(number: u64, id: SnapshotId) -> wtb_store::UnitOfWork {
    let record = ExecutionRecord { input: Some(id.reference()), ..execution(number) };
    unit([Change::CreateExecution(Box::new(record))])
}

impl World {
    /// Makes everything in the store look old.
    fn age(&self) -> bool {
        self.store.flush().unwrap();
        let python = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('UPDATE objects SET touched_at = 0'); c.commit()";
        let path = self.directory.path().join("wtb.db");
        let done = std::process::Command::new("python3").args(["-c", python]).arg(path).status();
        done.is_ok_and(|status| status.success())
    }
}

#[test]
fn a_snapshot_that_a_record_names_stays_and_others_go() {
    let world = World::with_inputs();
    let kept = world.id_of(&world.inputs);
    std::fs::write(world.inputs.join("many/1"), "only in the other").unwrap();
    let other = world.id_of(&world.inputs);
    world.store.commit(naming(1, kept)).unwrap();
    if !world.age() {
        return;
    }
    let collected = world.store.collect().unwrap();
    assert!(collected.objects >= 2, "a file and the pages above: {collected:?}");
    world.snapshots.forget();
    let copy = world.directory.path().join("copy");
    world.snapshots.restore(kept, &copy).unwrap();
    assert_eq!(world.id_of(&copy), kept);
    assert!(world.snapshots.restore(other, &copy).is_err());
}

#[test]
fn a_snapshot_of_what_was_collected_is_refused_and_can_be_taken_anew() {
    let world = World::with_inputs();
    let mut cache = StatCache::default();
    std::thread::sleep(std::time::Duration::from_millis(25));
    let take = |cache: &mut _| world.snapshots.take(&world.inputs, &world.rules, cache).unwrap();
    take(&mut cache);
    if !world.age() {
        return;
    }
    assert!(world.store.collect().unwrap().objects > 60);
    std::fs::write(world.inputs.join("many/1"), "other").unwrap();
    let relying = take(&mut cache);
    assert_eq!(relying.files_read, 1);
    let error = world.store.commit(naming(1, relying.id)).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "object", .. }), "{error}");
    // What was put lately is not put again, and was not collected but for the test: a new memory.
    let world = world.reopened();
    let anew = world.take(&world.inputs);
    assert_eq!(anew.id, relying.id);
    world.store.commit(naming(1, anew.id)).unwrap();
    let copy = world.directory.path().join("copy");
    world.snapshots.restore(anew.id, &copy).unwrap();
}
