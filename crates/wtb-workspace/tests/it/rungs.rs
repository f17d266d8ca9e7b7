//! Whatever a workspace is made by, what is done in it has the same result, and stays in it.
//!
//! As root, hard links are tried by a child that is nobody. Reflinks are tried where the variable
//! `WTB_TEST_REFLINK_IN` names a directory on a file system that has them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tempfile::TempDir;
use wtb_workspace::{Namespaces, Rung, StatCache, WorkspaceError, remove_tree};

use crate::world::{World, fill, look, script};

/// What nodes do with files, each in a workspace of its own.
const DEEDS: &[(&str, &str)] = &[
    ("nothing", "true"),
    ("append in place", "echo more >> many/3; printf x | dd of=a-b conv=notrunc status=none"),
    ("replace", "echo new > many/4.tmp; mv many/4.tmp many/4; ln -sf run.sh link"),
    ("delete", "rm many/1 a/b/c/none link; rm -r closed many/5*; rmdir a/empty"),
    ("delete and make again", "rm -r a; mkdir -p a/b; echo x > a/b/x; chmod 750 a"),
    ("a file becomes a directory", "rm many/9; mkdir many/9; echo x > many/9/x"),
    ("a directory becomes a file", "rm -r a/b; echo file > a/b"),
    ("rename directories", "mv many less; echo x > less/x; mv a/b/c c; mv less/3 c/3; mv c d"),
    ("permissions", "chmod 700 run.sh a/b; chmod 000 many/2; chmod 2755 many"),
    (
        "names",
        "mv $'caf\\xe9 \\n\\\\,:' $'\\xff\\xfe'; echo x > $'\\xf0'; mkdir $'\\xe9'; echo > $'\\xe9/\\xe9'",
    ),
    ("new links", "ln -s /tmp outside2; ln -s ../a a/again; ln many/1 many/hard"),
    (
        "large and sparse",
        "truncate -s 40M new; printf x | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none",
    ),
    ("caches", "mkdir __pycache__ a/__pycache__; echo > a/__pycache__/x.pyc"),
    (
        "again and again",
        "for i in 1 2 3; do rm -rf many; mkdir many; echo $i > many/$i; done; mkfifo pipe",
    ),
];

/// What is not possible with a file that others share.
const LARGE_IN_PLACE: &str =
    "printf x >> large; printf y | dd of=large bs=1 seek=2000000 conv=notrunc status=none";

#[test]
fn every_rung_has_the_same_result_and_reaches_nothing_else() {
    check_all(&World::with_inputs());
}

/// Not a test by itself: the child that is nobody.
#[test]
fn as_nobody() {
    let Some(directory) = std::env::var_os("WTB_TEST_AS_NOBODY") else { return };
    let world = World::within(TempDir::new_in(directory).unwrap());
    fill(&world.inputs);
    assert!(world.rungs().iter().any(|(_, rung, _)| *rung == Rung::Hardlink));
    check_all(&world);
    hardlinks_refuse_writes_in_place(&world);
}

#[test]
fn everybody_else_has_the_same_result() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = directory.path().join("tests");
    // By another program: a process that another test starts meanwhile would hold a copy of ours open
    // for writing, and what is open for writing cannot be started.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status();
    assert!(copied.unwrap().success());
    let output = Command::new(program)
        .args(["--exact", "rungs::as_nobody", "--nocapture"])
        .env("WTB_TEST_AS_NOBODY", directory.path())
        .current_dir(directory.path())
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn reflinks_have_the_same_result() {
    let Some(directory) = std::env::var_os("WTB_TEST_REFLINK_IN") else { return };
    let world = World::within(TempDir::new_in(directory).unwrap());
    fill(&world.inputs);
    assert!(world.rungs().iter().any(|(_, rung, _)| *rung == Rung::Reflink));
    check_all(&world);
}

fn check_all(world: &World) {
    let (before, inputs) = (look(&world.inputs), world.id_of(&world.inputs));
    let rungs = world.rungs();
    assert!(rungs.iter().any(|(_, rung, _)| *rung == Rung::Copy));
    for (at, (deed, text)) in DEEDS.iter().enumerate() {
        let mut results = Vec::new();
        for (number, (workspaces, rung, namespaces)) in rungs.iter().enumerate() {
            let ground = workspaces.ground_by(&world.inputs, *rung).unwrap();
            let name = |which: &str| format!("{at}-{number}-{which}");
            let workspace = workspaces.prepare(&ground, &name("one")).unwrap();
            let sibling = workspaces.prepare(&ground, &name("two")).unwrap();
            script(&workspace, *namespaces, text);
            if *rung != Rung::Hardlink {
                script(&workspace, *namespaces, LARGE_IN_PLACE);
            }
            let snapshot = |of: &wtb_workspace::Workspace| {
                let mut cache = StatCache::default();
                let taken =
                    of.snapshot(&world.snapshots, inputs, &world.rules, &mut cache).unwrap();
                let again =
                    of.snapshot(&world.snapshots, inputs, &world.rules, &mut cache).unwrap();
                assert_eq!(taken.id, again.id);
                taken.id
            };
            assert_eq!(snapshot(&sibling), inputs, "{deed} by {rung} reached a sibling");
            let id = snapshot(&workspace);
            let changes = world.snapshots.diff(inputs, id).unwrap();
            let mut changes: Vec<_> = changes.iter().map(|one| format!("{one:?}")).collect();
            changes.retain(|one| !one.contains("path: \"large\""));
            results.push((rung, namespaces, changes));
            let name = name("three");
            let there =
                workspaces.prepare_at(&ground, &name, &world.snapshots, inputs, id).unwrap();
            script(&there, *namespaces, "ls -lR >/dev/null");
            assert_eq!(snapshot(&there), id, "{deed} by {rung} gone back to");
            for workspace in [workspace, sibling, there] {
                workspace.remove().unwrap();
            }
        }
        for (rung, namespaces, changes) in &results {
            assert_eq!(changes, &results[0].2, "{deed} by {rung}, {namespaces:?}");
        }
        assert!(look(&world.inputs) == before, "{deed} reached the inputs");
    }
}

fn hardlinks_refuse_writes_in_place(world: &World) {
    let before = look(&world.inputs);
    let workspaces = world.workspaces(Namespaces::None);
    let ground = workspaces.ground_by(&world.inputs, Rung::Hardlink).unwrap();
    let one = workspaces.prepare(&ground, "one").unwrap();
    let two = workspaces.prepare(&ground, "two").unwrap();
    script(&one, Namespaces::None, "! (echo x >> large) 2>/dev/null; test $(stat -c %h large) = 3");
    let inputs = world.id_of(&world.inputs);
    let snapshot = |of: &wtb_workspace::Workspace| {
        of.snapshot(&world.snapshots, inputs, &world.rules, &mut StatCache::default())
    };
    assert_eq!(snapshot(&one).unwrap().id, inputs, "permissions are those of the inputs");
    // Who insists reaches the others, but not the inputs, and it does not stay hidden.
    script(&one, Namespaces::None, "chmod u+w large; echo x >> large");
    assert!(matches!(snapshot(&two), Err(WorkspaceError::SharedFileWritten { .. })));
    assert!(look(&world.inputs) == before);
    let three = workspaces.prepare(&ground, "three").unwrap();
    assert_eq!(snapshot(&three).unwrap().id, inputs, "the next ones have another copy");
    for workspace in [one, two, three] {
        workspace.remove().unwrap();
    }
    workspaces.sweep().unwrap();
    assert_eq!(fs::read_dir(world.base.join(".shared")).unwrap().count(), 0);
}

#[test]
fn root_gets_no_hard_links_since_it_could_write_through_them() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::with_inputs();
    let workspaces = world.workspaces(Namespaces::None);
    let error = workspaces.ground_by(&world.inputs, Rung::Hardlink).unwrap_err().to_string();
    assert!(error.contains("hardlink") && error.contains("root"), "{error}");
    let ground = workspaces.ground(&world.inputs).unwrap();
    let refused: Vec<_> = ground.refused().iter().map(|(rung, _)| *rung).collect();
    assert!(refused.contains(&Rung::Overlay) && refused.contains(&Rung::Hardlink), "{refused:?}");
}

#[test]
fn several_programs_of_a_session_find_the_same_way_at_once() {
    // In a process of its own: what it forks would inherit files that other tests are about to run.
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rungs::many_at_once", "--nocapture"])
        .env("WTB_TEST_MANY_AT_ONCE", "")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Not a test by itself.
#[test]
fn many_at_once() {
    if std::env::var_os("WTB_TEST_MANY_AT_ONCE").is_none() {
        return;
    }
    let world = World::with_inputs();
    let is_root = rustix::process::geteuid().is_root();
    let namespaces = if is_root { Namespaces::Mount } else { Namespaces::UserAndMount };
    let found = world.workspaces(namespaces).ground(&world.inputs).unwrap().rung();
    for _ in 0..10 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let workspaces = world.workspaces(namespaces);
                scope.spawn(|| {
                    let workspaces = workspaces;
                    assert_eq!(workspaces.ground(&world.inputs).unwrap().rung(), found);
                });
            }
        });
    }
}

#[test]
fn what_cannot_be_is_said_with_a_reason() {
    let world = World::with_inputs();
    let workspaces = world.workspaces(Namespaces::None);
    let error = workspaces.ground(&world.inputs.join("run.sh")).unwrap_err().to_string();
    assert!(error.contains("run.sh"), "{error}");
    let error = workspaces.ground(world.directory.path()).unwrap_err();
    assert!(matches!(error, WorkspaceError::Nested { .. }), "{error}");
    let ground = workspaces.ground_by(&world.inputs, Rung::Copy).unwrap();
    for name in ["", "..", "a/b", ".hidden"] {
        assert!(matches!(workspaces.prepare(&ground, name), Err(WorkspaceError::Name(_))));
    }
    workspaces.prepare(&ground, "one").unwrap();
    let error = workspaces.prepare(&ground, "one").unwrap_err().to_string();
    assert!(error.contains("one"), "{error}");
}

#[test]
fn many_files() {
    let count = std::env::var("WTB_TEST_FILES").map_or(5_000, |text| text.parse().unwrap());
    let world = World::new();
    for directory in 0..count / 100 {
        let path = world.inputs.join(format!("d{}/e{directory}", directory % 10));
        fs::create_dir_all(&path).unwrap();
        (0..100).for_each(|at| fs::write(path.join(format!("{at}")), at.to_string()).unwrap());
    }
    let inputs = world.id_of(&world.inputs);
    for (workspaces, rung, namespaces) in world.rungs() {
        let ground = workspaces.ground_by(&world.inputs, rung).unwrap();
        let workspace = workspaces.prepare(&ground, "many").unwrap();
        script(&workspace, namespaces, "echo x > d3/e3/7; rm d2/e2/1");
        let mut cache = StatCache::default();
        let taken = workspace.snapshot(&world.snapshots, inputs, &world.rules, &mut cache).unwrap();
        let changes = world.snapshots.diff(inputs, taken.id).unwrap();
        assert_eq!(changes.len(), 2, "{rung}");
        workspace.remove().unwrap();
    }
    remove_tree(&world.inputs).unwrap();
}
