//! Which entities an entity names, and as what: the relations of the Backstage catalog. Each is said once here, from the
//! entity that writes it; its other half is read the other way round, so that a pair can't come apart.

use crate::{Manifest, Relation};
use serde_json::Value;
use tow_names::canonical_ref;

/// The relations that a manifest writes, in order and each once, to canonical references: to whatever is named, whether
/// or not it is there. References that can't be read make none: the kind's rules refuse them.
pub fn relations(manifest: &Manifest) -> Vec<(Relation, String)> {
    let references = manifest.kind.facts().references;
    if references.is_empty() {
        return Vec::new();
    }
    let spec = serde_json::to_value(&manifest.spec).unwrap_or_default();
    let namespace = &manifest.metadata.namespace;
    let mut found = Vec::new();
    for reference in references {
        let Some(relation) = reference.relation else { continue };
        let mut add = |value: &Value| {
            if let Value::String(text) = value
                && let Ok(target) = canonical_ref(text, reference.kind, namespace)
            {
                found.push((relation, target));
            }
        };
        match &spec[reference.field] {
            Value::Array(items) => items.iter().for_each(&mut add),
            one => add(one),
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_relation_has_its_other_half() {
        for relation in Relation::ALL {
            assert_eq!(relation.inverse().inverse(), relation);
            assert_ne!(relation.inverse(), relation);
            assert_eq!(Relation::parse(&relation.as_str().to_uppercase()), Some(relation));
        }
    }

    #[test]
    fn references_become_relations_in_the_entitys_namespace() {
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
            "metadata": { "name": "Web", "namespace": "shop" },
            "spec": {
                "type": "service", "lifecycle": "production", "owner": "Quay", "system": "default/Store",
                "dependsOn": ["resource:db", "component:api", "resource:db"], "providesApis": ["pay"],
            },
        }))
        .unwrap();
        let found: Vec<String> =
            relations(&manifest).iter().map(|(r, to)| format!("{} {to}", r.as_str())).collect();
        assert_eq!(
            found,
            [
                "ownedBy group:shop/quay",
                "providesApi api:shop/pay",
                "dependsOn component:shop/api",
                "dependsOn resource:shop/db",
                "partOf system:default/store",
            ]
        );
    }
}
