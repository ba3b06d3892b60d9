//! Which commit a folder is at, asked of the `git` program. An answer is a courtesy: whatever goes wrong, there is none.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long git may take; a huge repository on a slow disk goes without a commit rather than holding up a deploy.
const PATIENCE: Duration = Duration::from_secs(3);

/// What would make git look at another repository than the folder's. Source: `git rev-parse --local-env-vars`.
const ELSEWHERE: [&str; 16] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_INTERNAL_SUPER_PREFIX",
];

/// The folder's commit as 40 or 64 hexadecimal digits, with `+changes` where something below the folder differs from
/// it; `None` outside a repository, before the first commit, without git, or where git takes more than a few seconds.
pub fn commit_of(folder: &Path) -> Option<String> {
    let head = git(folder, &["rev-parse", "--verify", "--quiet", "HEAD"])?;
    let head = head.trim();
    if head.len() < 40 || !head.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let status = git(folder, &["status", "--porcelain", "--untracked-files=normal", "--", "."])?;
    Some(if status.trim().is_empty() { head.to_string() } else { format!("{head}+changes") })
}

/// Where the folder is in its repository, in words that hold on every machine that has it: the address it was cloned
/// from without user and password, `#`, and the folder's path in it. `None` where it has no such address.
pub fn repository_of(folder: &Path) -> Option<String> {
    let address = git(folder, &["config", "--get", "remote.origin.url"])?;
    let address = address.trim();
    let address = match url::Url::parse(address) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        Err(_) => address.to_string(),
    };
    let path = git(folder, &["rev-parse", "--show-prefix"])?;
    let path = path.trim().trim_end_matches('/');
    (!address.is_empty()).then(|| format!("{address}#{path}"))
}

/// git's standard output, where it ended well and in time.
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // A repository's own settings may name a program to run; this question needs none.
    command.arg("-C").arg(folder).args(["-c", "core.fsmonitor=false"]).args(args);
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    command
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text);
        let _ = done.send(read.ok().map(|_| text));
    });
    let text = wait.recv_timeout(PATIENCE).ok().flatten();
    if text.is_none() {
        let _ = child.kill();
    }
    let ended = child.wait().ok()?;
    text.filter(|_| ended.success())
}
