//! The directory of objects: large bytes are in files, for whoever opens the store.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wtb_model::{ExecutionRecord, StoredValue, Value};

use super::sample::{execution, noise, unit};
use super::{Place, checks};
use crate::directory::FILE_GRACE;
use crate::sqlite::{SqliteOptions, SqliteStore};
use crate::{Change, OUTSIDE_BYTES_MIN, StoreError};
use crate::{Checkpoints as _, Store as _};

checks!("outside":
    large_objects_are_in_files_and_small_ones_are_not,
    a_store_has_one_directory_which_may_be_moved,
    stores_may_have_the_same_directory,
    without_the_directory_all_else_can_be_read,
    files_go_after_what_names_them,
    a_file_that_is_put_again_stays,
    damage_of_a_file_is_found,
    what_is_no_directory_is_refused,
);

fn large(number: u64) -> Value {
    Value::new("json", noise(number, 2 * OUTSIDE_BYTES_MIN))
}

fn naming(number: u64, stored: &StoredValue) -> Change {
    let record = ExecutionRecord { input: Some(stored.clone()), ..execution(number) };
    Change::CreateExecution(Box::new(record))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let stores = entries(directory).filter(|entry| entry.path().is_dir());
    let shards = stores.flat_map(|store| entries(&store.path()));
    shards.flat_map(|shard| entries(&shard.path())).map(|entry| entry.path()).collect()
}

/// What a check does with its own files has to work.
fn own<T>(done: io::Result<T>) -> Result<T, StoreError> {
    done.map_err(|error| StoreError::Io(error.to_string()))
}

fn age(file: &Path) -> Result<(), StoreError> {
    let long_ago = SystemTime::now() - FILE_GRACE - Duration::from_secs(1);
    let opened = File::options().append(true).open(file);
    own(opened.and_then(|file| file.set_modified(long_ago)))
}

fn large_objects_are_in_files_and_small_ones_are_not(place: &dyn Place) -> Result<(), StoreError> {
    let unaware = place.open()?;
    let before = unaware.put_value(large(1))?;
    let store = place.open()?;
    let directory = place.scratch().join("below/objects");
    store.keep_objects_in(&directory)?;
    let stored = [large(2), Value::new("json", noise(3, 9_000)), large(2)]
        .map(|value| store.put_value(value));
    let [first, small, again] = stored;
    let (first, small) = (first?, small?);
    assert_eq!(again?, first);
    assert_eq!(store.value(&first)?, large(2), "also before it is written");
    store.commit(unit([naming(1, &first), naming(2, &small)]))?;
    unaware.commit(unit([naming(3, &before)]))?;
    assert_eq!(files(&directory).len(), 1);
    // One that was opened before the store had a directory, and one that is opened now.
    for store in [unaware, place.open()?] {
        assert_eq!(store.value(&before)?, large(1));
        assert_eq!(store.value(&first)?, large(2));
        assert_eq!(store.value(&small)?.bytes, noise(3, 9_000));
    }
    let found = place.open()?.object_directory()?;
    assert_eq!(found, Some(directory));
    Ok(())
}

fn a_store_has_one_directory_which_may_be_moved(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    assert_eq!(store.object_directory()?, None);
    let [directory, other, moved] = ["a", "b", "c"].map(|name| place.scratch().join(name));
    store.keep_objects_in(&directory)?;
    store.keep_objects_in(&directory)?;
    let stored = store.put_value(large(1))?;
    store.commit(unit([naming(1, &stored)]))?;
    let Err(error) = store.keep_objects_in(&other) else { panic!("it has one") };
    assert!(error.to_string().contains("already"), "{error}");

    own(fs::rename(&directory, &moved))?;
    // Nobody makes it anew, who had the store open either.
    let error = store.put_value(large(2)).err();
    assert!(matches!(error, Some(StoreError::Directory { .. })), "{error:?}");
    assert!(!directory.exists());
    let again = place.open()?;
    let Err(error) = again.object_directory() else { panic!("it is not there") };
    assert!(error.to_string().contains("mount it"), "{error}");
    again.keep_objects_in(&moved)?;
    assert_eq!(again.value(&stored)?, large(1));
    for store in [store, place.open()?] {
        assert_eq!(store.value(&stored)?, large(1));
    }
    for part in own(fs::read_dir(&moved))? {
        own(fs::create_dir_all(directory.join(own(part)?.file_name())))?;
    }
    let Err(error) = again.keep_objects_in(&directory) else { panic!("one of them is a copy") };
    assert!(error.to_string().contains("which of both"), "{error}");
    Ok(())
}

fn stores_may_have_the_same_directory(place: &dyn Place) -> Result<(), StoreError> {
    let (store, other) = (
        place.open()?,
        SqliteStore::open(
            &place.scratch().join("other.db").display().to_string(),
            SqliteOptions::default(),
        )?,
    );
    let directory = place.scratch().join("objects");
    // Where other things may be, too.
    own(fs::create_dir(&directory))?;
    own(fs::write(directory.join("lost+found"), ""))?;
    store.keep_objects_in(&directory)?;
    other.keep_objects_in(&directory)?;
    let stored = store.put_value(large(1))?;
    assert_eq!(other.put_value(large(1))?, stored);
    store.commit(unit([naming(1, &stored)]))?;
    other.commit(unit([naming(1, &stored)]))?;
    assert_eq!(files(&directory).len(), 2);
    store.put_value(large(2))?;
    store.flush()?;
    files(&directory).iter().try_for_each(|file| age(file))?;
    other.collect()?;
    assert_eq!(files(&directory).len(), 3, "what another store names, or is about to");
    assert_eq!(place.open()?.value(&stored)?, large(1));
    Ok(())
}

fn without_the_directory_all_else_can_be_read(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let directory = place.scratch().join("objects");
    store.keep_objects_in(&directory)?;
    let (stored, small) = (store.put_value(large(1))?, Value::new("json", noise(2, 9_000)));
    let small_stored = store.put_value(small.clone())?;
    store.commit(unit([naming(1, &stored), naming(2, &small_stored)]))?;
    let away = directory.with_file_name("away");
    own(fs::rename(&directory, &away))?;

    let store = place.open()?;
    assert_eq!(store.value(&small_stored)?, small);
    let collected = store.collect().map(drop);
    for result in [store.value(&stored).map(drop), store.put_value(large(3)).map(drop), collected] {
        assert!(matches!(result, Err(StoreError::Directory { .. })), "{result:?}");
    }
    store.collect_if_due()?;
    assert!(store.execution(&execution(1).id).is_ok());
    own(fs::rename(&away, &directory))?;
    assert_eq!(store.value(&stored)?, large(1), "as soon as it is there again");
    Ok(())
}

fn files_go_after_what_names_them(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let directory = place.scratch().join("objects");
    store.keep_objects_in(&directory)?;
    let [kept, dropped] = [large(1), large(2)].map(|value| store.put_value(value));
    let (kept, _) = (kept?, dropped?);
    store.commit(unit([naming(1, &kept)]))?;
    if !place.age_objects() {
        return Ok(());
    }
    let collected = store.collect()?;
    assert_eq!((collected.objects, collected.bytes), (1, 2 * OUTSIDE_BYTES_MIN as u64));
    assert_eq!(files(&directory).len(), 2, "what was put lately may be named soon");
    // And what somebody left behind who was killed while he wrote.
    let shard = files(&directory)[0].parent().map(Path::to_owned).unwrap_or_default();
    let left = shard.join(format!(".{}.0123456789abcdef.new", "ab".repeat(32)));
    own(fs::write(&left, "unfinished"))?;
    files(&directory).iter().try_for_each(|file| age(file))?;
    assert_eq!(store.collect()?.objects, 0);
    assert_eq!(files(&directory).len(), 1);
    assert_eq!(place.open()?.value(&kept)?, large(1));
    Ok(())
}

fn a_file_that_is_put_again_stays(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let directory = place.scratch().join("objects");
    store.keep_objects_in(&directory)?;
    store.put_value(large(1))?;
    store.flush()?;
    files(&directory).iter().try_for_each(|file| age(file))?;
    // A store that does not remember the object finds its file, which is young from then on.
    let again = place.open()?;
    let stored = again.put_value(large(1))?;
    if !place.remove_object(hash(&stored)) {
        return Ok(());
    }
    store.collect()?;
    assert_eq!(files(&directory).len(), 1);
    Ok(())
}

fn damage_of_a_file_is_found(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let directory = place.scratch().join("objects");
    store.keep_objects_in(&directory)?;
    let stored = store.put_value(large(1))?;
    store.commit(unit([naming(1, &stored)]))?;
    let file = &files(&directory)[0];
    let mut bytes = own(fs::read(file))?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    own(fs::write(file, bytes))?;
    let error = store.value(&stored).err();
    assert!(matches!(error, Some(StoreError::Corrupt { .. })), "{error:?}");
    own(fs::remove_file(file))?;
    let error = store.value(&stored).err();
    assert!(matches!(error, Some(StoreError::Corrupt { .. })), "{error:?}");
    Ok(())
}

fn what_is_no_directory_is_refused(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let photo = place.scratch().join("cat.jpg");
    own(fs::write(&photo, ""))?;
    for path in [photo.clone(), photo.join("objects")] {
        let Err(error) = store.keep_objects_in(&path) else { panic!("it is no directory") };
        assert!(matches!(error, StoreError::Directory { .. }), "{error}");
    }
    assert_eq!(store.object_directory()?, None);
    let stored = store.put_value(large(1))?;
    assert_eq!(store.value(&stored)?, large(1));
    Ok(())
}

fn hash(stored: &StoredValue) -> [u8; 32] {
    match stored {
        StoredValue::Object { hash, .. } => *hash,
        StoredValue::Inline { .. } => panic!("a large value is an object"),
    }
}
