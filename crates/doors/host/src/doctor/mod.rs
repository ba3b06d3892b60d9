//! `tow doctor`: what is not as it should be on this machine, why, and what to do. One file a family of checks, each a
//! function from what was seen to findings; a new family is a file and a line in [`CHECKS`]. Works whether the platform
//! is up, down, or was never started, and never disturbs it: it takes no lock and opens no port for longer than a look.

mod clock;
mod copies;
mod disk;
mod engine;
mod finding;
mod leftovers;
mod machine;
mod orphans;
mod permissions;
mod ports;
mod scene;
mod store;
mod tls;
mod tools;

use crate::{
    Global,
    error::{HostError, count},
};
use finding::{Finding, State};
use scene::Scene;

pub(crate) use scene::bytes;

/// Look for what is wrong on this machine, and say what to do
///
/// Exits 0 where everything is well or only warnings were found, 1 where something must be mended.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Doctor {
    /// Do what is safe: permissions of our own files, halves of files, folders that belong to nobody
    #[arg(long)]
    fix: bool,
    /// Exit 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// Check the whole database, however long it takes
    #[arg(long)]
    deep: bool,
    /// The Postgres database the platform keeps everything in (else TOW_DATABASE)
    #[arg(long, value_name = "URL", env = "TOW_DATABASE", hide_env = true)]
    database: Option<String>,
}

/// The families, in the order they are printed.
const CHECKS: [fn(&Scene) -> Vec<Finding>; 12] = [
    leftovers::look,
    permissions::look,
    disk::look,
    copies::look,
    store::look,
    orphans::look,
    ports::look,
    tls::look,
    clock::look,
    machine::look,
    engine::look,
    tools::look,
];

/// Looks at everything; with `--fix` mends what is safe, and looks again.
pub(crate) fn doctor(args: &Doctor, global: &Global) -> Result<(), HostError> {
    let mut findings = examined(args, global)?;
    if args.fix && findings.iter().any(|finding| finding.mend.is_some()) {
        let root = crate::data::layout(global)?;
        for finding in &mut findings {
            let Some(mend) = finding.mend.take() else { continue };
            match mend.apply(root.root()) {
                Ok(done) => {
                    finding.fixed = Some(done);
                    finding.state = State::Ok;
                }
                Err(error) => {
                    let error = crate::error::plain(&error.to_string());
                    finding.fix = format!("{}; --fix could not: {error}", finding.fix);
                }
            }
        }
    }
    say(&findings, global);
    let found = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (failed, warned) = (found(State::Fail), found(State::Warn));
    if failed > 0 || (args.strict && warned > 0) {
        let names: std::collections::BTreeSet<&str> = findings
            .iter()
            .filter(|finding| finding.state >= if args.strict { State::Warn } else { State::Fail })
            .map(|finding| finding.check)
            .collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        return Err(HostError::new("doctor/failed", format!("to be mended: {names}")));
    }
    Ok(())
}

fn examined(args: &Doctor, global: &Global) -> Result<Vec<Finding>, HostError> {
    let scene = Scene::look(global, args.database.as_deref(), args.deep)?;
    Ok(CHECKS.iter().flat_map(|check| check(&scene)).collect())
}

fn say(findings: &[Finding], global: &Global) {
    if global.for_programs() {
        global.print(&findings);
        return;
    }
    for finding in findings {
        let mark = match finding.state {
            State::Ok => "  ok ",
            State::Warn => "warn ",
            State::Fail => "FAIL ",
        };
        anstream::println!("{mark} {:<24} {}", finding.check, finding.seen);
        if let Some(fixed) = &finding.fixed {
            anstream::println!("      {:<24} fixed: {fixed}", "");
        } else if finding.state != State::Ok {
            if !finding.cause.is_empty() {
                anstream::println!("      {:<24} why: {}", "", finding.cause);
            }
            if !finding.fix.is_empty() {
                anstream::println!("      {:<24} fix: {}", "", finding.fix);
            }
        }
    }
    let found = |state| findings.iter().filter(|finding| finding.state == state).count();
    anstream::println!(
        "\n{} looked at: {} to be mended, {}",
        findings.len(),
        found(State::Fail),
        count(found(State::Warn), "warning")
    );
}
