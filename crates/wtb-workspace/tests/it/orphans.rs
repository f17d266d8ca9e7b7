//! Workspaces whose session has ended.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use wtb_workspace::{Namespaces, Rung, Workspaces, find_orphans, remove_tree};

use crate::world::World;

const BASE: &str = "WTB_TEST_ORPHANS_IN";

/// Not a test by itself: the child, which leaves two workspaces behind.
#[test]
fn child() {
    let Some(base) = std::env::var_os(BASE) else { return };
    let base = std::path::Path::new(&base);
    let session = "s_1111111111111111".parse().unwrap();
    let workspaces = Workspaces::open(base, &session, Namespaces::None).unwrap();
    let ground = workspaces.ground_by(&base.with_file_name("inputs"), Rung::Copy).unwrap();
    workspaces.prepare(&ground, "failed").unwrap().keep().unwrap();
    workspaces.prepare(&ground, "left").unwrap();
    assert!(find_orphans(base).unwrap().is_empty(), "it lives");
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
        .unwrap();
}

#[test]
fn workspaces_of_dead_sessions_are_found_and_removed() {
    let world = World::with_inputs();
    let own = world.workspaces(Namespaces::None);
    let ground = own.ground_by(&world.inputs, Rung::Copy).unwrap();
    let mine = own.prepare(&ground, "mine").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "orphans::child", "--quiet"])
        .env(BASE, &world.base)
        .output()
        .unwrap();
    let orphans = find_orphans(&world.base).unwrap();
    let found: Vec<_> = orphans.iter().map(|one| (one.name.as_str(), one.is_kept)).collect();
    assert_eq!(found, [("failed", true), ("left", false)]);
    for orphan in orphans {
        orphan.remove().unwrap();
    }
    assert!(find_orphans(&world.base).unwrap().is_empty());
    assert!(!world.base.join("s_1111111111111111").exists());
    assert!(mine.tree().join("run.sh").exists());
    drop(own);
    assert_eq!(find_orphans(&world.base).unwrap().len(), 1);
}

#[test]
fn inputs_that_were_made_go_with_the_session_whatever_is_kept_of_it() {
    let world = World::with_inputs();
    let snapshot = world.take(&world.inputs).id;
    let first = world.workspaces(Namespaces::None);
    let second = world.workspaces(Namespaces::None);
    let made = |workspaces: &Workspaces| {
        let ground = workspaces.ground_of(&world.snapshots, snapshot, Some(Rung::Copy)).unwrap();
        ground.inputs().to_owned()
    };
    let inputs = made(&first);
    assert_eq!(made(&second), inputs, "once for all programs of the session");
    assert_eq!(world.take(&inputs).id, snapshot);
    let ground = second.ground_of(&world.snapshots, snapshot, Some(Rung::Copy)).unwrap();
    second.prepare(&ground, "failed").unwrap().keep().unwrap();
    first.release();
    assert!(inputs.join("run.sh").exists(), "the other one needs them");
    second.release();
    assert!(!inputs.exists());
    assert_eq!(find_orphans(&world.base).unwrap().len(), 1, "what is kept stays");
}

#[test]
fn a_process_may_begin_while_another_of_its_session_clears_up() {
    let world = World::with_inputs();
    let snapshot = world.take(&world.inputs).id;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let workspaces = world.workspaces(Namespaces::None);
                    let copy = Some(Rung::Copy);
                    let made = workspaces.ground_of(&world.snapshots, snapshot, copy);
                    let made = made.unwrap().inputs().join("run.sh");
                    assert!(made.exists(), "nobody removes what this one uses");
                    workspaces.release();
                }
            });
        }
        // `wtb gc` looks for what dead sessions have left.
        for _ in 0..100 {
            assert!(find_orphans(&world.base).unwrap().is_empty());
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(find_orphans(&world.base).unwrap());
    let left = std::fs::read_dir(&world.base).into_iter().flatten().count();
    assert_eq!(left, 0);
}

#[test]
fn trees_that_forbid_it_are_removed_and_links_are_not_followed() {
    let world = World::with_inputs();
    let tree = world.directory.path().join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/b/file"), "").unwrap();
    std::os::unix::fs::symlink(&world.inputs, tree.join("a/link")).unwrap();
    for (path, mode) in [("a/b", 0o000), ("a", 0o500)] {
        fs::set_permissions(tree.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    remove_tree(&tree).unwrap();
    remove_tree(&tree).unwrap();
    assert!(!tree.exists() && world.inputs.join("run.sh").exists());
}
