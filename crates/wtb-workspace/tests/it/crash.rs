//! A process that is killed at any step of restoring leaves what was, or what is to be.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wtb_store::Store as _;
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_workspace::{SnapshotId, Snapshots};

use crate::world::World;

/// Directory, snapshot and step of the child that is to kill itself.
const ORDER: &str = "WTB_TEST_DIE_AT";

/// Not a test by itself: the child.
#[test]
fn child() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let [directory, id, at] = order.split(';').collect::<Vec<_>>().try_into().unwrap();
    let directory = Path::new(directory);
    let address = directory.join("wtb.db").display().to_string();
    let store = SqliteStore::open(&address, SqliteOptions::default()).unwrap();
    let snapshots = Snapshots::new(Arc::new(store));
    let (at, steps): (usize, AtomicUsize) = (at.parse().unwrap(), AtomicUsize::new(0));
    let id: SnapshotId = id.parse().unwrap();
    let die = |_| {
        if steps.fetch_add(1, Ordering::SeqCst) == at {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
            std::thread::sleep(std::time::Duration::from_mins(1));
        }
    };
    snapshots.restore_watched(id, &directory.join("place"), &die).unwrap();
}

#[test]
fn a_killed_restore_leaves_the_old_or_the_new() {
    let world = World::new();
    let place = world.directory.path().join("place");
    let versions = ["old", "new"].map(|version| {
        let directory = world.directory.path().join(version);
        for path in ["a/b", "c"] {
            fs::create_dir_all(directory.join(path)).unwrap();
            (0..5)
                .for_each(|at| fs::write(directory.join(format!("{path}/{at}")), version).unwrap());
        }
        world.id_of(&directory)
    });
    world.store.flush().unwrap();
    let mut seen = Vec::new();
    for at in 0.. {
        world.snapshots.restore(versions[0], &place).unwrap();
        let order = format!("{};{};{at}", world.directory.path().display(), versions[1]);
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--quiet"])
            .env(ORDER, order)
            .output()
            .unwrap();
        let found = world.id_of(&place);
        assert!(versions.contains(&found), "a mixture after step {at}");
        seen.push(found);
        // Whatever is left beside it does not disturb.
        world.snapshots.restore(versions[1], &place).unwrap();
        assert_eq!(world.id_of(&place), versions[1]);
        if ended.status.success() {
            break;
        }
    }
    assert!(seen.len() > 14, "{} steps", seen.len());
    assert_eq!(seen.first(), Some(&versions[0]));
    assert_eq!(seen.last(), Some(&versions[1]));
}
