//! Backstage's published catalog client, unchanged from its registry, as the client of the real binary: every method,
//! held to what was applied and to the in-memory catalog that comes with it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that can't be set up fails")]

use crate::ferry::TOW;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tow_testkit::binary::{Binary, not_run};

/// The client that is published.
const CLIENT: &str = "@backstage/catalog-client@1.16.2";

/// The folder it is installed in, outside of the repository; it stays for the next time. None: it can't be had here.
fn installed() -> Result<PathBuf, String> {
    let said = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        let output = output.map_err(|_| format!("there is no {program}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let node = said("node")?;
    let major = node.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    if major.unwrap_or(0) < 20 {
        return Err(format!("node is {node}, the client wants 20 or newer"));
    }
    said("npm")?;
    let dir = std::env::temp_dir().join("tow-test-catalog-client-1.16.2");
    if dir.join("node_modules/@backstage/catalog-client/package.json").exists() {
        return Ok(dir);
    }
    std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    std::fs::write(dir.join("package.json"), "{\"private\":true,\"type\":\"module\"}").unwrap();
    let output = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", CLIENT])
        .current_dir(&dir)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(dir);
    }
    let why =
        String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_string();
    Err(format!("{CLIENT} can't be installed: {why}"))
}

fn entity(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({ "apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
}

/// A small company, with everything that clients ask for.
fn company() -> Vec<Value> {
    let named = |name: &str| json!({ "name": name });
    let mut all = vec![
        entity("Group", named("all"), json!({ "type": "company", "children": ["team-0"] })),
        entity(
            "User",
            named("ann"),
            json!({ "memberOf": ["team-0"], "profile": { "displayName": "Ann" } }),
        ),
        entity(
            "User",
            json!({ "name": "Bob", "title": "Bob of Team One" }),
            json!({ "memberOf": [] }),
        ),
        entity("Domain", named("trade"), json!({ "owner": "team-0" })),
        entity("System", named("shop"), json!({ "owner": "team-0", "domain": "trade" })),
        entity("Resource", named("db"), json!({ "type": "database", "owner": "team-1" })),
    ];
    for n in 0..4 {
        all.push(entity(
            "Group",
            named(&format!("team-{n}")),
            json!({ "type": "team", "children": [] }),
        ));
        all.push(entity(
            "API",
            named(&format!("pay-{n}")),
            json!({ "type": "openapi", "lifecycle": "production", "owner": "team-0", "definition": "openapi: 3.1.0" }),
        ));
    }
    for n in 0..40 {
        let mut metadata =
            json!({ "name": format!("web-{n:02}"), "title": format!("Web {n} of a Team") });
        let mut spec = json!({
            "type": (["service", "website", "library"][n % 3]),
            "lifecycle": (["production", "experimental", "deprecated"][n % 3]),
            "owner": format!("team-{}", n % 4),
        });
        match n % 5 {
            0 => metadata["tags"] = json!(["java", "go"]),
            1 => metadata["annotations"] = json!({ "example.org/tier": format!("{}", n % 2) }),
            2 => metadata["labels"] = json!({ "tier": "B" }),
            3 => spec["replicas"] = json!(n % 4),
            _ => metadata["namespace"] = json!("other"),
        }
        if n % 2 == 0 {
            spec["rank"] = json!(format!("r{:02}", (n * 7) % 40));
        }
        if n % 7 == 0 {
            spec["nested"] = json!({ "deep": ["x", { "deeper": n }] });
            spec["empty"] = json!("");
        }
        if n == 0 {
            spec["system"] = json!("shop");
            spec["providesApis"] = json!(["pay-0"]);
            spec["consumesApis"] = json!(["missing"]);
            spec["dependsOn"] = json!(["resource:db", "component:web-01"]);
        }
        all.push(entity("Component", metadata, spec));
    }
    all
}

fn run(up: &Binary, dir: &Path, entities: &Path) -> std::process::Output {
    let ready = up.ready.clone().unwrap();
    let token =
        up.json(&["token", "create", "the catalog client"])["token"].as_str().unwrap().to_string();
    // Modules are looked for beside the script.
    let script = dir.join(format!("client-{}.mjs", std::process::id()));
    std::fs::write(&script, include_str!("backstage_client/client.mjs")).unwrap();
    let output = Command::new("node")
        .arg(&script)
        .args([&ready.url, &token])
        .arg(entities)
        .arg("https://catalog.invalid/catalog-info.yaml")
        .output()
        .unwrap();
    std::fs::remove_file(&script).unwrap();
    output
}

#[test]
fn every_method_answers_as_the_catalog_does() {
    let dir = match installed() {
        Ok(dir) => dir,
        Err(why) => return not_run(&why),
    };
    let up = Binary::up(TOW);
    let all = company();
    let file = up.home().join("company.json");
    // The seed has a user of its own: he is looked at like the others.
    let documents: Vec<String> = all.iter().map(Value::to_string).collect();
    let yaml = up.home().join("company.yaml");
    std::fs::write(&yaml, documents.join("\n---\n")).unwrap();
    std::fs::write(&file, Value::from(all).to_string()).unwrap();
    up.tow(["apply", "-f", &yaml.display().to_string()]).exits(0);
    let output = run(&up, &dir, &file);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    println!("{}", said.trim());
}
