//! `tow access why ACTOR ACTION OBJECT`.

use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::{hint, line};
use tow_api::access::why::{Query, WhyAccess};
use tow_api::{Action, Nothing};

/// Show whether somebody may do something, by which rule, and who could
///
/// Ends with exit status 0 for yes and 3 for no, so that scripts can ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who: me, a user as in ann, or serviceaccount:NAME
    actor: String,
    /// read, read-private, declare, govern, deploy, own-tokens, manage-access, audit or erase
    action: String,
    /// To what: a component's name, KIND:NAME, or platform
    object: String,
}

/// An action by its name.
pub(crate) fn action(text: &str) -> Verdict<Action> {
    Action::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        Failure::new("cli/action", format!("there is no action {text:?}"))
            .hint(format!("actions are {}", known.join(", ")))
    })
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query {
        actor: (args.actor != "me").then_some(args.actor),
        action: action(&args.action)?,
        object: args.object,
    };
    let reply = cx.client()?.call::<WhyAccess>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.data(&reply, || {
        let mut out = String::new();
        let word = if reply.allowed { "yes" } else { "no" };
        let (actor, action, object) = (&reply.actor, reply.action.as_str(), &reply.object);
        line(&mut out, format_args!("{word}  {actor}  {action}  {object}"));
        for reason in &reply.reasons {
            line(&mut out, format_args!("  {reason}"));
        }
        line(&mut out, format_args!("  rule {}", reply.rule));
        if let Some(who) = &reply.who {
            line(&mut out, format_args!("  who could: {who}"));
        }
        if let Some(ask) = &reply.ask {
            out.push_str(&hint(&format!("{ask} shows whom to ask")));
        }
        out
    })?;
    if reply.allowed { Ok(()) } else { Err(Failure::Shown(Exit::Refused)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args as _;

    #[test]
    fn the_help_names_every_action() {
        let command = Args::augment_args(clap::Command::new("why"));
        let help = command
            .get_arguments()
            .find(|argument| argument.get_id() == "action")
            .and_then(|argument| argument.get_help())
            .map(ToString::to_string)
            .unwrap();
        for action in Action::ALL {
            assert!(help.contains(action.as_str()), "{} is not in: {help}", action.as_str());
        }
    }
}
