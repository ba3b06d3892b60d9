//! One server: found, made, started, ended.

use crate::Database;
use rustix::process::{Gid, Uid};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The superuser of the test's own server, and the password of everybody on it.
const USER: &str = "tow";
const PASSWORD: &str = "a-password-of-tests";
/// Other ports are tried if somebody takes the one that was free.
const TRIES: usize = 5;
/// Runs the server, the rest of the arguments, until the pipe on its input ends; then ends it and removes its directory.
const KEEPER: &str = r#"trap : INT TERM HUP
dir=$1; shift
"$@" </dev/null & server=$!
while read -r line; do :; done
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf "$dir""#;

/// A Postgres server of this process.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    user: Option<(Uid, Gid)>,
    databases: AtomicUsize,
    /// Closed when this is dropped: the server ends. One for each time it was started.
    keepers: Mutex<Vec<(Child, ChildStdin)>>,
}

impl Server {
    /// Starts one. `Err`: why not.
    pub fn start() -> Result<Self, String> {
        let bin = binaries().ok_or("there is no Postgres server on this machine")?;
        let dir = tempfile::Builder::new().prefix("tow-postgres-").tempdir();
        let dir = dir.map_err(|e| format!("no directory for Postgres: {e}"))?;
        let user = unprivileged()?;
        if let Some((uid, gid)) = user {
            rustix::fs::chown(dir.path(), Some(uid), Some(gid)).map_err(|e| e.to_string())?;
        }
        let secret = dir.path().join("password");
        std::fs::write(&secret, PASSWORD).map_err(|e| e.to_string())?;
        let data = dir.path().join("data");
        let mut init = as_user(user, &bin.join("initdb"));
        init.arg("-D").arg(&data).args(["-U", USER, "--encoding=UTF8", "--no-sync"]);
        init.args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
        init.arg(format!("--pwfile={}", secret.display()));
        // Not the order of bytes, so that a statement that forgets to say which order it wants is found out.
        let icu = run(Command::new(init.get_program()).args(init.get_args()).args([
            "--locale-provider=icu",
            "--icu-locale=en-US",
            "--locale=C",
        ]));
        if icu.is_err() {
            let _ = std::fs::remove_dir_all(&data);
            run(&mut init)?;
        }
        let mut why = String::new();
        for _ in 0..TRIES {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
            let port = port.map_err(|e| e.to_string())?.port();
            match keep(&bin, dir.path(), port, user) {
                Ok(keeper) => {
                    let databases = AtomicUsize::new(0);
                    let (dir, keepers) = (dir.keep(), Mutex::new(vec![keeper]));
                    return Ok(Self { bin, dir, port, user, databases, keepers });
                }
                Err(error) => why = error,
            }
        }
        Err(format!("Postgres does not start: {why}"))
    }

    /// Where a database of it is, as `postgres://…`.
    pub fn url(&self, database: &str) -> String {
        self.url_as(USER, PASSWORD, database)
    }

    /// The same for another user or with another password.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// A fresh database, made with these options of CREATE DATABASE beside the usual.
    pub fn fresh(self: &Arc<Self>, options: &[&str]) -> Result<Database, String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let options = options.join(" ");
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 {options}"))?;
        Ok(Database { server: self.clone(), name })
    }

    /// Stops it as `systemctl stop` does: connections are cut, the data stays. Others of its databases go, too: only for
    /// a server that one test started for itself.
    ///
    /// # Panics
    /// Where it does not stop.
    pub fn stop(&self) {
        let mut stop = as_user(self.user, &self.bin.join("pg_ctl"));
        stop.arg("-D").arg(self.dir.join("data")).args(["-m", "fast", "-w", "stop"]);
        run(&mut stop).expect("a server can be stopped");
    }

    /// Starts it again after [`Server::stop`], on the same port.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn again(&self) {
        let keeper = keep(&self.bin, &self.dir, self.port, self.user);
        let keeper = keeper.expect("a server that was stopped can be started");
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner).push(keeper);
    }

    /// Tells it something that is not for one database.
    ///
    /// # Panics
    /// Where it refuses: a mistake in the test.
    pub fn tell(&self, text: &str) {
        self.sql("postgres", text).expect("the test's own statement is a good one");
    }

    pub(crate) fn sql(&self, database: &str, text: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database]);
        psql.arg("-h").arg(&self.dir).args(["-p", &self.port.to_string(), "-c", text]);
        run(&mut psql).map(|out| out.trim_end().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let keepers = self.keepers.get_mut().unwrap_or_else(PoisonError::into_inner);
        // The newest first: that is the one whose server runs.
        while let Some((mut keeper, pipe)) = keepers.pop() {
            drop(pipe);
            let _ = keeper.wait();
        }
    }
}

/// Starts the server and waits until it says that it is ready.
fn keep(
    bin: &Path,
    dir: &Path,
    port: u16,
    user: Option<(Uid, Gid)>,
) -> Result<(Child, ChildStdin), String> {
    let server = as_user(user, &bin.join("postgres"));
    let mut keeper = Command::new("sh");
    keeper.args(["-c", KEEPER, "sh"]).arg(dir);
    keeper.arg(server.get_program()).args(server.get_args());
    keeper.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
    keeper.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    for setting in [
        "fsync=off",
        "full_page_writes=off",
        "shared_buffers=32MB",
        "max_connections=80",
        "lc_messages=C",
        "logging_collector=off",
        "log_statement=none",
        "jit=off",
    ] {
        keeper.args(["-c", setting]);
    }
    keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // Its directory may be one that the server's user can't even look into.
    keeper.current_dir("/");
    let mut keeper = keeper.spawn().map_err(|e| format!("sh: {e}"))?;
    let (Some(pipe), Some(log)) = (keeper.stdin.take(), keeper.stderr.take()) else {
        return Err("no pipes".into());
    };
    let mut log = BufReader::new(log);
    let (mut said, mut line) = (String::new(), String::new());
    while !line.contains("database system is ready to accept connections") {
        line.clear();
        if log.read_line(&mut line).unwrap_or(0) == 0
            || line.contains("database system is shut down")
        {
            let _ = keeper.kill();
            let _ = keeper.wait();
            return Err(said);
        }
        said.push_str(&line);
    }
    // A server whose log nobody reads would stand still.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Ok((keeper, pipe))
}

/// The folder of the newest server's programs.
fn binaries() -> Option<PathBuf> {
    let whole = |dir: &PathBuf| {
        ["postgres", "initdb", "psql", "pg_ctl"].iter().all(|program| dir.join(program).is_file())
    };
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    debian.sort();
    let path = Command::new("sh").args(["-c", "command -v initdb"]).output().ok();
    let path = path.and_then(|found| String::from_utf8(found.stdout).ok());
    let path = path.map(|text| PathBuf::from(text.trim()));
    let path = path.and_then(|file| file.canonicalize().ok()?.parent().map(PathBuf::from));
    debian.into_iter().rev().map(|(_, dir)| dir).chain(path).find(whole)
}

/// Postgres refuses to run as root: somebody else, then. None: we are not root.
fn unprivileged() -> Result<Option<(Uid, Gid)>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse::<u32>);
        let (uid, gid) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some((Uid::from_raw(uid), Gid::from_raw(gid)))
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .map(Some)
        .ok_or_else(|| "Postgres does not run as root, and there is no other user".into())
}

fn as_user(user: Option<(Uid, Gid)>, program: &Path) -> Command {
    let Some((uid, gid)) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", uid.as_raw())).arg(format!("--regid={}", gid.as_raw()));
    command.arg("--clear-groups").arg(program);
    command
}

/// What it says; `Err`: what it complains of.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.current_dir("/").stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_serves_and_ends_with_its_keeper() {
        let server = match Server::start() {
            Ok(server) => Arc::new(server),
            Err(why) => return println!("not run: {why}"),
        };
        let dir = server.dir.clone();
        let database = server.fresh(&[]).unwrap();
        assert_eq!(database.sql("SELECT 'a' || 1"), "a1");
        assert!(database.url().starts_with("postgres://tow:"));
        database.sql("CREATE TABLE kept (n int)");
        server.stop();
        assert!(server.sql(database.name(), "SELECT 1").is_err(), "it was stopped");
        server.again();
        assert_eq!(database.sql("SELECT count(*) FROM kept"), "0");
        let name = database.name().to_string();
        drop(database);
        assert!(server.sql(&name, "SELECT 1").is_err(), "it was dropped");
        drop(server);
        assert!(!dir.exists(), "nothing is left");
    }
}
