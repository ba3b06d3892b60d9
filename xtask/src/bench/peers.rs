//! nginx and HAProxy, set up to do what the gateway does: hand on what comes in over kept connections, with an access log.

use anyhow::{Context, Result, bail};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that hands requests on.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) port: u16,
    child: Child,
}

impl Peer {
    /// Its first process; what else belongs to it are that one's children.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Asked first: an nginx that is killed leaves its workers.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

/// All that are here; of the others, that they are not.
pub(super) fn start(dir: &Path, server: u16) -> Result<Vec<Peer>> {
    std::fs::create_dir_all(dir)?;
    let mut all = Vec::new();
    for (name, ask, set_up) in [
        ("nginx", "-v", nginx as fn(&Path, u16, u16) -> Result<Command>),
        ("haproxy", "-v", haproxy),
    ] {
        let here = Command::new(name).arg(ask).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if here.is_err() {
            println!("not run: {name} is not here: apt-get install {name}");
            continue;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::create(dir.join(format!("{name}.out")))?;
        let child = set_up(dir, port, server)?
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let peer = Peer { name, port, child };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                bail!("{name} does not answer; see {}", dir.display());
            }
            std::thread::yield_now();
        }
        all.push(peer);
    }
    Ok(all)
}

fn nginx(dir: &Path, port: u16, server: u16) -> Result<Command> {
    let here = dir.display();
    let text = format!(
        "worker_processes 2;\ndaemon off;\npid {here}/nginx.pid;\nerror_log {here}/nginx.err;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log {here}/nginx.log;\n  keepalive_requests 1000000000;\n\
         client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;\n\
         uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;\n\
         upstream server {{ server 127.0.0.1:{server}; keepalive 64; keepalive_requests 1000000000; }}\n\
         server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      proxy_pass http://server;\n\
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_set_header Host $host;\n\
         proxy_set_header X-Forwarded-For $remote_addr;\n      proxy_set_header X-Request-Id $request_id;\n    }}\n  }}\n}}\n"
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, text)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(dir.join("nginx.err")).arg("-c").arg(file);
    Ok(command)
}

fn haproxy(dir: &Path, port: u16, server: u16) -> Result<Command> {
    let text = format!(
        "global\n  nbthread 2\n  maxconn 4096\n  log stdout format raw local0\n\
         defaults\n  mode http\n  log global\n  option httplog\n  http-reuse always\n\
         timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend in\n  bind 127.0.0.1:{port}\n  option forwardfor\n  unique-id-format %rt%pid%ts\n\
         unique-id-header X-Request-Id\n  default_backend out\n\
         backend out\n  server one 127.0.0.1:{server}\n"
    );
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, text)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}
