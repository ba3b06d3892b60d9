//! Where somebody stands: their groups with the groups those are part of, and their role, each with the way it came. From
//! declared objects alone; whoever asks reads them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tow_model::{Manifest, Spec};
use tow_names::EntityRef;
use tow_record::Role;

/// Who the owner of the platform's machine is: whoever reads the data directory is administrator, so this name is one
/// without any binding, and nobody can lock it out.
pub const MACHINE_OWNER: &str = "user:default/admin";

/// A binding that gives a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The binding's reference; none where nothing is bound and the default holds.
    pub binding: Option<String>,
    /// Which role.
    pub role: Role,
    /// From whom it is asked to what the binding names: `user:default/ann`, `group:default/quay`, …
    pub path: Vec<String>,
}

/// A group somebody is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The group's reference.
    pub group: String,
    /// From the person to the group, both included; longer than two where the group is a parent of another.
    pub path: Vec<String>,
}

/// Where somebody stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The greatest role.
    pub role: Role,
    /// Every binding that concerns them, the greatest first; or the default, or the machine's. Nothing of whoever is in
    /// no catalog.
    pub bound: Vec<Bound>,
    /// The groups, the nearest first.
    pub memberships: Vec<Membership>,
}

/// What groups and bindings say, so that many can be asked about.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// Group → groups it is part of. Said by either of the two.
    parents: BTreeMap<String, BTreeSet<String>>,
    /// Member → groups that name them.
    members: BTreeMap<String, BTreeSet<String>>,
    /// Subject → bindings.
    bindings: BTreeMap<String, Vec<(String, Role)>>,
}

impl Directory {
    /// From the declared groups and role bindings; other kinds are passed over.
    pub fn new<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Self {
        let mut this = Self::default();
        for manifest in manifests {
            let own = manifest.entity().to_string();
            let namespace = &manifest.metadata.namespace;
            let full = |text: &String, kind: Option<&str>| {
                EntityRef::parse(text, kind, namespace).ok().map(|entity| entity.to_string())
            };
            match &manifest.spec {
                Spec::Group(spec) => {
                    for parent in spec.parent.iter().filter_map(|p| full(p, Some("group"))) {
                        this.parents.entry(own.clone()).or_default().insert(parent);
                    }
                    for child in spec.children.iter().filter_map(|c| full(c, Some("group"))) {
                        this.parents.entry(child).or_default().insert(own.clone());
                    }
                    for member in spec.members.iter().filter_map(|m| full(m, Some("user"))) {
                        this.members.entry(member).or_default().insert(own.clone());
                    }
                }
                Spec::RoleBinding(spec) => {
                    for subject in spec.subjects.iter().filter_map(|s| full(s, None)) {
                        this.bindings.entry(subject).or_default().push((own.clone(), spec.role));
                    }
                }
                _ => {}
            }
        }
        this
    }

    /// Where `who` stands, whose own object is `own` where there is one (it may say groups too). Who is in no catalog
    /// stands nowhere, whatever groups and bindings still name them; the machine's owner is excepted.
    pub fn standing(&self, who: &EntityRef, own: Option<&Manifest>) -> Standing {
        let name = who.to_string();
        if own.is_none() && name != MACHINE_OWNER {
            return Standing { role: Role::Viewer, bound: Vec::new(), memberships: Vec::new() };
        }
        let said: &[String] = match own.map(|manifest| &manifest.spec) {
            Some(Spec::User(spec)) => &spec.member_of,
            Some(Spec::ServiceAccount(spec)) => &spec.member_of,
            _ => &[],
        };
        let said = said
            .iter()
            .filter_map(|text| EntityRef::parse(text, Some("group"), who.namespace()).ok())
            .map(|entity| entity.to_string());
        let named = self.members.get(&name).into_iter().flatten().cloned();
        let direct: BTreeSet<String> = said.chain(named).collect();
        // The nearest first, and each group once: a ring of parents ends.
        let mut seen: BTreeSet<String> = direct.clone();
        let mut open: VecDeque<Vec<String>> =
            direct.into_iter().map(|group| vec![name.clone(), group]).collect();
        let mut memberships = Vec::new();
        while let Some(path) = open.pop_front() {
            let group = path.last().cloned().unwrap_or_default();
            for parent in self.parents.get(&group).into_iter().flatten() {
                if seen.insert(parent.clone()) {
                    let mut path = path.clone();
                    path.push(parent.clone());
                    open.push_back(path);
                }
            }
            memberships.push(Membership { group, path });
        }
        let bound = self.bound(&name, who.kind(), &memberships);
        let role = bound.iter().map(|bound| bound.role).max().unwrap_or(Role::Viewer);
        Standing { role, bound, memberships }
    }

    fn bound(&self, name: &str, kind: &str, memberships: &[Membership]) -> Vec<Bound> {
        let mut bound = Vec::new();
        if name == MACHINE_OWNER {
            bound.push(Bound { binding: None, role: Role::Admin, path: vec![name.into()] });
        }
        let own = vec![name.to_string()];
        let paths = std::iter::once(&own).chain(memberships.iter().map(|m| &m.path));
        for path in paths {
            let subject = path.last().map_or("", String::as_str);
            for (binding, role) in self.bindings.get(subject).into_iter().flatten() {
                // Who governs says who is in which group; so a group never makes an administrator.
                if path.len() > 1 && *role == Role::Admin {
                    continue;
                }
                bound.push(Bound {
                    binding: Some(binding.clone()),
                    role: *role,
                    path: path.clone(),
                });
            }
        }
        if bound.is_empty() {
            let role = if kind == "user" { Role::Developer } else { Role::Viewer };
            bound.push(Bound { binding: None, role, path: own });
        }
        // The nearest stays first among equals.
        bound.sort_by_key(|bound| std::cmp::Reverse(bound.role));
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tow_names::Namespace;

    fn manifest(kind: &str, name: &str, spec: Value) -> Manifest {
        let version = match kind {
            "User" | "Group" => "backstage.io/v1alpha1",
            _ => "towpath.dev/v1",
        };
        serde_json::from_value(json!({
            "apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec,
        }))
        .unwrap()
    }

    fn group(name: &str, parent: Option<&str>, children: &[&str], members: &[&str]) -> Manifest {
        let mut spec = json!({"type": "team", "children": children, "members": members});
        if let Some(parent) = parent {
            spec["parent"] = parent.into();
        }
        manifest("Group", name, spec)
    }

    fn binding(name: &str, role: &str, subjects: &[&str]) -> Manifest {
        manifest("RoleBinding", name, json!({"role": role, "subjects": subjects}))
    }

    fn user(name: &str) -> Manifest {
        manifest("User", name, json!({"memberOf": []}))
    }

    fn who(text: &str) -> EntityRef {
        EntityRef::parse(text, Some("user"), &Namespace::default()).unwrap()
    }

    #[test]
    fn groups_come_from_both_sides_and_from_parents_and_rings_end() {
        let ann = manifest("User", "ann", json!({"memberOf": ["quay"]}));
        let all = [
            group("quay", Some("harbour"), &[], &[]),
            group("lock", None, &[], &["ann"]),
            group("harbour", None, &[], &[]),
            // Said from above only; and the ring is closed.
            group("town", Some("lock"), &["harbour", "lock"], &[]),
        ];
        let standing = Directory::new(&all).standing(&who("ann"), Some(&ann));
        let groups: Vec<&str> = standing.memberships.iter().map(|m| m.group.as_str()).collect();
        assert_eq!(
            groups,
            [
                "group:default/lock",
                "group:default/quay",
                "group:default/town",
                "group:default/harbour"
            ]
        );
        assert_eq!(
            standing.memberships[3].path,
            ["user:default/ann", "group:default/quay", "group:default/harbour"]
        );
        assert_eq!(standing.role, Role::Developer, "a person without a binding");
    }

    #[test]
    fn the_greatest_binding_counts_and_says_its_way() {
        let all = [
            group("quay", Some("harbour"), &[], &["ann", "serviceaccount:ci"]),
            binding("watchers", "viewer", &["user:ann"]),
            binding("team", "platform", &["group:harbour"]),
        ];
        let directory = Directory::new(&all);
        let ann = directory.standing(&who("ann"), Some(&user("ann")));
        assert_eq!(ann.role, Role::Platform);
        assert_eq!(ann.bound[0].binding.as_deref(), Some("rolebinding:default/team"));
        assert_eq!(ann.bound[0].path.len(), 3);
        assert_eq!(ann.bound[1].role, Role::Viewer);
        let machine = |name| manifest("ServiceAccount", name, json!({"owner": "quay"}));
        let ci = directory.standing(&who("serviceaccount:ci"), Some(&machine("ci")));
        assert_eq!(ci.role, Role::Platform, "a machine in the group as well");
        let other = directory.standing(&who("serviceaccount:other"), Some(&machine("other")));
        assert_eq!(other.role, Role::Viewer, "a machine without a binding");
        for gone in ["ann", "serviceaccount:ci"] {
            let gone = directory.standing(&who(gone), None);
            assert_eq!(gone.role, Role::Viewer, "nobody of the catalog");
            assert!(gone.bound.is_empty() && gone.memberships.is_empty(), "{gone:?}");
        }
    }

    #[test]
    fn a_binding_can_lower_a_person() {
        let all = [binding("watchers", "viewer", &["user:ann"])];
        let ann = Directory::new(&all).standing(&who("ann"), Some(&user("ann")));
        assert_eq!((ann.role, ann.bound.len()), (Role::Viewer, 1));
    }

    #[test]
    fn no_group_makes_an_administrator_and_the_machines_owner_always_is_one() {
        let all = [
            group("root", None, &[], &["ann"]),
            binding("a", "admin", &["group:root", "user:bob"]),
            binding("b", "viewer", &["user:admin"]),
        ];
        let directory = Directory::new(&all);
        let role = |name| directory.standing(&who(name), Some(&user(name))).role;
        assert_eq!(role("ann"), Role::Developer);
        assert_eq!(role("bob"), Role::Admin);
        assert_eq!(directory.standing(&who(MACHINE_OWNER), None).role, Role::Admin);
    }
}
