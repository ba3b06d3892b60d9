//! Would an entity be taken in? Judged by the same rules as everything that is applied.

use crate::{App, AppError, OpCtx};
use serde::Serialize;
use serde_json::{Value, json};
use tow_formats::Document;
use tow_model::Manifest;
use tow_names::is_absolute_url;

/// Why not, in Backstage's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityError {
    /// Of which kind, as programs know it.
    pub name: &'static str,
    /// For people.
    pub message: String,
}

fn error(name: &'static str, message: impl Into<String>) -> EntityError {
    EntityError { name, message: message.into() }
}

impl App {
    /// What is wrong with an entity that would come from a location: `url:https://…`. Nothing is kept, nothing is read.
    pub fn validate_entity(&self, _: &OpCtx, entity: &Value, location: &str) -> Vec<EntityError> {
        match location.split_once(':').map(|(kind, target)| (kind.trim(), target.trim())) {
            Some(("url", target)) if is_absolute_url(target) => {}
            _ => {
                let why = format!(
                    "Invalid location ref {location}, only 'url:<target>' is supported, e.g. url:https://host/path"
                );
                return vec![error("TypeError", why)];
            }
        }
        manifest(entity).err().unwrap_or_default()
    }

    /// A first guess at an entity for a repository that has none.
    pub fn analyze_location(&self, _: &OpCtx, target: &str) -> Result<Value, AppError> {
        let not_a_url = || AppError::new("query/syntax", "The given location.target is not a URL");
        let rest = target.split_once("://").filter(|_| is_absolute_url(target));
        let (host, path) = rest.and_then(|(_, rest)| rest.split_once('/')).ok_or_else(not_a_url)?;
        let host = host.rsplit('@').next().unwrap_or(host);
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let owner = parts.next().ok_or_else(not_a_url)?;
        let name = parts.next().unwrap_or(owner).trim_end_matches(".git");
        let slug = format!("{owner}/{name}");
        Ok(json!({
            "existingEntityFiles": [],
            "generateEntities": [{
                "entity": {
                    "apiVersion": "backstage.io/v1alpha1",
                    "kind": "Component",
                    "metadata": { "name": name, "annotations": { format!("{host}/project-slug"): slug } },
                    "spec": { "type": "other", "lifecycle": "unknown" },
                },
                "fields": [],
            }],
        }))
    }
}

/// The entity as a manifest of one of the catalog's kinds, or everything that is wrong with it.
pub(super) fn manifest(entity: &Value) -> Result<Manifest, Vec<EntityError>> {
    let said = |member: &str| entity.get(member).and_then(Value::as_str).unwrap_or_default();
    let documents = tow_formats::read("entity", &entity.to_string()).map_err(|violations| {
        let each = violations.into_iter().map(|violation| {
            let at = violation.pointer.trim_start_matches('/').replace('/', ".");
            let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
            let (message, expected) = (violation.message, violation.expected);
            let expected =
                if expected.is_empty() { expected } else { format!("; expected {expected}") };
            error("InputError", format!("{at}{message}{expected}"))
        });
        each.collect::<Vec<_>>()
    })?;
    let mut documents = documents.into_iter();
    match (documents.next(), documents.next()) {
        (Some(Document::Manifest(manifest)), None) if manifest.kind.is_catalog() => Ok(manifest),
        _ => {
            let why = format!(
                "No processor recognized the entity {}, possibly caused by a foreign kind or apiVersion",
                said("kind")
            );
            Err(vec![error("InputError", why)])
        }
    }
}
