//! The one place that prints. Data goes to standard output, talk to standard error; colour only on a terminal, and
//! never alone.

use crate::failure::{Failure, Verdict};
use crate::render;
use anstream::AutoStream;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For people who like it.
    Yaml,
}

/// Prints.
pub(crate) struct Printer {
    pub(crate) format: Format,
    quiet: bool,
    progress: RefCell<Option<ProgressBar>>,
}

impl Printer {
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet, progress: RefCell::new(None) }
    }

    /// Is it for people?
    pub(crate) fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// Is nothing but results and errors wanted?
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The result: as the format asks; `text` is made only for people.
    pub(crate) fn data<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Verdict {
        let out = match self.format {
            Format::Text => text(),
            Format::Json => serde_json::to_string_pretty(value)
                .map_err(|e| Failure::new("cli/json", e.to_string()))?,
            Format::Yaml => yaml(value)?,
        };
        self.out(&out)
    }

    /// One of many results of a stream: a line.
    pub(crate) fn item<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Verdict {
        let out = match self.format {
            Format::Text => text(),
            Format::Json => {
                serde_json::to_string(value).map_err(|e| Failure::new("cli/json", e.to_string()))?
            }
            Format::Yaml => format!("---\n{}", yaml(value)?),
        };
        self.out(&out)
    }

    /// Text to standard output, ended with a line end.
    pub(crate) fn out(&self, text: &str) -> Verdict {
        if text.is_empty() {
            return Ok(());
        }
        let text = text.trim_end_matches('\n');
        let text = &*if self.is_text() { inert(text) } else { text.into() };
        self.aside(|| {
            let mut out = anstream::stdout().lock();
            writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|_| Failure::Closed)
        })
    }

    /// A command's bytes as they are, to standard output or standard error: what they do to a terminal is between the
    /// command and whoever ran it.
    pub(crate) fn bytes(&self, to_err: bool, bytes: &[u8]) -> Verdict {
        let write = |out: &mut dyn Write| {
            out.write_all(bytes).and_then(|()| out.flush()).map_err(|_| Failure::Closed)
        };
        if to_err {
            write(&mut std::io::stderr().lock())
        } else {
            write(&mut std::io::stdout().lock())
        }
    }

    /// A line of talk; not under `--quiet`.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.error_line(text);
        }
    }

    /// A way on, after the result, for people.
    pub(crate) fn hint(&self, text: &str) {
        if self.is_text() {
            self.say(&format!("\n{}", render::hint(text)));
        }
    }

    /// What went wrong, always: a line of JSON where JSON was asked for.
    pub(crate) fn failure(&self, failure: &Failure) {
        let Failure::Problem(problem) = failure else { return };
        match self.format {
            Format::Json => {
                self.error_line(&serde_json::to_string(problem).unwrap_or_default());
            }
            _ => self.error_line(render::problem(problem).trim_end()),
        }
    }

    /// Text to standard error whatever was asked for.
    pub(crate) fn error_line(&self, text: &str) {
        let text = if self.is_text() { inert(text) } else { text.into() };
        self.aside(|| {
            // Nobody can be told that talk could not be told.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
    }

    /// Says what is being waited for: a moving line on a terminal, nothing elsewhere.
    pub(crate) fn wait(&self, what: &str) {
        if self.quiet || !std::io::stderr().is_terminal() {
            return;
        }
        let mut slot = self.progress.borrow_mut();
        let bar = slot.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}")
            {
                bar.set_style(style.tick_chars("◐◓◑◒ "));
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(what.to_string());
    }

    /// Nothing is being waited for any more.
    pub(crate) fn waited(&self) {
        if let Some(bar) = self.progress.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Prints with the moving line out of the way.
    fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match self.progress.borrow().as_ref() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// For a person's terminal: what was declared or logged by somebody may colour a word, and nothing else. Characters that
/// move the cursor, write elsewhere, turn the reading direction or hide what stands beside them are shown as one that
/// says that something was there.
fn inert(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(harmful) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let whole = if harmful(c) { colour(rest) } else { Some(c.len_utf8()) };
        out.push_str(whole.map_or("\u{fffd}", |length| &rest[..length]));
        rest = &rest[whole.unwrap_or(c.len_utf8())..];
    }
    out.into()
}

/// The length of the sequence that sets a colour, where the text begins with one.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

/// May a question be asked?
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Will a person see the result?
pub(crate) fn on_terminal() -> bool {
    AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
        || std::io::stdout().is_terminal()
}

/// As YAML. By way of a plain value: what is passed on as a text of JSON is a text to anything but JSON's own writer.
pub(crate) fn yaml<T: Serialize>(value: &T) -> Verdict<String> {
    let plain: serde_json::Value =
        serde_json::to_value(value).map_err(|e| Failure::new("cli/json", e.to_string()))?;
    serde_saphyr::to_string(&plain).map_err(|e| Failure::new("cli/yaml", e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_of_a_text_of_json_is_what_the_text_says() {
        let text =
            r#"{"kind":"Component","metadata":{"name":"web","tags":["a"]},"spec":{"n":"1"}}"#;
        let raw = serde_json::value::RawValue::from_string(text.into()).unwrap();
        let object = tow_api::object::get::ObjectView::new(raw);
        for (yaml, inner) in [(yaml(&object).unwrap(), ""), (yaml(&[&object]).unwrap(), "/0")] {
            let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
            let plain: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(read.pointer(inner), Some(&plain), "{yaml}");
        }
    }

    #[test]
    fn a_terminal_is_not_moved_by_what_is_shown() {
        for kept in
            ["plain", "a\tb\nc", "\u{1b}[1;31mred\u{1b}[0m", "\u{5e9}\u{5dc}", "\u{1f6a2}", ""]
        {
            assert_eq!(inert(kept), kept);
        }
        for (text, shown) in [
            ("\u{1b}[2Jgone", "\u{fffd}[2Jgone"),
            ("\u{1b}]0;title\u{7}", "\u{fffd}]0;title\u{fffd}"),
            ("a\rb\u{8}", "a\u{fffd}b\u{fffd}"),
            ("\u{1b}", "\u{fffd}"),
            ("\u{1b}[31", "\u{fffd}[31"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("x\u{202e}cod", "x\u{fffd}cod"),
        ] {
            assert_eq!(inert(text), shown, "{text:?}");
        }
    }
}
