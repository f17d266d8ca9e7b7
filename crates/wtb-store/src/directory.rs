//! A directory of objects: the bytes of large objects as files, for machines that share a file system.
//!
//! ```text
//! DIRECTORY/ID/ab/HASH              an object: how it is encoded (one byte), and its bytes
//! DIRECTORY/ID/ab/.HASH.RANDOM.new  one that is being written
//! DIRECTORY/ID/ab/.HASH.RANDOM.old  one that is being removed
//! ```
//!
//! `ID` is the store's: others may use the same directory. A file is there before the row that names it, and goes
//! after it. Several programs put and remove without a lock: who finds a file that it wants to put makes it young,
//! and then looks whether it is still that one; who removes one takes it aside first and puts it back if it is
//! young. What is young is not removed.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::StoreError;
use crate::object::{Encoded, Encoding, Hash, hex};

/// How long after it was put a file stays that no row names. Longer than anybody takes from putting it to naming it,
/// and than the clocks of machines differ.
pub(crate) const FILE_GRACE: Duration = Duration::from_hours(1);
/// The ends of the names of files that are being written, and removed.
const NEW: &str = ".new";
const OLD: &str = ".old";
/// What to do where it is not on this machine.
const REMEDY: &str = "the store's large objects are there: mount it on this machine, or say where it is by object_store";

/// Where a store's large objects are, as its database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The directory's path, absolute.
    pub path: String,
    /// The store's own part of it.
    pub id: String,
}

/// The part of a directory that is a store's own.
#[derive(Debug, Clone)]
pub struct ObjectDirectory {
    root: PathBuf,
}

impl ObjectDirectory {
    /// Makes a part for a new store, for its owner alone, and the directory where there is none. Returns where it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`] if that cannot be.
    pub fn make(path: &Path) -> Result<Location, StoreError> {
        let fails = |error: io::Error| unusable(path, &error.to_string());
        let path = std::path::absolute(path).map_err(fails)?;
        let text = path.to_str().ok_or_else(|| unusable(&path, "its path is not in UTF-8"))?;
        fs::create_dir_all(&path).map_err(fails)?;
        let id = random()?;
        let mut private = DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            // Inputs and outputs of a user's workflow are nobody else's business, unless he says so.
            private.mode(0o700);
        }
        private.create(path.join(&id)).map_err(fails)?;
        sync(&path).map_err(fails)?;
        Ok(Location { path: text.to_owned(), id })
    }

    /// Opens what a store has.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`] if it is not there.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        let root = Path::new(&location.path).join(&location.id);
        match fs::metadata(&root) {
            Ok(_) => Ok(Self { root }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(unusable(&root, &format!("it is not there; {REMEDY}")))
            }
            Err(error) => Err(unusable(&root, &error.to_string())),
        }
    }

    /// Whether it is another one by another name.
    pub fn is(&self, other: &Self) -> bool {
        let place = |one: &Self| one.root.canonicalize().ok();
        place(self).is_some() && place(self) == place(other)
    }

    /// Writes an object, unless it is there. Returns when it is durable.
    pub(crate) fn put(&self, hash: Hash, encoded: &Encoded) -> Result<(), StoreError> {
        let file = self.file(hash);
        let bytes = || [&[encoded.encoding as u8], encoded.data.as_ref()].concat();
        let done = self
            .is_there(hash)
            .and_then(|is_there| if is_there { Ok(()) } else { self.write(hash, &bytes()) });
        done.map_err(|error| match error.kind() {
            ErrorKind::NotFound => unusable(&self.root, &format!("it is gone; {REMEDY}")),
            _ => unusable(&file, &error.to_string()),
        })
    }

    /// Whether an object is there, and young and durable from now on.
    fn is_there(&self, hash: Hash) -> io::Result<bool> {
        let file = self.file(hash);
        let opened = OpenOptions::new().append(true).open(&file);
        let found = opened.and_then(|opened| make_young(&opened, &file));
        match found {
            Ok(true) => sync(&self.shard(hash)).map(|()| true),
            Ok(false) => Ok(false),
            // Another user's can be replaced, where it cannot be changed.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn write(&self, hash: Hash, bytes: &[u8]) -> io::Result<()> {
        let shard = self.shard(hash);
        match fs::create_dir(&shard) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.and_then(|()| sync(&self.root))?,
        }
        let new =
            shard.join(format!(".{}.{}{NEW}", hex(hash), random().map_err(io::Error::other)?));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&new)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&new, self.file(hash)))
            .and_then(|()| sync(&shard));
        if written.is_err() {
            // Why it failed matters more than what is left of it.
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// Returns an object as it was put; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`], also if all that the store has is not there any more.
    pub(crate) fn get(&self, hash: Hash) -> Result<Option<(Encoding, Vec<u8>)>, StoreError> {
        let file = self.file(hash);
        let fails = |error: io::Error| unusable(&file, &error.to_string());
        let Some(mut opened) = self.find(hash).map_err(fails)? else {
            if self.root.is_dir() {
                return Ok(None);
            }
            return Err(unusable(&self.root, &format!("it is gone; {REMEDY}")));
        };
        let (mut encoding, mut data) = ([0], Vec::new());
        opened.read_exact(&mut encoding).map_err(fails)?;
        opened.read_to_end(&mut data).map_err(fails)?;
        let known = Encoding::from_number(encoding[0]);
        known.map(|known| Some((known, data))).ok_or_else(|| {
            unusable(&file, &format!("its encoding ({}) is not known to this program", encoding[0]))
        })
    }

    fn find(&self, hash: Hash) -> io::Result<Option<File>> {
        let open = |path: &Path| match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        };
        if let Some(found) = open(&self.file(hash))? {
            return Ok(Some(found));
        }
        // Somebody may have taken it aside at this moment, to find that it has to stay.
        let begin = format!(".{}.", hex(hash));
        for entry in fs::read_dir(self.shard(hash)).into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name();
            let is_aside =
                name.to_str().is_some_and(|name| name.starts_with(&begin) && name.ends_with(OLD));
            if is_aside && let Some(found) = open(&entry.path())? {
                return Ok(Some(found));
            }
        }
        open(&self.file(hash))
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
            for (hash, file) in old {
                let removed = match (named.contains(&hash), is_left(&file)) {
                    (true, None) => Ok(()),
                    (true, Some(OLD)) => put_back(&file, &self.file(hash)),
                    (true, Some(_)) => gone(fs::remove_file(&file)),
                    (false, _) => remove(&shard, hash, &file),
                };
                removed.map_err(|error| unusable(&file, &error.to_string()))?;
            }
        }
        Ok(())
    }

    fn shards(&self) -> Result<Vec<PathBuf>, StoreError> {
        let fails = |error: io::Error| unusable(&self.root, &error.to_string());
        let mut shards = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(fails)? {
            let entry = entry.map_err(fails)?;
            if entry.file_name().len() == 2 && entry.path().is_dir() {
                shards.push(entry.path());
            }
        }
        Ok(shards)
    }

    fn shard(&self, hash: Hash) -> PathBuf {
        self.root.join(&hex(hash)[..2])
    }

    fn file(&self, hash: Hash) -> PathBuf {
        self.shard(hash).join(hex(hash))
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

/// What somebody has left who was killed while he wrote or removed it: how its name ends.
fn is_left(file: &Path) -> Option<&'static str> {
    let name = file.file_name()?.to_str()?;
    [NEW, OLD].into_iter().find(|end| name.ends_with(end))
}

/// Removes a file, unless somebody has made it young in the meantime. Others may do the same.
fn remove(shard: &Path, hash: Hash, file: &Path) -> io::Result<()> {
    let random = random().map_err(io::Error::other)?;
    let aside = shard.join(format!(".{}.{random}{OLD}", hex(hash)));
    match fs::rename(file, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        renamed => renamed?,
    }
    if is_young(&aside) && is_left(file) != Some(NEW) {
        return put_back(&aside, &shard.join(hex(hash)));
    }
    gone(fs::remove_file(&aside))
}

/// Puts a file back that was taken aside; the same bytes may be there again.
fn put_back(aside: &Path, file: &Path) -> io::Result<()> {
    gone(fs::rename(aside, file))
}

/// What is gone already is as it was to be.
fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The object that a file has, by its name: `HASH` or `.HASH.RANDOM.new`.
fn hash_of(name: &str) -> Option<Hash> {
    let name = name.strip_prefix('.').unwrap_or(name);
    let hash = name.split('.').next()?;
    blake3::Hash::from_hex(hash).ok().map(|hash| *hash.as_bytes())
}

/// Whether a file was put lately, also by a clock that is ahead of this machine's. What cannot be told is young.
fn is_young(file: &Path) -> bool {
    // Of an opened one a server elsewhere is asked, and not what this machine remembers of it.
    let modified = File::open(file).and_then(|opened| opened.metadata()?.modified());
    let since = |at| SystemTime::now().duration_since(at).unwrap_or_default();
    modified.map_or(true, |at| since(at) < FILE_GRACE)
}

/// Makes an open file young. Returns whether it still has its name: somebody may have taken it aside before that.
fn make_young(opened: &File, name: &Path) -> io::Result<bool> {
    opened.set_modified(SystemTime::now())?;
    Ok(is_same(&opened.metadata()?, &fs::metadata(name)?))
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// It cannot be told, so it is written anew.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// Makes the names in a directory durable.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
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
#[path = "directory/tests.rs"]
mod tests;
