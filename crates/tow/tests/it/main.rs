//! Everything that needs the whole platform or the real binary: one test binary, one file a subject.

mod access;
mod apply;
mod audit;
mod backstage_client;
mod backup;
mod bad_input;
mod bad_world;
mod build;
mod cli_offline;
mod crash;
mod crossings;
mod deploy;
mod doctor;
mod examples;
mod ferry;
mod fire;
mod gateway;
mod given;
mod lifecycle;
mod location;
mod postgres;
mod query;
mod rollout;
mod runtime_process;
mod ways_in;
mod webhook;
