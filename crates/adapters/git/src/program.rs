//! The git program: how it is called, and how it is kept from doing more than it should.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// What of the host's environment git may see: where programs are, proxies, certificates, the SSH agent.
const INHERITED: [&str; 12] = [
    "PATH",
    "HOME",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "LANG",
];
/// How much of what git complains of is kept.
const COMPLAINT: usize = 2_000;
/// How often the size of what is being fetched is looked at.
const WATCH: Duration = Duration::from_millis(200);

/// The part of an environment that git may see.
pub fn inherited(
    variables: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    variables.into_iter().filter(|(name, _)| INHERITED.contains(&name.as_str())).collect()
}

/// Runs git.
#[derive(Debug, Clone)]
pub struct Program {
    env: BTreeMap<String, String>,
}

/// One call.
pub(crate) struct Call<'a> {
    /// The repository, or none.
    pub(crate) dir: Option<&'a Path>,
    /// `-c` settings beside the usual ones.
    pub(crate) settings: Vec<String>,
    pub(crate) args: Vec<OsString>,
    pub(crate) input: Vec<u8>,
    /// It is killed after so long.
    pub(crate) within: Duration,
    /// It is killed when it prints more.
    pub(crate) output: usize,
    /// It is killed when this folder grows larger.
    pub(crate) grows: Option<(PathBuf, u64)>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(dir: Option<&'a Path>, args: &[&str]) -> Self {
        Self {
            dir,
            settings: Vec::new(),
            args: args.iter().map(OsString::from).collect(),
            input: Vec::new(),
            within: Duration::from_secs(30),
            output: 1 << 20,
            grows: None,
        }
    }
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Git said so; its last words.
    Said(String),
    /// It took too long, or wrote or fetched too much.
    Limit(String),
    /// It could not be run.
    Run(String),
}

impl Program {
    /// With this environment and no other.
    pub fn new(env: BTreeMap<String, String>) -> Self {
        Self { env }
    }

    fn command(&self, call: &Call<'_>) -> Command {
        let mut command = Command::new("git");
        command.env_clear().envs(&self.env);
        for (name, value) in [
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "/bin/false"),
            ("SSH_ASKPASS", "/bin/false"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_PROTOCOL_FROM_USER", "0"),
            ("GIT_ALLOW_PROTOCOL", "https:http:ssh:file"),
            (
                "GIT_SSH_COMMAND",
                "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3",
            ),
            ("LC_ALL", "C.UTF-8"),
        ] {
            command.env(name, value);
        }
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "credential.helper=",
            "fetch.recurseSubmodules=false",
            "fetch.fsckObjects=true",
            "gc.auto=0",
            "maintenance.auto=false",
            "http.followRedirects=false",
            "http.lowSpeedLimit=1000",
            "http.lowSpeedTime=20",
            "protocol.ext.allow=never",
            "safe.bareRepository=all",
            "safe.directory=*",
        ] {
            command.arg("-c").arg(setting);
        }
        for setting in &call.settings {
            command.arg("-c").arg(setting);
        }
        if let Some(dir) = call.dir {
            command.arg("--git-dir").arg(dir).current_dir(dir);
        } else {
            command.current_dir("/");
        }
        command.args(&call.args);
        // Its own group, so that what it started (ssh, index-pack) goes with it.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What git prints.
    pub(crate) async fn run(&self, call: Call<'_>) -> Result<Vec<u8>, Failed> {
        let mut child =
            self.command(&call).spawn().map_err(|error| Failed::Run(format!("git: {error}")))?;
        let group = child.id();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let input = call.input;
        let write = async move {
            if let Some(mut stdin) = stdin {
                // Git may end before it has read everything.
                let _ = stdin.write_all(&input).await;
            }
        };
        let most = call.output as u64 + 1;
        let read = async move {
            let mut bytes = Vec::new();
            if let Some(stdout) = stdout {
                let _ = stdout.take(most).read_to_end(&mut bytes).await;
            }
            bytes
        };
        let complain = async move {
            let mut words = Vec::new();
            if let Some(mut stderr) = stderr {
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = stderr.read(&mut piece).await {
                    words.extend_from_slice(&piece[..read]);
                    let over = words.len().saturating_sub(COMPLAINT);
                    words.drain(..over);
                }
            }
            String::from_utf8_lossy(&words).into_owned()
        };
        let work = async {
            let (_, bytes, words) = tokio::join!(write, read, complain);
            (bytes, words, child.wait().await)
        };
        let grown = async {
            let Some((folder, most)) = &call.grows else { return std::future::pending().await };
            loop {
                tokio::time::sleep(WATCH).await;
                if size(folder, 0) > *most {
                    return *most;
                }
            }
        };
        let ended = tokio::select! {
            done = tokio::time::timeout(call.within, work) => done.map_err(|_| {
                Failed::Limit(format!("it took longer than {} s", call.within.as_secs()))
            }),
            most = grown => Err(Failed::Limit(format!("it is larger than {} MiB", most >> 20))),
        };
        let (bytes, words, status) = match ended {
            Ok(ended) => ended,
            Err(limit) => {
                end(group).await;
                return Err(limit);
            }
        };
        if bytes.len() > call.output {
            end(group).await;
            return Err(Failed::Limit(format!("git prints more than {} bytes", call.output)));
        }
        match status {
            Ok(status) if status.success() => Ok(bytes),
            Ok(_) => Err(Failed::Said(last_words(&words))),
            Err(error) => Err(Failed::Run(format!("git: {error}"))),
        }
    }
}

/// Ends a process and all that it started.
async fn end(group: Option<u32>) {
    if let Some(group) = group {
        let minus = format!("-{group}");
        let kill =
            Command::new("kill").args(["-KILL", "--", &minus]).stderr(Stdio::null()).status();
        let _ = kill.await;
    }
}

/// Bytes in a folder.
pub(crate) fn size(folder: &Path, depth: usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let mut bytes = 0;
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(meta) if meta.is_dir() && depth < 8 => bytes += size(&entry.path(), depth + 1),
            Ok(meta) => bytes += meta.len(),
            Err(_) => {}
        }
    }
    bytes
}

/// What git complained of, in a line.
fn last_words(words: &str) -> String {
    let lines: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("hint:"))
        .collect();
    let fatal = lines.iter().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let line = fatal.or(lines.last()).copied().unwrap_or("git gave no reason");
    let line = line.trim_start_matches("fatal: ").trim_start_matches("error: ");
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}
