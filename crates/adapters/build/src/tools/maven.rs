//! Java by Maven: `mvn package` without its tests, the runnable jar, and the jars it needs beside it.

use super::jar;
use crate::yard::{Output, Yard};
use std::path::PathBuf;

/// Plugins that put everything that is needed into one jar.
const WHOLE: [&str; 4] = [
    "maven-shade-plugin",
    "spring-boot-maven-plugin",
    "maven-assembly-plugin",
    "quarkus-maven-plugin",
];

pub(crate) fn build(yard: &Yard<'_>) -> Result<Output, String> {
    let program = if yard.sight.has("mvnw") { yard.folder.join("mvnw") } else { yard.find("mvn")? };
    let pom = yard.sight.text("pom.xml").unwrap_or_default();
    let target = yard.folder.join("target");
    // What earlier builds packed, and resources that may be gone from the source: classes alone are worth keeping.
    jar::forget_packed(&target)
        .map_err(|error| format!("cannot clear {}: {error}", target.display()))?;
    let repository = format!("-Dmaven.repo.local={}", yard.slot.kept("maven").display());
    let beside = pom.contains("<dependency>") && !WHOLE.iter().any(|plugin| pom.contains(plugin));
    let mut args = vec![
        "--batch-mode",
        "--no-transfer-progress",
        repository.as_str(),
        "-DskipTests",
        "-Dproject.build.outputTimestamp=1980-01-01T00:00:02Z",
        "package",
    ];
    if beside {
        args.extend([
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            "-DoutputDirectory=target/tow-lib",
        ]);
    }
    yard.run(&program, &args)?;
    let needed: Vec<PathBuf> = jar::in_folder(&target.join("tow-lib"));
    jar::output(yard, &target, &needed)
}
