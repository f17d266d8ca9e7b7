//! Kept workspaces, and which of them have to go.

use std::fs;
use std::time::Duration;

use wtb_workspace::{Namespaces, Rung, find_kept, find_orphans, trim_kept};

use crate::world::World;

#[test]
fn the_oldest_have_to_go_when_they_take_too_much() {
    let world = World::new();
    fs::write(world.inputs.join("large"), vec![7; 1 << 20]).unwrap();
    let workspaces = world.workspaces(Namespaces::None);
    let ground = workspaces.ground_by(&world.inputs, Rung::Copy).unwrap();
    for name in ["first", "second", "third", "in use"] {
        let workspace = workspaces.prepare(&ground, name).unwrap();
        if name != "in use" {
            workspace.keep().unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let names = |kept: &[wtb_workspace::Kept]| -> Vec<_> {
        kept.iter().map(|one| one.path.file_name().unwrap().display().to_string()).collect()
    };
    let kept = find_kept(&world.base).unwrap();
    assert_eq!(names(&kept), ["first", "second", "third"]);
    assert!(kept.iter().all(|one| one.bytes >= 1 << 20), "{kept:?}");
    assert_eq!(names(&trim_kept(&world.base, 10 << 20).unwrap()), [""; 0]);
    assert_eq!(names(&trim_kept(&world.base, 5 << 19).unwrap()), ["first"]);
    assert_eq!(names(&trim_kept(&world.base, 0).unwrap()), ["second", "third"]);
    drop(workspaces);
    let left = find_orphans(&world.base).unwrap();
    assert_eq!(left.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["in use"]);
}
