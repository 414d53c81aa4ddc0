//! What the fuzz targets share: files made field by field, and what must hold of any of them.

pub mod file_bytes;
pub mod invariants;
pub mod vocabularies;
