//! Text ↔ model: YAML with line and column; Score files and manifests. Decides nothing: what a document means for what
//! runs is not known here.
//!
//! [`read`] turns a text into [`Document`]s or into everything that is wrong with it, each with file, line, column and
//! the line itself. [`schema`] gives the JSON Schema a kind is judged by; [`violation`] puts a line to a rule that was
//! found broken later.
//!
//! A text is read as YAML 1.2 (JSON is YAML): `no`, `on`, `12:30` and `012` are texts, a key stands once, an unquoted
//! `<<` takes over the entries of a map. Limits: [`MAX_BYTES`], [`MAX_DEPTH`], [`MAX_VALUES`], [`MAX_EXPANDED`],
//! [`MAX_KEY`], [`MAX_VIOLATIONS`]. Documents of the catalog's kinds may ask for files (`$text`, `$json`, `$yaml`):
//! [`references`] says which, whoever can reads them, and [`read_with`] puts them in. Nothing is read here.

pub mod backstage;
mod cloud_event;
mod cursor;
mod document;
mod head;
pub mod hub_signature;
mod judge;
mod query;
mod scalar;
mod schema;
mod score;
mod served;
mod source;
pub mod standard_webhook;
mod substitution;
mod tree;
mod violation;
mod walk;
mod words;
mod write;
mod yaml;

pub use cloud_event::{CLOUD_EVENT, cloud_event};
pub use cursor::{cursor_text, order_text, parse_cursor};
pub use document::{
    Document, MAX_VIOLATIONS, Positions, ScoreFile, positions, read, read_bytes, read_with,
};
pub use head::{HeadError, head_text, read_head};
pub use query::{LONGEST_QUERY, QueryError, parse_order, parse_query, query_text};
pub use schema::schema;
pub use served::{Known, selected, served};
pub use substitution::{Files, Form, MAX_FILES, Wanted, references, resolve};
pub use violation::violation;
pub use walk::{Ask, Found, MAX_OBJECTS, PathOf, Reading, Under, Walk, is_ours};
pub use write::{to_json, to_yaml};
pub use yaml::{MAX_BYTES, MAX_DEPTH, MAX_EXPANDED, MAX_KEY, MAX_VALUES};
