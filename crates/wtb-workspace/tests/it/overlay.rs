//! What only overlays show.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use wtb_workspace::{Namespaces, Rung, StatCache};

use crate::world::{World, command, enter, script};

fn kinds(world: &World) -> Vec<(Namespaces, wtb_workspace::Workspaces)> {
    let kinds =
        [Namespaces::UserAndMount, Namespaces::Mount].map(|kind| (kind, world.workspaces(kind)));
    kinds
        .into_iter()
        .filter(|(_, workspaces)| workspaces.ground_by(&world.inputs, Rung::Overlay).is_ok())
        .collect()
}

#[test]
fn it_is_the_first_choice_and_is_seen_by_its_process_alone() {
    let world = World::with_inputs();
    for (kind, workspaces) in kinds(&world) {
        let ground = workspaces.ground(&world.inputs).unwrap();
        assert_eq!((ground.rung(), ground.refused()), (Rung::Overlay, [].as_slice()));
        let workspace = workspaces.prepare(&ground, "one").unwrap();
        let said = script(&workspace, kind, "pwd; cat a/one; echo x > here");
        assert_eq!(said, format!("{}\none", workspace.tree().display()));
        assert_eq!(fs::read_dir(workspace.tree()).unwrap().count(), 0);
        // What was written is there when it is mounted again.
        assert_eq!(script(&workspace, kind, "cat here"), "x\n");
        workspace.remove().unwrap();
    }
}

/// What `rename` itself says of a directory of the inputs. Programs that then copy (`mv`,
/// `shutil.move`) get along everywhere.
#[test]
fn renames_of_directories() {
    let world = World::with_inputs();
    for (kind, workspaces) in kinds(&world) {
        let ground = workspaces.ground(&world.inputs).unwrap();
        let workspace = workspaces.prepare(&ground, "one").unwrap();
        let mut child = Command::new("true");
        let mount = workspace.mount().unwrap().clone();
        enter(&mut child, kind, move || {
            mount.enter()?;
            renameat_with(CWD, c"many", CWD, c"renamed", RenameFlags::empty())
        });
        let renamed = child.status();
        match kind {
            Namespaces::UserAndMount => {
                let error = renamed.unwrap_err().raw_os_error();
                assert_eq!(error, Some(Errno::XDEV.raw_os_error()));
            }
            Namespaces::Mount | Namespaces::None => {
                assert!(renamed.unwrap().success());
                script(
                    &workspace,
                    kind,
                    "echo x > renamed/3; rm renamed/4; mv renamed/5 a/; rmdir a/empty",
                );
                let inputs = world.id_of(&world.inputs);
                let mut cache = StatCache::default();
                let taken =
                    workspace.snapshot(&world.snapshots, inputs, &world.rules, &mut cache).unwrap();
                assert_eq!(taken.files_read, 2, "what was only renamed is not read");
                let copy = world.directory.path().join("copy");
                world.snapshots.restore(world.id_of(&world.inputs), &copy).unwrap();
                let deeds = "mv many renamed; echo x > renamed/3; rm renamed/4; mv renamed/5 a/; rmdir a/empty";
                Command::new("sh").args(["-c", deeds]).current_dir(&copy).status().unwrap();
                assert_eq!(world.id_of(&copy), taken.id);
            }
        }
        workspace.remove().unwrap();
    }
}

/// Paths with all that has a meaning in the options of a mount.
#[test]
fn odd_paths_can_be_mounted() {
    let directory = tempfile::tempdir().unwrap();
    let odd = directory.path().join(std::ffi::OsStr::from_bytes(b"a,b:c\\d \xff\n"));
    fs::create_dir(&odd).unwrap();
    let world = World::with_inputs();
    let inputs = odd.join("in:puts");
    fs::rename(&world.inputs, &inputs).unwrap();
    for kind in [Namespaces::UserAndMount, Namespaces::Mount] {
        let session = "s_0000000000000000".parse().unwrap();
        let workspaces =
            wtb_workspace::Workspaces::open(&odd.join("base"), &session, kind).unwrap();
        let Ok(ground) = workspaces.ground_by(&inputs, Rung::Overlay) else { continue };
        let workspace = workspaces.prepare(&ground, "x,y:z\\").unwrap();
        assert_eq!(script(&workspace, kind, "cat a/one"), "one");
        workspace.remove().unwrap();
    }
}

#[test]
fn snapshots_while_it_is_mounted_see_what_was_written_so_far() {
    let world = World::with_inputs();
    let inputs = world.id_of(&world.inputs);
    for (kind, workspaces) in kinds(&world) {
        let ground = workspaces.ground(&world.inputs).unwrap();
        let workspace = workspaces.prepare(&ground, "one").unwrap();
        let steps = "for i in 1 2 3; do echo $i > many/$i; rm many/1$i; echo; read go; done";
        let mut child = command(&workspace, kind, "/bin/bash")
            .args(["-euc", steps])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (mut cache, mut ids) = (StatCache::default(), vec![inputs]);
        let mut out = child.stdout.take().unwrap();
        for step in 1..=3 {
            std::io::Read::read_exact(&mut out, &mut [0]).unwrap();
            std::thread::sleep(Duration::from_millis(25));
            let taken =
                workspace.snapshot(&world.snapshots, inputs, &world.rules, &mut cache).unwrap();
            assert_eq!(taken.files_read, 1, "of step {step} alone");
            let changes = world.snapshots.diff(ids[ids.len() - 1], taken.id).unwrap();
            let paths: Vec<_> = changes.iter().map(|change| change.path().to_string()).collect();
            assert_eq!(
                paths,
                [format!("many/{step}"), format!("many/1{step}")]
                    .into_iter()
                    .collect::<std::collections::BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>()
            );
            ids.push(taken.id);
            std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"\n").unwrap();
        }
        assert!(child.wait().unwrap().success());
        workspace.remove().unwrap();
    }
}
