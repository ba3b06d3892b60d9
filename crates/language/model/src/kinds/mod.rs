//! One file a kind: its spec, its defaults, what is true of all its objects, and what can be checked of one alone.

pub mod ai_resource;
pub mod api;
pub mod bake;
pub mod component;
pub mod delivery;
pub mod domain;
pub mod environment;
pub mod group;
pub mod location;
pub mod resource;
pub mod role_binding;
pub mod routes;
pub mod runtime;
pub mod scale;
pub mod service_account;
pub mod static_files;
pub mod strategy;
pub mod system;
pub mod template;
pub mod user;
pub mod workload;
