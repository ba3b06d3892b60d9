//! The file server.

use crate::support::{Reply, get, raw, role, until};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::net::TcpStream;

struct Server {
    child: Child,
    at: SocketAddr,
}

impl Server {
    async fn start(dir: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(role())
            .arg("static")
            .arg(dir)
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        until("it listens", || async { TcpStream::connect(at).await.is_ok() }).await;
        Self { child, at }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        get(self.at, "site", path, headers).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_folder_is_served() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("docs")).unwrap();
    std::fs::write(dir.path().join("index.html"), "<h1>hello</h1>").unwrap();
    std::fs::write(dir.path().join("docs/index.html"), "docs").unwrap();
    std::fs::write(dir.path().join("a.css"), "a{}").unwrap();
    std::fs::write(dir.path().join("data.bin"), vec![b'x'; 300_000]).unwrap();
    std::fs::write(dir.path().join(".env"), "SECRET").unwrap();
    let server = Server::start(dir.path()).await;

    let index = server.get("/", &[]).await;
    assert_eq!((index.status, index.body.as_str()), (200, "<h1>hello</h1>"));
    assert_eq!(index.headers["content-type"], "text/html; charset=utf-8");
    assert!(index.headers.contains_key("last-modified"));
    let tag = index.headers["etag"].to_str().unwrap().to_string();
    let again = server.get("/", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let since = index.headers["last-modified"].to_str().unwrap();
    assert_eq!(server.get("/", &[("if-modified-since", since)]).await.status, 304);

    // The same length and time, another content: another tag.
    let at = std::fs::metadata(dir.path().join("index.html")).unwrap().modified().unwrap();
    std::fs::write(dir.path().join("next"), "<h1>HELLO</h1>").unwrap();
    std::fs::rename(dir.path().join("next"), dir.path().join("index.html")).unwrap();
    std::fs::File::options()
        .write(true)
        .open(dir.path().join("index.html"))
        .unwrap()
        .set_modified(at)
        .unwrap();
    let changed = server.get("/", &[("if-none-match", &tag)]).await;
    assert_eq!((changed.status, changed.body.as_str()), (200, "<h1>HELLO</h1>"));

    assert_eq!(server.get("/a.css", &[]).await.headers["content-type"], "text/css; charset=utf-8");
    let moved = server.get("/docs?x=1", &[]).await;
    assert_eq!((moved.status, moved.headers["location"].to_str().unwrap()), (308, "/docs/?x=1"));
    assert_eq!(server.get("/docs/", &[]).await.body, "docs");
    assert_eq!(server.get("/data.bin", &[]).await.body.len(), 300_000);
    let part = server.get("/data.bin", &[("range", "bytes=1-4")]).await;
    assert_eq!((part.status, part.body.as_str()), (206, "xxxx"));
    assert_eq!(part.headers["content-range"], "bytes 1-4/300000");
    assert_eq!(server.get("/data.bin", &[("range", "bytes=300000-")]).await.status, 416);
    for hidden in ["/.env", "/../Cargo.toml", "/%2e%2e/x", "/nothing"] {
        let text = format!("GET {hidden} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(server.at, text.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{hidden}: {answer}");
    }
    let head = raw(server.at, b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(head.contains("content-length: 14\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let post = raw(server.at, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");

    std::fs::write(dir.path().join("404.html"), "lost?").unwrap();
    let lost = server.get("/nothing", &[]).await;
    assert_eq!((lost.status, lost.body.as_str()), (404, "lost?"));
}

#[tokio::test]
async fn it_ends_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).await;
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut code = None;
    until("it ends", || {
        code = server.child.try_wait().unwrap().map(|status| status.code());
        let over = code.is_some();
        async move { over }
    })
    .await;
    assert_eq!(code, Some(Some(0)));
}

#[test]
fn a_port_that_is_taken_or_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = |port: &str| {
        Command::new(role()).arg("static").arg(dir.path()).env("PORT", port).output().unwrap()
    };
    let output = run(&port);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot serve"));
    assert_eq!(run("x").status.code(), Some(2));
}

#[tokio::test]
async fn a_site_says_its_fallback_and_its_headers_and_texts_are_packed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("assets")).unwrap();
    std::fs::create_dir_all(dir.path().join(".tow")).unwrap();
    let page = format!("<h1>app</h1>{}", "<p>the same again</p>".repeat(200));
    std::fs::write(dir.path().join("index.html"), &page).unwrap();
    std::fs::write(dir.path().join("404.html"), "nothing here").unwrap();
    std::fs::write(dir.path().join("assets/app.js"), "let a = 1;".repeat(300)).unwrap();
    std::fs::write(dir.path().join("assets/dot.png"), vec![0u8; 4000]).unwrap();
    let says = serde_json::json!({"fallback": "index.html", "headers": [
        {"path": "*", "set": {"X-Frame-Options": "DENY", "Cache-Control": "no-store"}},
        {"path": "/assets/*", "set": {"Cache-Control": "public, max-age=31536000, immutable"}},
    ]});
    std::fs::write(dir.path().join(".tow/site.json"), says.to_string()).unwrap();
    let server = Server::start(dir.path()).await;

    let deep = server.get("/orders/17", &[]).await;
    assert_eq!((deep.status, deep.body.as_str()), (200, page.as_str()));
    assert_eq!(deep.headers["cache-control"], "no-store");
    assert_eq!(server.get("/assets/gone.js", &[]).await.status, 404, "a file is not a page");
    assert_eq!(server.get("/.tow/site.json", &[]).await.status, 404);

    let plain = server.get("/assets/app.js", &[]).await;
    assert_eq!(plain.headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(plain.headers["x-frame-options"], "DENY");
    assert_eq!(plain.headers["vary"], "accept-encoding");
    assert!(!plain.headers.contains_key("content-encoding"));
    let packed = server.get("/assets/app.js", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!((packed.status, packed.headers["content-encoding"].as_bytes()), (200, &b"gzip"[..]));
    let length: usize = packed.headers["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length < 300, "{length} of 3000 bytes");
    assert_ne!(plain.headers["etag"], packed.headers["etag"]);
    let tag = packed.headers["etag"].to_str().unwrap().to_string();
    let again =
        server.get("/assets/app.js", &[("accept-encoding", "gzip"), ("if-none-match", &tag)]).await;
    assert_eq!(again.status, 304);

    let part =
        server.get("/assets/app.js", &[("accept-encoding", "gzip"), ("range", "bytes=0-9")]).await;
    assert_eq!((part.status, part.body.as_str()), (206, "let a = 1;"));
    let image = server.get("/assets/dot.png", &[("accept-encoding", "gzip")]).await;
    assert!(!image.headers.contains_key("content-encoding"));
    assert_eq!(image.body.len(), 4000);
}
