//! `tow describe KIND NAME`: everything about one object.

use crate::context::Context;
use crate::failure::Verdict;
use crate::printer::yaml;

/// Show everything about one object
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Component, System, Group, User, Environment, Runtime or Delivery; any case, singular or plural
    kind: String,
    /// NAME or NAMESPACE/NAME
    name: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let object = super::get::one(cx, &args.kind, &args.name).await?;
    let text = yaml(&object)?;
    cx.printer.data(&object, || text)
}
