//! `tow tls remove HOST`: asks for the host first.

use crate::commands::delete::confirm;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use tow_api::Nothing;
use tow_api::tls::{add::Path, list::ListCertificates, remove::RemoveCertificate};

/// Take the certificate of a host away; asks for the host
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The host
    host: String,
    /// The host again, instead of being asked
    #[arg(long, value_name = "HOST")]
    confirm: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let client = cx.client()?;
    // Nobody should agree to what can't be done.
    let known = client.call::<ListCertificates>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    let host = args.host.trim_end_matches('.').to_ascii_lowercase();
    if !known.items.iter().any(|one| one.host == host) {
        return Err(Failure::new(
            "object/not-found",
            format!("a certificate of {host} is not there"),
        )
        .hint("tow tls list names them"));
    }
    confirm(&args.host, args.confirm.as_deref())?;
    let path = Path { host: args.host };
    client.call::<RemoveCertificate>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&serde_json::json!({"removed": path.host}), || format!("{} removed", path.host))
}
