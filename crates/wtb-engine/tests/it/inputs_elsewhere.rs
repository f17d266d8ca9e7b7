//! Inputs for supervisors on machines that do not have them, or have others of that name.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wtb_engine::{ActiveBatch, Group, Handout, Outpost, OutpostPlan, Poll, Source, WorkerKey};
use wtb_model::{BatchStatus, KeepWorkspaces};
use wtb_workspace::Namespaces;

use crate::files::Place;
use crate::support::{ended, success};

/// A batch that supervisors elsewhere make, whose inputs have a program, a link, and a file that snapshots
/// leave out.
struct Batch {
    place: Place,
    active: Arc<ActiveBatch>,
    worker: WorkerKey,
}

impl Batch {
    fn new() -> Self {
        let place = Place::new();
        let inputs = place.directory.path().join("inputs");
        fs::create_dir_all(inputs.join("below/__pycache__")).unwrap();
        fs::write(inputs.join("below/__pycache__/left.pyc"), "cache").unwrap();
        fs::write(inputs.join("below/run.sh"), "#!/bin/sh\n").unwrap();
        let program = fs::Permissions::from_mode(0o755);
        fs::set_permissions(inputs.join("below/run.sh"), program).unwrap();
        std::os::unix::fs::symlink("../a.txt", inputs.join("below/link")).unwrap();
        let mut plan = place.plan(0, KeepWorkspaces::Failed);
        "ray".clone_into(&mut plan.spec.runner);
        let active = place.engine.submit(plan).unwrap();
        let worker = active.join("elsewhere", 0, None, Group(0)).unwrap();
        Self { place, active, worker }
    }

    fn inputs(&self) -> PathBuf {
        self.place.directory.path().join("inputs")
    }

    /// Makes the one attempt at a supervisor, which looks at its files; returns the execution's warnings
    /// and where its inputs were.
    fn make(&self, plan: OutpostPlan, look: impl Fn(&Path)) -> (Vec<String>, String) {
        let outpost = Outpost::open(plan).unwrap();
        outpost.hand(self.active.hand_out(self.worker, 1).unwrap());
        let key = outpost.join("worker", 0, None, Group(0)).unwrap();
        let Poll::Task(task) = outpost.poll(key, Duration::ZERO).unwrap() else {
            panic!("there is an attempt to make");
        };
        outpost.open_workspace(&task, Namespaces::None).unwrap();
        look(task.files().unwrap().directory());
        outpost.complete(&task, success()).unwrap();
        // It may have something to say before the end is durable.
        while self.active.wait(Duration::ZERO).unwrap().is_none() {
            let news = outpost.exchange(Handout::default(), Duration::from_secs(30)).unwrap();
            self.active.report(news).unwrap();
        }
        assert_eq!(ended(&self.active).status, Some(BatchStatus::Completed));
        drop(outpost);
        let store = self.place.engine.store();
        let detail = store.detail(&task.execution).unwrap();
        let workspace = detail.attempts[0].workspace.clone().unwrap();
        (store.execution(&task.execution).unwrap().warnings, workspace.inputs)
    }
}

fn are_the_drivers(directory: &Path) {
    assert_eq!(fs::read_to_string(directory.join("a.txt")).unwrap(), "input");
    assert_eq!(fs::read_to_string(directory.join("below/link")).unwrap(), "input");
    let mode = fs::metadata(directory.join("below/run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    fs::write(directory.join("a.txt"), "written").unwrap();
}

#[test]
fn a_machine_without_them_gets_them_and_what_is_missing_is_told() {
    let batch = Batch::new();
    let plan = batch.active.outpost_plan().unwrap();
    fs::rename(batch.inputs(), batch.inputs().with_extension("away")).unwrap();
    let (warnings, inputs) = batch.make(plan, |directory| {
        are_the_drivers(directory);
        assert!(!directory.join("below/__pycache__").exists());
    });
    assert!(inputs.contains("/.inputs-"), "{inputs}");
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.contains("`below/__pycache__`"), "{warning}");
    assert!(batch.place.left().is_empty());
}

#[test]
fn they_are_kept_for_who_begins_late() {
    let batch = Batch::new();
    let plan = batch.active.outpost_plan().unwrap();
    fs::rename(batch.inputs(), batch.inputs().with_extension("away")).unwrap();
    batch.place.age_objects();
    batch.place.engine.store().collect().unwrap();
    let (_, inputs) = batch.make(plan, are_the_drivers);
    assert!(inputs.contains("/.inputs-"), "{inputs}");
}

#[test]
fn others_of_that_name_are_not_taken_for_them() {
    let batch = Batch::new();
    let plan = batch.active.outpost_plan().unwrap();
    fs::write(batch.inputs().join("a.txt"), "another machine's").unwrap();
    let (_, inputs) = batch.make(plan, are_the_drivers);
    assert!(inputs.contains("/.inputs-"), "{inputs}");
}

#[test]
fn a_machine_that_has_them_uses_them() {
    let batch = Batch::new();
    let plan = batch.active.outpost_plan().unwrap();
    let (_, inputs) = batch.make(plan, |directory| {
        are_the_drivers(directory);
        assert!(directory.join("below/__pycache__").exists(), "also what snapshots leave out");
    });
    assert_eq!(Path::new(&inputs), batch.inputs().canonicalize().unwrap());
}

#[test]
fn where_the_place_for_workspaces_cannot_be_made_they_are_among_the_temporary_files() {
    let batch = Batch::new();
    let mut plan = batch.active.outpost_plan().unwrap();
    // Below a file there can be no directory.
    plan.workspaces = Some(batch.inputs().join("a.txt/workspaces"));
    let temporary = tempfile::tempdir().unwrap();
    plan.temporary = Some(temporary.path().to_owned());
    let temporary = temporary.path().canonicalize().unwrap();
    batch.make(plan, |directory| assert!(directory.starts_with(&temporary)));
}

#[test]
fn inputs_that_the_drivers_machine_does_not_have_either_may_be_elsewhere() {
    let batch = Batch::new();
    let away = batch.inputs().with_extension("away");
    fs::rename(batch.inputs(), &away).unwrap();
    let plan = batch.active.outpost_plan().unwrap();
    assert!(plan.given.is_empty());
    fs::rename(&away, batch.inputs()).unwrap();
    let (_, inputs) = batch.make(plan, are_the_drivers);
    assert_eq!(Path::new(&inputs), batch.inputs().canonicalize().unwrap());
}

#[test]
fn what_was_made_for_a_batch_goes_with_the_last_supervisor_of_the_session() {
    let batch = Batch::new();
    let plan = batch.active.outpost_plan().unwrap();
    fs::rename(batch.inputs(), batch.inputs().with_extension("away")).unwrap();
    let (_, inputs) = batch.make(plan, are_the_drivers);
    assert!(!Path::new(&inputs).exists(), "{inputs}");
}
