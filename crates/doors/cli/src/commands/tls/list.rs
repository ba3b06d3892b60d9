//! `tow tls list`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::list::Listed;
use crate::render::time;
use comfy_table::Cell;
use tow_api::Nothing;
use tow_api::tls::list::{CertificateView, ListCertificates};
use tow_record::CertificateSource;

/// List the certificates that are kept or ordered; those of names of this machine are made when asked for
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(cx: &Context, _: Args) -> Verdict {
    let reply =
        cx.client()?.call::<ListCertificates>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    cx.printer.list(reply.items)
}

impl Listed for CertificateView {
    const HEAD: &'static [&'static str] = &["HOST", "STATE", "UNTIL", "ISSUER", "FROM", "WHY"];
    const EMPTY: &'static str = "no certificates; names of this machine get one of the platform's own authority: tow tls trust";

    fn row(&self) -> Vec<Cell> {
        let facts = self.facts.as_ref();
        vec![
            Cell::new(&self.host),
            Cell::new(&self.state),
            Cell::new(facts.map(|facts| time(facts.until)).unwrap_or_default()),
            Cell::new(facts.map(|facts| facts.issuer.as_str()).unwrap_or_default()),
            Cell::new(match self.source {
                CertificateSource::Given => "given",
                CertificateSource::Acme => "acme",
                CertificateSource::Local => "local",
            }),
            Cell::new(&self.reason),
        ]
    }
}
