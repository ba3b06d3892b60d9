//! The envelope every declared object comes in: `apiVersion`, `kind`, `metadata`, `spec`. Its roots are closed,
//! its metadata is open, as in the Backstage catalog.

use crate::declared::{Declared, KindFacts};
use crate::kinds::{
    ai_resource::AiResourceSpec, api::ApiSpec, component::ComponentSpec, delivery::DeliverySpec,
    domain::DomainSpec, environment::EnvironmentSpec, group::GroupSpec, location::LocationSpec,
    resource::ResourceSpec, role_binding::RoleBindingSpec, runtime::RuntimeSpec,
    service_account::ServiceAccountSpec, system::SystemSpec, template::TemplateSpec,
    user::UserSpec,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{EntityRef, Name, Namespace};

/// The `apiVersion` of our own kinds.
pub const API_VERSION: &str = "towpath.dev/v1";
/// The `apiVersion`s of most of the catalog's kinds.
pub const BACKSTAGE_VERSIONS: [&str; 2] = ["backstage.io/v1alpha1", "backstage.io/v1beta1"];

/// The one list of kinds: what is said here of each is its module's business, in `kinds/<kind>.rs`. The order is the
/// one in which they may refer to each other.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($spec:ident) = $name:literal,)+) => {
        /// The kinds that can be declared.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $kind,)+
        }

        /// The spec of one of the kinds.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        #[expect(missing_docs, reason = "each variant is the kind of its name")]
        pub enum Spec {
            $($kind($spec),)+
        }

        impl Kind {
            /// All of them, in the order in which they may refer to each other.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// What is true of every object of the kind.
            pub const fn facts(self) -> &'static KindFacts {
                match self {
                    $(Self::$kind => &<$spec as Declared>::FACTS,)+
                }
            }

            /// As written in `kind:`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The JSON Schema of the kind's spec.
            pub fn spec_schema(self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match self {
                    $(Self::$kind => generator.subschema_for::<$spec>(),)+
                }
            }

            /// The rules of the kind that its schema can't say, of the spec as written.
            pub(crate) fn check(self, spec: &serde_json::Value, out: &mut Vec<crate::Invalid>) {
                match self {
                    $(Self::$kind => <$spec as Declared>::check(spec, out),)+
                }
            }

            fn read_spec(self, value: serde_json::Value) -> Result<Spec, serde_json::Error> {
                Ok(match self {
                    $(Self::$kind => Spec::$kind(serde_json::from_value(value)?),)+
                })
            }
        }

        impl Spec {
            /// Who answers for it, as written: a reference whose kind is `group` where it says none.
            pub fn owner(&self) -> Option<&str> {
                match self {
                    $(Self::$kind(spec) => spec.owner(),)+
                }
            }
        }
    };
}

kinds! {
    /// What executes.
    Runtime(RuntimeSpec) = "Runtime",
    /// Where deployments live.
    Environment(EnvironmentSpec) = "Environment",
    /// A person.
    User(UserSpec) = "User",
    /// A team.
    Group(GroupSpec) = "Group",
    /// A program that acts by itself.
    ServiceAccount(ServiceAccountSpec) = "ServiceAccount",
    /// Who has which role.
    RoleBinding(RoleBindingSpec) = "RoleBinding",
    /// A part of the business.
    Domain(DomainSpec) = "Domain",
    /// What belongs together.
    System(SystemSpec) = "System",
    /// What a team owns.
    Component(ComponentSpec) = "Component",
    /// What a component offers to others.
    Api(ApiSpec) = "API",
    /// What a component needs to run.
    Resource(ResourceSpec) = "Resource",
    /// What an AI assistant is given: a skill, a rule, a plugin.
    AiResource(AiResourceSpec) = "AiResource",
    /// A golden path.
    Template(TemplateSpec) = "Template",
    /// Where declared objects come from.
    Location(LocationSpec) = "Location",
    /// What Score can't say about building and running a component.
    Delivery(DeliverySpec) = "Delivery",
}

impl Kind {
    /// Reads a kind as people type it: any case, singular, plural or a short form.
    pub fn parse(text: &str) -> Option<Self> {
        let same = |known: &str| known.eq_ignore_ascii_case(text);
        Self::ALL.iter().copied().find(|kind| {
            let facts = kind.facts();
            same(kind.as_str()) || same(facts.plural) || facts.short.iter().any(|short| same(short))
        })
    }

    /// Is it one of the Backstage catalog's kinds?
    pub fn is_catalog(self) -> bool {
        self.facts().versions[0] != API_VERSION
    }

    /// The reference of an object of a kind that has no namespaces, such as an environment.
    pub fn named(self, name: &Name) -> EntityRef {
        EntityRef::new(self.as_str(), &Namespace::default(), name)
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
    #[schemars(length(min = 1))]
    pub kind: Option<String>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: BTreeMap<String, serde_json::Value>,
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
    #[schemars(length(min = 1))]
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
        Self { api_version: kind.facts().versions[0].into(), kind, metadata, spec }
    }

    /// Its reference.
    pub fn entity(&self) -> EntityRef {
        EntityRef::new(self.kind.as_str(), &self.metadata.namespace, &self.metadata.name)
    }

    /// Who answers for it, as a full reference. What belongs to a component says so elsewhere ([`crate::KindFacts`]).
    pub fn owner(&self) -> Option<EntityRef> {
        let owner = self.spec.owner()?;
        EntityRef::parse(owner, Some("group"), &self.metadata.namespace).ok()
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
        let spec = raw.kind.read_spec(raw.spec).map_err(Error::custom)?;
        Ok(Self { api_version: raw.api_version, kind: raw.kind, metadata: raw.metadata, spec })
    }
}
