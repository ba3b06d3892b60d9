//! What an endpoint is: a type that says its method, path, rights, and the shapes of what goes in and out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use tow_record::Right as Action;

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
    /// Does it change anything? What writes is finished even when the asker goes away, takes an `Idempotency-Key`, and
    /// is limited more strictly. A POST that only reads (a query too long for an address) says so.
    const WRITES: bool = !matches!(Self::METHOD, Method::Get);
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

/// What the word `reads` in [`endpoint!`] stands for.
#[allow(non_upper_case_globals, dead_code, reason = "it is written as a word of the macro")]
pub(crate) const reads: bool = false;

/// Declares an endpoint: `endpoint!(Name, "id", Get "/path", 200, Action, path: P, query: Q, body: B, reply: R, "doc")`;
/// `Post reads "/path"` where a POST changes nothing.
macro_rules! endpoint {
    ($(#[$meta:meta])* $name:ident, $id:literal, $method:ident $($reads:ident)? $path:literal, $ok:literal, $action:ident,
     path: $p:ty, query: $q:ty, body: $b:ty, reply: $r:ty, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl $crate::Endpoint for $name {
            const ID: &'static str = $id;
            const METHOD: $crate::Method = $crate::Method::$method;
            const PATH: &'static str = $path;
            $(const WRITES: bool = $crate::endpoint::$reads;)?
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
