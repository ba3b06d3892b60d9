//! The catalog with many entities: 50 groups, 100 systems, 850 APIs, the rest components, each with owner, system, an
//! API, two dependencies, two tags and two annotations, 500 in a file. Backstage was measured with the same.

use super::figure::Figure;
use super::load::{Asking, ask};
use super::memory;
use super::platform::Running;
use super::rollout;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Who asks at the same time.
const CLIENTS: usize = 10;
/// Entities in a file: a text is at most a megabyte.
const EACH: usize = 500;

/// What the figures of so many entities are to be.
struct Limits {
    entities: usize,
    apply: f64,
    start: f64,
    list_p99: f64,
    /// After a start and a list.
    memory: f64,
    /// After the apply and everything that was asked.
    after: f64,
}

const TEN: Limits = Limits {
    entities: 10_000,
    apply: 5.0,
    start: 1.0,
    list_p99: 20.0,
    memory: 120.0,
    after: 120.0,
};
const HUNDRED: Limits = Limits {
    entities: 100_000,
    apply: 60.0,
    start: 1.0,
    list_p99: 40.0,
    memory: 400.0,
    after: 400.0,
};

/// Measures with 10,000 entities, and unless it shall be short with 100,000.
pub(super) fn measure(
    tow: &Path,
    examples: &Path,
    scratch: &Path,
    short: bool,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    with(tow, &scratch.join("ten"), &TEN, short, figures)?;
    beside(tow, examples, &scratch.join("beside"), short, figures)?;
    if short { Ok(()) } else { with(tow, &scratch.join("hundred"), &HUNDRED, short, figures) }
}

fn with(
    tow: &Path,
    scratch: &Path,
    limits: &Limits,
    short: bool,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let entities = scratch.join("entities");
    write(&entities, limits.entities)?;
    let mut running = Running::start(tow, &scratch.join("data"))?;
    let measured = on(&mut running, &entities, limits, short, figures);
    let data = running.data.clone();
    let applied = match measured {
        Ok(()) => running.stop(),
        Err(error) => {
            running.down()?;
            return Err(error);
        }
    };
    applied?;
    let again = Running::start(tow, &data)?;
    let count = limits.entities;
    let name = format!("{count} entities: start → ready");
    figures.push(Figure::most(&name, "s", limits.start, vec![again.ready_after.as_secs_f64()]));
    let name = format!("{count} entities: PSS of the control plane after start and a list");
    let list = again.tow(&["get", "components", "--where", "type=service", "--order", "name"]);
    let memory = list.and_then(|_| memory::plane(&again, &name, limits.memory));
    again.down()?;
    figures.push(memory?);
    Ok(())
}

fn on(
    running: &mut Running,
    entities: &Path,
    limits: &Limits,
    short: bool,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let count = limits.entities;
    let name = |what: &str| format!("{count} entities: {what}");
    let dir = entities.display().to_string();
    let begun = Instant::now();
    running.tow(&["apply", "-f", &dir, "-o", "json"])?;
    let applied = begun.elapsed().as_secs_f64();
    figures.push(Figure::most(&name("apply → all queryable"), "s", limits.apply, vec![applied]));

    let account = "apiVersion: towpath.dev/v1\nkind: ServiceAccount\nmetadata:\n  name: bench\nspec:\n  owner: team-00\n";
    let file = entities.with_file_name("account.yaml");
    std::fs::write(&file, account)?;
    running.tow(&["apply", "-f", &file.display().to_string()])?;
    let made = [
        "token",
        "create",
        "bench",
        "--for",
        "serviceaccount:bench",
        "--role",
        "viewer",
        "-o",
        "json",
    ];
    let token = secret(&running.json(&made)?)?;
    let only = (0..10).flat_map(|n| ["--only".to_string(), format!("system:system-{n:03}")]);
    let cut: Vec<String> = made.iter().map(ToString::to_string).chain(only).collect();
    let cut: Vec<&str> = cut.iter().map(String::as_str).collect();
    let cut = secret(&running.json(&cut)?)?;

    let path = edit_path(count);
    let mut edits = Vec::new();
    for n in 0..if short { 3 } else { 10 } {
        let title = format!("Edited {n}");
        let file = entities.with_file_name("edit.yaml");
        std::fs::write(&file, component(count - 1, count, &title))?;
        let begun = Instant::now();
        running.tow(&["apply", "--take", "-f", &file.display().to_string()])?;
        let seen = ask(&Asking::one(&running.url, &token, &path))?;
        anyhow::ensure!(seen.last.contains(&title), "the edit is not to be seen: {}", seen.last);
        edits.push(begun.elapsed().as_secs_f64());
    }
    figures.push(Figure::most(&name("an edit visible"), "s", 1.0, edits));

    let time = Duration::from_secs(if short { 3 } else { 10 });
    let by_name = |n: usize| {
        let name = component_name(n * 7919 % components(count), count);
        format!("/api/v1/objects/component/default/{name}")
    };
    let ours = "/api/v1/objects/component?q=type%3Dservice&order=name&limit=20&total=true";
    let theirs = "/api/catalog/entities/by-query?filter=kind%3Dcomponent%2Cspec.type%3Dservice\
                  &orderField=metadata.name%2Casc&limit=20";
    let facets = "/api/v1/facets?keys=kind,type,tag&q=kind%3Dcomponent";
    let text = "/api/v1/objects?q=%22component%20number%2077%22&limit=20";
    let several = |token: &str, paths: Vec<String>| Asking {
        url: running.url.clone(),
        token: token.to_string(),
        paths,
        clients: CLIENTS,
        time,
    };
    let one = |path: &str| vec![path.to_string()];
    let pages: Vec<String> = ["service", "website", "library", "worker"]
        .iter()
        .flat_map(|kind| {
            (0..25).map(move |team| {
                format!("/api/v1/objects/component?q=type%3D{kind}%20owner%3Dteam-{team:02}&order=-title&limit=20")
            })
        })
        .collect();
    // No two alike, so that no answer that was kept helps: every owner, type, lifecycle and tag.
    let mut unlike = Vec::new();
    for n in 0..50 * 4 * 3 * 20 {
        let kind = ["service", "website", "library", "worker"][n % 4];
        let lifecycle = ["production", "experimental", "deprecated"][n / 4 % 3];
        unlike.push(format!(
            "/api/v1/objects/component?q=type%3D{kind}%20spec.lifecycle%3D{lifecycle}%20owner%3Dteam-{:02}%20\
             tag%3Dtag-{}&order=name&limit=20&total=true",
            n / 12 % 50,
            n / 600 % 20,
        ));
    }
    for (what, token, paths, least, p99) in [
        ("list of 20, kind and type, by name", &token, one(ours), 1_500.0, limits.list_p99),
        ("the same, token cut to ten systems", &cut, one(ours), 1_500.0, limits.list_p99),
        ("filtered lists, no two alike", &token, unlike.clone(), 1_500.0, limits.list_p99),
        ("no two alike, token cut to ten systems", &cut, unlike, 1_500.0, limits.list_p99),
        ("the same as Backstage's clients ask it", &token, one(theirs), 1_500.0, limits.list_p99),
        ("lists of 20, type and owner, by title", &token, pages, 500.0, limits.list_p99),
        ("by name", &token, (0..500).map(by_name).collect(), 5_000.0, limits.list_p99),
        ("facets of three keys", &token, one(facets), 1_000.0, limits.list_p99),
        ("full text, 20", &token, one(text), 500.0, limits.list_p99),
    ] {
        let answered = ask(&several(token, paths))?;
        figures.push(Figure::least(
            &name(&format!("{what}, 10 clients")),
            "/s",
            least,
            answered.rate,
        ));
        let quick = answered.millis;
        figures.push(Figure::p99(&name(&format!("{what}, p99")), "ms", p99, quick.clone()));
        if matches!(what, "facets of three keys" | "full text, 20") {
            let limit = if what.starts_with("facets") { 10.0 } else { 15.0 };
            figures.push(Figure::median(&name(&format!("{what}, p50")), "ms", limit, quick));
        }
    }
    let after = name("PSS of the control plane after all of it");
    figures.push(memory::plane(running, &after, limits.after)?);
    Ok(())
}

/// Rollouts while 10,000 entities are applied, against the same rollouts before: none fails, none is held up by more
/// than a second, and nobody takes the control lease.
fn beside(
    tow: &Path,
    examples: &Path,
    scratch: &Path,
    short: bool,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let entities = scratch.join("entities");
    write(&entities, TEN.entities)?;
    let running = Running::start(tow, &scratch.join("data"))?;
    let measured = rollouts_beside(&running, examples, &entities, short);
    let log = std::fs::read_to_string(running.data.with_extension("log"));
    running.down()?;
    let (alone, beside) = measured?;
    anyhow::ensure!(!log?.contains("lease was lost"), "the control lease was lost meanwhile");
    let longest = beside.iter().copied().fold(0.0, f64::max);
    let quiet = Figure::median("a rollout alone", "s", 10.0, alone);
    let slowed = longest - quiet.value();
    let count = TEN.entities;
    let name = format!("the longest rollout beside an apply of {count} entities: slowed by");
    figures.push(quiet);
    figures.push(Figure::most(&name, "s", 1.0, vec![slowed]));
    Ok(())
}

/// Seconds of each rollout: before the apply, and of those that began while it went on.
fn rollouts_beside(
    running: &Running,
    examples: &Path,
    entities: &Path,
    short: bool,
) -> Result<(Vec<f64>, Vec<f64>)> {
    rollout::deploy(running, examples)?;
    let component = rollout::component(running)?;
    let roll = || -> Result<f64> {
        let begun = Instant::now();
        running.tow(&["restart", "--component", &component, "-o", "json"])?;
        Ok(begun.elapsed().as_secs_f64())
    };
    let alone: Vec<f64> = (0..if short { 3 } else { 10 }).map(|_| roll()).collect::<Result<_>>()?;
    let dir = entities.display().to_string();
    std::thread::scope(|scope| {
        let applying = scope.spawn(|| running.tow(&["apply", "-f", &dir, "-o", "json"]));
        let mut beside = Vec::new();
        while !applying.is_finished() || beside.is_empty() {
            beside.push(roll()?);
        }
        applying.join().map_err(|_| anyhow::anyhow!("the apply panicked"))??;
        Ok((alone, beside))
    })
}

/// A token's own text, of the answer that shows it.
fn secret(made: &[serde_json::Value]) -> Result<String> {
    Ok(made.first().and_then(|t| t["token"].as_str()).context("no token")?.to_string())
}

/// How many of them are components.
fn components(entities: usize) -> usize {
    entities - 1_000
}

fn component_name(n: usize, entities: usize) -> String {
    let width = entities.to_string().len();
    format!("component-{n:0width$}")
}

fn edit_path(entities: usize) -> String {
    format!(
        "/api/v1/objects/component/default/{}",
        component_name(components(entities) - 1, entities)
    )
}

/// The `n`th entity as YAML.
fn component(n: usize, entities: usize, title: &str) -> String {
    let own = n.saturating_sub(1_000);
    let all = components(entities);
    let name = |n: usize| component_name(n % all, entities);
    let kind = ["service", "website", "library", "worker"][own % 4];
    let lifecycle = ["production", "experimental", "deprecated"][own % 3];
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {}\n  title: {title}\n  \
         description: The component number {own} of the bench\n  tags: [java, tag-{}]\n  annotations:\n    \
         example.org/one: a{own}\n    example.org/two: b{}\nspec:\n  type: {kind}\n  lifecycle: {lifecycle}\n  \
         owner: team-{:02}\n  system: system-{:03}\n  providesApis: [api-{:03}]\n  dependsOn:\n  \
         - component:{}\n  - component:{}\n",
        name(own),
        own % 20,
        own % 100,
        own % 50,
        own % 100,
        own % 850,
        name(own + 1),
        name(own + 2),
    )
}

fn entity(n: usize, entities: usize) -> String {
    let head = |kind: &str, name: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n"
        )
    };
    match n {
        0..50 => head("Group", &format!("team-{n:02}")) + "  type: team\n  children: []\n",
        50..150 => {
            let own = n - 50;
            head("System", &format!("system-{own:03}"))
                + &format!("  owner: team-{:02}\n", own % 50)
        }
        150..1_000 => {
            let own = n - 150;
            head("API", &format!("api-{own:03}"))
                + &format!(
                    "  type: openapi\n  lifecycle: production\n  owner: team-{:02}\n  system: system-{:03}\n  \
                     definition: 'openapi: 3.1.0'\n",
                    own % 50,
                    own % 100
                )
        }
        _ => component(n, entities, &format!("Component {}", n - 1_000)),
    }
}

fn write(dir: &Path, entities: usize) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    for file in 0..entities.div_ceil(EACH) {
        let mut text = String::new();
        for n in file * EACH..((file + 1) * EACH).min(entities) {
            write!(text, "---\n{}", entity(n, entities))?;
        }
        std::fs::write(dir.join(format!("entities-{file:03}.yaml")), text)?;
    }
    Ok(())
}
