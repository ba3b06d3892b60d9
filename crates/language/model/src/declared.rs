//! What every kind says of itself, so that rules, relations, schemas, references and help are read from one place.

use crate::Invalid;
use serde_json::Value;

/// A relation between two entities, as the Backstage catalog names it. Relations come in pairs, to missing targets too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Relation {
    OwnedBy,
    OwnerOf,
    ProvidesApi,
    ApiProvidedBy,
    ConsumesApi,
    ApiConsumedBy,
    DependsOn,
    DependencyOf,
    ParentOf,
    ChildOf,
    MemberOf,
    HasMember,
    PartOf,
    HasPart,
}

impl Relation {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::OwnedBy,
        Self::OwnerOf,
        Self::ProvidesApi,
        Self::ApiProvidedBy,
        Self::ConsumesApi,
        Self::ApiConsumedBy,
        Self::DependsOn,
        Self::DependencyOf,
        Self::ParentOf,
        Self::ChildOf,
        Self::MemberOf,
        Self::HasMember,
        Self::PartOf,
        Self::HasPart,
    ];

    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnedBy => "ownedBy",
            Self::OwnerOf => "ownerOf",
            Self::ProvidesApi => "providesApi",
            Self::ApiProvidedBy => "apiProvidedBy",
            Self::ConsumesApi => "consumesApi",
            Self::ApiConsumedBy => "apiConsumedBy",
            Self::DependsOn => "dependsOn",
            Self::DependencyOf => "dependencyOf",
            Self::ParentOf => "parentOf",
            Self::ChildOf => "childOf",
            Self::MemberOf => "memberOf",
            Self::HasMember => "hasMember",
            Self::PartOf => "partOf",
            Self::HasPart => "hasPart",
        }
    }

    /// The other half of the pair.
    pub const fn inverse(self) -> Self {
        match self {
            Self::OwnedBy => Self::OwnerOf,
            Self::OwnerOf => Self::OwnedBy,
            Self::ProvidesApi => Self::ApiProvidedBy,
            Self::ApiProvidedBy => Self::ProvidesApi,
            Self::ConsumesApi => Self::ApiConsumedBy,
            Self::ApiConsumedBy => Self::ConsumesApi,
            Self::DependsOn => Self::DependencyOf,
            Self::DependencyOf => Self::DependsOn,
            Self::ParentOf => Self::ChildOf,
            Self::ChildOf => Self::ParentOf,
            Self::MemberOf => Self::HasMember,
            Self::HasMember => Self::MemberOf,
            Self::PartOf => Self::HasPart,
            Self::HasPart => Self::PartOf,
        }
    }

    /// By its name, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.as_str().eq_ignore_ascii_case(text))
    }
}

/// A field of a spec that refers to other entities: one reference, or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The field's name in the spec.
    pub field: &'static str,
    /// The kind that is meant where the text says none; none: it must say.
    pub kind: Option<&'static str>,
    /// The relation it makes, from the entity to what it names.
    pub relation: Option<Relation>,
}

impl Reference {
    /// A field that makes a relation.
    pub(crate) const fn to(
        field: &'static str,
        kind: Option<&'static str>,
        relation: Relation,
    ) -> Self {
        Self { field, kind, relation: Some(relation) }
    }
}

/// Who owns the objects of a kind, as far as rights are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Whoever its `owner` names; nobody where it names none.
    Owner,
    /// The owner of the component of the same name and namespace.
    Component,
    /// The platform team: the kind grants power or governs everybody.
    Platform,
}

/// What is true of every object of a kind.
#[derive(Debug, PartialEq, Eq)]
pub struct KindFacts {
    /// As people type it: `components`.
    pub plural: &'static str,
    /// Shorter words for the same: `env`.
    pub short: &'static [&'static str],
    /// What `apiVersion` may be; the first is written where we write it.
    pub versions: &'static [&'static str],
    /// Whether it has a namespace; if not, it is always in `default`.
    pub namespaced: bool,
    /// Who may declare it.
    pub ownership: Ownership,
    /// Which fields refer to other entities.
    pub references: &'static [Reference],
}

/// A kind's spec.
pub trait Declared {
    /// What is true of every object of the kind.
    const FACTS: KindFacts;

    /// Who answers for it, as written.
    fn owner(&self) -> Option<&str> {
        None
    }

    /// Rules that a schema can't say, of a spec as written. Passes over what is not of the expected shape: the schema
    /// says that.
    fn check(_spec: &Value, _out: &mut Vec<Invalid>) {}
}
