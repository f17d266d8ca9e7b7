//! Times snapshots and workspaces beside what does the same by other means.
//!
//! `cargo run --release -p wtb-workspace --example bench_workspace [ROUNDS] [DIRECTORY]`
//!
//! The inputs are 2,000 files of 4 KB and one of 200 MB. In each round everything is done once, one
//! after the other, since creating files on one disk may take thirty times as long as a minute before.
//! `bench/workspaces.py` makes medians of what is printed, a JSON line for each measurement.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wtb_store::Store as _;
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_workspace::{
    Ground, Namespaces, Rules, Rung, SnapshotId, Snapshots, StatCache, Workspaces, remove_tree,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SMALL: usize = 2_000;
const SMALL_BYTES: usize = 4_096;
const LARGE_BYTES: usize = 200 << 20;
/// How many files change between two snapshots.
const CHANGED: usize = 20;

/// What was measured, in the order of its first measurement.
#[derive(Default)]
struct Times(BTreeMap<(usize, String), Vec<Duration>>, Vec<String>);

impl Times {
    fn time<T>(&mut self, what: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let result = call()?;
        let took = begun.elapsed();
        let at = self.1.iter().position(|known| known == what).unwrap_or_else(|| {
            self.1.push(what.to_owned());
            self.1.len() - 1
        });
        self.0.entry((at, what.to_owned())).or_default().push(took);
        Ok(result)
    }

    /// Prints a JSON object for each measurement, with all its times.
    fn print(&self) {
        for ((_, what), times) in &self.0 {
            let times: Vec<_> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
            println!("{}", serde_json::json!({"measure": what.trim(), "milliseconds": times}));
        }
    }
}

struct Bench {
    root: PathBuf,
    inputs: PathBuf,
    small: PathBuf,
    snapshots: Snapshots,
    store: Arc<SqliteStore>,
    rules: Rules,
    times: Times,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(9), |text| text.parse())?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(parent)?;
    let mut bench = Bench::new(directory.path())?;
    let taken = bench.times.time("first snapshot of all", || {
        let taken = bench.snapshots.take(&bench.inputs, &bench.rules, &mut StatCache::default())?;
        bench.store.flush()?;
        Ok(taken)
    })?;
    let grounds = bench.grounds()?;
    let git = bench.git()?;
    let small = bench.snapshots.take(&bench.small, &bench.rules, &mut StatCache::default())?;
    for round in 0..rounds {
        bench.creation(&grounds, round)?;
        bench.snapshot(&grounds, taken.id, round)?;
        bench.cached(round)?;
        bench.git_snapshot(&git, round)?;
        bench.restoring(small.id)?;
    }
    bench.times.print();
    Ok(())
}

impl Bench {
    fn new(root: &Path) -> Result<Self> {
        let [inputs, small] = ["inputs", "small"].map(|name| root.join(name));
        for directory in [&inputs, &small] {
            for at in 0..SMALL {
                let parent = directory.join(format!("{:02}", at % 50));
                fs::create_dir_all(&parent)?;
                fs::write(parent.join(format!("{at}.dat")), noise(at, SMALL_BYTES))?;
            }
        }
        fs::write(inputs.join("large.bin"), noise(1, LARGE_BYTES))?;
        let address = root.join("wtb.db").display().to_string();
        let store = Arc::new(SqliteStore::open(&address, SqliteOptions::default())?);
        let snapshots = Snapshots::new(Arc::clone(&store) as Arc<_>);
        let (rules, times) = (Rules::parse("")?, Times::default());
        Ok(Self { root: root.to_owned(), inputs, small, snapshots, store, rules, times })
    }

    /// Ways to make workspaces that work here.
    fn grounds(&self) -> Result<Vec<(Workspaces, Ground)>> {
        let session = "s_0000000000000000".parse()?;
        let mut grounds = Vec::new();
        for rung in Rung::ALL {
            let workspaces =
                Workspaces::open(&self.root.join("base"), &session, Namespaces::UserAndMount)?;
            match workspaces.ground_by(&self.inputs, rung) {
                Ok(ground) => grounds.push((workspaces, ground)),
                Err(error) => eprintln!("left out: {error}"),
            }
        }
        Ok(grounds)
    }

    fn creation(&mut self, grounds: &[(Workspaces, Ground)], round: usize) -> Result<()> {
        for (workspaces, ground) in grounds {
            let rung = ground.rung();
            let name = format!("{rung}-{round}");
            let workspace = self
                .times
                .time(&format!("workspace by {rung}"), || Ok(workspaces.prepare(ground, &name)?))?;
            if workspace.mount().is_some() {
                self.mounting(&workspace)?;
            }
            self.times.time(&format!("  removing it ({rung})"), || Ok(workspace.remove()?))?;
        }
        self.copying("cp -r of all", &self.inputs.clone())
    }

    /// What a child takes for its namespaces, with the mount and without.
    fn mounting(&mut self, workspace: &wtb_workspace::Workspace) -> Result<()> {
        let mount = workspace.mount().cloned();
        for (what, mount) in
            [("  a child in its namespaces", None), ("  a child that also mounts it", mount)]
        {
            let mut command = Command::new("true");
            enter(&mut command, mount);
            self.times.time(what, || Ok(command.status()?))?;
        }
        Ok(())
    }

    fn copying(&mut self, what: &str, from: &Path) -> Result<()> {
        let to = self.root.join("copy");
        let mut command = Command::new("cp");
        command.arg("-r").arg(from).arg(&to);
        self.times.time(what, || Ok(command.status()?))?;
        Ok(remove_tree(&to)?)
    }

    fn snapshot(
        &mut self,
        grounds: &[(Workspaces, Ground)],
        inputs: SnapshotId,
        round: usize,
    ) -> Result<()> {
        let Some((workspaces, ground)) =
            grounds.iter().find(|(_, one)| one.rung() == Rung::Overlay)
        else {
            return Ok(());
        };
        let workspace = workspaces.prepare(ground, &format!("snapshot-{round}"))?;
        // What the kernel would have copied up, written where it would have been.
        let upper = workspace.tree().with_file_name("upper");
        change(&upper, round)?;
        let mut cache = StatCache::default();
        let (snapshots, rules) = (&self.snapshots, &self.rules);
        let mut take = || Ok(workspace.snapshot(snapshots, inputs, rules, &mut cache)?);
        self.times.time("snapshot after 20 changes, overlay", &mut take)?;
        self.times.time("  until it is durable (overlay)", || Ok(self.store.flush()?))?;
        self.times.time("  again, nothing changed (overlay)", &mut take)?;
        Ok(workspace.remove()?)
    }

    fn cached(&mut self, round: usize) -> Result<()> {
        let mut cache = StatCache::default();
        let (snapshots, rules, inputs) = (&self.snapshots, &self.rules, &self.inputs);
        snapshots.take(inputs, rules, &mut cache)?;
        change(inputs, round + 1_000)?;
        let mut take = || Ok(snapshots.take(inputs, rules, &mut cache)?);
        self.times.time("snapshot after 20 changes, stat cache", &mut take)?;
        self.times.time("  until it is durable (stat cache)", || Ok(self.store.flush()?))?;
        self.times.time("  again, nothing changed (stat cache)", &mut take)?;
        Ok(())
    }

    /// A repository of the small files: with the large one, its first `add` takes ten seconds.
    fn git(&self) -> Result<PathBuf> {
        let path = self.root.join("git");
        Command::new("cp").arg("-r").arg(&self.small).arg(&path).status()?;
        for arguments in [["init", "-q"].as_slice(), &["add", "-A"], &["write-tree"]] {
            Command::new("git").args(arguments).current_dir(&path).output()?;
        }
        Ok(path)
    }

    fn git_snapshot(&mut self, path: &Path, round: usize) -> Result<()> {
        change(path, round + 2_000)?;
        self.times.time("git add -A && git write-tree after 20 changes", || {
            let script = "git add -A && git write-tree";
            Ok(Command::new("sh").args(["-c", script]).current_dir(path).output()?)
        })?;
        Ok(())
    }

    fn restoring(&mut self, small: SnapshotId) -> Result<()> {
        let to = self.root.join("restored");
        let (snapshots, from) = (&self.snapshots, self.small.clone());
        self.times.time("restoring 2,000 small files", || Ok(snapshots.restore(small, &to)?))?;
        remove_tree(&to)?;
        self.copying("cp -r of 2,000 small files", &from)
    }
}

/// Gives 20 files other bytes.
fn change(root: &Path, seed: usize) -> Result<()> {
    for at in 0..CHANGED {
        let number = (at * 97 + seed) % SMALL;
        let parent = root.join(format!("{:02}", number % 50));
        fs::create_dir_all(&parent)?;
        fs::write(parent.join(format!("{number}.dat")), noise(seed * SMALL + number, SMALL_BYTES))?;
    }
    // Beyond the tick of the clock, as between the steps of a workflow.
    std::thread::sleep(Duration::from_millis(15));
    Ok(())
}

fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Has a command start in a user and a mount namespace of its own.
#[expect(unsafe_code, reason = "namespaces are for children alone")]
fn enter(command: &mut Command, mount: Option<wtb_workspace::Mount>) {
    use rustix::thread::UnshareFlags;
    use std::os::unix::process::CommandExt as _;
    let [user, group] = [rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()]
        .map(|id| format!("{id} {id} 1\n"));
    let maps = [
        (c"/proc/self/setgroups", "deny".to_owned()),
        (c"/proc/self/uid_map", user),
        (c"/proc/self/gid_map", group),
    ];
    let call = move || {
        // SAFETY: descriptors stay shared.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) }?;
        for (path, text) in &maps {
            use rustix::fs::{Mode, OFlags};
            let file = rustix::fs::open(*path, OFlags::WRONLY, Mode::empty())?;
            rustix::io::write(file, text.as_bytes())?;
        }
        Ok(mount.as_ref().map_or(Ok(()), wtb_workspace::Mount::enter)?)
    };
    // SAFETY: system calls alone, with arguments that were made before.
    unsafe { command.pre_exec(call) };
}
