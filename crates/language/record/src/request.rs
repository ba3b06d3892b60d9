//! A request that ended, as the gateway wrote it down: a line of its access log. The names are part of the contract.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;

/// Without what secrets hide in: queries, headers, bodies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestLine {
    /// When it ended.
    pub time: Timestamp,
    /// Its id.
    pub request: String,
    /// That of its trace.
    pub trace: String,
    /// The client's address.
    pub client: String,
    /// The host that was asked.
    pub host: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Of the answer; 0 where there was none.
    pub status: u16,
    /// Of the request's body.
    pub bytes_in: u64,
    /// Of the answer's body.
    pub bytes_out: u64,
    /// Milliseconds until the answer's head; none where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_ms: Option<f64>,
    /// Milliseconds until the end.
    pub took_ms: f64,
    /// The route's id; empty where it came to none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// The deployment of who answered, or was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<i64>,
    /// Its release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<i64>,
    /// Who answered, or was asked last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// How many instances were asked.
    pub tries: u32,
    /// What the gateway did itself: the code of its own answer, or how the exchange broke off.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl RequestLine {
    /// Nobody answered, or with 500 and above, or the answer broke off. Whoever went away in the middle of an answer was
    /// not failed.
    pub fn failed(&self) -> bool {
        self.status >= 500 || self.status == 0 || self.why == "answer-broke"
    }

    /// Whose it is: the place of its route, as [`tow_names::Place`] writes itself.
    pub fn place(&self) -> &str {
        let environment = self.route.find('@').unwrap_or(self.route.len());
        let end = self.route[environment..].find('/');
        end.map_or("", |end| &self.route[..environment + end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_as_the_gateway_writes_it_says_whose_it_is() {
        let text = r#"{"time":"2026-11-23T03:48:18.123456Z","request":"r","trace":"t","client":"127.0.0.1",
            "host":"h","method":"GET","path":"/","status":502,"bytes_in":0,"bytes_out":1,"took_ms":1.5,
            "route":"component:default/web@development/web/http","tries":2}"#;
        let mut line: RequestLine = serde_json::from_str(text).unwrap();
        assert_eq!(line.place(), "component:default/web@development");
        assert!(line.failed());
        line.status = 404;
        assert!(!line.failed());
        for none in ["", "component:default/web", "component:default/web@development"] {
            line.route = none.into();
            assert_eq!(line.place(), "", "{none}");
        }
    }
}
