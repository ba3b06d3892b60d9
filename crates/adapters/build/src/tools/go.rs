//! Go: `go build` of every program of the module, and which of them runs. Without C it is linked statically, so that it
//! runs in an image that holds nothing else.

use crate::yard::{Output, Yard};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) fn build(yard: &Yard<'_>) -> Result<Output, String> {
    let go = yard.find("go")?;
    let out = yard.slot.kept("out");
    crate::tree::clear(&out)
        .and_then(|()| std::fs::create_dir_all(&out))
        .map_err(|error| format!("cannot make {}: {error}", out.display()))?;
    let kept = |name: &str| yard.slot.kept(name).display().to_string();
    let (modules, cache, path) = (kept("gomod"), kept("gocache"), kept("gopath"));
    // Modules are unpacked so that they can be taken away again.
    let flags = yard.env.get("GOFLAGS").map(|said| format!("{said} ")).unwrap_or_default();
    let flags = format!("{flags}-modcacherw");
    let mut env = vec![
        ("GOMODCACHE", modules.as_str()),
        ("GOCACHE", cache.as_str()),
        ("GOPATH", path.as_str()),
        ("GOFLAGS", flags.as_str()),
    ];
    let seen = yard.ask(
        &go,
        &[
            "list",
            "-deps",
            "-f",
            "{{if not .Standard}}{{.ImportPath}}\t{{.Name}}\t{{.DepOnly}}\t{{len .CgoFiles}}{{end}}",
            "./...",
        ],
        &env,
    )?;
    let Seen { programs, c } = seen_in(&seen);
    if programs.is_empty() {
        return Err("go found no program: a module without a package main can't be run".into());
    }
    if !c {
        env.push(("CGO_ENABLED", "0"));
    }
    let into = format!("{}/", out.display());
    let mut args = vec!["build", "-trimpath", "-buildvcs=false", "-o", &into];
    args.extend(programs.iter().map(String::as_str));
    yard.run_with(&go, &args, &env, None)?;

    let mut made: BTreeMap<String, PathBuf> = BTreeMap::new();
    for name in programs.iter().map(|path| program(path)) {
        made.insert(name.clone(), out.join(&name));
    }
    let names: Vec<&str> = made.keys().map(String::as_str).collect();
    let module = yard.sight.text("go.mod").and_then(module).unwrap_or_default();
    let root = programs.contains(&module).then(|| program(&module));
    let entry: Vec<String> = match (names.as_slice(), root) {
        ([only], _) => vec![format!("./{only}")],
        (_, Some(root)) => vec![format!("./{root}")],
        _ => Vec::new(),
    };
    if entry.is_empty() {
        (yard.say)(&format!(
            "several programs, none of them at the module's root: {}; each container names its own as command",
            names.join(", ")
        ));
    }
    let mut items = yard.output()?;
    items.extend(made);
    Ok(Output { items, entry, is_static: false })
}

struct Seen {
    /// Import paths of the module's programs.
    programs: Vec<String>,
    /// Something is written in C.
    c: bool,
}

fn seen_in(lines: &[String]) -> Seen {
    let mut seen = Seen { programs: Vec::new(), c: false };
    for line in lines {
        let mut parts = line.split('\t');
        let (Some(path), Some(name), Some(dep), Some(c)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        seen.c |= c != "0";
        if name == "main" && dep == "false" {
            seen.programs.push(path.into());
        }
    }
    seen
}

/// `module NAME` of a `go.mod`.
fn module(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("module "))?;
    Some(line.split("//").next().unwrap_or(line).trim().trim_matches('"').to_string())
}

/// What `go build` calls the program of a package: the last part of its path that is no major version.
fn program(path: &str) -> String {
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or(path);
    let version = last
        .strip_prefix('v')
        .is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 1) && !n.starts_with('0'));
    if version { parts.next().unwrap_or(last).into() } else { last.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_their_names() {
        assert_eq!(program("example.com/a/cmd/web"), "web");
        assert_eq!(program("example.com/a/v2"), "a");
        assert_eq!(program("hello"), "hello");
        assert_eq!(program("example.com/vapor"), "vapor");
        assert_eq!(
            module("// x\nmodule example.com/a // y\n\ngo 1.21\n").unwrap(),
            "example.com/a"
        );
        let lines = ["a/web\tmain\tfalse\t0", "a/lib\tlib\tfalse\t0", "b/tool\tmain\ttrue\t1", ""];
        let seen = seen_in(&lines.map(ToString::to_string));
        assert_eq!((seen.programs, seen.c), (vec!["a/web".to_string()], true));
    }
}
