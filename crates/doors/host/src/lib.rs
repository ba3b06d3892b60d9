//! The machine's side of `tow`: up and down. Starts the platform on a data directory and ends it; holds no use-case.
//! It is the one door that sees `platform`, because it is the one that opens the house.

mod backup;
mod data;
mod demo;
mod doctor;
mod down;
mod error;
mod executable;
mod ready;
mod rehearsal;
mod stop;
mod store;
mod up;
mod upgrade;

pub use tow_platform::role;

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _, Subcommand as _};
use std::path::PathBuf;

/// Variables of the environment that this room reads, each with what it does, for the reference.
pub const VARIABLES: [(&str, &str); 9] = [
    (
        "TOW_LOG",
        "How much `tow up` logs to standard error: error, warn (the default), info, debug, trace, or by crate, as in info,tow_app=debug.",
    ),
    (
        "TOW_ALLOW_ADDRESS",
        "What `tow up --allow-address` allows, several parted by commas: addresses, networks or hosts inside that webhooks and locations may lead to.",
    ),
    (
        "TOW_HOSTS",
        "What `tow up --host` says, several parted by commas: host names under which API and portal answer beside localhost.",
    ),
    (
        "TOW_TRUSTED_PROXY",
        "What `tow up --trusted-proxy` says, several parted by commas: addresses or networks of proxies in front of gateway, API and portal, whose word of who asks is believed.",
    ),
    (
        "TOW_ACME",
        "What `tow up --acme` says: the directory of a certificate authority, or letsencrypt.",
    ),
    (
        "TOW_BACKUP_PASSPHRASE",
        "The passphrase of `tow backup`, `tow backup drill` and `tow restore`, where no file with it is named.",
    ),
    (
        "TOW_UPGRADED_FROM",
        "Said by `tow upgrade` alone: the program that is given the place back where this one does not come up; empty where it was given back.",
    ),
    (
        "TOW_CRASH_AT",
        "For tests of crash safety alone: `tow up` aborts at its N-th crossing, a commit or an effect.",
    ),
    (
        "TOW_COUNT_CROSSINGS",
        "For tests of crash safety alone: `tow up` appends a line to this file at each crossing.",
    ),
];

/// What the binary knows of options that hold for all verbs.
#[derive(Debug, Clone)]
pub struct Global {
    /// The data directory, resolved.
    pub data: Option<PathBuf>,
    /// Results as JSON.
    pub json: bool,
    /// Results as YAML.
    pub yaml: bool,
}

impl Global {
    /// Results are read by programs.
    pub(crate) const fn for_programs(&self) -> bool {
        self.json || self.yaml
    }

    /// A result for programs, in the format that was asked for.
    pub(crate) fn print<T: serde::Serialize>(&self, value: &T) {
        // What these verbs answer is text, numbers and lists: there is nothing that could not be written.
        let text = if self.yaml {
            tow_formats::to_yaml(&serde_json::to_value(value).unwrap_or_default())
        } else {
            serde_json::to_string_pretty(value).unwrap_or_default()
        };
        anstream::println!("{}", text.trim_end());
    }
}

/// This program's version, and which build of it this is, as a platform and its upgrade name it.
pub fn version() -> String {
    executable::version()
}

/// The verbs of this room, to be added to the command line's.
pub fn commands() -> Vec<Command> {
    vec![
        up::Up::augment_args(Command::new("up")),
        down::Down::augment_args(Command::new("down")),
        upgrade::Upgrade::augment_args(Command::new("upgrade")),
        doctor::Doctor::augment_args(Command::new("doctor")),
        backup::Backup::augment_args(Command::new("backup")),
        backup::Restore::augment_args(Command::new("restore")),
        store::Verb::augment_subcommands(
            Command::new("store").about("The store itself").subcommand_required(true),
        ),
    ]
}

/// Does what was asked for; the exit status. `None`: the verb is not of this room.
pub fn run(verb: &str, matches: &ArgMatches, global: &Global) -> Option<i32> {
    let outcome =
        match verb {
            "up" => up::Up::from_arg_matches(matches).map(|args| up::up(&args, global)),
            "down" => down::Down::from_arg_matches(matches).map(|args| down::down(&args, global)),
            "upgrade" => upgrade::Upgrade::from_arg_matches(matches)
                .map(|args| upgrade::upgrade(&args, global)),
            "backup" => {
                backup::Backup::from_arg_matches(matches).map(|args| backup::run(&args, global))
            }
            "store" => store::Verb::from_arg_matches(matches).map(|verb| store::run(&verb, global)),
            "restore" => backup::Restore::from_arg_matches(matches)
                .map(|args| backup::restore(&args, global)),
            "doctor" => {
                doctor::Doctor::from_arg_matches(matches).map(|args| doctor::doctor(&args, global))
            }
            _ => return None,
        };
    Some(match outcome {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            error.print(global.json);
            error.exit()
        }
        Err(usage) => {
            let _ = usage.print();
            2
        }
    })
}
