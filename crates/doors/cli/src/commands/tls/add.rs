//! `tow tls add HOST --cert FILE --key FILE`.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::time;
use std::path::{Path, PathBuf};
use tow_api::Nothing;
use tow_api::tls::add::{AddCertificate, Body, Path as Which};

/// Bring the certificate of a host; it is checked, sealed and shown by the gateway at once
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The host; '*.example.org' for all below
    host: String,
    /// PEM: the certificate of the host, then those that lead to a root
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// PEM of its private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = Body { chain: read(&args.cert)?, key: read(&args.key)? };
    let path = Which { host: args.host };
    let added = cx.client()?.call::<AddCertificate>(&path, &Nothing {}, &body).await?;
    cx.printer.data(&added, || {
        let facts = added.facts.as_ref();
        let until = facts.map(|facts| time(facts.until)).unwrap_or_default();
        let issuer = facts.map(|facts| facts.issuer.as_str()).unwrap_or_default();
        format!("{}: a certificate of {issuer}, good until {until}", added.host)
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::file(path, &error)
            .hint("--cert and --key name PEM files that you may read; no certificate was changed")
    })
}
