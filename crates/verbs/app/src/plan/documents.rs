//! What a folder's documents say: which component, its Score files, its delivery, its catalog entry.

use crate::{
    AppError, OpCtx,
    handle::component_ref,
    object::{Source, read_all},
};
use std::collections::BTreeMap;
use tow_api::object::apply;
use tow_formats::Document;
use tow_model::{
    Invalid, Kind, Manifest, Metadata, Spec,
    kinds::{component::ComponentSpec, delivery::DeliverySpec},
};
use tow_names::{Digest, EntityRef};
use tow_record::ReleaseWorkload;

/// A folder, read.
pub(super) struct Folder {
    pub(super) component: EntityRef,
    pub(super) workloads: BTreeMap<String, ReleaseWorkload>,
    pub(super) delivery: Option<DeliverySpec>,
    /// The catalog entry in the folder, if there is one.
    pub(super) entry: Option<Manifest>,
    /// Texts by file name, for the lines of later refusals.
    pub(super) texts: BTreeMap<String, String>,
}

/// Reads a folder's documents. `named`: the component, where the user said it.
pub(super) fn folder(
    documents: &[apply::Document],
    named: Option<&str>,
) -> Result<Folder, AppError> {
    let sources = Source::pair(documents, read_all(documents)?);
    let mut workloads: BTreeMap<String, ReleaseWorkload> = BTreeMap::new();
    let mut deliveries: Vec<Manifest> = Vec::new();
    let mut entries: Vec<Manifest> = Vec::new();
    let mut violations = Vec::new();
    for source in &sources {
        for document in &source.documents {
            match document {
                Document::Score(file) => {
                    let name = file.workload.metadata.name.clone();
                    if let Some(other) = workloads.get(&name) {
                        violations.push(twice(source, &file.positions, &name, &other.file));
                    }
                    let mut workload = ReleaseWorkload {
                        file: file.file.clone(),
                        score: file.workload.clone(),
                        positions: file.positions.clone(),
                        digest: file.digest.clone(),
                    };
                    let sent = documents.iter().find(|sent| sent.name == source.name);
                    violations.extend(put_in(&mut workload, source, sent));
                    workloads.insert(name, workload);
                }
                Document::Manifest(manifest) => match manifest.kind {
                    Kind::Delivery => deliveries.push(manifest.clone()),
                    Kind::Component => entries.push(manifest.clone()),
                    _ => {}
                },
            }
        }
    }
    if !violations.is_empty() {
        return Err(AppError::invalid("input/invalid", violations));
    }
    let component = which(named, &deliveries, &entries, &workloads)?;
    let delivery = deliveries
        .into_iter()
        .filter_map(|m| match m.spec {
            Spec::Delivery(spec) => Some(spec),
            _ => None,
        })
        .next();
    let entry = entries.into_iter().find(|m| m.entity() == component);
    let texts = documents.iter().map(|d| (d.name.clone(), d.text.clone())).collect();
    Ok(Folder { component, workloads, delivery, entry, texts })
}

/// Puts the files that a Score file takes from beside it into it, so that the release holds everything. What was not
/// sent along is refused at its line.
fn put_in(
    workload: &mut ReleaseWorkload,
    source: &Source<'_>,
    sent: Option<&apply::Document>,
) -> Vec<tow_record::Violation> {
    let mut violations = Vec::new();
    let mut carried = vec![workload.digest.to_string()];
    for (container, spec) in &mut workload.score.containers {
        for (target, file) in &mut spec.files {
            let Some(path) = file.source.take() else { continue };
            let text = sent.and_then(|sent| sent.attachments.get(&path));
            let binary = sent.and_then(|sent| sent.binaries.get(&path));
            carried.extend([path.clone(), text.or(binary).cloned().unwrap_or_default()]);
            match (text, binary) {
                (Some(text), _) => file.content = Some(text.clone()),
                (None, Some(binary)) => file.binary_content = Some(binary.clone()),
                (None, None) => {
                    let at = tow_model::pointer(
                        &tow_model::pointer(&format!("/containers/{container}/files"), target),
                        "source",
                    );
                    let invalid = Invalid::new(
                        at,
                        "plan/file-source",
                        format!("{path} is not there, or may not be read"),
                        "a file of at most 1 MiB beside the Score file, in its folder or repository",
                    );
                    violations.push(tow_formats::violation(
                        source.name,
                        Some(source.text),
                        &workload.positions,
                        &invalid,
                    ));
                }
            }
        }
    }
    if carried.len() > 1 {
        // Another content of a file is another release.
        let all = serde_json::Value::from(carried);
        workload.digest = Digest::of(all.to_string().as_bytes());
    }
    violations
}

fn twice(
    source: &Source<'_>,
    positions: &BTreeMap<String, (u32, u32)>,
    name: &str,
    other: &str,
) -> tow_record::Violation {
    let invalid = Invalid::new(
        "/metadata/name",
        "plan/workload-twice",
        format!("{other} declares a workload {name} too"),
        "a name for each workload",
    );
    tow_formats::violation(source.name, Some(source.text), positions, &invalid)
}

/// Said by the user, else by `tow.yaml`, else by the only catalog entry, else by the only Score file.
fn which(
    named: Option<&str>,
    deliveries: &[Manifest],
    entries: &[Manifest],
    workloads: &BTreeMap<String, ReleaseWorkload>,
) -> Result<EntityRef, AppError> {
    if let Some(text) = named {
        return component_ref(text);
    }
    if let [only] = deliveries {
        if let Spec::Delivery(DeliverySpec { component: Some(text), .. }) = &only.spec {
            return component_ref(text);
        }
        return Ok(EntityRef::new("component", &only.metadata.namespace, &only.metadata.name));
    }
    if let [only] = entries {
        return Ok(only.entity());
    }
    if let (Some(name), 1) = (workloads.keys().next(), workloads.len()) {
        return component_ref(name);
    }
    Err(AppError::new("input/missing", "which component? the documents don't tell")
        .hint("say --component NAME, or put it into tow.yaml as spec.component"))
}

/// The catalog entry of a component that has none: owned by whoever deploys it first.
pub(super) fn entry_for(component: &EntityRef, ctx: &OpCtx) -> Manifest {
    let mut metadata = Metadata::named(component.name().clone());
    metadata.namespace = component.namespace().clone();
    let spec = ComponentSpec {
        kind: "service".into(),
        lifecycle: "experimental".into(),
        owner: ctx.actor.groups.first().unwrap_or(&ctx.actor.name).clone(),
        system: None,
        subcomponent_of: None,
        provides_apis: Vec::new(),
        consumes_apis: Vec::new(),
        depends_on: Vec::new(),
        dependency_of: Vec::new(),
        more: BTreeMap::new(),
    };
    Manifest::new(Kind::Component, metadata, Spec::Component(spec))
}
