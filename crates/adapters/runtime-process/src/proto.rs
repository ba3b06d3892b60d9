//! The lines on `ctl.sock`: JSON, one a line. Additive: what is unknown is ignored, an unknown verb is answered with
//! an error, nothing ever changes its meaning.

use crate::shim::beside::Ask;
use crate::state::{PROTOCOL, State};
use serde::{Deserialize, Serialize};
use tow_names::Duration;
use tow_record::Exit;

/// The longest line that is read.
pub(crate) const LONGEST: u64 = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub(crate) enum Verb {
    /// Are you there, and which protocol do you speak?
    Hello,
    /// The state, once.
    Status,
    /// The state, now and whenever it changes.
    Watch,
    /// SIGTERM, and SIGKILL after `grace`; kept before it is answered.
    Stop {
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// Run a command beside the program. Answered with the other ends of its streams, or of its terminal, as passed
    /// descriptors; then with how it ended. The connection's end ends it.
    Exec(Ask),
    /// What runs is not what `spec.json` says any more: start that beside, and let it take the place once it is ready.
    Renew,
    /// End the shim and leave the program running, for another shim to adopt.
    Quit,
}

/// A line to the shim.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) v: u32,
    /// Repeated in the answer.
    pub(crate) id: u64,
    /// Of the caller; without one it is the machine's operator, who is not fenced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<i64>,
    #[serde(flatten)]
    pub(crate) verb: Verb,
}

impl Request {
    pub(crate) const fn new(epoch: Option<i64>, verb: Verb) -> Self {
        Self { v: PROTOCOL, id: 1, epoch, verb }
    }
}

/// Why it was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// `fenced`, `unknown-verb`, `ending`, `not-running`, `not-run`.
    pub(crate) code: String,
    /// The highest epoch seen, where it was `fenced`.
    #[serde(default)]
    pub(crate) seen: Option<i64>,
    /// For people.
    pub(crate) message: String,
}

/// A line from the shim.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) v: u32,
    pub(crate) id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Trouble>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Box<State>>,
    /// The command runs; its streams came with this line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) started: bool,
    /// The command ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<Exit>,
}

impl Reply {
    /// Done; here is the state.
    pub(crate) fn state(id: u64, state: &State) -> Self {
        Self { state: Some(Box::new(state.clone())), ..Self::empty(id) }
    }

    /// A command was started.
    pub(crate) fn started(id: u64) -> Self {
        Self { started: true, ..Self::empty(id) }
    }

    /// A command ended.
    pub(crate) fn ended(id: u64, exit: Exit) -> Self {
        Self { exit: Some(exit), ..Self::empty(id) }
    }

    const fn empty(id: u64) -> Self {
        Self { v: PROTOCOL, id, error: None, state: None, started: false, exit: None }
    }

    /// Not done.
    pub(crate) fn trouble(id: u64, code: &str, seen: Option<i64>, message: &str) -> Self {
        let error = Some(Trouble { code: code.into(), seen, message: message.into() });
        Self { error, ..Self::empty(id) }
    }

    /// As it goes over the wire.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transcript_stays_as_it_is() {
        let stop = Request::new(Some(7), Verb::Stop { grace: Duration::from_secs(10) });
        assert_eq!(
            serde_json::to_string(&stop).unwrap(),
            r#"{"v":1,"id":1,"epoch":7,"verb":"stop","grace":"10s"}"#
        );
        let ask = Ask { argv: vec!["id".into()], env: Default::default(), tty: Some((80, 24)) };
        assert_eq!(
            serde_json::to_string(&Request::new(Some(7), Verb::Exec(ask))).unwrap(),
            r#"{"v":1,"id":1,"epoch":7,"verb":"exec","argv":["id"],"tty":[80,24]}"#
        );
        assert_eq!(
            String::from_utf8(Reply::ended(1, Exit::Code { code: 3 }).line()).unwrap(),
            "{\"v\":1,\"id\":1,\"exit\":{\"exit\":\"code\",\"code\":3}}\n"
        );
        assert_eq!(
            String::from_utf8(Reply::started(1).line()).unwrap(),
            "{\"v\":1,\"id\":1,\"started\":true}\n"
        );
        let newer = r#"{"v":2,"id":9,"verb":"watch","since":5}"#;
        let read: Request = serde_json::from_str(newer).unwrap();
        assert!(matches!(read.verb, Verb::Watch), "what is unknown is ignored");
        let fenced = Reply::trouble(3, "fenced", Some(8), "epoch 7 is behind 8");
        assert_eq!(
            String::from_utf8(fenced.line()).unwrap(),
            "{\"v\":1,\"id\":3,\"error\":{\"code\":\"fenced\",\"seen\":8,\"message\":\"epoch 7 is behind 8\"}}\n"
        );
    }
}
