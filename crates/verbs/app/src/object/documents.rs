//! Documents as they came in: read by `formats`, each object once, with the place to point at where a rule across objects
//! is broken.

use crate::AppError;
use std::collections::BTreeMap;
use tow_api::object::apply;
use tow_formats::{Document, Positions};
use tow_model::{Invalid, Manifest};
use tow_names::EntityRef;
use tow_record::Violation;

/// A document that was read, with the text it came from.
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    pub(crate) documents: Vec<Document>,
}

impl<'a> Source<'a> {
    /// Texts beside what was read of each.
    pub(crate) fn pair(texts: &'a [apply::Document], read: Vec<Vec<Document>>) -> Vec<Self> {
        let source = |(text, documents): (&'a apply::Document, _)| Self {
            name: &text.name,
            text: &text.text,
            documents,
        };
        texts.iter().zip(read).map(source).collect()
    }
}

/// Reads all documents; every broken rule of all of them is in the error.
pub(crate) fn read_all(documents: &[apply::Document]) -> Result<Vec<Vec<Document>>, AppError> {
    let mut read = Vec::new();
    let mut violations = Vec::new();
    for document in documents {
        let files = document.attachments.iter().map(|(p, t)| (p.clone(), Ok(t.clone()))).collect();
        match tow_formats::read_with(&document.name, &document.text, &files) {
            Ok(documents) => read.push(documents),
            Err(found) => violations.extend(found),
        }
    }
    if violations.is_empty() {
        Ok(read)
    } else {
        Err(AppError::invalid("input/invalid", violations))
    }
}

/// A declared object, the text it is in, and which document of it.
pub(super) struct Item<'a> {
    pub(super) manifest: &'a Manifest,
    source: &'a Source<'a>,
    at: usize,
}

/// Declared objects by their references.
pub(super) type Read<'a> = BTreeMap<EntityRef, Item<'a>>;

impl Item<'_> {
    /// A broken rule at its line. The text is read again for it: only what is wrong pays for places.
    pub(super) fn violation(
        &self,
        pointer: &str,
        code: &'static str,
        message: String,
        expected: &str,
        hint: String,
    ) -> Violation {
        let mut positions = tow_formats::positions(self.source.text);
        let places = if self.at < positions.len() {
            positions.swap_remove(self.at)
        } else {
            Positions::new()
        };
        let invalid = Invalid::new(pointer, code, message, expected).hint(hint);
        tow_formats::violation(self.source.name, Some(self.source.text), &places, &invalid)
    }
}

/// The declared objects among the documents; a Score file or the same object twice is refused.
pub(super) fn declared<'a>(sources: &'a [Source<'a>]) -> Result<Read<'a>, AppError> {
    let mut found: Read<'a> = BTreeMap::new();
    let mut violations = Vec::new();
    for source in sources {
        for (at, document) in source.documents.iter().enumerate() {
            match document {
                Document::Manifest(manifest) => {
                    let entity = manifest.entity();
                    let item = Item { manifest, source, at };
                    if let Some(other) = found.get(&entity) {
                        violations.push(item.violation(
                            "/metadata/name",
                            "apply/twice",
                            format!("{entity} is declared in {} too", other.source.name),
                            "each object once",
                            "take one of the two out".into(),
                        ));
                    }
                    found.insert(entity, item);
                }
                Document::Score(file) => {
                    let invalid = Invalid::new(
                        "/apiVersion",
                        "apply/score",
                        format!("{} is a Score file: it is deployed, not applied", file.file),
                        "declared objects",
                    )
                    .hint("tow deploy DIR");
                    violations.push(tow_formats::violation(
                        source.name,
                        Some(source.text),
                        &file.positions,
                        &invalid,
                    ));
                }
            }
        }
    }
    if violations.is_empty() {
        Ok(found)
    } else {
        Err(AppError::invalid("input/invalid", violations))
    }
}
