//! What can go wrong on the machine's side, as people read it.

use tow_record::{ExitStatus, Problem};

/// Without the system's number of an error, which says nothing beside its words: `No such file (os error 2)`.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        out.push_str(before);
        match after.split_once(')') {
            Some((number, after)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                rest = after;
            }
            _ => {
                out.push_str(" (os error ");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// So many of something: `1 event`, `2 events`. `one` takes an s, as all nouns here do.
pub(crate) fn count(number: impl TryInto<i64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(i64::MAX);
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// Why `up` or `down` ended early.
#[derive(Debug, Clone)]
pub(crate) struct HostError {
    problem: Box<Problem>,
    exit: i32,
    was_up: bool,
}

impl HostError {
    /// With a code of [`tow_record::CODES`], which also says how `tow` ends.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        let problem = Box::new(Problem::of(code, plain(&detail.into())));
        let exit = ExitStatus::of(&problem).code();
        Self { problem, exit, was_up: false }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    /// Names what is as it was.
    pub(crate) fn untouched(self, what: &str) -> Self {
        let sentence =
            if what.is_empty() { String::new() } else { format!("left as it was: {what}") };
        self.stands(&sentence)
    }

    /// Says how things stand now, in a whole sentence.
    pub(crate) fn stands(mut self, sentence: &str) -> Self {
        self.problem.untouched = sentence.into();
        self
    }

    /// Ends otherwise than the list says of its code.
    pub(crate) const fn exits(mut self, status: i32) -> Self {
        self.exit = status;
        self
    }

    /// The platform had answered before.
    pub(crate) const fn after_it_was_up(mut self) -> Self {
        self.was_up = true;
        self
    }

    pub(crate) const fn was_up(&self) -> bool {
        self.was_up
    }

    pub(crate) fn detail(&self) -> &str {
        &self.problem.detail
    }

    pub(crate) const fn exit(&self) -> i32 {
        self.exit
    }

    /// On stderr: for people, or as one line of JSON.
    pub(crate) fn print(&self, json: bool) {
        let problem = &self.problem;
        if json {
            // A problem holds text and numbers only: there is nothing that could not be written.
            anstream::eprintln!("{}", serde_json::to_string(problem).unwrap_or_default());
            return;
        }
        anstream::eprintln!("error: {} [{}]", problem.detail, problem.code);
        if !problem.untouched.is_empty() {
            anstream::eprintln!("  {}", problem.untouched);
        }
        if let Some(hint) = &problem.hint {
            anstream::eprintln!("\nhint: {hint}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_words() {
        let gone = std::io::Error::from_raw_os_error(2);
        assert_eq!(plain(&format!("/x: {gone}")), "/x: No such file or directory");
        assert_eq!(plain("a (os error 2) b (os error 13)."), "a b.");
        assert_eq!(plain("a (os error x) b (os error 2"), "a (os error x) b (os error 2");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(0_usize, "event"), "0 events");
    }
}
