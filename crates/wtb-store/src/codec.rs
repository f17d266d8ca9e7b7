//! How stored values and small documents rest in a column.
//!
//! A stored value is one BLOB:
//!
//! ```text
//! tag         1 byte    0x01: the bytes follow; 0x02: an object holds them
//! kind length varint    LEB128, at most 10 bytes
//! kind        UTF-8
//! then, for 0x01:       the bytes, up to the end
//! then, for 0x02:       BLAKE3 hash, 32 bytes; length of the bytes, u64 little-endian
//! ```
//!
//! A tag is never given another meaning: a changed form gets the next number, and old ones stay
//! readable. Everything else that is not a plain column is JSON text.

use serde::Serialize;
use wtb_model::StoredValue;

use crate::StoreError;

const INLINE: u8 = 0x01;
const OBJECT: u8 = 0x02;
const HASH_BYTES: usize = 32;

/// Encodes a stored value into one BLOB.
pub fn encode_value(value: &StoredValue) -> Vec<u8> {
    match value {
        StoredValue::Inline { kind, bytes } => {
            let mut blob = begin(INLINE, kind, bytes.len());
            blob.extend_from_slice(bytes);
            blob
        }
        StoredValue::Object { kind, hash, size } => {
            let mut blob = begin(OBJECT, kind, HASH_BYTES + 8);
            blob.extend_from_slice(hash);
            blob.extend_from_slice(&size.to_le_bytes());
            blob
        }
    }
}

/// Encodes the pieces of a rope: the keys of their objects, offsets and lengths, as varints; a key
/// as its difference to the one before, zigzag, since pieces mostly follow each other.
pub fn encode_pieces(pieces: &[(i64, u64, u64)]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(pieces.len() * 6);
    let mut last = 0_i64;
    for (key, offset, length) in pieces {
        let step = key.wrapping_sub(last);
        push_varint(&mut blob, ((step << 1) ^ (step >> 63)).cast_unsigned());
        push_varint(&mut blob, *offset);
        push_varint(&mut blob, *length);
        last = *key;
    }
    blob
}

/// Decodes what [`encode_pieces`] made, or says what is wrong with it.
pub fn decode_pieces(mut blob: &[u8]) -> Result<Vec<(i64, u64, u64)>, String> {
    let mut pieces = Vec::new();
    let mut last = 0_i64;
    while !blob.is_empty() {
        let step = take_varint(&mut blob)?;
        let step = (step >> 1).cast_signed() ^ -((step & 1).cast_signed());
        last = last.wrapping_add(step);
        pieces.push((last, take_varint(&mut blob)?, take_varint(&mut blob)?));
    }
    Ok(pieces)
}

/// Encodes a node: how many objects it names, as a varint, their hashes, and what else is in it.
pub fn encode_node(links: &[[u8; HASH_BYTES]], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + size_of_val(links) + payload.len());
    push_varint(&mut bytes, links.len() as u64);
    bytes.extend_from_slice(links.as_flattened());
    bytes.extend_from_slice(payload);
    bytes
}

/// Decodes what [`encode_node`] made, or says what is wrong with it.
pub fn decode_node(mut bytes: &[u8]) -> Result<(&[[u8; HASH_BYTES]], &[u8]), String> {
    let count = usize::try_from(take_varint(&mut bytes)?).unwrap_or(usize::MAX);
    let (links, payload) = count
        .checked_mul(HASH_BYTES)
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or("the names in the node are cut off")?;
    Ok((links.as_chunks().0, payload))
}

/// A channel as a checkpoint keeps it: name, version, and where its value rests.
pub type Channel = (String, String, StoredValue);

/// Encodes what a checkpoint holds: its snapshot, and name, version and value of each channel, all with
/// their lengths.
pub fn encode_channels<'channel>(
    channels: impl IntoIterator<Item = (&'channel str, &'channel str, &'channel StoredValue)>,
    snapshot: Option<&StoredValue>,
) -> Vec<u8> {
    let mut blob = Vec::new();
    let snapshot = snapshot.map(encode_value).unwrap_or_default();
    push_varint(&mut blob, snapshot.len() as u64);
    blob.extend_from_slice(&snapshot);
    for (name, version, value) in channels {
        let value = encode_value(value);
        for part in [name.as_bytes(), version.as_bytes(), &value] {
            push_varint(&mut blob, part.len() as u64);
            blob.extend_from_slice(part);
        }
    }
    blob
}

/// Decodes what [`encode_channels`] made, or says what is wrong with it.
pub fn decode_channels(mut blob: &[u8]) -> Result<(Vec<Channel>, Option<StoredValue>), String> {
    let mut channels = Vec::new();
    let snapshot = match take_part(&mut blob)? {
        [] => None,
        snapshot => Some(decode_value(snapshot)?),
    };
    while !blob.is_empty() {
        let (name, version) = (take_text(&mut blob)?, take_text(&mut blob)?);
        channels.push((name, version, decode_value(take_part(&mut blob)?)?));
    }
    Ok((channels, snapshot))
}

fn take_text(blob: &mut &[u8]) -> Result<String, String> {
    let text = take_part(blob)?;
    std::str::from_utf8(text).map(str::to_owned).map_err(|error| error.to_string())
}

fn take_part<'blob>(blob: &mut &'blob [u8]) -> Result<&'blob [u8], String> {
    let length = usize::try_from(take_varint(blob)?).unwrap_or(usize::MAX);
    let (part, rest) = blob.split_at_checked(length).ok_or("a channel is cut off")?;
    *blob = rest;
    Ok(part)
}

fn begin(tag: u8, kind: &str, rest: usize) -> Vec<u8> {
    let mut blob = Vec::with_capacity(1 + 10 + kind.len() + rest);
    blob.push(tag);
    push_varint(&mut blob, kind.len() as u64);
    blob.extend_from_slice(kind.as_bytes());
    blob
}

/// Appends a number as LEB128.
fn push_varint(blob: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        blob.push((number & 0x7f).to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    blob.push(number.to_le_bytes()[0]);
}

/// Takes a number off the begin of the bytes.
fn take_varint(blob: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0;
    for (index, byte) in blob.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *blob = &blob[index + 1..];
            return Ok(number);
        }
    }
    Err("a number is cut off".to_owned())
}

/// Decodes what [`encode_value`] made, or says what is wrong with it.
pub fn decode_value(blob: &[u8]) -> Result<StoredValue, String> {
    let (tag, mut rest) = blob.split_first().ok_or("the value is empty")?;
    let length = usize::try_from(take_varint(&mut rest)?).unwrap_or(usize::MAX);
    let (kind, rest) = rest.split_at_checked(length).ok_or("the value's kind is cut off")?;
    let kind = std::str::from_utf8(kind).map_err(|error| error.to_string())?.to_owned();
    match *tag {
        INLINE => Ok(StoredValue::Inline { kind, bytes: rest.to_vec() }),
        OBJECT => {
            let (hash, size) = rest.split_at_checked(HASH_BYTES).ok_or("the hash is cut off")?;
            let hash = hash.try_into().map_err(|_| "the hash is cut off")?;
            let size = size.try_into().map_err(|_| "the object's size is not 8 bytes long")?;
            Ok(StoredValue::Object { kind, hash, size: u64::from_le_bytes(size) })
        }
        other => Err(format!("values of form {other} are not known to this program")),
    }
}

/// Encodes an optional stored value; `None` is NULL.
pub fn encode_optional(value: Option<&StoredValue>) -> Option<Vec<u8>> {
    value.map(encode_value)
}

/// Encodes a document as JSON text.
pub fn encode_json<T: Serialize + ?Sized>(document: &T) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|error| StoreError::Backend {
        doing: "writing a document as JSON".to_owned(),
        reason: error.to_string(),
    })
}

/// Encodes an optional document as JSON text; `None` is NULL.
pub fn encode_optional_json<T: Serialize>(
    document: Option<&T>,
) -> Result<Option<String>, StoreError> {
    document.map(encode_json).transpose()
}

/// Encodes a list as JSON text; an empty one, the usual case, without the detour.
pub fn encode_list(list: &[String]) -> Result<std::borrow::Cow<'static, str>, StoreError> {
    if list.is_empty() { Ok("[]".into()) } else { encode_json(list).map(Into::into) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = StoredValue> {
        prop_oneof![
            (".{0,200}", any::<Vec<u8>>())
                .prop_map(|(kind, bytes)| StoredValue::Inline { kind, bytes }),
            (".{0,200}", any::<[u8; 32]>(), any::<u64>())
                .prop_map(|(kind, hash, size)| StoredValue::Object { kind, hash, size }),
        ]
    }

    proptest! {
        #[test]
        fn every_value_survives(value in any_value()) {
            prop_assert_eq!(decode_value(&encode_value(&value)), Ok(value));
        }

        #[test]
        fn pieces_survive(pieces: Vec<(i64, u64, u64)>) {
            prop_assert_eq!(decode_pieces(&encode_pieces(&pieces)), Ok(pieces));
        }

        #[test]
        fn channels_survive(
            channels in prop::collection::vec((".*", ".*", any_value()), 0..5),
            snapshot in prop::option::of(any_value()),
        ) {
            let parts = channels.iter().map(|(name, version, value)| (&**name, &**version, value));
            let encoded = encode_channels(parts, snapshot.as_ref());
            prop_assert_eq!(decode_channels(&encoded), Ok((channels, snapshot)));
        }

        #[test]
        fn any_bytes_are_channels_or_an_error(bytes: Vec<u8>) {
            let _ = (decode_channels(&bytes), decode_pieces(&bytes));
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            if let Ok(value) = decode_value(&bytes) {
                prop_assert_eq!(decode_value(&encode_value(&value)), Ok(value));
            }
        }

        #[test]
        fn a_cut_off_object_is_an_error(value in any_value(), keep in 0_usize..40) {
            if matches!(value, StoredValue::Object { .. }) {
                prop_assert!(decode_value(&encode_value(&value)[..keep]).is_err());
            }
        }
    }

    #[test]
    fn the_form_on_disk_stays() {
        let value = StoredValue::Inline { kind: "json".to_owned(), bytes: b"{}".to_vec() };
        assert_eq!(encode_value(&value), b"\x01\x04json{}");
        let kind = "k".repeat(300);
        let value = StoredValue::Inline { kind: kind.clone(), bytes: Vec::new() };
        assert_eq!(encode_value(&value), [b"\x01\xac\x02", kind.as_bytes()].concat());
    }
}
