//! Reads what the test programs print, a line at a time: numbers, what was not run, and which lines are worth showing.
//!
//! Tests run with `--show-output`, so that a passing test can say `not run: WHY` and `measured: FIGURES`; all else that
//! passing tests say is left out. A failing test's output is shown whole.

/// What was read so far.
#[derive(Default)]
pub(super) struct Reader {
    /// Tests that passed, `not run` ones among them.
    pub(super) passed: u64,
    /// Tests that failed.
    pub(super) failed: u64,
    /// Name and why.
    pub(super) not_run: Vec<(String, String)>,
    /// What passing tests measured, in the order in which it was said.
    pub(super) measured: Vec<String>,
    /// In the part of the output that tells what passing tests said.
    successes: bool,
    /// The test whose output it is.
    current: String,
}

impl Reader {
    /// Takes the next line. Is it worth showing?
    pub(super) fn read(&mut self, line: &str) -> bool {
        if let Some((passed, failed)) = result(line) {
            self.passed += passed;
            self.failed += failed;
            self.successes = false;
            return true;
        }
        // `test NAME ... ignored, WHY`
        if let Some((name, why)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ignored"))
        {
            let why = why.trim_start_matches(',').trim();
            let why = if why.is_empty() { "it gives no reason" } else { why };
            self.not_run.push((name.into(), why.into()));
        }
        match line {
            "successes:" => self.successes = true,
            "failures:" => self.successes = false,
            _ => {}
        }
        if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.current = name.into();
        }
        if let (true, Some(why)) = (self.successes, line.trim().strip_prefix("not run: ")) {
            self.not_run.push((self.current.clone(), why.into()));
        }
        if let (true, Some(figures)) = (self.successes, line.trim().strip_prefix("measured: ")) {
            self.measured.push(figures.into());
        }
        !self.successes
    }
}

/// Reads `test result: ok. 5 passed; 0 failed; …` into (passed, failed).
fn result(line: &str) -> Option<(u64, u64)> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let count = |word: &str| {
        let part = rest.split([';', '.']).map(str::trim).find_map(|part| part.strip_suffix(word));
        part.and_then(|number| number.trim().parse().ok())
    };
    Some((count(" passed")?, count(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read() {
        let output = "\
running 3 tests
test a ... ok
test b ... ignored, only on a small disk
test c ... FAILED

successes:

---- a stdout ----
hello
measured: 12 of 12
not run: there is no `unshare` here


successes:
    a

failures:

---- c stdout ----
not run: a failing test was run
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; finished in 0.00s
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; finished in 0.00s";
        let mut reader = Reader::default();
        let shown: Vec<&str> = output.lines().filter(|line| reader.read(line)).collect();
        assert_eq!((reader.passed, reader.failed), (13, 1));
        let not_run = [
            ("b".into(), "only on a small disk".into()),
            ("a".into(), "there is no `unshare` here".into()),
        ];
        assert_eq!(reader.not_run, not_run);
        assert_eq!(reader.measured, ["12 of 12"]);
        assert!(!shown.contains(&"hello"));
        assert!(shown.contains(&"---- c stdout ----"));
    }
}
