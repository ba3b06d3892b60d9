//! The samples of `examples/`, carried in the binary: the demo needs no checkout.

use super::Sample;

macro_rules! sample {
    ($name:literal, $tool:expr, [$($file:literal),* $(,)?]) => {
        Sample {
            name: $name,
            tool: $tool,
            files: &[$(($file, include_str!(
                concat!("../../../../../examples/", $name, "/", $file)
            ))),*],
        }
    };
}

/// Teams, people, environments.
pub(super) const ORGANISATION: Sample = sample!(
    "organisation",
    None,
    ["components.yaml", "environments.yaml", "harbour.yaml", "people.yaml", "runtime.yaml"]
);

/// Those whose tool is not here are left out.
pub(super) const SAMPLES: &[Sample] = &[
    sample!(
        "hello-static",
        None,
        ["boat.svg", "catalog-info.yaml", "index.html", "score.yaml", "style.css", "tow.yaml"]
    ),
    sample!(
        "hello-rust",
        Some("cargo"),
        ["Cargo.toml", "catalog-info.yaml", "score.yaml", "src/main.rs", "tow.yaml"]
    ),
    sample!(
        "hello-python",
        Some("python3"),
        ["app.py", "catalog-info.yaml", "score.yaml", "tow.yaml"]
    ),
    sample!(
        "hello-node",
        Some("node"),
        ["catalog-info.yaml", "package.json", "score.yaml", "server.js", "tow.yaml"]
    ),
    sample!(
        "hello-go",
        Some("go"),
        ["catalog-info.yaml", "go.mod", "main.go", "score.yaml", "tow.yaml"]
    ),
];
