//! Which crate leans on which: held to the rules of ARCHITECTURE.md, which stand here as code, and to the committed
//! list `xtask/arrows.txt`, so that a new arrow is a line that somebody reviews.

use crate::workspace::{Crate, crates};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::path::Path;

const FILE: &str = "xtask/arrows.txt";

/// The floors, the lowest first. Arrows point down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    Language,
    Judgement,
    Ports,
    Adapters,
    Verbs,
    Doors,
    Platform,
    /// The machine's own door: it brings a platform up, so it stands above it.
    Host,
    Binary,
    /// The test kit and these chores: nothing leans on them but tests.
    Side,
}

/// Inside the floor of language the rooms have an order too.
const LANGUAGE: [&str; 5] = ["tow-names", "tow-model", "tow-record", "tow-formats", "tow-api"];

/// Heavy crates from outside and the only rooms that may lean on them.
const OUTSIDE: [(&str, &[&str]); 16] = [
    (
        "hyper",
        &[
            "tow-gateway",
            "tow-runtime-process",
            "tow-engine",
            "tow-client",
            "tow-http",
            "tow-acme",
            "tow-testkit",
        ],
    ),
    ("rustls", &["tow-acme", "tow-client", "tow-gateway", "tow-http", "tow-oci"]),
    ("maud", &["tow-portal", "tow-gateway"]),
    ("serde-saphyr", &["tow-formats", "tow-cli"]),
    ("sqlx", &["tow-store"]),
    ("axum", &["tow-server", "tow-portal"]),
    ("tower", &["tow-server", "tow-testkit"]),
    ("tower-http", &["tow-server"]),
    ("clap", &["tow-cli", "tow-host"]),
    ("inquire", &["tow-cli", "tow-host"]),
    ("indicatif", &["tow-cli"]),
    ("comfy-table", &["tow-cli"]),
    ("jsonschema", &["tow-formats"]),
    ("chacha20poly1305", &["tow-secrets", "tow-archive"]),
    ("tracing-subscriber", &["tow-host"]),
    ("jiff", &["tow-names"]),
];

/// Rooms among the adapters that implement no port: the client of an outside thing that several adapters speak to.
const SHARED: [&str; 1] = ["tow-engine"];

fn floor(folder: &str) -> Option<Floor> {
    Some(match folder.split('/').collect::<Vec<_>>()[..] {
        ["crates", "language", _] => Floor::Language,
        ["crates", "judgement", _] => Floor::Judgement,
        ["crates", "ports", _] => Floor::Ports,
        ["crates", "adapters", _] => Floor::Adapters,
        ["crates", "verbs", _] => Floor::Verbs,
        ["crates", "doors", "host"] => Floor::Host,
        ["crates", "doors", _] => Floor::Doors,
        ["crates", "platform"] => Floor::Platform,
        ["crates", "tow"] => Floor::Binary,
        ["testkit"] | ["testkit", _] | ["xtask"] => Floor::Side,
        _ => return None,
    })
}

fn step(name: &str) -> Option<usize> {
    LANGUAGE.iter().position(|room| *room == name)
}

/// Why an arrow may not be, or nothing where it may.
fn refusal(from: (&str, Floor), to: (&str, Floor)) -> Option<&'static str> {
    use Floor::{Adapters, Binary, Doors, Host, Judgement, Language, Platform, Ports, Side, Verbs};
    let ((from, above), (to, below)) = (from, to);
    Some(match (above, below) {
        (Side, _) if from == "xtask" => {
            "xtask looks at the tree from outside and sees none of our crates"
        }
        (Side, Side) if to != "xtask" => return None,
        (_, Side) => "the test kit is for tests: name it under [dev-dependencies]",
        (Side, _) => return None,
        (_, Binary) => "nothing leans on the binary",
        (Language, Language) => match (step(from), step(to)) {
            (Some(4), Some(3)) => "the contract knows nothing of text formats",
            (Some(a), Some(b)) if a > b => return None,
            (Some(_), Some(_)) => "in language, names < model < record < formats, api",
            _ => "this room of language has no place in the order in xtask/src/arrows.rs yet",
        },
        (above, below) if above < below => "arrows point down",
        (Ports, Judgement) => "a port says what the outside does, not what should be",
        (Adapters, Judgement) => "adapters do one outside thing and decide nothing",
        (Verbs, Adapters) if to == "tow-store" => return None,
        (Verbs, Adapters) => "verbs see the outside through ports; of the adapters only the store",
        (Doors, Judgement | Adapters) => {
            "doors decode, hand over and encode; they neither decide nor query"
        }
        (Doors, Verbs) if matches!(from, "tow-server" | "tow-portal") && to == "tow-app" => {
            return None;
        }
        (Doors, Verbs) => "only server and portal hand over to the app, and only to the app",
        (Doors, Doors) if matches!(from, "tow-cli") && to == "tow-client" => return None,
        (Doors, Doors) => "doors do not see each other; the CLI alone sees the client",
        (Host, Doors) if to == "tow-client" => return None,
        (Host, Language | Ports | Platform) => return None,
        (Host, _) => "host sees the platform as a whole and the client, no room inside it",
        (Binary, Doors | Host | Platform | Language) => return None,
        (Binary, _) => "the binary dispatches and holds no logic",
        (a, b) if a == b => match a {
            Judgement => "rooms of judgement do not see each other",
            Adapters if SHARED.contains(&to) => return None,
            Adapters => {
                "adapters never see each other, but for the clients that several of them use"
            }
            Verbs => "app and reconcile never see each other",
            _ => "two rooms of one floor do not see each other",
        },
        _ => return None,
    })
}

/// All arrows between our crates as `from -> to`, and every rule that is broken.
fn look(crates: &[Crate]) -> (BTreeSet<String>, Vec<String>) {
    let (mut arrows, mut wrong) = (BTreeSet::new(), Vec::new());
    for own in crates {
        let Some(above) = floor(&own.folder) else {
            wrong.push(format!("{}: {} is on no floor", own.name, own.folder));
            continue;
        };
        let expected = format!("tow-{}", own.folder.rsplit('/').next().unwrap_or_default());
        if own.name != expected && !matches!(own.name.as_str(), "tow" | "xtask") {
            wrong.push(format!("{}: in {} it should be called {expected}", own.name, own.folder));
        }
        for other in crates.iter().filter(|other| own.needs.contains(&other.name)) {
            arrows.insert(format!("{} -> {}", own.name, other.name));
            let below = floor(&other.folder).unwrap_or(Floor::Side);
            if let Some(why) = refusal((&own.name, above), (&other.name, below)) {
                wrong.push(format!("{} -> {}: {why}", own.name, other.name));
            }
        }
        for (outside, rooms) in OUTSIDE {
            if own.needs.contains(outside) && !rooms.contains(&own.name.as_str()) {
                let rooms = rooms.join(", ");
                wrong.push(format!("{} -> {outside}: its only room is {rooms}", own.name));
            }
        }
    }
    (arrows, wrong)
}

/// Prints what differs; an error where anything does.
pub(crate) fn check(root: &Path) -> Result<()> {
    let (arrows, mut wrong) = look(&crates(root)?);
    let kept = std::fs::read_to_string(root.join(FILE)).unwrap_or_default();
    let kept: BTreeSet<String> = kept.lines().map(str::to_string).collect();
    for arrow in arrows.difference(&kept) {
        wrong.push(format!("+ {arrow}: new; if it is meant, `cargo xtask arrows --bless`"));
    }
    for arrow in kept.difference(&arrows) {
        wrong.push(format!("- {arrow}: gone; `cargo xtask arrows --bless`"));
    }
    for line in &wrong {
        println!("{line}");
    }
    if !wrong.is_empty() {
        bail!("{} arrows are not as they should be", wrong.len());
    }
    println!("{} arrows, all as in {FILE}", arrows.len());
    Ok(())
}

/// Writes the list, unless a rule is broken: rules are changed here, not blessed.
pub(crate) fn bless(root: &Path) -> Result<()> {
    let (arrows, wrong) = look(&crates(root)?);
    for line in &wrong {
        println!("{line}");
    }
    if !wrong.is_empty() {
        bail!("{} arrows break a rule; {FILE} was left as it is", wrong.len());
    }
    let text: String = arrows.iter().map(|arrow| format!("{arrow}\n")).collect();
    std::fs::write(root.join(FILE), text)?;
    println!("{} arrows written to {FILE}", arrows.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(from: &str, to: &str) -> bool {
        let place = |folder: &str| {
            let last = folder.rsplit('/').next().unwrap();
            let name =
                if matches!(last, "tow" | "xtask") { last.into() } else { format!("tow-{last}") };
            (name, floor(folder).unwrap())
        };
        let ((a, above), (b, below)) = (place(from), place(to));
        refusal((&a, above), (&b, below)).is_none()
    }

    #[test]
    fn the_rules_hold_what_the_architecture_says() {
        for (from, to) in [
            ("crates/language/api", "crates/language/record"),
            ("crates/verbs/app", "crates/adapters/store"),
            ("crates/verbs/app", "crates/judgement/plan"),
            ("crates/doors/server", "crates/verbs/app"),
            ("crates/doors/cli", "crates/doors/client"),
            ("crates/doors/host", "crates/platform"),
            ("crates/platform", "crates/adapters/gateway"),
            ("crates/tow", "crates/doors/host"),
            ("testkit", "crates/adapters/fake"),
            ("testkit", "testkit/postgres"),
        ] {
            assert!(allowed(from, to), "{from} -> {to} should be allowed");
        }
        for (from, to) in [
            ("crates/language/names", "crates/language/model"),
            ("crates/language/record", "crates/language/formats"),
            ("crates/judgement/plan", "crates/ports/ports"),
            ("crates/judgement/plan", "crates/judgement/policy"),
            ("crates/ports/ports", "crates/judgement/plan"),
            ("crates/adapters/build", "crates/adapters/blobs"),
            ("crates/adapters/store", "crates/judgement/plan"),
            ("crates/verbs/app", "crates/verbs/reconcile"),
            ("crates/verbs/reconcile", "crates/adapters/runtime-process"),
            ("crates/doors/cli", "crates/adapters/store"),
            ("crates/doors/cli", "crates/verbs/app"),
            ("crates/doors/cli", "crates/judgement/plan"),
            ("crates/doors/cli", "crates/platform"),
            ("crates/doors/portal", "crates/doors/server"),
            ("crates/doors/portal", "crates/verbs/reconcile"),
            ("crates/doors/host", "crates/adapters/store"),
            ("crates/tow", "crates/adapters/gateway"),
            ("crates/platform", "testkit"),
            ("xtask", "crates/language/names"),
        ] {
            assert!(!allowed(from, to), "{from} -> {to} should be refused");
        }
    }
}
