//! A store, inputs and workspaces in a temporary directory, and children that work in them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustix::io::Errno;
use tempfile::TempDir;
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_workspace::{
    Namespaces, Rules, Rung, SnapshotId, Snapshots, StatCache, Taken, Workspace, Workspaces,
};

/// How long the sparse file of the inputs is.
pub(crate) const SPARSE_BYTES: u64 = 9 << 20;

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) inputs: PathBuf,
    pub(crate) base: PathBuf,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) snapshots: Snapshots,
    pub(crate) rules: Rules,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    pub(crate) fn within(directory: TempDir) -> Self {
        let [inputs, base] = ["inputs", "base"].map(|name| directory.path().join(name));
        fs::create_dir(&inputs).unwrap();
        let (store, snapshots) = open(&directory);
        let rules = Rules::parse("").unwrap();
        Self { directory, inputs, base, store, snapshots, rules }
    }

    /// The same with the store opened anew.
    pub(crate) fn reopened(self) -> Self {
        let Self { directory, inputs, base, rules, .. } = self;
        let (store, snapshots) = open(&directory);
        Self { directory, inputs, base, store, snapshots, rules }
    }

    /// Inputs with some of everything.
    pub(crate) fn with_inputs() -> Self {
        let world = Self::new();
        fill(&world.inputs);
        world
    }

    pub(crate) fn take(&self, directory: &Path) -> Taken {
        self.snapshots.take(directory, &self.rules, &mut StatCache::default()).unwrap()
    }

    pub(crate) fn id_of(&self, directory: &Path) -> SnapshotId {
        self.take(directory).id
    }

    pub(crate) fn workspaces(&self, namespaces: Namespaces) -> Workspaces {
        let session = "s_0000000000000000".parse().unwrap();
        Workspaces::open(&self.base, &session, namespaces).unwrap()
    }

    /// Workspaces of the same inputs by every rung that can be had here.
    pub(crate) fn rungs(&self) -> Vec<(Workspaces, Rung, Namespaces)> {
        let kinds = [Namespaces::UserAndMount, Namespaces::Mount];
        let mut found: Vec<_> =
            kinds.into_iter().map(|kind| (self.workspaces(kind), Rung::Overlay, kind)).collect();
        for rung in [Rung::Reflink, Rung::Hardlink, Rung::Copy] {
            found.push((self.workspaces(Namespaces::None), rung, Namespaces::None));
        }
        found.retain(|(workspaces, rung, _)| workspaces.ground_by(&self.inputs, *rung).is_ok());
        found
    }
}

fn open(directory: &TempDir) -> (Arc<SqliteStore>, Snapshots) {
    let address = directory.path().join("wtb.db").display().to_string();
    let store = Arc::new(SqliteStore::open(&address, SqliteOptions::default()).unwrap());
    let snapshots = Snapshots::new(Arc::clone(&store) as Arc<_>);
    (store, snapshots)
}

/// Writes some of everything: large, sparse and empty files, names that are not UTF-8, links that lead
/// outside, permissions.
pub(crate) fn fill(inputs: &Path) {
    let write = |path: &str, bytes: &[u8]| fs::write(inputs.join(path), bytes).unwrap();
    for directory in ["a/b/c", "a/empty", "many", "closed"] {
        fs::create_dir_all(inputs.join(directory)).unwrap();
    }
    write("a/one", b"one");
    write("a/b/two", &b"two".repeat(9_000));
    write("a/b/c/none", b"");
    write("a-b", b"its name comes between others");
    write("run.sh", b"#!/bin/sh\n");
    for number in 0..60 {
        write(&format!("many/{number}"), format!("number {number}").as_bytes());
    }
    fs::write(inputs.join(std::ffi::OsStr::from_bytes(b"caf\xe9 \n\\,:")), "latin").unwrap();
    let large: Vec<u8> = (0..3_500_000_u32).map(|at| (at ^ (at >> 9)).to_le_bytes()[0]).collect();
    write("large", &large);
    let sparse = fs::File::create(inputs.join("sparse")).unwrap();
    sparse.set_len(SPARSE_BYTES).unwrap();
    (&sparse).write_all(b"begin").unwrap();
    for (path, target) in [
        ("link", "a/one"),
        ("a/up", "../run.sh"),
        ("outside", "/etc/hostname"),
        ("dangling", "nowhere"),
    ] {
        std::os::unix::fs::symlink(target, inputs.join(path)).unwrap();
    }
    for (path, mode) in
        [("run.sh", 0o755), ("a/one", 0o600), ("a/b/two", 0o444), ("closed", 0o555), ("a", 0o750)]
    {
        fs::set_permissions(inputs.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Everything that can be seen of a tree without a snapshot: path to mode, times, content.
pub(crate) fn look(root: &Path) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            fs::read(&path).unwrap()
        };
        let of = (metadata.mode(), metadata.mtime_nsec(), content);
        found.insert(path.strip_prefix(root).unwrap().to_owned(), of);
    }
    found
}

/// Makes a command that runs in a workspace, in the namespaces that its mount needs.
pub(crate) fn command(workspace: &Workspace, namespaces: Namespaces, program: &str) -> Command {
    let mut command = Command::new(program);
    match workspace.mount().cloned() {
        None => drop(command.current_dir(workspace.tree())),
        Some(mount) => enter(&mut command, namespaces, move || mount.enter()),
    }
    command
}

/// Has a command call something in namespaces of its own before it starts.
#[expect(unsafe_code, reason = "namespaces are for children alone")]
pub(crate) fn enter(
    command: &mut Command,
    namespaces: Namespaces,
    call: impl Fn() -> Result<(), Errno> + Send + Sync + 'static,
) {
    use rustix::thread::UnshareFlags;
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", map(rustix::process::getuid().as_raw())),
        ("gid_map", map(rustix::process::getgid().as_raw())),
    ];
    let maps = maps
        .map(|(name, text)| (std::ffi::CString::new(format!("/proc/self/{name}")).unwrap(), text));
    let flags = match namespaces {
        Namespaces::UserAndMount => UnshareFlags::NEWUSER | UnshareFlags::NEWNS,
        Namespaces::Mount | Namespaces::None => UnshareFlags::NEWNS,
    };
    let run = move || {
        // SAFETY: descriptors stay shared.
        unsafe { rustix::thread::unshare_unsafe(flags) }?;
        if namespaces == Namespaces::UserAndMount {
            for (path, text) in &maps {
                use rustix::fs::{Mode, OFlags};
                let file = rustix::fs::open(path.as_c_str(), OFlags::WRONLY, Mode::empty())?;
                rustix::io::write(file, text.as_bytes())?;
            }
        }
        Ok(call()?)
    };
    // SAFETY: system calls alone, with arguments that were made before.
    unsafe { command.pre_exec(run) };
}

fn map(id: u32) -> String {
    format!("{id} {id} 1\n")
}

/// Runs a script in a workspace, and returns what it printed.
pub(crate) fn script(workspace: &Workspace, namespaces: Namespaces, text: &str) -> String {
    let output = command(workspace, namespaces, "/bin/bash").args(["-euc", text]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text} by {}: {said}", workspace.rung());
    String::from_utf8_lossy(&output.stdout).into_owned()
}
