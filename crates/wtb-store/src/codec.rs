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

fn begin(tag: u8, kind: &str, rest: usize) -> Vec<u8> {
    let mut blob = Vec::with_capacity(1 + 10 + kind.len() + rest);
    blob.push(tag);
    let mut length = kind.len();
    while length >= 0x80 {
        blob.push(low_bits(length) | 0x80);
        length >>= 7;
    }
    blob.push(low_bits(length));
    blob.extend_from_slice(kind.as_bytes());
    blob
}

fn low_bits(number: usize) -> u8 {
    (number & 0x7f).to_le_bytes()[0]
}

/// Decodes what [`encode_value`] made, or says what is wrong with it.
pub fn decode_value(blob: &[u8]) -> Result<StoredValue, String> {
    let (tag, rest) = blob.split_first().ok_or("the value is empty")?;
    let (length, rest) = decode_length(rest)?;
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

fn decode_length(bytes: &[u8]) -> Result<(usize, &[u8]), &'static str> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((length, &bytes[index + 1..]));
        }
    }
    Err("the length of the value's kind is cut off")
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
