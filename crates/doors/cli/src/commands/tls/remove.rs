//! `tow tls remove HOST`: asks for the host first.

use crate::commands::delete::confirm;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::tls::{add::Path, remove::RemoveCertificate};

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
    confirm(&args.host, args.confirm.as_deref())?;
    let path = Path { host: args.host };
    cx.client()?.call::<RemoveCertificate>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&serde_json::json!({"removed": path.host}), || format!("{} removed", path.host))
}
