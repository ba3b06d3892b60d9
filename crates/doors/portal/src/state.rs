//! How a state looks: shape, word and colour, the same as on the command line.

use maud::{Markup, html};
use tow_record::State;

/// A badge.
pub(crate) fn badge(state: State) -> Markup {
    let shape = match state {
        State::Live => "●",
        State::Rolling => "◐",
        State::Waiting => "…",
        State::Degraded => "▲",
        State::Failed => "✕",
        State::Asleep => "☾",
        State::Stopped => "○",
        State::Unknown => "?",
    };
    html! {
        span class={ "state " (state.as_str()) } {
            span.shape aria-hidden="true" { (shape) }
            (state.as_str())
        }
    }
}
