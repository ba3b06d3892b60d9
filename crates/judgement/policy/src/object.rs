//! What is acted on, as far as rights are concerned, and what it takes to declare it.

use tow_api::Action;
use tow_model::{Kind, Manifest, Ownership, Spec};
use tow_names::{EntityRef, Namespace};
use tow_record::Role;

/// Whose something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nobody's in particular: it governs everybody, so it is the platform team's.
    Platform,
    /// Its owner's: `group:default/quay`, `user:default/ann`; none where nobody owns it.
    Of(Option<String>),
    /// One person's alone: a token, a session, an upload. Never handed on by ownership.
    Person(String),
}

/// What is acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its canonical reference; none for what has none, or for a kind at large.
    pub reference: Option<String>,
    /// What it is, lower case: a declared kind, or `token`, `plan`, `source`, `platform`.
    pub kind: String,
    /// Whose it is.
    pub owner: Owner,
    /// The system it is part of, as a reference: tokens may be cut down to a system.
    pub system: Option<String>,
}

impl Object {
    /// The platform itself, or a kind at large.
    pub fn platform() -> Self {
        Self { reference: None, kind: "platform".into(), owner: Owner::Platform, system: None }
    }

    /// Something of a component or other owned thing that is not there (yet), or is known by its owner alone.
    pub fn owned(entity: Option<&EntityRef>, owner: Option<String>) -> Self {
        Self {
            reference: entity.map(ToString::to_string),
            kind: entity.map_or("component", EntityRef::kind).into(),
            owner: Owner::Of(owner),
            system: None,
        }
    }

    /// Something of one person alone.
    pub fn personal(kind: &str, person: impl Into<String>) -> Self {
        let owner = Owner::Person(person.into());
        Self { reference: None, kind: kind.into(), owner, system: None }
    }

    /// A declared object. Of what belongs to another object's owner (a delivery is its component's) the owner is not
    /// known here: ask about that other object.
    pub fn of(manifest: &Manifest) -> Self {
        let namespace = &manifest.metadata.namespace;
        let owner = match manifest.kind.facts().ownership {
            Ownership::Platform => Owner::Platform,
            Ownership::Owner | Ownership::Component => {
                Owner::Of(manifest.spec.owner().and_then(|text| full(text, "group", namespace)))
            }
        };
        let system = match &manifest.spec {
            Spec::Component(spec) => spec.system.as_deref(),
            Spec::Api(spec) => spec.system.as_deref(),
            Spec::Resource(spec) => spec.system.as_deref(),
            Spec::AiResource(spec) => spec.system.as_deref(),
            _ => None,
        };
        let entity = manifest.entity();
        let system = match entity.kind() {
            "system" => Some(entity.to_string()),
            _ => system.and_then(|text| full(text, "system", namespace)),
        };
        Self { reference: Some(entity.to_string()), kind: entity.kind().into(), owner, system }
    }

    /// For people: what is meant.
    pub fn name(&self) -> &str {
        self.reference.as_deref().unwrap_or(&self.kind)
    }
}

fn full(text: &str, kind: &str, namespace: &Namespace) -> Option<String> {
    EntityRef::parse(text, Some(kind), namespace).ok().map(|entity| entity.to_string())
}

/// What it takes to declare an object of this kind. Ownership grants power, so kinds that say who owns, who is in which
/// group, who has which role, or that read from elsewhere, are not their owner's to declare.
pub const fn declares(kind: Kind) -> Action {
    match kind.facts().ownership {
        Ownership::Owner | Ownership::Component => Action::Declare,
        Ownership::Platform => Action::Govern,
    }
}

/// What it takes to declare, change or take away this very object: as [`declares`], but whoever governs can't make
/// administrators, or end their being such.
pub const fn gate(manifest: &Manifest) -> Action {
    match &manifest.spec {
        Spec::RoleBinding(spec) if matches!(spec.role, Role::Admin) => Action::ManageAccess,
        _ => declares(manifest.kind),
    }
}
