//! Two worlds compared: what differs between any two runs is taken out, what must be equal stays.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Members that two good runs don't share: how often the control plane began, which process it was, the random part of
/// an encrypted value (its digest stays), from which request it came, how often a message had to be sent.
const DROPPED: [&str; 11] = [
    "epoch",
    "pid",
    "boot",
    "sealed",
    "request",
    "body_sha256",
    "tries",
    "attempts",
    "towdigest",
    // What was measured, and when.
    "sample",
    "peaks",
];

/// Store and world as one value that is equal for two runs that came to the same end: ids are renumbered by their age
/// within their kind (`i-0001`), times become `time`, and [`DROPPED`] members go, as do numeric revisions, which count
/// how often a table was written. Digests stay. Lists of things with an
/// `id` are sorted by it.
pub fn canonical(store_dump: Value, world: Value) -> Value {
    let whole = json!({ "store": store_dump, "world": world });
    let mut ids = BTreeSet::new();
    collect(&whole, &mut ids);
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let mut names = BTreeMap::new();
    // Version 7 sorts by time, so the hexadecimal part alone gives the age.
    for (hex, prefix) in ids {
        let number = numbers.entry(prefix.clone()).or_default();
        *number += 1;
        names.insert(format!("{prefix}-{hex}"), format!("{prefix}-{number:04}"));
    }
    rewrite(whole, &names)
}

/// Where in a text the ids are: a prefix of small letters, `-`, 32 hexadecimal digits.
fn find_ids(text: &str) -> Vec<(usize, usize)> {
    const HEX: usize = 32;
    let bytes = text.as_bytes();
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let mut found = Vec::new();
    let mut from = 0;
    for (dash, _) in text.match_indices('-') {
        let (begin, end) = (dash + 1, dash + 1 + HEX);
        if end > bytes.len() || !bytes[begin..end].iter().all(|b| is_hex(*b)) {
            continue;
        }
        if bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        let prefix = bytes[from..dash].iter().rev().take_while(|b| b.is_ascii_lowercase()).count();
        if prefix > 0 {
            found.push((dash - prefix, end));
            from = end;
        }
    }
    found
}

fn collect(value: &Value, ids: &mut BTreeSet<(String, String)>) {
    let mut text = |text: &str| {
        for (begin, end) in find_ids(text) {
            if let Some((prefix, hex)) = text[begin..end].rsplit_once('-') {
                ids.insert((hex.to_string(), prefix.to_string()));
            }
        }
    };
    match value {
        Value::String(s) => text(s),
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        Value::Object(map) => {
            for (key, item) in map {
                if !DROPPED.contains(&key.as_str()) {
                    collect(&Value::String(key.clone()), ids);
                    collect(item, ids);
                }
            }
        }
        _ => {}
    }
}

fn rewrite_text(text: &str, names: &BTreeMap<String, String>) -> String {
    if is_time(text) {
        return "time".into();
    }
    let mut out = String::new();
    let mut from = 0;
    for (begin, end) in find_ids(text) {
        out.push_str(&text[from..begin]);
        out.push_str(names.get(&text[begin..end]).map_or(&text[begin..end], String::as_str));
        from = end;
    }
    out.push_str(&text[from..]);
    out
}

/// RFC 3339 in UTC, as a timestamp is written.
fn is_time(text: &str) -> bool {
    let shape = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    bytes.len() > shape.len()
        && bytes.last() == Some(&b'Z')
        && shape.iter().zip(bytes).all(|(want, got)| match want {
            b'0' => got.is_ascii_digit(),
            other => other == got,
        })
}

fn rewrite(value: Value, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(rewrite_text(&text, names)),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(|v| rewrite(v, names)).collect();
            if items.iter().all(|item| item.get("id").is_some_and(Value::is_string)) {
                items.sort_by_key(|item| {
                    let text =
                        |key| item.get(key).and_then(Value::as_str).unwrap_or("").to_string();
                    (text("kind"), text("id"))
                });
            }
            Value::Array(items)
        }
        Value::Object(map) => {
            let sorted: BTreeMap<String, Value> = map
                .into_iter()
                .filter(|(key, _)| !DROPPED.contains(&key.as_str()))
                .filter(|(key, item)| key != "revision" || !item.is_number())
                .map(|(key, item)| (rewrite_text(&key, names), rewrite(item, names)))
                .collect();
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::Id;

    fn world(first: &Id, second: &Id, epoch: i64, at: &str) -> Value {
        json!({
            "processes": [
                { "id": second.as_str(), "pid": 7, "ready_since": at },
                { "id": first.as_str(), "pid": 8, "ready_since": null },
            ],
            "routes": { format!("{second}/web"): { "epoch": epoch, "to": [format!("at {first}/x")] } },
        })
    }

    #[test]
    fn runs_that_differ_only_by_chance_are_equal() {
        let make = |epoch, at| {
            let (first, second) = (Id::fresh("i"), Id::fresh("i"));
            let _lost = Id::fresh("i");
            canonical(
                json!({ "plan": Id::fresh("plan").as_str() }),
                world(&first, &second, epoch, at),
            )
        };
        let one = make(1, "2026-11-22T10:00:00Z");
        let other = make(9, "2031-01-01T00:00:00.123456Z");
        assert_eq!(one, other);
        assert_eq!(one["store"]["plan"], "plan-0001");
        assert_eq!(one["world"]["processes"][0]["id"], "i-0001", "sorted by age");
        assert_eq!(one["world"]["processes"][1]["ready_since"], "time");
        assert_eq!(one["world"]["routes"]["i-0002/web"]["to"][0], "at i-0001/x");
        assert_eq!(one["world"]["routes"]["i-0002/web"].get("epoch"), None);
    }

    #[test]
    fn what_counts_stays_different() {
        let id = Id::fresh("i");
        let ready = canonical(
            json!({}),
            json!({ "id": id.as_str(), "ready_since": "2026-11-22T10:00:00Z" }),
        );
        let never = canonical(json!({}), json!({ "id": id.as_str(), "ready_since": null }));
        assert_ne!(ready, never, "whether there is a time counts, which one does not");
        let digest = tow_names::Digest::of(b"x");
        let kept = canonical(json!({ "artifact": digest.as_str() }), json!({}));
        assert_eq!(kept["store"]["artifact"], digest.as_str());
        assert_ne!(
            canonical(json!(1), json!([])),
            canonical(json!(1), json!([{ "id": id.as_str() }]))
        );
    }
}
