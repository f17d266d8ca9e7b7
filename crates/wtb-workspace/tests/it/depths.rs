//! Directories that lie very deep in each other are told, and removed: they cost neither the stack nor all
//! file descriptors.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use wtb_workspace::{Namespaces, Reason, Rung, WorkspaceError, remove_tree};

use crate::world::World;

/// So deep that a walk with a call for each would end the program.
const DEEP: usize = 30_000;

/// Makes directories in each other, deeper than any path can say, and a file in the last one.
fn dig(directory: &Path, depth: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, directory, flags, Mode::empty()).unwrap();
    for _ in 0..depth {
        mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = openat(&at, "d", flags, Mode::empty()).unwrap();
    }
    drop(openat(&at, "file", OFlags::WRONLY | OFlags::CREATE, Mode::RUSR | Mode::WUSR).unwrap());
}

#[test]
fn a_deep_tree_is_removed() {
    let world = World::new();
    let tree = world.directory.path().join("tree");
    fs::create_dir_all(tree.join(".wtb-deep-1")).unwrap();
    dig(&tree, DEEP);
    dig(&tree.join(".wtb-deep-1"), 200);
    remove_tree(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn a_snapshot_says_what_lies_too_deep() {
    let world = World::new();
    let tree = world.directory.path().join("tree");
    fs::create_dir(&tree).unwrap();
    dig(&tree, DEEP);
    fs::write(tree.join("beside"), "kept").unwrap();
    let taken = world.take(&tree);
    assert_eq!(taken.left_out.count(), 1);
    let (path, reason) = &taken.left_out.listed[0];
    assert_eq!((path.as_bytes().len(), reason), (2 * 258 - 1, &Reason::Deep));
    assert_eq!(world.snapshots.summary(taken.id).unwrap().files, 1);
    let copy = world.directory.path().join("copy");
    world.snapshots.restore(taken.id, &copy).unwrap();
    remove_tree(&tree).unwrap();
}

#[test]
fn inputs_that_lie_too_deep_are_refused() {
    let world = World::new();
    dig(&world.inputs, DEEP);
    let workspaces = world.workspaces(Namespaces::None);
    let ground = workspaces.ground_by(&world.inputs, Rung::Copy).unwrap();
    let error = workspaces.prepare(&ground, "one").unwrap_err();
    assert!(matches!(error, WorkspaceError::Deep(_)), "{error}");
    assert!(fs::read_dir(world.base.join("s_0000000000000000")).unwrap().count() <= 1);
    remove_tree(&world.inputs).unwrap();
}
