//! Programs that do what a case wants, as scripts for a POSIX shell: for harnesses of real runtimes.

use super::Act;
use std::fmt::Write as _;

/// What the machine or the image has to do the rest with.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Serves the folder `{dir}` on port `{port}`, in the foreground.
    pub serve: String,
    /// Prints what GET on `{url}` answers.
    pub get: String,
    /// As [`super::Harness::scratch`].
    pub scratch: &'static str,
}

impl Shell {
    /// A program: runs on after its last act.
    pub fn program(&self, acts: &[Act]) -> Vec<String> {
        self.argv(acts, true)
    }

    /// A command: ends after its last act.
    pub fn command(&self, acts: &[Act]) -> Vec<String> {
        self.argv(acts, false)
    }

    fn argv(&self, acts: &[Act], stays: bool) -> Vec<String> {
        let mut text = String::from("trap 'exit 0' TERM\n");
        for act in acts {
            self.act(&mut text, act);
        }
        if stays {
            text.push_str(STAY);
        }
        vec!["sh".into(), "-c".into(), text]
    }

    fn act(&self, out: &mut String, act: &Act) {
        let www = format!("{}www", self.scratch);
        let done = match act {
            Act::Say(text) => writeln!(out, "printf '%s\\n' {}", quoted(text)),
            Act::Complain(text) => writeln!(out, "printf '%s\\n' {} >&2", quoted(text)),
            Act::Long(length) => {
                writeln!(out, "head -c {length} /dev/zero | tr '\\0' x; echo")
            }
            Act::Bytes(bytes) => {
                let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
                writeln!(out, "printf '{octal}\\n'")
            }
            Act::Wait(millis) => writeln!(out, "sleep {}.{:03}", millis / 1000, millis % 1000),
            Act::Serve(port, text) | Act::StubbornServe(port, text) => {
                let dir = format!("{www}-{port}");
                let serve = self.serve.replace("{port}", &port.to_string());
                let serve = serve.replace("{dir}", &dir);
                let serve = match act {
                    Act::StubbornServe(..) => format!("(trap '' TERM; exec setsid {serve}) &"),
                    _ => format!("{serve} &"),
                };
                let text = quoted(text);
                writeln!(
                    out,
                    "mkdir -p {dir}; printf %s {text} > {dir}/index.html; cp {dir}/index.html {dir}/kept; {serve}"
                )
            }
            Act::Sicken => writeln!(out, "rm -f {www}-*/index.html"),
            Act::Recover => writeln!(
                out,
                "for d in {www}-*; do cp $d/kept $d/new; mv $d/new $d/index.html; done"
            ),
            Act::Show(path) => writeln!(
                out,
                "if v=$(cat {path} 2>/dev/null); then echo \"{path}: $v\"; else echo '{path}: refused'; fi"
            ),
            Act::Mode(path) => {
                writeln!(
                    out,
                    "echo \"{path}: $(stat -L -c %a {path} 2>/dev/null || echo refused)\""
                )
            }
            Act::Write(path, text) => {
                let text = quoted(text);
                writeln!(
                    out,
                    "if (printf %s {text} > {path}) 2>/dev/null; then echo '{path}: written'; else echo '{path}: refused'; fi"
                )
            }
            Act::Require(path) => writeln!(out, "[ -e {path} ] || exit 1"),
            Act::Variable(name) => writeln!(out, "echo \"{name}: ${{{name}-not set}}\""),
            Act::IgnoreTerm => writeln!(out, "trap '' TERM"),
            Act::DefaultTerm => writeln!(out, "trap - TERM"),
            Act::Bye(millis, text) => writeln!(
                out,
                "bye() {{ sleep {}.{:03}; echo {text}; exit 0; }}; trap bye TERM",
                millis / 1000,
                millis % 1000
            ),
            Act::Eat(mib) => {
                writeln!(out, "x=$(head -c {} /dev/zero | tr '\\0' x); echo ate", mib << 20)
            }
            Act::Fork(count) => writeln!(
                out,
                "i=0; while [ $i -lt {count} ]; do sleep 1000 & i=$((i+1)); done; echo forked"
            ),
            Act::Fill(path, mib) => writeln!(
                out,
                "if (head -c {} /dev/zero > {path}) 2>/dev/null; then echo filled; else echo 'filling: refused'; fi",
                mib << 20
            ),
            Act::Exit(code) => writeln!(out, "exit {code}"),
            Act::Die(signal) => writeln!(out, "kill -{signal} $$; sleep 5"),
            Act::Get(port) => {
                let get = self.get.replace("{url}", &format!("http://127.0.0.1:{port}/"));
                writeln!(
                    out,
                    "if v=$({get} 2>/dev/null); then echo \"got $v\"; else echo 'got nothing'; fi"
                )
            }
            Act::Echo => writeln!(out, "cat"),
            Act::Terminal => writeln!(out, "stty size 2>/dev/null || echo 'no terminal'"),
            Act::Sizes => writeln!(
                out,
                "l=; while :; do s=$(stty size); [ \"$s\" = \"$l\" ] || echo \"$s\"; l=$s; sleep 0.05; done"
            ),
            Act::Stay => {
                out.push_str(STAY);
                Ok(())
            }
        };
        done.expect("a string takes everything");
    }
}

/// A wait that signals break off, unlike the end of a command in the foreground.
const STAY: &str = "while :; do sleep 1000 & wait $!; done\n";

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
