//! `tow reference DIR`, a hidden verb: writes the references that are generated and checked into an empty folder. What
//! they say is said elsewhere, once: endpoints and numbers in the contract, kinds in the formats, codes and events among
//! the records, verbs and variables in the doors. No platform is asked.

use crate::Exit;
use crate::env::{self, Variable};
use crate::failure::Failure;
use crate::printer::{Format, Printer};
use crate::render::line;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::{Path, PathBuf};
use tow_record::{CODES, EVENTS};

/// The verb; the binary adds it, because it alone knows all verbs.
pub fn command() -> Command {
    Command::new("reference")
        .about("Write the references into an empty folder: API, verbs, kinds, variables, codes, events, numbers")
        .hide(true)
        .arg(Arg::new("DIR").required(true).value_parser(value_parser!(PathBuf)).help("An empty folder"))
}

/// Writes them; the exit status. `whole` is the binary's command with every verb, `host` the variables its own verbs
/// read.
pub fn run(matches: &ArgMatches, whole: &Command, host: &[Variable]) -> i32 {
    let Some(dir) = matches.get_one::<PathBuf>("DIR") else { return Exit::Invalid.code() };
    match write(dir, whole, host) {
        Ok(()) => Exit::Done.code(),
        Err(why) => {
            let detail = format!("{}: {why}", dir.display());
            let failure = Failure::new("cli/reference", detail);
            Printer::new(Format::default(), false).failure(&failure);
            failure.exit().code()
        }
    }
}

fn write(dir: &Path, whole: &Command, host: &[Variable]) -> std::io::Result<()> {
    if std::fs::read_dir(dir)?.next().is_some() {
        return Err(std::io::Error::other("the folder is not empty; nothing was written"));
    }
    for (name, text) in files(whole, host) {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// By file name: `openapi/…` belongs below the root, the others below `docs/reference/`. The same binary writes the
/// same bytes.
fn files(whole: &Command, host: &[Variable]) -> Vec<(String, String)> {
    let mut out = vec![
        ("openapi/tow-v1.json".to_string(), format!("{:#}\n", tow_api::openapi())),
        ("cli.md".to_string(), cli(whole)),
        ("api.md".to_string(), api()),
        ("environment-variables.md".to_string(), variables(host)),
        ("error-codes.md".to_string(), codes()),
        ("events.md".to_string(), events()),
        ("metrics.md".to_string(), metrics()),
    ];
    let kinds = tow_model::Kind::ALL.iter().map(|kind| kind.as_str()).chain(["Workload"]);
    for kind in kinds {
        let name = kind.to_ascii_lowercase();
        if let Some(schema) = tow_formats::schema(&name) {
            out.push((format!("kinds/{name}.json"), format!("{schema:#}\n")));
        }
    }
    out
}

fn variables(host: &[Variable]) -> String {
    let mut out = String::from(
        "# Environment variables\n\nWhat `tow` reads. An option given on the command line comes first.\n\n\
         | variable | what it does |\n| --- | --- |\n",
    );
    for variable in env::ALL.iter().chain(host) {
        line(&mut out, format_args!("| `{}` | {} |", variable.name, cell(variable.doc)));
    }
    out
}

fn api() -> String {
    let mut out = String::from(
        "# The API\n\nWhat goes in and out is in `openapi/tow-v1.json`, which a running platform serves at \
         `/api/v1/openapi.json`. The right an endpoint needs is asked of the object it is about; who has it is the table \
         `crates/judgement/policy/roles.txt`. Everything but GET takes an `Idempotency-Key`. Errors are \
         `application/problem+json` with a [stable code](error-codes.md).\n\n\
         | endpoint | right | what it does |\n| --- | --- | --- |\n",
    );
    let mut rows = Vec::new();
    macro_rules! all {
        (plain: [$($plain:ty),* $(,)?], special: [$($special:ty),* $(,)?]) => {
            $(rows.push(row::<$plain>());)*
            $(rows.push(row::<$special>());)*
        };
    }
    tow_api::endpoints!(all);
    rows.sort_by_key(|(method, path, _)| (*path, method.as_str()));
    for (method, path, rest) in rows {
        line(&mut out, format_args!("| `{} {path}` | {rest} |", method.as_str()));
    }
    out
}

fn row<E: tow_api::Endpoint>() -> (tow_api::Method, &'static str, String) {
    (E::METHOD, E::PATH, format!("{} | {}", E::ACTION.as_str(), cell(E::DOC)))
}

fn codes() -> String {
    let mut out = String::from(
        "# Error codes\n\nEvery error of `tow`, of its API and of its gateway carries one of these. They are added, never \
         renamed. Some are what the API answers, with a status; others are what `tow` says without asking anybody; \
         of both, the exit status is `tow`'s. Those with neither are rules that stand, with file, line and column, \
         under `violations` of one of the others.\n\n| code | HTTP | exit | meaning |\n| --- | --- | --- | --- |\n",
    );
    for code in CODES {
        let status = if code.status == 0 { String::new() } else { code.status.to_string() };
        let exit = code.exit.map(|exit| exit.code().to_string()).unwrap_or_default();
        line(
            &mut out,
            format_args!("| `{}` | {status} | {exit} | {} |", code.code, cell(code.title)),
        );
    }
    out
}

fn events() -> String {
    let mut out = String::from(
        "# Events\n\nEvery change is one event in the same transaction, in one log, numbered without gaps: \
         `tow events`, `GET /api/v1/events`.\n\n| kind | written when |\n| --- | --- |\n",
    );
    for (kind, when) in EVENTS {
        line(&mut out, format_args!("| `{kind}` | {} |", cell(when)));
    }
    out
}

fn metrics() -> String {
    let mut out = String::from(
        "# Metrics\n\nWhat the platform tells of itself at `/metrics`, in Prometheus' text format.\n\n\
         | name | type | what it is |\n| --- | --- | --- |\n",
    );
    for metric in tow_api::METRICS {
        let (name, kind, help) = (metric.name, metric.kind, cell(metric.help));
        line(&mut out, format_args!("| `{name}` | {kind} | {help} |"));
    }
    out
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn cli(whole: &Command) -> String {
    let mut whole = whole.clone();
    whole.build();
    let mut out = String::from(
        "# The command line\n\n`noun:verb` is accepted for `noun verb`. Exit status: 0 done, 1 failed, 2 usage or invalid \
         input, 3 refused by a rule, 4 not found, 5 conflict or stale.\n\nOptions of every verb:\n\n",
    );
    for argument in whole.get_arguments().filter(|argument| argument.is_global_set()) {
        line(&mut out, format_args!("{}", described(argument)));
    }
    verbs(&whole, "tow", &mut out);
    out
}

fn verbs(command: &Command, path: &str, out: &mut String) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let path = format!("{path} {}", verb.get_name());
        if verb.has_subcommands() {
            verbs(verb, &path, out);
            continue;
        }
        line(out, format_args!("\n## {path}\n"));
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        line(out, format_args!("{about}.\n"));
        let usage = verb.clone().render_usage().to_string();
        line(out, format_args!("    {}\n", usage.trim_start_matches("Usage: ")));
        for argument in verb.get_arguments().filter(|a| !a.is_global_set() && !a.is_hide_set()) {
            if !matches!(argument.get_id().as_str(), "help" | "version") {
                line(out, format_args!("{}", described(argument)));
            }
        }
    }
}

/// `` - `-f, --follow`: Go on with new lines ``.
fn described(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    format!("- `{}`: {help}", spelled(argument))
}

/// `-f, --follow`, `--tail <N>`, `DIR`.
fn spelled(argument: &Arg) -> String {
    let value = || {
        let names = argument.get_value_names().unwrap_or_default();
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    if argument.is_positional() {
        return value();
    }
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let mut out = names.join(", ");
    if argument.get_action().takes_values() {
        out.push_str(&format!(" <{}>", value()));
    }
    out
}
