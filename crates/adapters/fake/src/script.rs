//! What a pretended program or build does.

use crate::Act;
use tow_names::Duration;
use tow_record::{Exit, InstanceSpec};

/// The variable of an instance's environment that scripts it, where no test did.
pub(crate) const VARIABLE: &str = "TOW_FAKE";

/// How a pretended program behaves. As text, in the environment variable `TOW_FAKE`: words such as
/// `ready-after=2s exits-after=10s code=3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// From the start of the process until it is ready; none: never.
    pub ready_after: Option<Duration>,
    /// It ends by itself so long after each start, in this way.
    pub ends: Option<(Duration, Exit)>,
    /// Only the first so many starts end by themselves; from then on it stays.
    pub ends_times: u32,
    /// From SIGTERM to its end; longer than the grace: it is killed.
    pub stops_after: Duration,
    /// What it prints at each start.
    pub says: Vec<String>,
    /// What it does at each start, one after the other. Then its probes and SIGTERM find what it did, and `ready_after`
    /// and `stops_after` say nothing.
    pub acts: Option<Vec<Act>>,
}

impl Default for Script {
    /// Ready at once, runs until it is stopped.
    fn default() -> Self {
        Self {
            ready_after: Some(Duration::ZERO),
            ends: None,
            ends_times: u32::MAX,
            stops_after: Duration::ZERO,
            says: Vec::new(),
            acts: None,
        }
    }
}

/// A script's text is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError(pub String);

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{VARIABLE}: {:?} is not understood: expected ready-after=TIME, never-ready, exits-after=TIME, code=N, \
             times=N or stops-after=TIME",
            self.0
        )
    }
}

impl std::error::Error for ScriptError {}

impl Script {
    /// Ready so long after its start.
    pub fn ready_after(after: Duration) -> Self {
        Self { ready_after: Some(after), ..Self::default() }
    }

    /// Runs and is never ready.
    pub fn never_ready() -> Self {
        Self { ready_after: None, ..Self::default() }
    }

    /// Never ready, ends with this code so long after each start. Restarted by its policy: with
    /// [`tow_record::Restart::Always`] that is a crash loop.
    pub fn exits(after: Duration, code: i32) -> Self {
        Self { ready_after: None, ends: Some((after, Exit::Code { code })), ..Self::default() }
    }

    /// Ends with code 1 at once, each time.
    pub fn crash_loops() -> Self {
        Self::exits(Duration::ZERO, 1)
    }

    /// Does this.
    pub fn of(acts: Vec<Act>) -> Self {
        Self { acts: Some(acts), ..Self::default() }
    }

    /// Does not heed SIGTERM.
    #[must_use]
    pub fn stubborn(mut self) -> Self {
        self.stops_after = Duration::from_micros(i64::MAX);
        self
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        let (mut after, mut code) = (None, 0);
        for word in text.split_ascii_whitespace() {
            let bad = || ScriptError(word.to_string());
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let time = || value.parse::<Duration>().map_err(|_| bad());
            match name {
                "ready-after" => script.ready_after = Some(time()?),
                "never-ready" if value.is_empty() => script.ready_after = None,
                "exits-after" => after = Some(time()?),
                "code" => code = value.parse().map_err(|_| bad())?,
                "times" => script.ends_times = value.parse().map_err(|_| bad())?,
                "stops-after" => script.stops_after = time()?,
                _ => return Err(bad()),
            }
        }
        script.ends = after.map(|after| (after, Exit::Code { code }));
        Ok(script)
    }
}

/// Which instances a script is for. Asked at their start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// All.
    All,
    /// Those whose title holds this text: `web/0 main`.
    Title(String),
    /// Those with this variable at this value.
    Env(String, String),
}

impl To {
    pub(crate) fn meets(&self, spec: &InstanceSpec) -> bool {
        match self {
            Self::All => true,
            Self::Title(text) => spec.title.contains(text),
            Self::Env(name, value) => spec.env.get(name) == Some(value),
        }
    }
}

/// How pretended builds go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildScript {
    /// How long they take.
    pub takes: Duration,
    /// They fail, saying this.
    pub fails: Option<String>,
    /// Their artifacts are files that the platform serves itself.
    pub is_static: bool,
}
