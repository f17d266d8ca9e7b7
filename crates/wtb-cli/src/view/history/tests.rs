//! Histories as trees.
