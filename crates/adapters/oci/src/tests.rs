//! Images against a real registry on this machine.

use crate::{Config, OciImages, registry::Registry};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tow_names::Digest;
use tow_ports::{ImageOrder, Images as _, PortError};

/// Debian's registry, ended with the test.
struct Server {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Server {
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
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            println!("not run: images against a registry: docker-registry is not installed");
            return None;
        };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "the registry does not listen");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(Self { child, port, _dir: dir })
    }

    fn name(&self, rest: &str) -> String {
        format!("127.0.0.1:{}/{rest}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn artifact(dir: &Path) -> (std::path::PathBuf, Digest) {
    let path = dir.join("artifact.tar");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o755);
    tar.append_data(&mut header, "hello", &b"hello"[..]).unwrap();
    let bytes = tar.into_inner().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    (path, Digest::of(&bytes))
}

fn order(dir: &Path, base: &str, reference: String) -> ImageOrder {
    let (archive, digest) = artifact(dir);
    ImageOrder {
        archive,
        digest,
        base: base.into(),
        reference,
        entry: vec!["./hello".into()],
        platform: "linux/x86_64".into(),
        labels: BTreeMap::from([("org.example.key".to_string(), "1".to_string())]),
        login: None,
    }
}

fn images(dir: &Path) -> OciImages {
    OciImages::new(Config { dir: dir.join("images"), env: BTreeMap::new() })
}

#[tokio::test]
async fn pushed_twice_it_is_the_same_and_comes_back_equal() {
    let Some(server) = Server::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let images = images(dir.path());
    let one = images.push(&order(dir.path(), "scratch", server.name("team/app:1"))).await.unwrap();
    let two = images.push(&order(dir.path(), "scratch", server.name("team/app:2"))).await.unwrap();
    assert_eq!((&one.digest, one.layers), (&two.digest, 1));
    assert_eq!(one.reference, server.name(&format!("team/app@{}", one.digest)));
    let back = Registry::of(&one.reference, None, &BTreeMap::new()).unwrap();
    let manifest = back.manifest(None).await.unwrap();
    assert_eq!(Digest::of(&manifest).as_str(), one.digest);
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let bytes = back.bytes(layer).await.unwrap();
    let mut files = BTreeMap::new();
    let plain = flate2::read::GzDecoder::new(bytes.as_slice());
    for entry in tar::Archive::new(plain).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), text);
    }
    assert_eq!(files["app/hello"], "hello");
    let config = back.bytes(manifest["config"]["digest"].as_str().unwrap()).await.unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["config"]["Entrypoint"][0], "./hello");
    assert_eq!(config["config"]["WorkingDir"], "/app");
    assert_eq!(config["config"]["Labels"]["org.example.key"], "1");

    // Upon another image of the registry: its layers and one more.
    let mut upon = order(dir.path(), &one.reference, server.name("team/more:1"));
    let more = images.push(&upon).await.unwrap();
    assert_eq!(more.layers, 2);
    // What is not what it is called is refused, and so is what is not there.
    upon.base = server.name(&format!("team/app@sha256:{}", "0".repeat(64)));
    assert!(matches!(images.push(&upon).await, Err(PortError::Refused(_))));
    upon.base = "scratch".into();
    upon.digest = Digest::of(b"something else");
    let refused = images.push(&upon).await.unwrap_err();
    assert!(refused.to_string().contains("not the one that was built"), "{refused}");
    upon.platform = "linux/aarch64".into();
    (upon.base, upon.digest) = (one.reference, order(dir.path(), "", String::new()).digest);
    let refused = images.push(&upon).await.unwrap_err();
    assert!(refused.to_string().contains("built for arm64"), "{refused}");
}

#[tokio::test]
async fn a_layout_that_lies_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let keep = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        digest.to_string()
    };
    let config = keep(br#"{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":[]}}"#);
    let manifest = serde_json::json!({"config": {"digest": config}, "layers": []});
    let manifest = keep(manifest.to_string().as_bytes());
    let index = serde_json::json!({"manifests": [{"digest": manifest}]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let base = format!("layout:{}", layout.display());
    let order = order(dir.path(), &base, "127.0.0.1:1/x:1".into());
    assert!(crate::base::read(&base, &order, &BTreeMap::new()).await.is_ok());
    let hex = config.trim_start_matches("sha256:");
    std::fs::write(layout.join("blobs/sha256").join(hex), "{}").unwrap();
    let refused = crate::base::read(&base, &order, &BTreeMap::new()).await.err().unwrap();
    assert!(refused.to_string().contains("not what it says"), "{refused}");
}

#[tokio::test]
async fn what_names_no_image_and_who_does_not_answer_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let images = images(dir.path());
    let refused = images.push(&order(dir.path(), "scratch", "Not An Image".into())).await;
    assert!(refused.unwrap_err().to_string().contains("names no image"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("127.0.0.1:{port}/x:1");
    let refused = images.push(&order(dir.path(), "scratch", nobody)).await.unwrap_err();
    assert!(refused.to_string().contains("does not answer"), "{refused}");
}

/// Answers whatever it is asked: a manifest without an end, and a blob of so many bytes. Ends with the test's process.
fn endless(blob: usize) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let _ = lines.find(|line| line.as_ref().map_or(true, String::is_empty));
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            let mut left = match first {
                first if first.contains("/manifests/") => usize::MAX,
                first if first.contains("/blobs/") => blob,
                _ => 0,
            };
            let _ = stream.write_all(head.as_bytes());
            let piece = [b' '; 64 * 1024];
            while left > 0 && stream.write_all(&piece[..left.min(piece.len())]).is_ok() {
                left -= left.min(piece.len());
            }
        }
    });
    format!("{address}/x:1")
}

#[tokio::test]
async fn a_registry_sends_no_more_than_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("layer");
    let of = |name: &str| Registry::of(name, None, &BTreeMap::new()).unwrap();
    let registry = of(&endless(100_000));
    let why = tokio::time::timeout(Duration::from_secs(60), registry.manifest(None)).await.unwrap();
    assert!(why.unwrap_err().to_string().contains("larger than the 4 MiB"));
    let meant = Digest::of(&vec![b' '; 100_000]).to_string();
    registry.fetch(&meant, 100_000, &to).await.unwrap();
    assert_eq!(std::fs::metadata(&to).unwrap().len(), 100_000);
    let more = registry.fetch(&meant, 99_999, &to).await.unwrap_err();
    assert!(more.to_string().contains("larger than the 99999 bytes"), "{more}");
    let less = registry.fetch(&meant, 100_001, &to).await.unwrap_err();
    assert!(matches!(less, PortError::Unavailable(_)), "{less}");
    let other = Digest::of(b"another").to_string();
    let lies = registry.fetch(&other, 100_000, &to).await.unwrap_err();
    assert!(matches!(&lies, PortError::Refused(why) if why.contains("something else")), "{lies}");
}
