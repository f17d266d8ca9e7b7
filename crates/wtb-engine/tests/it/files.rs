//! Workspaces of attempts, for workers that are threads of this program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use wtb_engine::{BatchPlan, Engine, EngineSettings, Task, remove_orphans, try_workspaces};
use wtb_model::{AttemptRecord, EventBody, ExecutionStatus, KeepWorkspaces, WorkspaceSpec};
use wtb_workspace::{Namespaces, Rung, SnapshotId, Snapshots};

use crate::support::{events, failure, plan, run, statuses, success, url};

/// An engine that makes workspaces, and inputs for them.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) engine: Arc<Engine>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("inputs")).unwrap();
        fs::write(directory.path().join("inputs/a.txt"), "input").unwrap();
        let engine = open(directory.path());
        Self { directory, engine }
    }

    pub(crate) fn plan(&self, retries: u32, keep: KeepWorkspaces) -> BatchPlan {
        let inputs = Some(self.directory.path().join("inputs").display().to_string());
        plan(1, 1, |spec| {
            spec.retries = retries;
            spec.workspace = WorkspaceSpec { inputs, rung: None, keep };
        })
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.directory.path().join("workspaces")
    }

    /// Makes all objects of the store look as if they had been put long ago.
    pub(crate) fn age_objects(&self) {
        self.engine.store().flush().unwrap();
        let python = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                      c.execute('UPDATE objects SET touched_at = 0'); c.commit()";
        let path = self.engine.store().file().unwrap().to_owned();
        let aged = std::process::Command::new("python3").args(["-c", python]).arg(path).status();
        assert!(aged.unwrap().success());
    }

    /// The names of the workspaces that are there.
    pub(crate) fn left(&self) -> Vec<String> {
        let directories = |path: &Path| {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            let visible =
                entries.filter(|one| !one.file_name().as_encoded_bytes().starts_with(b"."));
            visible.map(|one| one.path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
        };
        let sessions = directories(&self.base());
        let workspaces = sessions.iter().flat_map(|session| directories(session));
        workspaces.map(|path| path.file_name().unwrap().display().to_string()).collect()
    }
}

fn open(directory: &Path) -> Arc<Engine> {
    let workspaces = Some(directory.join("workspaces"));
    let settings = EngineSettings { workspaces, ..EngineSettings::default() };
    Engine::open_with(&url(directory), settings).unwrap()
}

fn text(engine: &Engine, attempt: &AttemptRecord) -> String {
    let snapshots = Snapshots::new(Arc::clone(engine.store()) as Arc<_>);
    let id = attempt.files.as_ref().and_then(SnapshotId::of_reference).unwrap();
    let mut bytes = Vec::new();
    let mut show = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    snapshots.read(id, b"a.txt", &mut show).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn each_attempt_has_its_own_and_of_failed_ones_the_last_stays() {
    let place = Place::new();
    let active = place.engine.submit(place.plan(1, KeepWorkspaces::Failed)).unwrap();
    let id = active.executions().remove(0);
    let batch = Arc::clone(&active);
    let attempt = move |task: &Task| {
        batch.open_workspace(task, Namespaces::None).unwrap();
        let file = task.files().unwrap().directory().join("a.txt");
        assert_eq!(fs::read(&file).unwrap(), b"input");
        fs::write(&file, format!("attempt {}", task.attempt)).unwrap();
        failure("no")
    };
    run(&active, 1, attempt);
    assert_eq!(place.left(), [format!("{id}.2")]);
    let attempts = place.engine.store().detail(&id).unwrap().attempts;
    let texts: Vec<_> = attempts.iter().map(|one| text(&place.engine, one)).collect();
    assert_eq!(texts, ["attempt 1", "attempt 2"]);
    let tracked = attempts.iter().map(|one| EventBody::FilesTracked {
        attempt: one.number,
        snapshot: one.files.as_ref().and_then(SnapshotId::of_reference).unwrap().to_string(),
    });
    let store = place.engine.store().as_ref();
    let batch = active.id().unwrap();
    assert_eq!(events(store, batch, "files.tracked"), tracked.collect::<Vec<_>>());
    let kept = attempts[1].workspace.as_ref().unwrap();
    assert_eq!(fs::read_to_string(Path::new(&kept.directory).join("a.txt")).unwrap(), "attempt 2");
    assert_eq!(fs::read(place.directory.path().join("inputs/a.txt")).unwrap(), b"input");

    // It stays when its session has ended, until it is asked to go.
    place.engine.close().unwrap();
    drop(active);
    assert_eq!(remove_orphans(&place.base(), false).unwrap().kept, 1);
    assert_eq!(remove_orphans(&place.base(), true).unwrap().removed, 1);
    assert!(place.left().is_empty());
}

#[test]
fn of_one_that_succeeded_the_snapshot_stays_alone() {
    let place = Place::new();
    let active = place.engine.submit(place.plan(0, KeepWorkspaces::Failed)).unwrap();
    let id = active.executions().remove(0);
    let batch = Arc::clone(&active);
    run(&active, 1, move |task| {
        batch.open_workspace(task, Namespaces::None).unwrap();
        fs::write(task.files().unwrap().directory().join("a.txt"), "done").unwrap();
        success()
    });
    assert!(place.left().is_empty());
    let attempts = place.engine.store().detail(&id).unwrap().attempts;
    assert_eq!(text(&place.engine, &attempts[0]), "done");
}

#[test]
fn files_that_could_not_be_stored_are_told_and_the_outcome_counts() {
    let place = Place::new();
    let active = place.engine.submit(place.plan(0, KeepWorkspaces::Failed)).unwrap();
    let batch = Arc::clone(&active);
    run(&active, 1, move |task| {
        batch.open_workspace(task, Namespaces::None).unwrap();
        fs::remove_dir_all(task.files().unwrap().directory()).unwrap();
        success()
    });
    let (store, id) = (place.engine.store().as_ref(), active.id().unwrap());
    assert_eq!(statuses(store, id), [ExecutionStatus::Succeeded]);
    let told = events(store, id, "files.tracking_failed");
    let [EventBody::FilesTrackingFailed { attempt: 1, message }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(message.contains("cannot open the directory"), "{message}");
    assert!(events(store, id, "files.tracked").is_empty());
}

#[test]
fn without_a_place_for_workspaces_that_is_said() {
    let place = Place::new();
    let engine = Engine::open(&url(place.directory.path())).unwrap();
    let active = engine.submit(place.plan(0, KeepWorkspaces::All)).unwrap();
    let batch = Arc::clone(&active);
    run(&active, 1, move |task| {
        let error = batch.open_workspace(task, Namespaces::None).unwrap_err().to_string();
        assert!(error.contains("where workspaces are to be made"), "{error}");
        failure("no")
    });
}

#[test]
fn a_trial_leaves_nothing() {
    let place = Place::new();
    let before = fs::read_dir(place.directory.path()).unwrap().count();
    let tried = try_workspaces(place.directory.path(), Namespaces::None).unwrap();
    assert_eq!(tried.refused[0].0, Rung::Overlay);
    assert_ne!(tried.rung, Rung::Overlay);
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), before);
    assert!(try_workspaces(&place.directory.path().join("nowhere"), Namespaces::None).is_err());
}
