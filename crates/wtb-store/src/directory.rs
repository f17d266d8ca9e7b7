//! A directory of objects: the bytes of large objects as files, for machines that share a file system.
//!
//! ```text
//! DIRECTORY/wtb-objects        the directory's id
//! DIRECTORY/ab/HASH            an object: how it is encoded (one byte), and its bytes
//! DIRECTORY/ab/.HASH.RANDOM    one that is being written, or removed
//! ```
//!
//! A file is there before the row that names it, and is removed after it. Several programs put and remove
//! without a lock: who finds a file that it wants to put makes it young, and who removes one takes it aside
//! first and puts it back if it is young. What is young is not removed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::StoreError;
use crate::object::{Encoded, Encoding, Hash, hex};

/// The file that has the directory's id.
const MARKER: &str = "wtb-objects";
/// What it is called until it is the directory's.
const NEW_MARKER: &str = ".wtb-objects.";
/// How long a file stays that no row names. Longer than anybody takes from putting it to naming it, and than
/// the clocks of machines differ.
pub(crate) const FILE_GRACE: Duration = Duration::from_hours(1);

/// Where a directory of objects is, as the store's database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its path, absolute.
    pub path: String,
    /// What is written in it: a directory of that path that has another id is another one.
    pub id: String,
}

/// An open directory of objects.
#[derive(Debug)]
pub struct ObjectDirectory {
    path: PathBuf,
    id: String,
}

impl ObjectDirectory {
    /// Makes a directory into one of objects, unless it is one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`], also where other things are in it.
    pub fn make(path: &Path) -> Result<Self, StoreError> {
        let fails = |error: io::Error| unusable(path, &error.to_string());
        fs::create_dir_all(path).map_err(fails)?;
        let path = path.canonicalize().map_err(fails)?;
        let marker = path.join(MARKER);
        if !marker.exists() {
            let is_ours = |name: &OsStr| name.as_encoded_bytes().starts_with(NEW_MARKER.as_bytes());
            let mut entries = fs::read_dir(&path).map_err(fails)?.flatten();
            if entries.any(|entry| !is_ours(&entry.file_name())) && !marker.exists() {
                let reason = "other files are in it; name a directory that is empty, or not there";
                return Err(unusable(&path, reason));
            }
            let new = path.join(format!("{NEW_MARKER}{}", random()?));
            write(&new, random()?.as_bytes()).map_err(fails)?;
            // Of two programs that come at once the first one names it.
            let linked = fs::hard_link(&new, &marker);
            fs::remove_file(&new).map_err(fails)?;
            linked.or_else(|error| if marker.exists() { Ok(()) } else { Err(fails(error)) })?;
        }
        let id = fs::read_to_string(&marker).map_err(fails)?;
        Ok(Self { path, id })
    }

    /// Opens the directory that a store has.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`], where there is none at that place, or another one.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        let path = PathBuf::from(&location.path);
        let remedy = "large objects of the store are there: mount it on this machine, or say where it is by \
                      object_store";
        match fs::read_to_string(path.join(MARKER)) {
            Ok(id) if id == location.id => Ok(Self { path, id }),
            Ok(_) => Err(unusable(&path, &format!("it belongs to another store; {remedy}"))),
            Err(error) => Err(unusable(&path, &format!("{error}; {remedy}"))),
        }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where it is.
    pub fn location(&self) -> Location {
        Location { path: self.path.display().to_string(), id: self.id.clone() }
    }

    /// Writes an object, unless it is there. Returns when it is durable.
    pub(crate) fn put(&self, hash: Hash, encoded: &Encoded) -> Result<(), StoreError> {
        let file = self.file(hash);
        let fails = |error: io::Error| unusable(&file, &error.to_string());
        match make_young(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found.map_err(fails),
        }
        let shard = self.shard(hash);
        fs::create_dir_all(&shard).map_err(fails)?;
        let new = shard.join(format!(".{}.{}", hex(hash), random()?));
        let written = write(&new, &[&[encoded.encoding as u8], encoded.data.as_ref()].concat())
            .and_then(|()| fs::rename(&new, &file))
            .and_then(|()| File::open(&shard)?.sync_all());
        if written.is_err() {
            // Why it failed matters more than what is left of it.
            let _ = fs::remove_file(&new);
        }
        written.map_err(fails)
    }

    /// Returns an object as it was put; `None` if it is not there.
    pub(crate) fn get(&self, hash: Hash) -> Result<Option<(Encoding, Vec<u8>)>, StoreError> {
        let file = self.file(hash);
        let fails = |error: io::Error| unusable(&file, &error.to_string());
        let opened = match File::open(&file) {
            // Somebody may have taken it aside at this moment, to find that it has to stay.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match self.aside(hash).map_err(fails)? {
                    Some(aside) => File::open(aside).or_else(|_| File::open(&file)),
                    None => Err(error),
                }
            }
            opened => opened,
        };
        let mut opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(fails)?,
        };
        let (mut encoding, mut data) = ([0], Vec::new());
        opened.read_exact(&mut encoding).map_err(fails)?;
        opened.read_to_end(&mut data).map_err(fails)?;
        let known = Encoding::from_number(encoding[0]);
        known.map(|known| Some((known, data))).ok_or_else(|| {
            unusable(&file, &format!("its encoding ({}) is not known to this program", encoding[0]))
        })
    }

    /// Removes the files of objects that have no rows, but for those that are young. `named` returns those of some
    /// objects that have one.
    pub fn sweep<E: From<StoreError>>(
        &self,
        mut named: impl FnMut(&[Hash]) -> Result<HashSet<Hash>, E>,
    ) -> Result<(), E> {
        for shard in self.shards()? {
            let old = old_files(&shard)?;
            let hashes: Vec<Hash> = old.iter().map(|(hash, _)| *hash).collect();
            let named = if hashes.is_empty() { HashSet::new() } else { named(&hashes)? };
            for (_, file) in old.into_iter().filter(|(hash, _)| !named.contains(hash)) {
                remove(&shard, &file).map_err(|error| unusable(&file, &error.to_string()))?;
            }
        }
        Ok(())
    }

    fn shards(&self) -> Result<Vec<PathBuf>, StoreError> {
        let fails = |error: io::Error| unusable(&self.path, &error.to_string());
        let entries = fs::read_dir(&self.path).map_err(fails)?;
        let shards = entries.filter_map(|entry| match entry {
            Ok(entry) if entry.file_name().len() == 2 => Some(Ok(entry.path())),
            Ok(_) => None,
            Err(error) => Some(Err(fails(error))),
        });
        shards.collect()
    }

    fn shard(&self, hash: Hash) -> PathBuf {
        self.path.join(&hex(hash)[..2])
    }

    fn file(&self, hash: Hash) -> PathBuf {
        self.shard(hash).join(hex(hash))
    }

    /// Where an object is that somebody has taken aside.
    fn aside(&self, hash: Hash) -> io::Result<Option<PathBuf>> {
        let begin = format!(".{}.", hex(hash));
        let entries = match fs::read_dir(self.shard(hash)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let name = |path: &PathBuf| path.file_name()?.to_str().map(|name| name.starts_with(&begin));
        Ok(paths.into_iter().find(|path| name(path).unwrap_or_default()))
    }
}

/// The files of a shard that are not young, with the objects that are in them.
fn old_files(shard: &Path) -> Result<Vec<(Hash, PathBuf)>, StoreError> {
    let fails = |error: io::Error| unusable(shard, &error.to_string());
    let mut old = Vec::new();
    for entry in fs::read_dir(shard).map_err(fails)? {
        let path = entry.map_err(fails)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(hash) = hash_of(name) else { continue };
        if !is_young(&path) {
            old.push((hash, path));
        }
    }
    Ok(old)
}

/// Removes a file, unless somebody has made it young in the meantime.
fn remove(shard: &Path, file: &Path) -> io::Result<()> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let hash = &name.trim_start_matches('.')[..64];
    let aside = shard.join(format!(".{hash}.{}", random().map_err(io::Error::other)?));
    match fs::rename(file, &aside) {
        // Another program has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed?,
    }
    if is_young(&aside) {
        return fs::rename(&aside, shard.join(hash));
    }
    fs::remove_file(&aside)
}

/// The object that a file has, by its name: `HASH` or `.HASH.RANDOM`.
fn hash_of(name: &str) -> Option<Hash> {
    let name = name.strip_prefix('.').unwrap_or(name);
    let hash = name.split('.').next()?;
    blake3::Hash::from_hex(hash).ok().map(|hash| *hash.as_bytes())
}

/// Whether a file was put lately, also by a clock that is ahead of this machine's. One that is not there is
/// nobody's to remove.
fn is_young(file: &Path) -> bool {
    let modified = fs::metadata(file).and_then(|found| found.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).unwrap_or_default() < FILE_GRACE)
}

fn make_young(file: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).open(file)?.set_modified(SystemTime::now())
}

fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut open = OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Inputs and outputs of a user's workflow are nobody else's business.
        open.mode(0o600);
    }
    let mut file = open.open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn random() -> Result<String, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Io(format!("the system gave no randomness: {error}")))?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

fn unusable(path: &Path, reason: &str) -> StoreError {
    StoreError::Directory { path: path.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, ObjectDirectory) {
        let directory = tempfile::tempdir().unwrap();
        let made = ObjectDirectory::make(&directory.path().join("objects")).unwrap();
        (directory, made)
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

    #[test]
    fn two_programs_that_make_it_agree() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("objects");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| ObjectDirectory::make(&path).unwrap().id)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "the marker alone");
    }

    #[test]
    fn what_is_taken_aside_can_be_read_and_is_put_back_if_it_is_young() {
        let (_parent, directory) = directory();
        let (hash, file) = object(&directory);
        let shard = directory.shard(hash);
        let aside = shard.join(format!(".{}.0123456789abcdef", hex(hash)));
        fs::rename(&file, &aside).unwrap();
        assert_eq!(bytes(&directory, hash).unwrap(), b"some bytes");
        // Whoever took it aside has died since: a sweep finds that it is to stay, or to go.
        remove(&shard, &aside).unwrap();
        assert!(file.exists() && !aside.exists());
        let long_ago = SystemTime::now() - FILE_GRACE;
        File::options().append(true).open(&file).unwrap().set_modified(long_ago).unwrap();
        remove(&shard, &file).unwrap();
        remove(&shard, &file).unwrap();
        assert_eq!(bytes(&directory, hash), None);
        assert_eq!(fs::read_dir(&shard).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_a_clock_that_is_ahead_is_young() {
        let (_parent, directory) = directory();
        let (_, file) = object(&directory);
        let ahead = SystemTime::now() + 2 * FILE_GRACE;
        File::options().append(true).open(&file).unwrap().set_modified(ahead).unwrap();
        assert!(is_young(&file));
    }
}
