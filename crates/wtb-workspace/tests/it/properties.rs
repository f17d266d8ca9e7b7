//! Random trees and random edits: a snapshot is restored as it was, and edits make the same tree as
//! building it anew.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use wtb_workspace::{Rung, StatCache};

use crate::world::{World, look, script};

#[derive(Debug, Clone)]
enum Deed {
    Write(String, Vec<u8>),
    Make(String),
    Remove(String),
    Link(String, String),
    Rename(String, String),
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof!["[ab]", "[a-c]-", "[0-9]{2}"], 1..4)
        .prop_map(|names| names.join("/"))
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (path(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Deed::Write(at, bytes)),
        1 => path().prop_map(Deed::Make),
        2 => path().prop_map(Deed::Remove),
        1 => (path(), "[a-z/.]{1,9}").prop_map(|(at, to)| Deed::Link(at, to)),
        1 => (path(), path()).prop_map(|(from, to)| Deed::Rename(from, to)),
    ]
}

/// Does it where that is possible.
fn run(root: &Path, deed: &Deed) {
    let at = |path: &str| root.join(path);
    match deed {
        Deed::Write(path, bytes) => {
            let _ = fs::create_dir_all(at(path).parent().unwrap());
            let _ = fs::remove_file(at(path));
            let _ = fs::write(at(path), bytes);
        }
        Deed::Make(path) => drop(fs::create_dir_all(at(path))),
        Deed::Remove(path) => drop(wtb_workspace::remove_tree(&at(path))),
        Deed::Link(path, to) => drop(std::os::unix::fs::symlink(to, at(path))),
        Deed::Rename(from, to) => drop(fs::rename(at(from), at(to))),
    }
}

/// The same for a shell.
fn text(deed: &Deed) -> String {
    match deed {
        Deed::Write(path, bytes) => {
            let bytes: Vec<_> = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            let bytes = bytes.concat();
            format!("mkdir -p $(dirname {path}) && {{ rm -f {path}; printf '{bytes}' > {path}; }}")
        }
        Deed::Make(path) => format!("mkdir -p {path}"),
        Deed::Remove(path) => format!("rm -rf {path}"),
        Deed::Link(path, to) => format!("[ -e {path} ] || [ -L {path} ] || ln -s {to} {path}"),
        Deed::Rename(from, to) => format!("[ -e {to} ] || [ -L {to} ] || mv {from} {to}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn trees_come_back(first in prop::collection::vec(deed(), 0..60), more in prop::collection::vec(deed(), 0..20)) {
        let world = World::new();
        let copy = world.directory.path().join("copy");
        let mut cache = StatCache::default();
        for deeds in [&first, &more] {
            for deed in deeds {
                run(&world.inputs, deed);
            }
            let taken = world.snapshots.take(&world.inputs, &world.rules, &mut cache).unwrap();
            world.snapshots.restore(taken.id, &copy).unwrap();
            let strip = |root| look(root).into_iter().skip(1).map(|(path, (mode, _, bytes))| (path, mode, bytes)).collect::<Vec<_>>();
            prop_assert_eq!(strip(&copy), strip(&world.inputs));
            prop_assert_eq!(world.id_of(&copy), taken.id);
        }
    }

    /// The snapshot by the upper directory is that of the same done to a copy.
    #[test]
    fn overlays_have_the_snapshots_of_copies(first in prop::collection::vec(deed(), 0..60), more in prop::collection::vec(deed(), 0..20)) {
        let world = World::new();
        for deed in &first {
            run(&world.inputs, deed);
        }
        let inputs = world.id_of(&world.inputs);
        let deeds: Vec<_> = more.iter().map(|deed| format!("{{ {}; }} 2>/dev/null || true\n", text(deed))).collect();
        let deeds = deeds.concat();
        let mut ids = Vec::new();
        for (workspaces, rung, kind) in world.rungs() {
            if rung == Rung::Hardlink {
                continue;
            }
            let ground = workspaces.ground_by(&world.inputs, rung).unwrap();
            let workspace = workspaces.prepare(&ground, &format!("{rung}-{kind:?}")).unwrap();
            script(&workspace, kind, &deeds);
            let mut cache = StatCache::default();
            let taken = workspace.snapshot(&world.snapshots, inputs, &world.rules, &mut cache).unwrap();
            let name = format!("{rung}-{kind:?}-again");
            let again = workspaces.prepare_at(&ground, &name, &world.snapshots, inputs, taken.id).unwrap();
            script(&again, kind, "touch new; rm new");
            let mut cache = StatCache::default();
            let found = again.snapshot(&world.snapshots, inputs, &world.rules, &mut cache).unwrap();
            prop_assert_eq!(found.id, taken.id);
            ids.push((rung, kind, taken.id));
            workspace.remove().unwrap();
            again.remove().unwrap();
        }
        for (rung, kind, id) in &ids {
            let changes = world.snapshots.diff(ids[ids.len() - 1].2, *id).unwrap();
            prop_assert!(changes.is_empty(), "{} {:?}: {:?}", rung, kind, changes);
            prop_assert_eq!(*id, ids[ids.len() - 1].2);
        }
    }
}
