//! The samples of `examples/`, carried in the binary: the demo needs no checkout.

use super::Sample;

macro_rules! sample {
    ($name:literal, $tools:expr, [$($file:literal),* $(,)?]) => {
        Sample {
            name: $name,
            tools: $tools,
            files: &[$(($file, include_str!(
                concat!("../../../../../examples/", $name, "/", $file)
            ))),*],
        }
    };
}

/// Teams, people, environments.
pub(super) const ORGANISATION: Sample = sample!(
    "organisation",
    &[],
    ["components.yaml", "environments.yaml", "harbour.yaml", "people.yaml", "runtime.yaml"]
);

/// A group of it, by which it is known.
pub(super) const SOMEBODY: &str = "harbour-crew";

/// Those whose tools are not all here are left out.
pub(super) const SAMPLES: &[Sample] = &[
    sample!(
        "hello-static",
        &[],
        ["boat.svg", "catalog-info.yaml", "index.html", "score.yaml", "style.css", "tow.yaml"]
    ),
    sample!(
        "hello-rust",
        &["cargo"],
        ["Cargo.toml", "catalog-info.yaml", "score.yaml", "src/main.rs", "tow.yaml"]
    ),
    sample!(
        "hello-python",
        &["python3"],
        ["app.py", "catalog-info.yaml", "score.yaml", "tow.yaml"]
    ),
    sample!(
        "hello-node",
        &["node"],
        ["catalog-info.yaml", "package.json", "score.yaml", "server.js", "tow.yaml"]
    ),
    sample!(
        "hello-go",
        &["go"],
        ["catalog-info.yaml", "go.mod", "main.go", "score.yaml", "tow.yaml"]
    ),
    sample!(
        "hello-java",
        &["java", "javac", "mvn"],
        ["catalog-info.yaml", "pom.xml", "score.yaml", "src/main/java/Main.java", "tow.yaml"]
    ),
];
