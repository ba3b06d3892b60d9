//! What can be checked of one document alone, beyond its schema. Reads the document as written and passes over what is
//! not of the expected shape (the schema says that), so that one wrong field hides no other.

use crate::{Invalid, Kind, catalog, kinds};
use serde_json::Value;

/// The broken rules of a manifest of this kind: metadata in the catalog's formats, references that can be read, and
/// the kind's own rules.
pub fn manifest(kind: Kind, document: &Value) -> Vec<Invalid> {
    let mut out = Vec::new();
    catalog::check(kind, document, &mut out);
    kind.check(&document["spec"], &mut out);
    out
}

/// The broken rules of a Score document whose `files` and `volumes` are maps.
pub fn score(document: &Value) -> Vec<Invalid> {
    kinds::workload::check(document)
}
