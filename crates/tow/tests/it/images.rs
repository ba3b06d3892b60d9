//! What ran as a process runs as a container: an artifact is pushed to a real registry of this machine, without an engine,
//! and an engine then runs what was pushed. Goes through `tow` alone.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::container::{declare, engine};
use crate::ferry::{TOW, get};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tow_names::Digest;
use tow_testkit::binary::{Binary, not_run, until};
use tow_testkit::engine::Image;

/// Debian's registry, which writes down what it is asked; ended with the test.
struct Registry {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Registry {
    /// `None`, and said, where it is not installed.
    fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: \
             127.0.0.1:{port}\n",
            dir.path().join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let asked = std::fs::File::create(dir.path().join("asked")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(asked)
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            not_run("images end to end: docker-registry is not installed");
            return None;
        };
        until("the registry listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { child, port, dir })
    }

    fn name(&self, rest: &str) -> String {
        format!("127.0.0.1:{}/{rest}", self.port)
    }

    /// How many blobs were brought so far: each ends with one such line.
    fn brought(&self) -> usize {
        let asked = std::fs::read_to_string(self.dir.path().join("asked")).unwrap();
        asked
            .lines()
            .filter(|line| line.contains("\"PUT /v2/") && line.contains("/blobs/uploads/"))
            .count()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An image as a folder in the OCI layout; its reference as a base.
fn layout(folder: &Path, image: &Image) -> String {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let keep = |kind: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
    };
    let (layer, config) = image.parts();
    let layer = keep("application/vnd.oci.image.layer.v1.tar", &layer);
    let config = keep("application/vnd.oci.image.config.v1+json", &config);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer] });
    let manifest = keep(kind, manifest.to_string().as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    format!("layout:{}", folder.display())
}

/// A component of two files whose container is `image`: it says what it runs by and what it was given.
fn component(image: &str) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("image-").tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path: PathBuf = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    if image == "." {
        put("Procfile", "web: sh serve.sh\n");
        put("serve.sh", "exec busybox httpd -f -p \"$PORT\" -h pages\n");
        put("pages/index.html", "the same bytes, whoever runs them\n");
    }
    put(
        "score.yaml",
        &format!(
            "apiVersion: score.dev/v1b1\nmetadata: {{name: page}}\nservice: {{ports: {{web: {{port: 80, targetPort: \
             8080}}}}}}\ncontainers: {{main: {{image: \"{image}\"}}}}\n"
        ),
    );
    put(
        "tow.yaml",
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {name: page}\nspec:\n  component: page\n  workloads:\n    \
         page:\n      health: {deadline: 60s}\n      stop: {grace: 1s, drain: 5s}\n",
    );
    folder
}

fn body(live: &Value) -> String {
    let (code, text) = get(live["url"].as_str().unwrap(), "/");
    assert_eq!(code, 200, "{text}");
    text
}

#[test]
fn what_ran_as_a_process_is_pushed_and_runs_as_a_container() {
    let Some(podman) = engine() else { return };
    let Some(registry) = Registry::start() else { return };
    let up = Binary::up(TOW);
    declare(&up, &format!("type: container, engine: \"{}\"", podman.address()), "boxes");

    let source = component(".");
    let live = up.json(&["deploy", source.path().to_str().unwrap()]);
    let said = body(&live);
    assert!(said.contains("the same bytes"), "{said}");

    // Upon nothing it would not run, and that is said before anything is sent.
    let key = up.json(&["artifact", "list"])[0]["key"].as_str().unwrap().to_string();
    let refused = up.tow(["artifact", "push", &registry.name("team/page:1"), &key]);
    assert!(refused.status != 0 && refused.err.contains("--base"), "{refused}");
    assert_eq!(registry.brought(), 0);

    let base = layout(&up.home().join("base"), &Image::busybox().unwrap());
    let push = |name: &str, base: &str| {
        up.json(&["artifact", "push", &registry.name(name), &key, "--base", base])
    };
    let one = push("team/page:1", &base);
    assert_eq!(one["layers"], 2, "{one}");
    let brought = registry.brought();
    assert_eq!(brought, 3, "the base's layer, the artifact's, the configuration");
    // The same again is the same image, and nothing of it is sent again.
    let two = push("team/page:2", &base);
    assert_eq!(two["digest"], one["digest"]);
    assert_eq!(registry.brought(), brought, "nothing is sent twice");
    // Upon the image of a registry: only what it does not have.
    let three = push("team/page:3", one["reference"].as_str().unwrap());
    assert_eq!(three["layers"], 3, "{three}");
    assert_eq!(registry.brought(), brought + 1, "the configuration alone is new");

    let image = one["reference"].as_str().unwrap();
    assert!(image.contains("/team/page@sha256:"), "{image}");
    let pulled = component(image);
    let dir = pulled.path().to_str().unwrap();
    let boxed = up.json(&["deploy", dir, "-e", "boxes"]);
    assert_eq!(boxed["state"], "live", "{boxed}");
    assert_eq!(body(&boxed), said, "the container answers as the process did");
    let inside = ["exec", "-c", "page", "-e", "boxes", "-T", "--", "sh", "-c", "id -u; pwd"];
    assert_eq!(up.tow(inside).exits(0).out.trim(), "65532\n/app");
    assert_eq!(body(&live), said, "the process goes on");
}
