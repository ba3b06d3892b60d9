//! What the gateway itself answers: a page for people, problem+json for programs, plain text for the rest. Names what
//! the route table says about the route that was asked for, and nothing of any other.

use crate::body::{Answer, Fault};
use crate::exchange::Exchange;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use maud::{DOCTYPE, html};
use std::time::Duration;
use tow_record::{Problem, Route, State};

/// A complaint about a request, not yet dressed for its reader.
pub(crate) struct Complaint {
    problem: Box<Problem>,
    facts: Vec<(&'static str, String)>,
    retry_after: Option<u64>,
}

impl Complaint {
    /// Its code, which is the same each time for the same thing.
    pub(crate) fn code(&self) -> &'static str {
        tow_record::Code::find(&self.problem.code).map_or("", |code| code.code)
    }

    fn new(code: &str, detail: impl Into<String>) -> Self {
        let problem = Box::new(Problem::of(code, detail));
        Self { problem, facts: Vec::new(), retry_after: None }
    }

    fn about(mut self, route: &Route) -> Self {
        self.facts.push(("Component", route.component.clone()));
        self.facts.push(("Environment", route.environment.clone()));
        self.facts.push(("State", route.state.to_string()));
        if !route.reason.is_empty() {
            self.facts.push(("Reason", route.reason.clone()));
        }
        self
    }

    pub(crate) fn bad_request(detail: &str) -> Self {
        Self::new("gateway/bad-request", detail)
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            "gateway/head-too-large",
            format!("Target and headers together may have {} bytes.", crate::door::HEAD_SIZE),
        )
    }

    pub(crate) fn unknown_coding() -> Self {
        Self::new(
            "gateway/transfer-coding",
            "Of the transfer codings only `chunked` is understood.",
        )
    }

    pub(crate) fn not_proxied() -> Self {
        Self::new("gateway/connect", "CONNECT was asked for, which the gateway does not do.")
    }

    pub(crate) fn unknown_host() -> Self {
        let mut complaint =
            Self::new("gateway/unknown-host", "No route of this platform has this host name.");
        complaint.problem.hint =
            Some("`tow status` prints the URL of each workload you may see.".into());
        complaint
    }

    pub(crate) fn unknown_path() -> Self {
        Self::new("gateway/unknown-path", "The host is known; no route of it covers this path.")
    }

    pub(crate) fn no_instance(route: &Route) -> Self {
        let soon =
            matches!(route.state, State::Rolling | State::Waiting | State::Live | State::Asleep);
        let mut complaint = Self::new(
            "gateway/no-instance",
            if route.reason.is_empty() {
                format!(
                    "{} has no instance in {} that can answer.",
                    route.component, route.environment
                )
            } else {
                format!(
                    "{} has no instance in {} that can answer: {}.",
                    route.component,
                    route.environment,
                    route.reason.trim_end_matches('.')
                )
            },
        )
        .about(route);
        complaint.problem.hint =
            Some("`tow status` shows the instances, `tow logs` what they last said.".into());
        complaint.retry_after = Some(if soon { 1 } else { 10 });
        complaint
    }

    /// It slept, was to be woken, and nobody was ready in time.
    pub(crate) fn not_awake(route: &Route) -> Self {
        let why = route.reason.trim_end_matches('.');
        let mut complaint = Self::new(
            "gateway/not-awake",
            format!("{} in {} was not awake in time: {why}.", route.component, route.environment),
        )
        .about(route);
        complaint.problem.hint = Some("`tow logs` shows what its instances last said.".into());
        complaint.retry_after = Some(5);
        complaint
    }

    /// It is being woken, and as many wait for that as may.
    pub(crate) fn too_many_wait(route: &Route) -> Self {
        let mut complaint = Self::new(
            "gateway/too-many-wait",
            format!(
                "{} in {} is being woken, and {} requests wait for it already.",
                route.component,
                route.environment,
                crate::wait::AT_ONE
            ),
        )
        .about(route);
        complaint.retry_after = Some(1);
        complaint
    }

    pub(crate) fn failed(route: &Route, detail: &str) -> Self {
        let mut complaint = Self::new(
            "gateway/instance-failed",
            format!("{} in {}: {detail}.", route.component, route.environment),
        )
        .about(route);
        complaint.problem.hint = Some("`tow logs` shows what it last said.".into());
        complaint
    }

    pub(crate) fn late(route: &Route, within: Duration) -> Self {
        let mut complaint = Self::new(
            "gateway/instance-late",
            format!(
                "{} in {} sent no answer within {within:?} of the request's last byte.",
                route.component, route.environment
            ),
        )
        .about(route);
        complaint.problem.hint = Some("`tow logs` shows what it last said.".into());
        complaint
    }

    /// A body that the client sent wrongly, too slowly, or more of than the route takes.
    pub(crate) fn body(fault: Fault, most: Option<u64>) -> Self {
        match fault {
            Fault::TooLarge => Self::new(
                "gateway/body-too-large",
                match most {
                    Some(most) => format!("A body may have {most} bytes here."),
                    None => "The body is larger than this route takes.".to_string(),
                },
            ),
            Fault::Still => {
                Self::new("gateway/request-late", "The rest of the body did not come in time.")
            }
            Fault::Unreadable => Self::bad_request("The body could not be read to its end."),
        }
    }

    pub(crate) fn expectation() -> Self {
        Self::new("gateway/expectation", "Of expectations only `100-continue` is understood.")
    }

    /// It is under maintenance, and this client is not let through.
    pub(crate) fn maintenance(route: &Route, retry_after: u64, message: &str) -> Self {
        let mut complaint = Self::new(
            "gateway/maintenance",
            if message.is_empty() {
                format!("{} in {} is under maintenance.", route.component, route.environment)
            } else {
                message.to_string()
            },
        );
        complaint.facts.push(("Component", route.component.clone()));
        complaint.facts.push(("Environment", route.environment.clone()));
        complaint.retry_after = Some(retry_after.max(1));
        complaint
    }

    /// It was paused for longer than requests are held.
    pub(crate) fn paused(route: &Route, limit: Duration) -> Self {
        let mut complaint = Self::new(
            "gateway/paused",
            format!(
                "{} in {} is paused; this request was held for {limit:?}.",
                route.component, route.environment
            ),
        )
        .about(route);
        complaint.retry_after = Some(5);
        complaint
    }

    /// It is paused, and as many requests are held as may.
    pub(crate) fn too_many_paused(route: &Route) -> Self {
        let mut complaint = Self::new(
            "gateway/too-many-wait",
            format!(
                "{} in {} is paused, and {} requests wait for it already.",
                route.component,
                route.environment,
                crate::wait::AT_ONE
            ),
        )
        .about(route);
        complaint.retry_after = Some(1);
        complaint
    }

    /// In the form that the client takes.
    pub(crate) fn dress(
        mut self,
        headers: &HeaderMap,
        mut exchange: Box<Exchange>,
    ) -> Response<Answer> {
        let request = exchange.id.clone();
        self.problem.request = request.to_str().unwrap_or_default().to_string();
        exchange.refused(self.problem.status, self.code());
        let (kind, bytes) = match form(headers) {
            Form::Html => ("text/html; charset=utf-8", self.html().into_bytes()),
            Form::Json => ("application/problem+json", self.json()),
            Form::Text => ("text/plain; charset=utf-8", self.text().into_bytes()),
        };
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Answer::own(bytes, exchange));
        *response.status_mut() = status;
        let out = response.headers_mut();
        out.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        out.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        out.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            ),
        );
        out.insert(crate::headers::X_REQUEST_ID, request);
        if let Some(seconds) = self.retry_after {
            out.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn json(&self) -> Vec<u8> {
        // A problem holds text and numbers only: there is nothing that could not be written.
        serde_json::to_vec(self.problem.as_ref()).unwrap_or_default()
    }

    fn text(&self) -> String {
        let mut text =
            format!("{} {}\n{}\n", self.problem.status, self.problem.title, self.problem.detail);
        for (name, value) in &self.facts {
            text.push_str(&format!("{}: {value}\n", name.to_lowercase()));
        }
        if let Some(hint) = &self.problem.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text.push_str(&format!("code: {}\nrequest: {}\n", self.problem.code, self.problem.request));
        text
    }

    fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.problem.status) " · " (self.problem.title) }
                    style { (STYLE) }
                }
                body {
                    main {
                        p.status { (self.problem.status) }
                        h1 { (self.problem.title) }
                        p { (self.problem.detail) }
                        @if !self.facts.is_empty() {
                            dl {
                                @for (name, value) in &self.facts { dt { (name) } dd { (value) } }
                            }
                        }
                        @if let Some(hint) = &self.problem.hint { p.hint { (hint) } }
                        footer {
                            code { (self.problem.code) } " · " code { (self.problem.request) }
                        }
                    }
                }
            }
        };
        page.into_string()
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
body{margin:0;display:grid;place-items:center;min-height:100vh}\
main{max-width:36rem;padding:2rem}\
.status{margin:0;font-variant-numeric:tabular-nums;opacity:.7}\
h1{margin:.25rem 0 1rem;font-size:1.5rem}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}\
footer{margin-top:2rem;font-size:.8rem;opacity:.7;overflow-wrap:anywhere}";

#[derive(Debug, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Text,
}

/// Whichever of the two is named first; browsers name HTML, programs JSON, curl nothing.
fn form(headers: &HeaderMap) -> Form {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in accepted.flat_map(|value| value.split(',')) {
        let kind = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind == "text/html" || kind == "application/xhtml+xml" {
            return Form::Html;
        }
        if kind.starts_with("application/") && kind.ends_with("json") {
            return Form::Json;
        }
    }
    Form::Text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_the_client_names_first() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Html),
            ("application/json", Form::Json),
            ("application/problem+json, text/html", Form::Json),
            ("*/*", Form::Text),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(form(&headers), expected, "{accept}");
        }
        assert_eq!(form(&HeaderMap::new()), Form::Text);
    }
}
