//! The envelope every declared object comes in: `apiVersion`, `kind`, `metadata`, `spec`. Its roots are closed,
//! its metadata is open, as in the Backstage catalog.

use crate::kinds::{
    component::ComponentSpec, delivery::DeliverySpec, environment::EnvironmentSpec,
    group::GroupSpec, runtime::RuntimeSpec, system::SystemSpec, user::UserSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{EntityRef, Name, Namespace};

/// The `apiVersion` of our own kinds.
pub const API_VERSION: &str = "towpath.dev/v1";
/// The `apiVersion`s of the catalog's kinds.
pub const BACKSTAGE_VERSIONS: [&str; 2] = ["backstage.io/v1alpha1", "backstage.io/v1beta1"];

/// The kinds that can be declared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Kind {
    /// Where deployments live.
    Environment,
    /// What executes.
    Runtime,
    /// What Score can't say about building and running a component.
    Delivery,
    /// What a team owns.
    Component,
    /// What belongs together.
    System,
    /// A team.
    Group,
    /// A person.
    User,
}

impl Kind {
    /// All of them, in the order in which they may refer to each other.
    pub const ALL: [Self; 7] = [
        Self::Runtime,
        Self::Environment,
        Self::User,
        Self::Group,
        Self::System,
        Self::Component,
        Self::Delivery,
    ];

    /// As written in `kind:`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "Environment",
            Self::Runtime => "Runtime",
            Self::Delivery => "Delivery",
            Self::Component => "Component",
            Self::System => "System",
            Self::Group => "Group",
            Self::User => "User",
        }
    }

    /// Reads a kind as people type it: any case, singular or plural.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let one = match text.as_str() {
            "deliveries" => "delivery",
            other => other,
        };
        Self::ALL.into_iter().find(|kind| {
            let name = kind.as_str().to_ascii_lowercase();
            one == name || one.strip_suffix('s') == Some(name.as_str())
        })
    }

    /// Is it one of the Backstage catalog's kinds?
    pub const fn is_catalog(self) -> bool {
        matches!(self, Self::Component | Self::System | Self::Group | Self::User)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A link shown beside an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// An absolute URL.
    pub url: String,
    /// What the link says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A key of an icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// A word to sort links by.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What every object says of itself. Other keys are kept as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// Unique with kind and namespace, without regard to case.
    pub name: Name,
    /// `default` where nothing is said.
    #[serde(default)]
    pub namespace: Namespace,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Short values to select by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Values for tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Words to group by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where else to look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: BTreeMap<String, serde_json::Value>,
}

impl Metadata {
    /// With a name and nothing else.
    pub fn named(name: Name) -> Self {
        Self {
            name,
            namespace: Namespace::default(),
            title: None,
            description: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            tags: Vec::new(),
            links: Vec::new(),
            more: BTreeMap::new(),
        }
    }
}

/// The spec of one of the kinds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant is the kind of its name")]
pub enum Spec {
    Environment(EnvironmentSpec),
    Runtime(RuntimeSpec),
    Delivery(DeliverySpec),
    Component(ComponentSpec),
    System(SystemSpec),
    Group(GroupSpec),
    User(UserSpec),
}

/// A declared object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// `towpath.dev/v1`, or one of the catalog's.
    pub api_version: String,
    /// Which kind.
    pub kind: Kind,
    /// Who it is.
    pub metadata: Metadata,
    /// What it should be.
    pub spec: Spec,
}

impl Manifest {
    /// Puts an object together; the API version follows from the kind.
    pub fn new(kind: Kind, metadata: Metadata, spec: Spec) -> Self {
        let api_version = if kind.is_catalog() { BACKSTAGE_VERSIONS[0] } else { API_VERSION };
        Self { api_version: api_version.into(), kind, metadata, spec }
    }

    /// Its reference.
    pub fn entity(&self) -> EntityRef {
        EntityRef::new(self.kind.as_str(), &self.metadata.namespace, &self.metadata.name)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    /// The spec is read by the kind that stands beside it, so that an error names the field and not "no variant".
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            api_version: String,
            kind: Kind,
            metadata: Metadata,
            spec: serde_json::Value,
        }
        use serde::de::Error;
        let raw = Raw::deserialize(deserializer)?;
        fn read<T: serde::de::DeserializeOwned, E: Error>(
            value: serde_json::Value,
        ) -> Result<T, E> {
            serde_json::from_value(value).map_err(E::custom)
        }
        let spec = match raw.kind {
            Kind::Environment => Spec::Environment(read(raw.spec)?),
            Kind::Runtime => Spec::Runtime(read(raw.spec)?),
            Kind::Delivery => Spec::Delivery(read(raw.spec)?),
            Kind::Component => Spec::Component(read(raw.spec)?),
            Kind::System => Spec::System(read(raw.spec)?),
            Kind::Group => Spec::Group(read(raw.spec)?),
            Kind::User => Spec::User(read(raw.spec)?),
        };
        Ok(Self { api_version: raw.api_version, kind: raw.kind, metadata: raw.metadata, spec })
    }
}
