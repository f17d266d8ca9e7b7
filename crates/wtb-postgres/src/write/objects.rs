//! Objects: written with or ahead of the units that name them, and checked to be there when they do.
//!
//! First what is whole, then the ropes, whose pieces are keys of whole objects, and the nodes of whose
//! links none is lacking; each in the order of the hashes, so that two programs with the same objects do
//! not wait for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wtb_model::StoredValue;
use wtb_store::codec::encode_pieces;
use wtb_store::writer::{Job, Stored};
use wtb_store::{Change, Content, Encoding, Hash, NewObject, Piece, StoreError, links_of};

use super::wanted::Wanted;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::{Value, saturated};

/// How many bytes of objects one statement writes, but for an object that alone is larger.
const STATEMENT_BYTES_MAX: usize = 16 << 20;

/// A row of the objects, but for its key and its hash.
#[derive(Debug)]
struct Row {
    encoding: Encoding,
    size: u64,
    data: Vec<u8>,
    /// Whether it is named later, and not to be collected for a while.
    touched: bool,
}

type Rows = BTreeMap<Hash, Row>;

/// Nodes, and whether they are named later.
type Nodes<'job> = BTreeMap<Hash, (&'job NewObject, bool)>;

/// What objects lack that could not be written: a piece.
pub(super) type Lacking = HashMap<Hash, Hash>;

/// Writes the objects that come with jobs, unless they are there already. Returns those that could
/// not be written.
pub(super) fn put(
    connection: &mut Connection,
    jobs: &[Job],
    stored: &mut Stored,
) -> Result<Lacking, Failure> {
    let (mut whole, mut ropes, mut nodes) = (Rows::new(), BTreeMap::new(), Nodes::new());
    each_object(jobs, &mut |object, touched| match &object.content {
        Content::Whole(encoded) => {
            if stored.get(&object.hash).is_none() {
                let row = whole.entry(object.hash).or_insert_with(|| Row {
                    encoding: encoded.encoding,
                    size: object.size,
                    data: encoded.data.to_vec(),
                    touched,
                });
                row.touched |= touched;
            }
        }
        Content::Rope { pieces, .. } => {
            if stored.get(&object.hash).is_none() {
                let rope = ropes.entry(object.hash).or_insert((object.size, pieces, touched));
                rope.2 |= touched;
            }
        }
        Content::Node(_) => {
            if stored.get(&object.hash).is_none() {
                nodes.entry(object.hash).or_insert((object, touched)).1 |= touched;
            }
        }
    });
    // The same bytes may come whole and as a rope.
    ropes.retain(|hash, _| !whole.contains_key(hash));
    insert(connection, whole, stored)?;
    let pieces = ropes.values().flat_map(|(_, pieces, _)| pieces.iter().map(|one| one.object));
    look_up(connection, pieces, stored)?;
    let (mut rows, mut lacking) = (Rows::new(), Lacking::new());
    for (hash, (size, pieces, touched)) in ropes {
        match keyed(pieces, stored) {
            Ok(data) => {
                drop(rows.insert(hash, Row { encoding: Encoding::Rope, size, data, touched }));
            }
            Err(missing) => drop(lacking.insert(hash, missing)),
        }
    }
    insert(connection, rows, stored)?;
    put_nodes(connection, nodes, stored, &mut lacking)?;
    Ok(lacking)
}

/// Writes the nodes of which all that they name is there, or comes with them.
fn put_nodes(
    connection: &mut Connection,
    mut nodes: Nodes<'_>,
    stored: &mut Stored,
    lacking: &mut Lacking,
) -> Result<(), Failure> {
    let mut links = BTreeSet::new();
    for (node, _) in nodes.values() {
        links.extend(links_of(node).map_err(Failure::Data)?);
    }
    look_up(connection, links.iter().copied().filter(|link| !nodes.contains_key(link)), stored)?;
    // A node that is left out may be named by another.
    loop {
        let mut absent = |link: &Hash| !nodes.contains_key(link) && stored.get(link).is_none();
        let cut = nodes.iter().find_map(|(hash, (node, _))| {
            let missing = links_of(node).ok()?.iter().find(|link| absent(link))?;
            Some((*hash, *missing))
        });
        let Some((hash, missing)) = cut else { break };
        nodes.remove(&hash);
        lacking.insert(hash, missing);
    }
    let rows = nodes.into_iter().filter_map(|(hash, (node, touched))| match &node.content {
        Content::Node(bytes) => {
            let (encoding, data) = (Encoding::Node, bytes.to_vec());
            Some((hash, Row { encoding, size: node.size, data, touched }))
        }
        Content::Whole(_) | Content::Rope { .. } => None,
    });
    insert(connection, rows.collect(), stored)
}

/// Writes objects that a unit has made of values which stay.
pub(super) fn put_whole<'objects>(
    connection: &mut Connection,
    objects: impl Iterator<Item = &'objects NewObject>,
    stored: &mut Stored,
) -> Result<(), Failure> {
    let rows = objects.filter(|object| stored.get(&object.hash).is_none());
    let rows = rows.filter_map(|object| match &object.content {
        Content::Whole(encoded) => {
            let (encoding, size) = (encoded.encoding, object.size);
            let data = encoded.data.to_vec();
            Some((object.hash, Row { encoding, size, data, touched: false }))
        }
        Content::Rope { .. } | Content::Node(_) => None,
    });
    let rows = rows.collect();
    insert(connection, rows, stored)
}

/// Shows the objects that come with jobs, each segment before its rope, and whether they come ahead
/// of what names them.
pub(super) fn each_object<'job>(jobs: &'job [Job], show: &mut dyn FnMut(&'job NewObject, bool)) {
    fn with_segment<'job>(
        object: &'job NewObject,
        touched: bool,
        show: &mut dyn FnMut(&'job NewObject, bool),
    ) {
        if let Content::Rope { segment: Some(segment), .. } = &object.content {
            show(segment, touched);
        }
        show(object, touched);
    }
    for job in jobs {
        match job {
            Job::Object(object) => with_segment(object, true, show),
            Job::Unit(unit, _) => {
                for change in &unit.changes {
                    objects_of(change, &mut |object| with_segment(object, false, show));
                }
            }
            Job::Flush(_) => {}
        }
    }
}

fn objects_of<'job>(change: &'job Change, show: &mut dyn FnMut(&'job NewObject)) {
    match change {
        Change::PutCheckpoint { checkpoint, .. } => checkpoint.objects().for_each(show),
        Change::PutWrites { writes, .. } => writes.objects().for_each(show),
        _ => {}
    }
}

/// Encodes pieces by the keys of their objects; the error is an object that is not there.
pub(super) fn keyed(pieces: &[Piece], stored: &mut Stored) -> Result<Vec<u8>, Hash> {
    let keyed = pieces.iter().map(|piece| {
        let key = stored.get(&piece.object).ok_or(piece.object)?;
        Ok((key, piece.offset as u64, piece.length as u64))
    });
    Ok(encode_pieces(&keyed.collect::<Result<Vec<_>, Hash>>()?))
}

/// Inserts rows, and notes the keys of all of them, also of those that were there.
fn insert(connection: &mut Connection, rows: Rows, stored: &mut Stored) -> Result<(), Failure> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut hashes, mut part, mut bytes) = (Vec::new(), Columns::default(), 0);
        while let Some((hash, row)) =
            rows.next_if(|(_, row)| bytes == 0 || bytes + row.data.len() <= STATEMENT_BYTES_MAX)
        {
            bytes += row.data.len().max(1);
            hashes.push(hash);
            part.push(hash, row);
        }
        let inserted = connection.query(
            "INSERT INTO @.objects (hash, encoding, size, touched_at, data) \
             SELECT u.hash, u.encoding, u.size, CASE WHEN u.touched \
             THEN extract(epoch FROM clock_timestamp())::bigint ELSE 0 END, u.data \
             FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bytea[]) \
             AS u (hash, encoding, size, touched, data) ORDER BY u.hash \
             ON CONFLICT (hash) DO UPDATE SET touched_at = excluded.touched_at \
             WHERE excluded.touched_at > objects.touched_at RETURNING hash, key",
            &part.parameters(),
            "writing objects",
        )?;
        note(&inserted, stored)?;
        look_up(connection, hashes.into_iter(), stored)?;
    }
    Ok(())
}

/// Rows as columns.
#[derive(Debug, Default)]
struct Columns {
    hashes: Vec<Option<Vec<u8>>>,
    encodings: Vec<Option<i64>>,
    sizes: Vec<Option<i64>>,
    touched: Vec<bool>,
    data: Vec<Option<Vec<u8>>>,
}

impl Columns {
    fn push(&mut self, hash: Hash, row: Row) {
        self.hashes.push(Some(hash.to_vec()));
        self.encodings.push(Some(i64::from(row.encoding as u8)));
        self.sizes.push(Some(saturated(row.size)));
        self.touched.push(row.touched);
        self.data.push(Some(row.data));
    }

    fn parameters(self) -> [Value; 5] {
        let Self { hashes, encodings, sizes, touched, data } = self;
        [
            Value::Blobs(hashes),
            Value::Ints(encodings),
            Value::Ints(sizes),
            Value::Bools(touched),
            Value::Blobs(data),
        ]
    }
}

/// Looks up the keys of objects that are not known.
fn look_up(
    connection: &mut Connection,
    hashes: impl Iterator<Item = Hash>,
    stored: &mut Stored,
) -> Result<(), Failure> {
    let unknown: BTreeSet<Hash> = hashes.filter(|hash| stored.get(hash).is_none()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = Value::Blobs(unknown.iter().map(|hash| Some(hash.to_vec())).collect());
    let sql = "SELECT hash, key FROM @.objects WHERE hash = ANY($1)";
    let rows = connection.query(sql, &[unknown], "looking objects up")?;
    note(&rows, stored)
}

fn note(rows: &[postgres::Row], stored: &mut Stored) -> Result<(), Failure> {
    for row in rows {
        let hash: &[u8] = get(row, 0)?;
        if let Ok(hash) = hash.try_into() {
            stored.insert(hash, get(row, 1)?);
        }
    }
    Ok(())
}

/// Which of the objects that a group names are not there.
pub(super) struct Absent<'group> {
    stored: &'group mut Stored,
    /// Each with what is missing: itself, or a piece of it.
    named: BTreeMap<Hash, Hash>,
    missed: Vec<Hash>,
}

impl<'group> Absent<'group> {
    /// Looks up those that are named and not known.
    pub(super) fn load(
        connection: &mut Connection,
        wanted: &Wanted<'_>,
        lacking: &Lacking,
        stored: &'group mut Stored,
    ) -> Result<Self, Failure> {
        look_up(connection, wanted.objects.iter().copied(), stored)?;
        let absent = wanted.objects.iter().filter(|hash| stored.get(hash).is_none());
        let named = absent.map(|hash| (*hash, lacking.get(hash).copied().unwrap_or(*hash)));
        Ok(Self { named: named.collect(), stored, missed: Vec::new() })
    }

    /// Refuses values whose objects are not there: they were never put, or were lost when the
    /// transaction that held them failed.
    pub(super) fn check<'value>(
        &mut self,
        values: impl IntoIterator<Item = Option<&'value StoredValue>>,
    ) -> Result<(), StoreError> {
        for value in values.into_iter().flatten() {
            if let StoredValue::Object { hash, .. } = value
                && let Some(missing) = self.named.get(hash)
            {
                self.missed.push(*missing);
                return Err(self.stored.absence_of(missing));
            }
        }
        Ok(())
    }

    /// What is known of objects.
    pub(super) fn stored(&mut self) -> &mut Stored {
        self.stored
    }

    /// The objects that refused units named.
    pub(super) fn into_missed(self) -> Vec<Hash> {
        self.missed
    }
}
