//! What a location makes of the catalog: which rules its annotations set, what of it may come in, what goes, and when it
//! is looked at again. The same for a controller that reads it and for a person who wants to see it first.

use crate::{Claim, LOCATION, declarations, removals};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::kinds::location::{ALLOW, ORPHANS, REFRESH};
use tow_model::{Kind, Manifest};
use tow_names::{Digest, Duration, EntityRef, Timestamp};
use tow_record::{Declaration, Kept, Level, StatusItem, Verdict};

/// How often a location is looked at where it says nothing.
pub const EVERY: Duration = Duration::from_secs(5 * 60);
/// Not more often than this.
const SHORTEST: Duration = Duration::from_secs(10);
/// A look that failed is made again after this, and then after twice as long each time.
const RETRY: Duration = Duration::from_secs(30);
/// What comes in where a location says nothing: what grants no power.
const ALLOWED: [Kind; 7] = [
    Kind::Component,
    Kind::Api,
    Kind::Resource,
    Kind::System,
    Kind::Domain,
    Kind::AiResource,
    Kind::Location,
];
/// The annotation of what no source names any more.
const ORPHAN: &str = "backstage.io/orphan";

/// What a location's annotations say.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Which kinds come in.
    pub allow: BTreeSet<Kind>,
    /// How often it is looked at.
    pub every: Duration,
    /// What it names no more is kept.
    pub keep: bool,
    /// What is wrong with the annotations; the usual holds then.
    pub items: Vec<StatusItem>,
}

/// The rules of a location.
pub fn rules(manifest: &Manifest) -> Rules {
    let said = |name: &str| manifest.metadata.annotations.get(name).map(|text| text.trim());
    let mut items = Vec::new();
    let mut wrong = |code: &str, message: String| {
        items.push(StatusItem::processing(Level::Error, code, message));
    };
    let allow = match said(ALLOW) {
        None => ALLOWED.into(),
        Some(text) => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            let kind = |word: &str| match Kind::parse(word) {
                Some(kind) if kind.is_catalog() => Some(kind),
                _ => {
                    let known: Vec<&str> =
                        Kind::ALL.iter().filter(|k| k.is_catalog()).map(|k| k.as_str()).collect();
                    let message = format!(
                        "{ALLOW}: {word:?} can't come from a location; there are {}",
                        known.join(", ")
                    );
                    wrong("location/allow", message);
                    None
                }
            };
            words.filter_map(kind).collect()
        }
    };
    let every = match said(REFRESH).map(str::parse::<Duration>) {
        None => EVERY,
        Some(Ok(every)) => every.max(SHORTEST),
        Some(Err(_)) => {
            wrong("location/refresh", format!("{REFRESH} is no length of time, as in 5m"));
            EVERY
        }
    };
    let keep = match said(ORPHANS) {
        None | Some("delete") => false,
        Some("keep") => true,
        Some(other) => {
            wrong("location/orphans", format!("{ORPHANS}: {other:?} is none of delete and keep"));
            // The rule that takes nothing away, until it is mended.
            true
        }
    };
    Rules { allow, every, keep, items }
}

/// When a location is looked at again. Spread by what it is called, so that many do not come at once.
pub fn due(
    location: &EntityRef,
    looked_at: Timestamp,
    every: Duration,
    failures: u32,
) -> Timestamp {
    let wait = if failures == 0 {
        every
    } else {
        let grown = RETRY.micros().saturating_mul(1 << failures.saturating_sub(1).min(10));
        Duration::from_micros(grown).min(every)
    };
    let digest =
        Digest::of(format!("{location} {}", looked_at.0 / wait.micros().max(1)).as_bytes());
    let share = i64::from_str_radix(&digest.hex()[..6], 16).unwrap_or(0) % 100;
    looked_at.plus(wait).plus(Duration::from_micros(wait.micros() / 1_000 * share))
}

/// An object that a location names.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// What it says, annotations of its source included.
    pub manifest: Manifest,
    /// `file:line`, for people.
    pub at: String,
}

/// What becomes of the catalog.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// Those that change something, in the order in which they are written.
    pub changes: Vec<Declaration>,
    /// What is not as the source says, and why.
    pub items: Vec<StatusItem>,
    /// How many objects come from the location afterwards.
    pub objects: u64,
}

/// The source that the objects of a location belong to.
pub fn source_of(location: &EntityRef) -> String {
    debug_assert!(location.to_string().starts_with(LOCATION), "a reference of a location");
    location.to_string()
}

/// What becomes of what a location names: `found` are the objects of these names, `held` all that belongs to the
/// location already, or none where something was not read and nothing may be taken away for it. `running`: components
/// that something runs of.
pub fn changes(
    location: &EntityRef,
    rules: &Rules,
    mut named: BTreeMap<EntityRef, Named>,
    mut found: BTreeMap<EntityRef, Kept>,
    held: Option<Vec<Kept>>,
    running: &BTreeSet<EntityRef>,
) -> Changes {
    let source = source_of(location);
    let mut out = Changes::default();
    let all: BTreeSet<EntityRef> = named.keys().cloned().collect();
    named.retain(|entity, named| {
        let why = refusal(&source, rules, &named.manifest, found.get(entity));
        let Some((code, why)) = why else { return true };
        out.items.push(StatusItem::processing(Level::Error, code, format!("{}: {why}", named.at)));
        false
    });
    found.retain(|entity, _| named.contains_key(entity));
    let declared = named.into_iter().map(|(entity, named)| (entity, named.manifest)).collect();
    match declarations(declared, found, Claim { source: &source, take: false }) {
        Ok(changes) => out.changes = changes,
        Err(claimed) => out.items.extend(claimed.into_iter().map(|claimed| {
            let why = format!("{} belongs to {}", claimed.entity, claimed.holder);
            StatusItem::processing(Level::Error, "location/claimed", why)
        })),
    }
    out.objects = out.changes.len() as u64;
    let gone = held.map(|held| removals(held, &all)).unwrap_or_default();
    for change in gone {
        let runs = running.contains(&change.entity);
        if runs && !rules.keep {
            let why = format!(
                "{} is named no more, but something of it runs: it stays until that is stopped",
                change.entity
            );
            out.items.push(StatusItem::processing(Level::Warning, "location/in-use", why));
        }
        if runs || rules.keep {
            out.objects += 1;
            out.changes.push(kept_orphan(change));
        } else {
            out.changes.push(change);
        }
    }
    out.changes.retain(|change| change.verdict != Verdict::Unchanged);
    // Objects refer to kinds before theirs; what goes, goes last.
    out.changes.sort_by_key(|change| (change.verdict == Verdict::Removed, rank(&change.entity)));
    out
}

/// Why an object does not come in.
fn refusal(
    source: &str,
    rules: &Rules,
    manifest: &Manifest,
    kept: Option<&Kept>,
) -> Option<(&'static str, String)> {
    let (entity, kind) = (manifest.entity(), manifest.kind);
    if !kind.is_catalog() {
        return Some((
            "location/kind",
            format!("{entity}: a {kind} does not come from a location; apply it: tow apply -f"),
        ));
    }
    if !rules.allow.contains(&kind) {
        let allowed: Vec<&str> = rules.allow.iter().map(|kind| kind.as_str()).collect();
        return Some((
            "location/kind",
            format!(
                "{entity}: this location may not declare a {kind}; annotate it {ALLOW}: {}{kind}",
                allowed.iter().map(|kind| format!("{kind},")).collect::<String>()
            ),
        ));
    }
    let holder = kept.map(|kept| kept.source.as_str()).filter(|holder| *holder != source)?;
    // A location that somebody declared by hand is read by itself; it does not become a part of another one.
    if holder.is_empty() && kind != Kind::Location {
        return None;
    }
    let holder = if holder.is_empty() { "whoever applied it" } else { holder };
    Some((
        "location/claimed",
        format!("{entity} belongs to {holder}; take it out on one of the two sides"),
    ))
}

/// What is kept though nobody names it: marked, as the catalog marks it.
fn kept_orphan(mut change: Declaration) -> Declaration {
    let Some(before) = &change.before else { return change };
    let mut manifest = before.manifest.clone();
    let marked = manifest.metadata.annotations.insert(ORPHAN.into(), "true".into());
    change.verdict =
        if marked.as_deref() == Some("true") { Verdict::Unchanged } else { Verdict::Updated };
    change.after = Some(manifest);
    change
}

/// A kind's place among those that refer to it.
fn rank(entity: &EntityRef) -> usize {
    Kind::ALL.iter().position(|k| k.as_str().eq_ignore_ascii_case(entity.kind())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(kind: &str, name: &str, annotations: serde_json::Value) -> Manifest {
        let spec = match kind {
            "Location" => serde_json::json!({}),
            "User" => serde_json::json!({ "memberOf": [] }),
            _ => serde_json::json!({ "type": "s", "lifecycle": "p", "owner": "o" }),
        };
        serde_json::from_value(serde_json::json!({
            "apiVersion": "backstage.io/v1alpha1", "kind": kind,
            "metadata": { "name": name, "annotations": annotations }, "spec": spec,
        }))
        .unwrap()
    }

    fn none() -> serde_json::Value {
        serde_json::json!({})
    }

    fn here() -> EntityRef {
        manifest("Location", "here", none()).entity()
    }

    fn kept(manifest: Manifest, source: &str) -> Kept {
        Kept { manifest, version: 1, generation: 1, source: source.into() }
    }

    fn told(changes: &Changes) -> Vec<String> {
        let lines = changes.changes.iter().map(|c| format!("{} {}", c.verdict.as_str(), c.entity));
        let items = changes
            .items
            .iter()
            .map(|item| item.message.split(':').next().unwrap_or_default().to_string());
        lines.chain(items).collect()
    }

    fn decide(
        allow: &str,
        orphans: &str,
        named: Vec<Manifest>,
        objects: Vec<Kept>,
        complete: bool,
        running: &[&str],
    ) -> Vec<String> {
        let mut annotations = none();
        for (key, value) in [(ALLOW, allow), (ORPHANS, orphans)] {
            if !value.is_empty() {
                annotations[key] = value.into();
            }
        }
        let rules = rules(&manifest("Location", "here", annotations));
        let named: BTreeMap<_, _> = named
            .into_iter()
            .map(|manifest| (manifest.entity(), Named { manifest, at: "a.yaml:1".into() }))
            .collect();
        let held: Vec<Kept> =
            objects.iter().filter(|k| k.source == here().to_string()).cloned().collect();
        let found = objects
            .into_iter()
            .filter(|kept| named.contains_key(&kept.manifest.entity()))
            .map(|kept| (kept.manifest.entity(), kept))
            .collect();
        let running = running.iter().map(|r| EntityRef::try_from((*r).to_string()).unwrap());
        let running = running.collect();
        told(&changes(&here(), &rules, named, found, complete.then_some(held), &running))
    }

    #[test]
    fn kinds_come_in_by_rule() {
        let named = || vec![manifest("Component", "web", none()), manifest("User", "ann", none())];
        assert_eq!(
            decide("", "", named(), vec![], true, &[]),
            ["created component:default/web", "location/kind"]
        );
        assert_eq!(
            decide("user, components", "", named(), vec![], true, &[]),
            ["created user:default/ann", "created component:default/web"]
        );
        let rules = rules(&manifest(
            "Location",
            "here",
            serde_json::json!({ ALLOW: "Component,RoleBinding,nonsense", REFRESH: "soon", ORPHANS: "x" }),
        ));
        let codes: Vec<_> =
            rules.items.iter().filter_map(|i| i.error.as_ref()).map(|e| e.name.as_str()).collect();
        assert_eq!(
            codes,
            ["location/allow", "location/allow", "location/refresh", "location/orphans"]
        );
        assert_eq!((rules.allow.len(), rules.every, rules.keep), (1, EVERY, true));
    }

    #[test]
    fn what_is_named_no_more_goes_by_rule() {
        let mine = here().to_string();
        let held = || {
            vec![
                kept(manifest("Component", "web", none()), &mine),
                kept(manifest("Component", "old", none()), &mine),
            ]
        };
        let web = || vec![manifest("Component", "web", none())];
        assert_eq!(
            decide("", "", web(), held(), true, &[]),
            ["deleted component:default/old".replace("deleted", "removed")]
        );
        assert!(
            decide("", "", web(), held(), false, &[]).is_empty(),
            "an error takes nothing away"
        );
        assert_eq!(decide("", "keep", web(), held(), true, &[]), ["updated component:default/old"]);
        assert_eq!(
            decide("", "", web(), held(), true, &["component:default/old"]),
            ["updated component:default/old", "location/in-use"]
        );
        let marked = manifest("Component", "old", serde_json::json!({ ORPHAN: "true" }));
        assert!(
            decide("", "keep", vec![], vec![kept(marked.clone(), &mine)], true, &[]).is_empty()
        );
        let back = vec![manifest("Component", "old", none())];
        assert_eq!(
            decide("", "keep", back, vec![kept(marked, &mine)], true, &[]),
            ["updated component:default/old"]
        );
    }

    #[test]
    fn what_belongs_to_another_is_not_taken() {
        let web = || manifest("Component", "web", none());
        assert_eq!(
            decide("", "", vec![web()], vec![kept(web(), "location:default/other")], true, &[]),
            ["location/claimed"]
        );
        assert_eq!(
            decide("", "", vec![web()], vec![kept(web(), "dir:/x")], true, &[]),
            ["location/claimed"]
        );
        assert_eq!(
            decide("", "", vec![web()], vec![kept(web(), "")], true, &[]),
            ["updated component:default/web"]
        );
        let inner = || manifest("Location", "inner", none());
        assert_eq!(
            decide("", "", vec![inner()], vec![kept(inner(), "")], true, &[]),
            ["location/claimed"]
        );
    }

    #[test]
    fn looks_are_spread_and_failures_come_back_sooner() {
        let at = Timestamp(1_000_000_000_000);
        let wait = |failures| due(&here(), at, EVERY, failures).since(at);
        assert!(wait(0) >= EVERY && wait(0) < Duration::from_secs(331));
        assert!(wait(1) >= RETRY && wait(1) < Duration::from_secs(33));
        assert!(wait(20) >= EVERY && wait(20) < Duration::from_secs(331));
        assert_eq!(due(&here(), at, EVERY, 0), due(&here(), at, EVERY, 0));
    }
}
