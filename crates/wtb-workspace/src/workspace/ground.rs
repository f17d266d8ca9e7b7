//! Inputs, and the way that was found to make workspaces of them.

use std::path::{Path, PathBuf};

use super::rung::Rung;

/// Inputs of which workspaces are made, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    pub(super) inputs: PathBuf,
    pub(super) rung: Rung,
    pub(super) refused: Vec<(Rung, String)>,
}

impl Ground {
    /// Returns the directory of the inputs. It must not change while workspaces of it are in use.
    pub fn inputs(&self) -> &Path {
        &self.inputs
    }

    /// Returns how workspaces are made.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Returns the better ways that do not work here, and why.
    pub fn refused(&self) -> &[(Rung, String)] {
        &self.refused
    }
}
