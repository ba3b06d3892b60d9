//! What applying documents makes of the catalog: declared × found × source → one declaration an object. The same for a
//! folder that a person applies and for a location that the platform reads.

use std::collections::{BTreeMap, BTreeSet};
use tow_model::Manifest;
use tow_names::EntityRef;
use tow_record::{Declaration, Kept, Verdict};

/// What sources that the platform itself reads begin with, as in `location:default/harbour`.
pub const LOCATION: &str = "location:";

/// In whose name the documents come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claim<'a> {
    /// The source; empty for documents that belong to none.
    pub source: &'a str,
    /// Take over what belongs to another source.
    pub take: bool,
}

/// An object that another source holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Which object.
    pub entity: EntityRef,
    /// The source it belongs to.
    pub holder: String,
}

/// What becomes of each declared object, in the order of their references; or all those that belong to another source.
///
/// # Errors
/// An object of another source is not changed, by documents without a source neither: the next apply of its source would
/// silently undo it. Whoever takes it says so, and then it is theirs.
pub fn declarations(
    declared: BTreeMap<EntityRef, Manifest>,
    mut found: BTreeMap<EntityRef, Kept>,
    claim: Claim<'_>,
) -> Result<Vec<Declaration>, Vec<Claimed>> {
    let mut out = Vec::with_capacity(declared.len());
    let mut claimed = Vec::new();
    for (entity, manifest) in declared {
        let before = found.remove(&entity);
        let held = before.as_ref().map_or("", |kept| kept.source.as_str());
        let source = match (held, claim.source) {
            ("", mine) => mine,
            (held, mine) if held == mine || claim.take => mine,
            (held, _) => {
                claimed.push(Claimed { entity, holder: held.into() });
                continue;
            }
        };
        let verdict = match &before {
            None => Verdict::Created,
            Some(kept) if kept.manifest == manifest && kept.source == source => Verdict::Unchanged,
            Some(_) => Verdict::Updated,
        };
        let source = source.to_string();
        out.push(Declaration { entity, verdict, before, after: Some(manifest), source });
    }
    if claimed.is_empty() { Ok(out) } else { Err(claimed) }
}

/// What goes because its source names it no more: of all that belongs to the source, what is not among `named`.
pub fn removals(held: Vec<Kept>, named: &BTreeSet<EntityRef>) -> Vec<Declaration> {
    held.into_iter()
        .map(|kept| (kept.manifest.entity(), kept))
        .filter(|(entity, _)| !named.contains(entity))
        .map(|(entity, kept)| {
            let source = kept.source.clone();
            let verdict = Verdict::Removed;
            Declaration { entity, verdict, before: Some(kept), after: None, source }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, title: &str) -> Manifest {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "backstage.io/v1alpha1", "kind": "Group",
            "metadata": { "name": name, "title": title },
            "spec": { "type": "team", "children": [] },
        }))
        .unwrap()
    }

    fn kept(name: &str, source: &str) -> Kept {
        Kept { manifest: group(name, "old"), version: 3, generation: 2, source: source.into() }
    }

    fn keyed<T>(items: Vec<T>, entity: impl Fn(&T) -> EntityRef) -> BTreeMap<EntityRef, T> {
        items.into_iter().map(|item| (entity(&item), item)).collect()
    }

    fn verdicts(
        declared: &[(&str, &str)],
        found: &[(&str, &str)],
        source: &str,
        take: bool,
    ) -> Result<Vec<(String, Verdict, String)>, Vec<String>> {
        let declared = declared.iter().map(|(name, title)| group(name, title)).collect();
        let found = found.iter().map(|(name, source)| kept(name, source)).collect();
        declarations(
            keyed(declared, Manifest::entity),
            keyed(found, |kept: &Kept| kept.manifest.entity()),
            Claim { source, take },
        )
        .map(|all| {
            all.into_iter().map(|d| (d.entity.name().to_string(), d.verdict, d.source)).collect()
        })
        .map_err(|all| all.into_iter().map(|c| c.holder).collect())
    }

    #[test]
    fn what_is_there_is_updated_and_the_rest_created() {
        let got =
            verdicts(&[("a", "new"), ("b", "old"), ("c", "x")], &[("a", ""), ("b", "")], "", false);
        let word = |name: &str, verdict| (name.to_string(), verdict, String::new());
        assert_eq!(
            got.unwrap(),
            [
                word("a", Verdict::Updated),
                word("b", Verdict::Unchanged),
                word("c", Verdict::Created)
            ]
        );
    }

    #[test]
    fn a_source_keeps_what_is_its_own() {
        let one = |held: &str, mine: &str, take| {
            verdicts(&[("a", "old")], &[("a", held)], mine, take)
                .map(|all| (all[0].1, all[0].2.clone()))
        };
        let is = |verdict, source: &str| Ok((verdict, source.to_string()));
        assert_eq!(one("dir:x", "dir:x", false), is(Verdict::Unchanged, "dir:x"));
        assert_eq!(one("", "dir:x", false), is(Verdict::Updated, "dir:x"), "it is adopted");
        assert_eq!(one("dir:x", "", false), Err(vec!["dir:x".to_string()]), "by hand neither");
        assert_eq!(one("dir:x", "dir:y", false), Err(vec!["dir:x".to_string()]));
        assert_eq!(one("dir:x", "dir:y", true), is(Verdict::Updated, "dir:y"));
        let location = "location:default/l";
        assert_eq!(one(location, "", false), Err(vec![location.to_string()]));
        assert_eq!(one(location, "", true), is(Verdict::Updated, ""));
    }

    #[test]
    fn what_is_named_no_more_goes() {
        let named = BTreeSet::from([group("a", "").entity()]);
        let gone = removals(vec![kept("a", "s"), kept("b", "s")], &named);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].entity.name().as_str(), "b");
        assert_eq!((gone[0].verdict, &gone[0].after), (Verdict::Removed, &None));
    }
}
