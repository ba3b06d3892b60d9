//! `tow exec` on the real binary: exit codes, pipes, a terminal with its size and its Ctrl-C, what is gone, what is kept.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tow_testkit::binary::{Binary, PATIENCE, send, until};

fn with_ferry() -> (Binary, Ferry) {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    ferry.set("GREETING", "ahoy");
    up.deploy(ferry.path());
    (up, ferry)
}

/// Runs a command in the ferry, with this as its input.
fn exec(up: &Binary, input: &str, command: &[&str]) -> (i32, String, String) {
    let args = ["exec", "ferry", "--"].iter().chain(command);
    let mut child = up.command(args).stdin(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_bytes().to_vec());
    // Beside the reading: what comes back fills pipes while more is written. One that reads nothing breaks it off.
    std::thread::spawn(move || stdin.write_all(&input));
    let done = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr))
}

fn sh(up: &Binary, input: &str, script: &str) -> (i32, String, String) {
    exec(up, input, &["sh", "-c", script])
}

#[test]
fn a_command_runs_as_if_it_were_here() {
    let (up, _ferry) = with_ferry();
    let went = sh(&up, "", "echo out; echo err >&2; exit 7");
    assert_eq!(went, (7, "out\n".into(), "err\n".into()));
    assert_eq!(sh(&up, "x\ny\n", "cat"), (0, "x\ny\n".into(), String::new()));
    let large = "0123456789abcde\n".repeat(40_000);
    assert!(sh(&up, &large, "cat") == (0, large, String::new()), "640 kB both ways");
    assert_eq!(sh(&up, "", "echo $GREETING in $TOW_COMPONENT").1, "ahoy in ferry\n");
    assert_eq!(sh(&up, "", "kill -9 $$").0, 137);
    assert_eq!(sh(&up, "", "[ -t 0 ] && echo terminal || echo none").1, "none\n");
    let (status, out, err) = exec(&up, "", &["no-such-program"]);
    assert!(status == 127 && out.is_empty() && err.contains("no-such-program"), "{status} {err}");
    assert!(!err.contains("nothing was changed"), "{err}");
    let env = up.tow(["exec", "ferry", "--env", "GREETING=hello", "--", "printenv", "GREETING"]);
    assert_eq!(env.exits(0).out, "hello\n");

    // Who ran what is in the log; what went into it is not.
    sh(&up, "my secret", "cat >/dev/null; exit 3");
    until("the end is in the log", || {
        let all = up.json(&["audit", "list"]).to_string();
        all.contains(r#""code":3"#)
    });
    let events = up.tow(["audit", "list", "-o", "json"]).exits(0).out;
    assert!(events.contains("instance.exec-ended") && events.contains("cat >/dev/null; exit 3"));
    assert!(!events.contains("my secret"), "{events}");
}

#[test]
fn what_is_gone_takes_no_command() {
    let (up, _ferry) = with_ferry();
    let gone = up.tow(["exec", "--instance", "gone-1", "-o", "json", "--", "true"]).exits(4);
    assert_eq!(gone.problem()["code"], "exec/gone");
    assert_eq!(gone.problem()["status"], 404);
    let which = up.tow(["exec", "ferry", "-w", "mail", "--", "true"]).exits(4);
    assert!(
        which.err.contains("ferry has no workload mail that runs in development")
            && which.err.contains("ferry/0 main"),
        "{which}"
    );
    up.json(&["stop", "-c", "ferry"]);
    let stopped = up.tow(["exec", "ferry", "-o", "json", "--", "true"]).exits(4);
    assert_eq!(stopped.problem()["code"], "exec/gone");
}

#[test]
fn a_command_whose_instance_is_replaced_is_told_so() {
    let (up, _ferry) = with_ferry();
    let mut child = up
        .command(["exec", "ferry", "-o", "json", "--", "sleep", "98765.3"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    until("it runs", || running("98765.3") == 1);
    up.json(&["restart", "ferry"]);
    until("it has ended", || child.try_wait().unwrap().is_some());
    let done = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    // By a signal of the stop, or with the one who kept it: in no case in words that only builders know.
    assert!(!err.contains("shim"), "{err}");
    assert!(matches!(done.status.code(), Some(4 | 129 | 137 | 143)), "{done:?}");
    if done.status.code() == Some(4) {
        assert!(err.contains("exec/gone") && err.contains("stopped or replaced"), "{err}");
    }
}

/// Processes of the machine with this argument.
fn running(argument: &str) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let command = |path: &std::path::Path| std::fs::read(path.join("cmdline")).unwrap_or_default();
    all.filter(|entry| {
        let line = command(&entry.path());
        let mut args = line.split(|byte| *byte == 0);
        args.next() == Some(b"sleep") && args.next() == Some(argument.as_bytes())
    })
    .count()
}

#[test]
fn a_command_ends_when_its_asker_goes() {
    let (up, _ferry) = with_ferry();
    let mut child = up
        .command(["exec", "ferry", "--", "sleep", "98765.4"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    until("it runs", || running("98765.4") == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    until("it ended with its asker", || running("98765.4") == 0);
    until("its end is in the log", || {
        up.json(&["audit", "list"]).to_string().contains("instance.exec-ended")
    });
}

/// What it reads nothing of waits on the way, all the way back to whoever writes it.
#[test]
fn a_command_that_reads_nothing_ends_when_its_asker_goes() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (up, _ferry) = with_ferry();
    let mut child = up
        .command(["exec", "ferry", "--", "sleep", "98765.5"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    until("it runs", || running("98765.5") == 1);
    let (mut stdin, written) = (child.stdin.take().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = written.clone();
    std::thread::spawn(move || {
        while stdin.write_all(&[b'y'; 4096]).is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (mut last, mut same) = (0, 0);
    until("nobody takes any more of it", || {
        std::thread::park_timeout(Duration::from_millis(50));
        let now = written.load(Ordering::Relaxed);
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        same > 20
    });
    assert_eq!(running("98765.5"), 1, "it waits, and is not ended for it");
    child.kill().unwrap();
    child.wait().unwrap();
    until("it ended with its asker", || running("98765.5") == 0);
    until("its end is in the log", || {
        up.json(&["audit", "list"]).to_string().contains("instance.exec-ended")
    });
}

#[test]
fn a_foreign_page_opens_no_door() {
    let (up, _ferry) = with_ferry();
    let id = up.json(&["ps", "ferry"])[0]["instance"].as_str().unwrap().to_string();
    let url = up.ready.as_ref().unwrap().url.clone();
    let host = url.strip_prefix("http://").unwrap();
    let ask = |more: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "GET /api/v1/instances/{id}/exec HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        )
        .unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let foreign = ask("cookie: tow_session=x\r\norigin: http://web.localhost:1\r\n");
    assert!(foreign.starts_with("HTTP/1.1 403") && foreign.contains("foreign-page"), "{foreign}");
    let nobody = ask("");
    assert!(nobody.starts_with("HTTP/1.1 401"), "{nobody}");
}

/// A terminal of ours, with `tow exec` on it.
struct Terminal {
    ours: std::fs::File,
    said: mpsc::Receiver<Vec<u8>>,
    text: String,
    child: Child,
}

impl Terminal {
    fn open(up: &Binary, args: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
        size(&ours, 100, 30);
        // In a session of its own on that terminal, as a shell would start it: only so is it told of a new size.
        let tow = up.command(args);
        let mut command = std::process::Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(tow.get_program()).args(tow.get_args());
        for (name, value) in tow.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(up.home()).env("TERM", "xterm");
        command.stdin(theirs.try_clone().unwrap());
        command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
        let child = command.spawn().unwrap();
        drop(command);
        let ours = std::fs::File::from(ours);
        let mut reader = ours.try_clone().unwrap();
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { ours, said, text: String::new(), child }
    }

    fn types(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Until this is on it.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        while !self.text.contains(text) {
            match self.said.recv_timeout(PATIENCE) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} was never shown, but {:?}", self.text),
            }
        }
        // What came after it is looked at the next time.
        let end = self.text.find(text).map_or(0, |at| at + text.len());
        self.text.drain(..end);
    }
}

fn size(terminal: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

#[test]
fn a_terminal_has_its_size_and_its_keys() {
    let (up, _ferry) = with_ferry();
    let mut shell = Terminal::open(&up, &["exec", "ferry", "--", "sh"]);
    shell.types("stty size; echo $TERM\n");
    shell.shows("30 100");
    shell.shows("xterm");
    let resized = OwnedFd::from(shell.ours.try_clone().unwrap());
    size(&resized, 132, 50);
    // The news travels; whoever asks too early is told the old size.
    shell.types("until stty size | grep '50 132'; do sleep 0.1; done; echo re''sized\n");
    shell.shows("resized");
    // Ctrl-C ends what runs in the shell, and neither the shell nor tow.
    shell.types("echo be''gun; sleep 1000\n");
    shell.shows("begun");
    #[expect(clippy::disallowed_methods, reason = "time itself is meant: nothing is to happen")]
    std::thread::sleep(Duration::from_millis(300));
    shell.types("\u{3}");
    shell.types("echo still''here\n");
    shell.shows("stillhere");
    shell.types("exit 42\n");
    let status = shell.child.wait().unwrap();
    assert_eq!(status.code(), Some(42));

    // A terminal that goes away takes its command with it.
    let mut other =
        Terminal::open(&up, &["exec", "ferry", "--", "sh", "-c", "echo begun; sleep 87654.3"]);
    other.shows("begun");
    until("it runs", || running("87654.3") == 1);
    send(other.child.id(), Signal::KILL);
    drop(other.ours);
    other.child.wait().unwrap();
    until("it is gone", || running("87654.3") == 0);
}

#[test]
fn what_the_platform_s_starter_ignores_is_not_ignored_by_programs() {
    // As `nohup`, and as a shell does with its background jobs.
    let deaf = "trap '' INT QUIT HUP; exec \"$@\"";
    let mut up = Binary::new(TOW).inside(["sh", "-c", deaf, "sh"].map(String::from).to_vec());
    up.start();
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let ignored = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
        u64::from_str_radix(line, 16).unwrap() & 0b111
    };
    let pid = up.json(&["ps", "ferry"])[0]["pid"].as_u64().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert_eq!(ignored(&status), 0, "{status}");
    let beside = up.tow(["exec", "ferry", "--", "cat", "/proc/self/status"]).exits(0);
    assert_eq!(ignored(&beside.out), 0, "{beside}");
}

#[test]
fn a_command_that_ends_at_once_has_its_last_word_though_nobody_types() {
    let up = Binary::up(TOW);
    let ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    for n in 0..60 {
        let done = up.tow(["exec", "ferry", "--", "sh", "-c", "echo x; exit 3"]);
        assert_eq!((done.status, done.out.trim()), (3, "x"), "the {n}th: {done}");
    }
}
