//! `tow user passwd [USER]`: asks without showing what is typed. A password is never an argument: those are seen by
//! everybody on the machine, and kept by the shell.

use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::printer::can_ask;
use crate::render::short;
use std::io::BufRead as _;
use tow_api::Nothing;
use tow_api::access::password_set::{Body, SetPassword};
use tow_api::access::whoami::WhoAmI;
use tow_record::Role;

/// Set your password, or, as administrator, somebody's; their sessions end
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose, as in ann; administrators only (else your own)
    user: Option<String>,
    /// Read it from standard input, a line each: the present one if it is your own, then the new one
    #[arg(long)]
    stdin: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let client = cx.client()?;
    let none = Nothing {};
    let me = client.call::<WhoAmI>(&none, &none, &none).await?;
    // Administrators set everybody's anyway.
    let proves = args.user.is_none() && me.role != Role::Admin;
    let (current, password) = if args.stdin { piped(proves)? } else { asked(proves)? };
    let body = Body { user: args.user, password, current };
    let reply = client.call::<SetPassword>(&none, &none, &body).await?;
    cx.printer.data(&reply, || {
        let sessions = match reply.ended {
            0 => String::new(),
            1 => "; one session ended".into(),
            n => format!("; {n} sessions ended"),
        };
        format!("password of {} set{sessions}", short(&reply.user))
    })
}

fn piped(proves: bool) -> Verdict<(Option<String>, String)> {
    let mut lines = std::io::stdin().lock().lines();
    let mut line = || lines.next().and_then(Result::ok);
    let current = if proves { line() } else { None };
    let missing = || Failure::new("cli/no-password", "standard input holds no password");
    Ok((current, line().ok_or_else(missing)?))
}

fn asked(proves: bool) -> Verdict<(Option<String>, String)> {
    if !can_ask() {
        return Err(Failure::new("cli/no-password", "nobody can be asked for the password here")
            .hint("--stdin reads it from standard input"));
    }
    let ask = |question: &str| {
        inquire::Password::new(question)
            .without_confirmation()
            .with_display_mode(inquire::PasswordDisplayMode::Hidden)
            .prompt()
            .map_err(|_| Failure::Shown(Exit::Invalid))
    };
    let current =
        if proves { Some(ask("present password (empty if there is none):")?) } else { None };
    let password = ask("new password, at least 12 characters:")?;
    if ask("the same again:")? != password {
        return Err(Failure::new("cli/no-password", "the two are not the same"));
    }
    Ok((current, password))
}
