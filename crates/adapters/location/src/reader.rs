//! Whole locations: opens each target, gives `formats` the files it asks for, and marks each object with its place, as
//! the Backstage catalog does. Which of it comes in is not decided here.

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use tow_formats::{Ask, Reading, Under, Walk};
use tow_model::kinds::location::{Presence, SourceKind};
use tow_model::{Manifest, Spec};
use tow_names::EntityRef;
use tow_ports::{
    CatalogSource, CatalogTree, Listed, LocationFiles, LocationRead, Locations, Opened,
    SourceError, Sources,
};
use tow_record::{Level, StatusItem};

/// Targets of one location.
const MOST_TARGETS: usize = 50;

/// Reads locations from these sources.
pub struct Reader {
    sources: Sources,
}

impl Reader {
    /// From these.
    pub fn new(sources: Sources) -> Self {
        Self { sources }
    }

    fn source(&self, kind: SourceKind) -> &Arc<dyn CatalogSource> {
        match kind {
            SourceKind::File => &self.sources.file,
            SourceKind::Url => &self.sources.url,
            SourceKind::Git => &self.sources.git,
        }
    }

    /// One target, opened and walked.
    async fn target(
        &self,
        root: &EntityRef,
        kind: SourceKind,
        target: &str,
        optional: bool,
        known: Option<&str>,
    ) -> Result<Option<(Reading, Arc<dyn CatalogTree>)>, SourceError> {
        let tree = match self.source(kind).open(target, known).await? {
            Opened::Unchanged => return Ok(None),
            Opened::Tree(tree) => tree,
        };
        let (paths, names) = (tree.clone(), tree.clone());
        let name = move |path: &str| {
            let place = names.place(path).location;
            place.split_once(':').map_or(place.clone(), |(_, target)| target.to_string())
        };
        let mut walk = Walk::new(
            root.clone(),
            kind.as_str(),
            vec![tree.entry()],
            optional,
            Box::new(move |url| paths.path_of(url)),
            Box::new(name),
        );
        while let Some(ask) = walk.ask() {
            match ask {
                Ask::List(path) => walk.listed(match tree.list(&path).await {
                    Ok(Listed::File) => Ok(Under::File),
                    Ok(Listed::Folder(files)) => Ok(Under::Folder(files)),
                    Ok(Listed::Missing) => Ok(Under::Missing),
                    Err(error) => Err((error.code(), error.to_string())),
                }),
                Ask::Texts(paths) => {
                    let texts = tree.texts(&paths).await?;
                    // Reading many texts takes a while, and others wait for this thread.
                    let read = tokio::task::spawn_blocking(move || {
                        walk.texts(texts);
                        walk
                    });
                    walk = read.await.map_err(|error| SourceError::Unreachable {
                        target: target.into(),
                        why: error.to_string(),
                    })?;
                }
            }
        }
        Ok(Some((walk.done(), tree)))
    }
}

fn said(error: &SourceError) -> StatusItem {
    StatusItem::processing(Level::Error, error.code(), error.to_string())
}

/// What a location reads, or the reason why that can't be told.
fn targets(location: &Manifest) -> Result<(SourceKind, Vec<String>, bool), SourceError> {
    let entity = location.entity().to_string();
    let refused = |why: String| SourceError::Refused { target: entity.clone(), why };
    let Spec::Location(spec) = &location.spec else {
        return Err(refused("it is no location".into()));
    };
    let (kind, targets) = spec.targets().map_err(refused)?;
    if targets.len() > MOST_TARGETS {
        return Err(refused(format!("it has more than {MOST_TARGETS} targets")));
    }
    Ok((kind, targets, spec.presence == Some(Presence::Optional)))
}

#[async_trait]
impl Locations for Reader {
    fn check(&self, location: &Manifest) -> Result<(), SourceError> {
        let (kind, targets, _) = targets(location)?;
        targets.iter().try_for_each(|target| self.source(kind).check(target))
    }

    async fn read(&self, location: &Manifest, known: Option<&str>) -> LocationRead {
        let (kind, targets, optional) = match targets(location) {
            Ok(targets) => targets,
            Err(error) => return LocationRead::Nothing(vec![said(&error)]),
        };
        let root = location.entity();
        let origin = |target: &str| format!("{}:{target}", kind.as_str());
        // One revision a line, in the order of the targets.
        let known: Vec<&str> = known.map(|known| known.split('\n').collect()).unwrap_or_default();
        let mut files = LocationFiles {
            named: Vec::new(),
            items: Vec::new(),
            complete: true,
            refused: false,
            files: 0,
            revision: String::new(),
        };
        let mut readings = Vec::new();
        let mut unchanged = 0;
        for (index, target) in targets.iter().enumerate() {
            let known = known.get(index).copied().filter(|_| unchanged == index);
            match self.target(&root, kind, target, optional, known).await {
                Ok(None) => {
                    unchanged += 1;
                    readings.push((target, None));
                }
                Ok(Some(read)) => readings.push((target, Some(read))),
                Err(SourceError::Missing(_)) if optional => {}
                Err(error) => {
                    files.complete = false;
                    files.items.push(said(&error));
                }
            }
        }
        if unchanged == targets.len() {
            return LocationRead::Unchanged;
        }
        let (mut revisions, mut seen) = (Vec::new(), BTreeMap::new());
        let mut nothing = true;
        for (target, read) in readings {
            // Another target has changed, so all of them are needed.
            let read = match read {
                Some(read) => Ok(Some(read)),
                None => self.target(&root, kind, target, optional, None).await,
            };
            let (reading, tree) = match read {
                Ok(Some(read)) => read,
                Ok(None) => continue,
                Err(error) => {
                    files.complete = false;
                    files.items.push(said(&error));
                    continue;
                }
            };
            nothing = false;
            files.items.extend(reading.items);
            files.complete &= reading.complete;
            files.refused |= reading.refused;
            files.files += reading.files as u64;
            revisions.push(tree.revision());
            let origin = origin(target);
            let mut places = BTreeMap::new();
            for (entity, found) in reading.found {
                let at = format!("{}:{}", found.path, found.line);
                if let Some(other) = seen.insert(entity.clone(), at.clone()) {
                    let message = format!("{at}: {entity} is declared at {other} too");
                    files.items.push(StatusItem::processing(Level::Error, "apply/twice", message));
                    seen.insert(entity, other);
                    continue;
                }
                let place =
                    places.entry(found.path.clone()).or_insert_with(|| tree.place(&found.path));
                let mut manifest = found.manifest;
                annotate(&mut manifest, place, &origin);
                files.named.push((manifest, at));
            }
        }
        if nothing && !files.complete {
            return LocationRead::Nothing(files.items);
        }
        if revisions.len() == targets.len() && revisions.iter().all(|r| !r.is_empty()) {
            files.revision = revisions.join("\n");
        }
        LocationRead::Files(files)
    }
}

/// Where an object comes from, as the catalog says it. What a person wrote about its source wins; by what it is managed
/// is the platform's to say.
fn annotate(manifest: &mut Manifest, place: &tow_ports::Place, origin: &str) {
    let annotations = &mut manifest.metadata.annotations;
    let mut put = |name: &str, value: &str| {
        annotations.insert(format!("backstage.io/{name}"), value.to_string());
    };
    put("managed-by-location", &place.location);
    put("managed-by-origin-location", origin);
    let more = [
        ("source-location", Some(&place.source)),
        ("view-url", place.view.as_ref()),
        ("edit-url", place.edit.as_ref()),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            annotations.entry(format!("backstage.io/{name}")).or_insert_with(|| value.clone());
        }
    }
}
