//! The command line for people and scripts: `commands/<noun>/<verb>.rs`, or `commands/<verb>.rs` for the daily ones, and
//! one printer. Speaks to the platform through the client alone; never reaches store, app or plan. The machine's own
//! verbs (`up`, `down`, …) are the crate `host`'s; the binary puts both together.

mod attach;
mod commands;
mod context;
pub mod env;
mod failure;
mod follow;
mod list;
mod offline;
mod printer;
mod project;
pub mod reference;
mod render;
mod stay;
mod terminal;

pub use tow_record::ExitStatus as Exit;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use context::{Context, Global};
use std::ffi::OsString;

/// `tow`'s verbs that speak to a platform, or to nobody. The binary adds the host's to it. Options of all verbs are
/// global: `output` (`text`, `json`, `yaml`), `quiet`, `url`, `data`.
pub fn command() -> Command {
    let command = Command::new("tow")
        .version(env!("CARGO_PKG_VERSION"))
        .about("From a folder to a live service, and back")
        .override_help(HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .infer_subcommands(false)
        .max_term_width(100);
    commands::Verb::augment_subcommands(Global::augment_args(command))
}

/// What the machine's own verbs need of the options that hold for all verbs: the data directory, and whether results
/// are JSON, or YAML.
pub fn host_options(matches: &ArgMatches) -> (Option<std::path::PathBuf>, bool, bool) {
    match Global::from_arg_matches(matches) {
        Ok(global) => {
            let is = |format| global.output == format;
            (global.data_dir(), is(printer::Format::Json), is(printer::Format::Yaml))
        }
        Err(_) => (None, false, false),
    }
}

/// Accepts `config:set` for `config set`: the first argument that is such a pair is taken apart. And `help deploy` for
/// `deploy --help`.
pub fn spell_out(command: &Command, args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let (mut done, mut helps) = (false, false);
    for (at, arg) in args.into_iter().enumerate() {
        let text = arg.to_str().unwrap_or_default();
        if at == 1 && text == "help" {
            helps = true;
            continue;
        }
        if at == 0 || done {
            out.push(arg);
            continue;
        }
        if let Some((noun, verb)) = text.split_once(':') {
            let known = command.find_subcommand(noun).and_then(|noun| noun.find_subcommand(verb));
            if known.is_some() {
                out.extend([noun.into(), verb.into()]);
                done = true;
                continue;
            }
        }
        done = text == "--" || command.find_subcommand(text).is_some();
        out.push(arg);
    }
    if helps {
        out.push("--help".into());
    }
    out
}

/// What is nearest to what was typed is said first; the parser says it last.
pub fn nearest_first(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    for kind in
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
    {
        if let Some(ContextValue::Strings(all)) = error.get(kind) {
            let all = all.iter().rev().cloned().collect();
            error.insert(kind, ContextValue::Strings(all));
        }
    }
    error
}

/// Does what was asked for, on a runtime of its own; the exit status.
pub fn run(matches: &ArgMatches) -> i32 {
    let parsed = Global::from_arg_matches(matches)
        .and_then(|global| Ok((global, commands::Verb::from_arg_matches(matches)?)));
    let (global, verb) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let _ = error.print();
            return error.exit_code();
        }
    };
    let context = Context::new(global);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let verdict = match runtime {
        Ok(runtime) => {
            let verdict = runtime.block_on(verb.run(&context));
            // A thread that still waits, as for standard input, must not hold the process back.
            runtime.shutdown_background();
            verdict
        }
        Err(error) => Err(failure::Failure::new("cli/runtime", error.to_string())),
    };
    context.printer.waited();
    match verdict {
        Ok(()) => Exit::Done.code(),
        Err(failure) => {
            context.printer.failure(&failure);
            failure.code()
        }
    }
}

/// One screen, by what people do; a test holds it against the commands.
const HELP: &str = "\
From a folder to a live service, and back
Usage: tow VERB [OPTIONS]    every verb explains itself: tow VERB --help

Daily
  deploy [DIR]    plan, build, put live   status       what runs, and where
  plan [DIR]      say what would happen   ps           a line a container
  rollback [N]    go back to an earlier   logs [-f]    what they write
  config          set, unset, list values releases     what was built
  scale W=N       so many instances       deployments  what went where, why
  restart  stop  start  open              events [-f]  everything that happened
  dev  run  exec  here; a command there   job  cron    runs, schedules
  build           without deploying       artifact     what builds made
  pause  resume  maintenance   requests   rollout  route   who is sent where
Catalog
  apply -f FILE   create or change        get KIND     list, show; describe
  delete KIND     take away               search TEXT  find by words
  validate  explain  schema               location     where it is read from
Access and audit
  user  token  session  sign-in  whoami   access       who may what, and why
  audit           search, prove, export   webhook      tell others of events
Platform
  up down upgrade  start, stop, renew it  doctor  tls  what is wrong; https
  backup  restore  all of it, one file    store        copy to another database
Options: -o json|yaml  -c COMPONENT  -e ENVIRONMENT  --url URL  --data DIR  -q";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn help_fits_one_screen_and_names_every_verb() {
        assert!(HELP.lines().count() <= 24, "{} lines", HELP.lines().count());
        assert!(HELP.lines().all(|line| line.chars().count() <= 80));
        for verb in command().get_subcommands() {
            let named = HELP.split(|c: char| c.is_whitespace() || c == ';' || c == ':');
            assert!(named.into_iter().any(|word| word == verb.get_name()), "{}", verb.get_name());
        }
    }

    #[test]
    fn the_nearest_verb_is_said_first() {
        let said = command().try_get_matches_from(["tow", "deplyo"]).err();
        let said = said.map(|error| nearest_first(error).to_string()).unwrap_or_default();
        let verbs = ["'deploy'", "'deployments'"].map(|verb| said.find(verb));
        assert!(verbs[0].is_some() && verbs[0] < verbs[1].or(Some(usize::MAX)), "{said}");
    }

    #[test]
    fn noun_colon_verb_is_a_synonym() {
        let spell = |text: &str| {
            let args = text.split(' ').map(OsString::from);
            spell_out(&command(), args).join(&OsString::from(" ")).into_string().unwrap_or_default()
        };
        assert_eq!(spell("tow config:set A=b:c"), "tow config set A=b:c");
        assert_eq!(spell("tow -o json token:list"), "tow -o json token list");
        assert_eq!(spell("tow config set config:set"), "tow config set config:set");
        assert_eq!(spell("tow nothing:at-all"), "tow nothing:at-all");
        assert_eq!(spell("tow help"), "tow --help");
        assert_eq!(spell("tow help config set"), "tow config set --help");
        assert_eq!(spell("tow exec web -- help"), "tow exec web -- help");
    }
}
