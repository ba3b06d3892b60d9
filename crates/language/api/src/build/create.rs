//! `POST /api/v1/builds`.

use super::get::BuildView;
use crate::object::apply::Document;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be built.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component, where no document names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The environment whose configuration the build's secrets come from; `development` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The folder's documents: `tow.yaml` says how it is built.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// Digest of the uploaded folder.
    pub source: String,
}

endpoint!(CreateBuild, "build.create", Post "/api/v1/builds", 201, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: BuildView,
    "Builds a source without deploying it. Where its artifact is there, nothing is built.");
