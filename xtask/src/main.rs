//! The project's own chores, `cargo xtask CHORE`: tests, arrows, tidiness, references, measurements.
//!
//! Sees none of our crates: it looks at the tree, at cargo and at the built binary from outside.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to whoever started it"
)]

mod arrows;
mod bench;
mod exceptions;
mod fire;
mod generate;
mod package_tools;
mod process;
mod test;
mod tidy;
mod tools;
mod workspace;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask CHORE

  test [--install]   everything that must hold; ends with what was not run and why
                     --install: installs missing system packages first (apt-get, as root)
  ci [--install]     test, then a release build and the measurements in their short form
  arrows [--bless]   which crate leans on which, held to the rules and to xtask/arrows.txt
  tidy               what every file must keep to; exceptions in xtask/exceptions.txt
  generate [--check] the references under docs/reference/ and openapi/, from the binary itself
  bench [--short] [--catalog | --edge] [--tow FILE] [--json FILE]
                     the figures in one table
  fire [--seed N]    traffic of every kind through all that can be done underneath, about 25 minutes";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Did all that was asked for hold?
fn run(args: &[&str]) -> Result<bool> {
    let root = workspace::root()?;
    match args {
        ["test"] => return test::test(&root, false),
        ["test", "--install"] => return test::test(&root, true),
        ["ci"] => return test::ci(&root, false),
        ["ci", "--install"] => return test::ci(&root, true),
        ["arrows"] => arrows::check(&root)?,
        ["arrows", "--bless"] => arrows::bless(&root)?,
        ["tidy"] => tidy::check(&root)?,
        ["generate"] => generate::write(&root)?,
        ["generate", "--check"] => {
            if let generate::Answer::NotYet(why) = generate::check(&root)? {
                println!("not run: references: {why}");
            }
        }
        ["fire"] => return fire::fire(&root, None),
        ["fire", "--seed", seed] => return fire::fire(&root, Some(seed)),
        ["bench", rest @ ..] => bench::bench(&root, bench::Options::parse(rest)?)?,
        [] | ["help" | "--help" | "-h"] => println!("{USAGE}"),
        other => bail!("no such chore: {}\n\n{USAGE}", other.join(" ")),
    }
    Ok(true)
}
