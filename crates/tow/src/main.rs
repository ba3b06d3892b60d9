//! `tow`, the one binary: hidden roles first, then the machine's verbs, then the command line's.

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    // Shims and the gateway outlive everything and should weigh nothing: no command line is parsed for them.
    if let Some(status) = tow_host::role(&args[1.min(args.len())..]) {
        return code(status);
    }
    let command = tow_cli::command()
        // Said for as long as this process lives.
        .version(&*String::leak(tow_host::version()))
        .subcommands(tow_host::commands())
        .subcommand(tow_cli::reference::command());
    let args = tow_cli::spell_out(&command, args);
    let matches = match command.clone().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(said) => {
            let said = tow_cli::nearest_first(said);
            let _ = said.print();
            return code(if said.use_stderr() { 2 } else { 0 });
        }
    };
    if let Some(("reference", own)) = matches.subcommand() {
        let host = tow_host::VARIABLES.map(|(name, doc)| tow_cli::env::Variable { name, doc });
        return code(tow_cli::reference::run(own, &command, &host));
    }
    let (data, json, yaml) = tow_cli::host_options(&matches);
    let global = tow_host::Global { data, json, yaml };
    let hosted = matches.subcommand().and_then(|(verb, own)| tow_host::run(verb, own, &global));
    code(hosted.unwrap_or_else(|| tow_cli::run(&matches)))
}

/// Exit statuses are the truth: 0 done, 1 failed, 2 usage or invalid input, 3 refused, 4 not found, 5 conflict.
fn code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
