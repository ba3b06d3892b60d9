//! What an endpoint is: a type that says its method, path, rights, and the shapes of what goes in and out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What somebody wants to do; access is decided on it. The golden role table lists them all.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Read the catalog, status, releases, deployments.
    Read,
    /// Read what owners alone may: configuration values, logs, plans.
    ReadPrivate,
    /// Declare a component, system or delivery of one's own.
    Declare,
    /// Declare what governs everybody: environments, runtimes, groups, users.
    Govern,
    /// Plan, deploy, roll back, scale, stop, start, configure.
    Deploy,
    /// Make and withdraw one's own tokens.
    OwnTokens,
    /// Make sign-in links and tokens for others.
    ManageAccess,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::ReadPrivate,
        Self::Declare,
        Self::Govern,
        Self::Deploy,
        Self::OwnTokens,
        Self::ManageAccess,
    ];
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadPrivate => "read-private",
            Self::Declare => "declare",
            Self::Govern => "govern",
            Self::Deploy => "deploy",
            Self::OwnTokens => "own-tokens",
            Self::ManageAccess => "manage-access",
        }
    }
}

/// GET reads; the others write and take an `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    /// Upper case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Nothing: no path parameters, no query, no body, or no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// One endpoint of the contract.
pub trait Endpoint: Send + Sync + 'static {
    /// Such as `plan.create`; unique.
    const ID: &'static str;
    /// The HTTP method.
    const METHOD: Method;
    /// Under the root, with `{name}` for each field of `Path`.
    const PATH: &'static str;
    /// The status of a success.
    const OK: u16;
    /// The right it needs; the object it needs it on is found by the app.
    const ACTION: Action;
    /// For people: what it does, in a sentence or two.
    const DOC: &'static str;
    /// Path parameters.
    type Path: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// Query parameters.
    type Query: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// The body.
    type Body: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// The answer.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
}

/// Declares an endpoint: `endpoint!(Name, "id", GET "/path", 200, Action, path: P, query: Q, body: B, reply: R, "doc")`.
macro_rules! endpoint {
    ($(#[$meta:meta])* $name:ident, $id:literal, $method:ident $path:literal, $ok:literal, $action:ident,
     path: $p:ty, query: $q:ty, body: $b:ty, reply: $r:ty, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl $crate::Endpoint for $name {
            const ID: &'static str = $id;
            const METHOD: $crate::Method = $crate::Method::$method;
            const PATH: &'static str = $path;
            const OK: u16 = $ok;
            const ACTION: $crate::Action = $crate::Action::$action;
            const DOC: &'static str = $doc;
            type Path = $p;
            type Query = $q;
            type Body = $b;
            type Reply = $r;
        }
    };
}
pub(crate) use endpoint;
