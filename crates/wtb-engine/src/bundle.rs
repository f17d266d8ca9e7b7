//! A batch's scores as one file, so that a gate finds its baseline where no store is.
//!
//! A line of text, `wtb-bundle 1 HASH`, and a zstd frame of JSON whose BLAKE3 hash is that of the line. It
//! holds what comparisons are made of, and no inputs, outputs or files. The same batch gives the same
//! bytes. Version 1 is the first; a reader refuses newer ones.

use serde::{Deserialize, Serialize};
use wtb_evaluation::comparison::Table;
use wtb_model::ErrorPolicy;

/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;
const NAME: &str = "wtb-bundle";
/// Compression that is still fast.
const LEVEL: i32 = 9;
/// More than this is not unpacked.
const UNPACKED_BYTES_MAX: usize = 2_000_000_000;

/// What is wrong with a file that ought to be a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It does not begin like one.
    #[error("it is no bundle: `wtb export --bundle` writes one")]
    Foreign,
    /// It is of a newer program.
    #[error(
        "it is a bundle of version {version}, and this program reads up to {VERSION}: upgrade it"
    )]
    Newer {
        /// Its version.
        version: u32,
    },
    /// It was cut off or changed.
    #[error("it is damaged: its content is not what was written")]
    Damaged,
}

/// A batch without its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The batch's id.
    pub batch: String,
    /// Its name.
    pub name: Option<String>,
    /// Its workflow.
    pub workflow: String,
    /// How errors count in it.
    pub error: ErrorPolicy,
    /// How often it may be looked at in order to decide whether to go on.
    pub looks: u32,
    /// Its variants, cases, metrics and executions.
    pub table: Table,
}

impl Bundle {
    /// Returns the file's bytes.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let packed = zstd::bulk::compress(&serde_json::to_vec(self)?, LEVEL)?;
        let mut bytes = format!("{NAME} {VERSION} {}\n", blake3::hash(&packed)).into_bytes();
        bytes.extend(packed);
        Ok(bytes)
    }

    /// Reads a file's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let end =
            bytes.iter().take(200).position(|byte| *byte == b'\n').ok_or(BundleError::Foreign)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| BundleError::Foreign)?;
        let [name, version, hash] = head.split(' ').collect::<Vec<_>>()[..] else {
            return Err(BundleError::Foreign);
        };
        let version = version.parse().map_err(|_| BundleError::Foreign)?;
        if name != NAME {
            return Err(BundleError::Foreign);
        }
        if version > VERSION {
            return Err(BundleError::Newer { version });
        }
        let packed = &bytes[end + 1..];
        if blake3::hash(packed).to_string() != hash {
            return Err(BundleError::Damaged);
        }
        let unpacked = zstd::bulk::decompress(packed, unpacked_size(packed)?)
            .map_err(|_| BundleError::Damaged)?;
        let bundle: Self = serde_json::from_slice(&unpacked).map_err(|_| BundleError::Damaged)?;
        if bundle.table.is_consistent() { Ok(bundle) } else { Err(BundleError::Damaged) }
    }
}

fn unpacked_size(packed: &[u8]) -> Result<usize, BundleError> {
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let size = size.and_then(|size| usize::try_from(size).ok());
    size.filter(|size| *size <= UNPACKED_BYTES_MAX).ok_or(BundleError::Damaged)
}
