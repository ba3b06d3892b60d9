//! Java by Gradle: `installDist` where the project is an application, else `assemble`, without tests. No process of it
//! stays behind.

use super::jar;
use crate::archive;
use crate::yard::{Output, Yard};

pub(crate) fn build(yard: &Yard<'_>) -> Result<Output, String> {
    let program =
        if yard.sight.has("gradlew") { yard.folder.join("gradlew") } else { yard.find("gradle")? };
    let script = ["build.gradle", "build.gradle.kts"]
        .iter()
        .find_map(|name| std::fs::read_to_string(yard.folder.join(name)).ok())
        .unwrap_or_default();
    let boot = script.contains("org.springframework.boot");
    let application = !boot
        && [
            "id 'application'",
            "id \"application\"",
            "id(\"application\")",
            "plugin: 'application'",
            "plugin: \"application\"",
        ]
        .iter()
        .any(|said| script.contains(said))
        || script.contains("    application\n");
    let home = yard.slot.home().join(".gradle").display().to_string();
    let args =
        ["--no-daemon", "--console=plain", if application { "installDist" } else { "assemble" }];
    yard.run_with(&program, &args, &[("GRADLE_USER_HOME", &home)], None)?;
    let build = yard.folder.join("build");
    if !application {
        return jar::output(yard, &build.join("libs"), &[]);
    }
    // One folder of programs and jars, made to be put anywhere.
    let install = build.join("install");
    let folders: Vec<_> = std::fs::read_dir(&install)
        .map_err(|error| format!("gradle made no {}: {error}", install.display()))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let [folder] = folders.as_slice() else {
        return Err(
            "gradle installed several applications; name one with build.dir in tow.yaml".into()
        );
    };
    let mut items = archive::items(folder, "")?;
    jar::settle(&mut items, &yard.slot.kept("jars"))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let entry = vec![format!("./bin/{name}")];
    let mut all = yard.output()?;
    all.extend(items);
    Ok(Output { items: all, entry, is_static: false })
}
