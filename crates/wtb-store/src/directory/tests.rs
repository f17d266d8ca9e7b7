use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn directory() -> (tempfile::TempDir, ObjectDirectory) {
    let parent = tempfile::tempdir().unwrap();
    let location = ObjectDirectory::make(&parent.path().join("objects")).unwrap();
    let opened = ObjectDirectory::open(&location).unwrap();
    (parent, opened)
}

fn object(directory: &ObjectDirectory) -> (Hash, PathBuf) {
    let bytes = bytes::Bytes::from_static(b"some bytes");
    let hash = *blake3::hash(&bytes).as_bytes();
    directory.put(hash, &Encoded { encoding: Encoding::Raw, data: bytes }).unwrap();
    (hash, directory.file(hash))
}

fn bytes(directory: &ObjectDirectory, hash: Hash) -> Option<Vec<u8>> {
    directory.get(hash).unwrap().map(|(_, bytes)| bytes)
}

fn age(file: &Path) -> io::Result<()> {
    let long_ago = SystemTime::now() - FILE_GRACE;
    File::options().append(true).open(file)?.set_modified(long_ago)
}

fn sweep(directory: &ObjectDirectory, named: &[Hash]) {
    let named: HashSet<Hash> = named.iter().copied().collect();
    directory.sweep(|_| Ok::<_, StoreError>(named.clone())).unwrap();
}

fn names(shard: &Path) -> usize {
    fs::read_dir(shard).unwrap().count()
}

#[test]
fn what_is_taken_aside_can_be_read_and_is_put_back_if_it_is_young() {
    let (_parent, directory) = directory();
    let (hash, file) = object(&directory);
    let shard = directory.shard(hash);
    let aside = shard.join(format!(".{}.0123456789abcdef{OLD}", hex(hash)));
    fs::rename(&file, &aside).unwrap();
    assert_eq!(bytes(&directory, hash).unwrap(), b"some bytes");
    remove(&shard, hash, &aside).unwrap();
    assert!(file.exists() && !aside.exists());
    age(&file).unwrap();
    remove(&shard, hash, &file).unwrap();
    remove(&shard, hash, &file).unwrap();
    assert_eq!(bytes(&directory, hash), None);
    assert_eq!(names(&shard), 0);
}

#[test]
fn what_the_killed_have_left_is_put_back_or_removed() {
    let (_parent, directory) = directory();
    let (hash, file) = object(&directory);
    let shard = directory.shard(hash);
    let left = |end: &str| shard.join(format!(".{}.0123456789abcdef{end}", hex(hash)));
    fs::rename(&file, left(OLD)).unwrap();
    fs::write(left(NEW), "unfinis").unwrap();
    age(&left(OLD)).unwrap();
    age(&left(NEW)).unwrap();
    sweep(&directory, &[hash]);
    assert_eq!(bytes(&directory, hash).unwrap(), b"some bytes");
    assert_eq!(names(&shard), 1);
    for end in [OLD, NEW] {
        fs::write(left(end), "").unwrap();
        age(&left(end)).unwrap();
    }
    age(&file).unwrap();
    fs::write(directory.root.join("xy"), "no shard").unwrap();
    sweep(&directory, &[]);
    assert_eq!(names(&shard), 0);
}

#[test]
fn a_file_of_a_clock_that_is_ahead_is_young() {
    let (_parent, directory) = directory();
    let (_, file) = object(&directory);
    let ahead = SystemTime::now() + 2 * FILE_GRACE;
    File::options().append(true).open(&file).unwrap().set_modified(ahead).unwrap();
    assert!(is_young(&file));
}

#[test]
fn a_file_that_was_taken_away_before_it_was_young_is_written_anew() {
    let (_parent, directory) = directory();
    let (hash, file) = object(&directory);
    age(&file).unwrap();
    let found = File::options().append(true).open(&file).unwrap();
    remove(&directory.shard(hash), hash, &file).unwrap();
    assert!(make_young(&found, &file).is_err());
    object(&directory);
    assert!(!make_young(&found, &file).unwrap(), "it is another one's");
}

/// What was put stays, whoever finds it old and unnamed at that moment.
#[test]
fn who_puts_and_who_removes_do_not_get_into_each_others_way() {
    let (_parent, directory) = directory();
    let (hash, file) = object(&directory);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    sweep(&directory, &[]);
                }
            });
        }
        for _ in 0..300 {
            // Gone, or old, or aside at this moment.
            let _ = age(&file);
            object(&directory);
            assert!(bytes(&directory, hash).is_some());
            std::thread::yield_now();
            assert!(bytes(&directory, hash).is_some());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(names(&directory.shard(hash)), 1);
}
