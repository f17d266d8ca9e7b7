//! Restoring: all of it or nothing, and quickly enough.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use wtb_workspace::{Rules, SnapshotId, StatCache, WorkspaceError, recover};

use crate::world::{World, look, script};

#[test]
fn a_directory_becomes_what_the_snapshot_says() {
    let world = World::with_inputs();
    let taken = world.take(&world.inputs);
    let copy = world.directory.path().join("copy");
    fs::create_dir_all(copy.join("old/x")).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o711)).unwrap();
    for _ in 0..2 {
        world.snapshots.restore(taken.id, &copy).unwrap();
        assert_eq!(world.id_of(&copy), taken.id);
        assert!(!copy.join("old").exists());
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o711);
    }
    let strip = |path| look(path).into_iter().map(|(path, (mode, _, bytes))| (path, mode, bytes));
    let [restored, inputs] =
        [&copy, &world.inputs].map(|path| strip(path).skip(1).collect::<Vec<_>>());
    assert!(restored == inputs);
    let beside: Vec<_> = fs::read_dir(world.directory.path()).unwrap().flatten().collect();
    assert!(beside.iter().all(|entry| !entry.file_name().to_string_lossy().contains(".wtb-")));
}

#[test]
fn an_unknown_snapshot_changes_nothing() {
    let world = World::with_inputs();
    let before = look(&world.inputs);
    let error = world.snapshots.restore(SnapshotId([7; 32]), &world.inputs).unwrap_err();
    assert!(matches!(error, WorkspaceError::Snapshot { .. }), "{error}");
    assert!(error.to_string().contains("0707"), "{error}");
    assert!(look(&world.inputs) == before);
    assert!("07".parse::<SnapshotId>().is_err());
}

#[test]
fn what_was_moved_away_and_not_replaced_comes_back() {
    let world = World::with_inputs();
    let before = look(&world.inputs);
    fs::rename(&world.inputs, world.directory.path().join(".inputs.wtb-old")).unwrap();
    recover(&world.inputs).unwrap();
    recover(&world.inputs).unwrap();
    assert!(look(&world.inputs) == before);
}

#[test]
fn what_a_rule_left_out_gives_way_to_what_a_snapshot_has_there() {
    let world = World::new();
    fs::create_dir(world.inputs.join("cache")).unwrap();
    fs::write(world.inputs.join("cache/a"), "ignored").unwrap();
    fs::write(world.inputs.join("b.tmp"), "ignored").unwrap();
    let wanted = world.directory.path().join("wanted");
    fs::create_dir_all(wanted.join("b.tmp/c")).unwrap();
    fs::write(wanted.join("cache"), "a file now").unwrap();
    let rules = Rules::parse("cache/\n*.tmp\n").unwrap();
    let snapshots = &world.snapshots;
    let before = snapshots.take(&world.inputs, &rules, &mut StatCache::default()).unwrap().id;
    let wanted = world.id_of(&wanted);
    for (workspaces, rung, namespaces) in world.rungs() {
        let ground = workspaces.ground_by(&world.inputs, rung).unwrap();
        let workspace = workspaces.prepare_at(&ground, "one", snapshots, before, wanted).unwrap();
        let seen = script(&workspace, namespaces, "cat cache; find b.tmp | sort | tr '\\n' ' '");
        assert_eq!(seen, "a file nowb.tmp b.tmp/c ", "{rung}");
        workspace.remove().unwrap();
    }
}
