//! Taking snapshots: what is in them, what is read again, what is left out and said so.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::thread::sleep;
use std::time::Duration;

use wtb_store::Store as _;
use wtb_workspace::{Change, EntryKind, PIECE_BYTES, Reason, Rules, StatCache};

use crate::world::{SPARSE_BYTES, World};

/// Longer than the tick of the clock that file systems take their times from.
const TICK: Duration = Duration::from_millis(25);

#[test]
fn a_snapshot_is_named_by_what_is_in_it_and_not_by_where_it_was_or_when() {
    let world = World::with_inputs();
    let copy = world.directory.path().join("copy");
    let first = world.take(&world.inputs);
    world.snapshots.restore(first.id, &copy).unwrap();
    assert_eq!(world.id_of(&copy), first.id);
    let summary = world.snapshots.summary(first.id).unwrap();
    assert_eq!(summary.entries, world.snapshots.entries(first.id).unwrap().len() as u64);
    assert_eq!((first.files_read, first.bytes_read), (summary.files, summary.bytes));
    let outside: Vec<_> = first.links_outside.iter().map(ToString::to_string).collect();
    assert_eq!(outside, ["outside"]);
    // What is remembered of it is the same as what is in the store.
    let entries = world.snapshots.entries(first.id).unwrap();
    world.snapshots.forget();
    assert_eq!(world.snapshots.entries(first.id).unwrap(), entries);
}

#[test]
fn only_what_changed_is_read_again() {
    let world = World::with_inputs();
    let mut cache = StatCache::default();
    let mut take = || world.snapshots.take(&world.inputs, &world.rules, &mut cache).unwrap();
    sleep(TICK);
    let first = take();
    assert_eq!(take().files_read, 0);
    fs::write(world.inputs.join("many/7"), "other").unwrap();
    fs::remove_file(world.inputs.join("many/8")).unwrap();
    fs::rename(world.inputs.join("many/9"), world.inputs.join("many/nine")).unwrap();
    let second = take();
    assert_eq!(second.files_read, 2, "one that was written, one that came");
    let changes = world.snapshots.diff(first.id, second.id).unwrap();
    let described: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Added(entry) => format!("+{}", entry.path),
            Change::Removed(entry) => format!("-{}", entry.path),
            Change::Altered { after, .. } => format!("{} {:?}", after.path, change.alteration()),
        })
        .collect();
    let content = "Some(Alteration { kind: false, mode: false, content: true })";
    assert_eq!(described, [&format!("many/7 {content}"), "-many/8", "-many/9", "+many/nine"]);
    assert!(world.snapshots.diff(second.id, second.id).unwrap().is_empty());
}

/// Within one tick of the clock the same size and the same times may be other bytes.
#[test]
fn a_change_within_the_tick_of_the_snapshot_is_seen() {
    let world = World::new();
    let path = world.inputs.join("file");
    let mut cache = StatCache::default();
    for round in 0..200 {
        let text = format!("{round:08}");
        fs::write(&path, &text).unwrap();
        let taken = world.snapshots.take(&world.inputs, &world.rules, &mut cache).unwrap();
        let mut read = Vec::new();
        let mut show = |bytes: &[u8]| {
            read.extend_from_slice(bytes);
            Ok(())
        };
        world.snapshots.read(taken.id, b"file", &mut show).unwrap();
        assert_eq!(read, text.as_bytes());
    }
}

#[test]
fn what_is_left_out_is_counted_and_listed() {
    let world = World::new();
    let write = |path: &str| {
        let path = world.inputs.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    };
    ["a/__pycache__/x.pyc", "a/keep.tmp", "b.tmp", "c.txt", ".git/config"]
        .into_iter()
        .for_each(write);
    fs::write(world.inputs.join(".wtbignore"), "# results\n*.tmp\n!keep.tmp\n").unwrap();
    let _socket = UnixListener::bind(world.inputs.join("socket")).unwrap();
    let rules = Rules::of(&world.inputs).unwrap();
    let taken = world.snapshots.take(&world.inputs, &rules, &mut StatCache::default()).unwrap();
    let listed: Vec<_> =
        taken.left_out.listed.iter().map(|(path, why)| (path.to_string(), why.clone())).collect();
    let by = |path: &str, rule: &str| (path.to_owned(), Reason::Rule(rule.to_owned()));
    let socket = ("socket".to_owned(), Reason::Special("socket"));
    assert_eq!(listed, [by("a/__pycache__", "__pycache__/"), by("b.tmp", "*.tmp"), socket]);
    assert_eq!(
        (taken.left_out.by_rules, taken.left_out.special, taken.left_out.count()),
        (2, 1, 3)
    );
    let entries = world.snapshots.entries(taken.id).unwrap();
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(paths, [".git", ".git/config", ".wtbignore", "a", "a/keep.tmp", "c.txt"]);
}

#[test]
fn a_rule_that_is_none_is_named() {
    let world = World::new();
    fs::write(world.inputs.join(".wtbignore"), "a/{b\n").unwrap();
    let message = Rules::of(&world.inputs).unwrap_err().to_string();
    assert!(message.contains(".wtbignore") && message.contains("a/{b"), "{message}");
}

#[test]
fn large_files_are_in_pieces_and_holes_take_no_room() {
    let world = World::with_inputs();
    let taken = world.take(&world.inputs);
    let copy = world.directory.path().join("copy");
    world.snapshots.restore(taken.id, &copy).unwrap();
    let same =
        fs::read(copy.join("large")).unwrap() == fs::read(world.inputs.join("large")).unwrap();
    assert!(same);
    let sparse = fs::metadata(copy.join("sparse")).unwrap();
    assert_eq!(sparse.len(), SPARSE_BYTES);
    assert!(sparse.blocks() * 512 <= 2 * PIECE_BYTES as u64, "{} blocks", sparse.blocks());
    // An edit in the middle stores one piece more, and zeros are zeros whether they were written or not.
    fs::write(
        copy.join("sparse"),
        [b"begin".as_slice(), &vec![0; usize::try_from(SPARSE_BYTES).unwrap() - 5]].concat(),
    )
    .unwrap();
    fs::set_permissions(copy.join("sparse"), fs::Permissions::from_mode(sparse.mode())).unwrap();
    assert_eq!(world.id_of(&copy), taken.id);
}

#[test]
fn damage_is_found_and_names_the_file() {
    let world = World::with_inputs();
    let taken = world.take(&world.inputs);
    let entry = world.snapshots.entry(taken.id, b"a/b/two").unwrap().unwrap();
    let EntryKind::File { content: wtb_workspace::Content::Whole(hash), .. } = entry.kind else {
        panic!("{entry:?}")
    };
    world.store.flush().unwrap();
    let address = world.directory.path().join("wtb.db");
    let damage = format!(
        "UPDATE objects SET data = zeroblob(length(data)) WHERE hash = x'{}'",
        wtb_store::hex(hash)
    );
    let python =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
    let done = std::process::Command::new("python3")
        .args(["-c", python])
        .arg(&address)
        .arg(damage)
        .status();
    if !done.is_ok_and(|status| status.success()) {
        return;
    }
    let copy = world.directory.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("before"), "").unwrap();
    let message = world.snapshots.restore(taken.id, &copy).unwrap_err().to_string();
    assert!(message.contains("`a/b/two`") && message.contains("corrupted"), "{message}");
    assert!(copy.join("before").exists(), "what was there stays");
}
