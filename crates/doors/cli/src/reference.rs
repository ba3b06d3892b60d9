//! The references that are generated and checked: the API, the verbs, the variables of the environment, the kinds.

use crate::env;
use crate::render::line;
use clap::Command;

/// By file name: `openapi/…` belongs below the root, the others below `docs/reference/`. `command` is the whole binary's,
/// with the host's verbs. The same binary writes the same bytes.
pub fn reference(command: &Command) -> Vec<(String, String)> {
    let mut out = vec![
        ("openapi/tow-v1.json".to_string(), format!("{:#}\n", tow_api::openapi())),
        ("cli.md".to_string(), cli(command)),
        ("environment.md".to_string(), environment()),
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

fn environment() -> String {
    let mut out =
        String::from("# Environment variables\n\n| variable | what it does |\n| --- | --- |\n");
    for variable in env::ALL {
        line(&mut out, format_args!("| `{}` | {} |", variable.name, variable.doc));
    }
    out
}

fn cli(command: &Command) -> String {
    let mut command = command.clone();
    command.build();
    let mut out = String::from(
        "# The command line\n\nEvery verb takes `-o text|json|yaml`, `-q`, `--url URL` and `--data DIR`. \
         `noun:verb` is accepted for `noun verb`.\n\n\
         Exit status: 0 done, 1 failed, 2 usage or invalid input, 3 refused by a rule, 4 not found, \
         5 conflict or stale.\n",
    );
    verbs(&command, "tow", &mut out);
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
            let id = argument.get_id().as_str();
            if matches!(id, "help" | "version") {
                continue;
            }
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            line(out, format_args!("- `{}`: {help}", spelled(argument)));
        }
    }
}

/// `-f, --follow`, `--tail <N>`, `[DIR]`.
fn spelled(argument: &clap::Arg) -> String {
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
        out.push(' ');
        out.push_str(&value());
    }
    out
}
