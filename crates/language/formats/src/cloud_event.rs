//! An event as CloudEvents 1.0 has it, in the structured JSON form: for webhooks and exports.

use serde_json::{Map, Value, json};
use tow_record::Event;

/// The media type of [`cloud_event`].
pub const CLOUD_EVENT: &str = "application/cloudevents+json";

/// One event of the log. `source` says whose log it is, as a URI reference: with the id, which is the event's place in
/// the log, it is unique. Of an erased event the data is absent, and its digest stays.
///
/// Our kinds become types by the prefix `dev.towpath.`; who acted, by which request and in which order are extension
/// attributes.
pub fn cloud_event(source: &str, event: &Event) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_string(), value);
    put("specversion", json!("1.0"));
    put("id", json!(event.seq.to_string()));
    put("source", json!(source));
    put("type", json!(format!("dev.towpath.{}", event.kind)));
    if !event.subject.is_empty() {
        put("subject", json!(event.subject));
    }
    put("time", json!(event.at));
    // The specification's own extension for order: compared as text, so of one length.
    put("sequence", json!(format!("{:020}", event.seq)));
    put("towactor", json!(event.actor));
    if !event.request.is_empty() {
        put("towrequest", json!(event.request));
    }
    put("towdigest", json!(event.body_sha256));
    if let Some(body) = &event.body {
        put("datacontenttype", json!("application/json"));
        put("data", json!(body));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::Timestamp;
    use tow_record::EventBody;

    fn event() -> Event {
        let after = json!({"number": 3});
        let body = EventBody { summary: "web is live".into(), before: Value::Null, after };
        Event {
            seq: 42,
            at: Timestamp(1_767_225_600_000_000),
            actor: "user:default/ann".into(),
            request: String::new(),
            kind: "deployment.live".into(),
            subject: "component:default/web@development".into(),
            body_sha256: "ab".into(),
            body: Some(body),
        }
    }

    #[test]
    fn what_the_specification_requires_is_there() {
        let said = cloud_event("urn:towpath:x", &event());
        assert_eq!(
            said,
            json!({
                "specversion": "1.0", "id": "42", "source": "urn:towpath:x",
                "type": "dev.towpath.deployment.live",
                "subject": "component:default/web@development", "time": "2026-01-01T00:00:00Z",
                "sequence": "00000000000000000042", "towactor": "user:default/ann",
                "towdigest": "ab", "datacontenttype": "application/json",
                "data": {"summary": "web is live", "before": null, "after": {"number": 3}},
            })
        );
        // Names of attributes are lower-case letters and digits, at most twenty of them.
        for name in said.as_object().unwrap().keys() {
            assert!(name.len() <= 20, "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        }
    }

    #[test]
    fn what_was_erased_is_absent() {
        let said = cloud_event("/", &Event { body: None, ..event() });
        assert!(said.get("data").is_none() && said.get("datacontenttype").is_none());
        assert_eq!(said["towdigest"], "ab");
    }
}
