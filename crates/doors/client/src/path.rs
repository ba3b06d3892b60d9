//! Turns the path and query values of an endpoint into the text of a request target.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

/// Everything but the unreserved characters of RFC 3986: safe in a path segment and in a query value.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Fills `{name}` in the template and appends the query. Values that are null are left out.
pub(crate) fn target<P: Serialize, Q: Serialize>(
    template: &str,
    path: &P,
    query: &Q,
) -> Result<String, String> {
    let mut out = String::with_capacity(template.len() + 32);
    let path = serde_json::to_value(path).map_err(|e| e.to_string())?;
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').map(|at| open + at).ok_or("an open brace")?;
        let name = &rest[open + 1..close];
        let value = path.get(name).and_then(text).ok_or_else(|| format!("no value for {name}"))?;
        // An empty or dotted segment would be another path to every proxy on the way.
        if matches!(value.as_str(), "" | "." | "..") {
            return Err(format!("{value:?} can't be a {name}"));
        }
        out.push_str(&rest[..open]);
        out.extend(utf8_percent_encode(&value, RESERVED));
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    let mut sign = '?';
    if let Value::Object(fields) = serde_json::to_value(query).map_err(|e| e.to_string())? {
        for (name, value) in &fields {
            if let Some(value) = text(value) {
                out.push(sign);
                sign = '&';
                out.extend(utf8_percent_encode(name, RESERVED));
                out.push('=');
                out.extend(utf8_percent_encode(&value, RESERVED));
            }
        }
    }
    Ok(out)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_encoded_and_missing_ones_said() {
        let out = target(
            "/a/{one}/b/{two}",
            &json!({"one": "team/web", "two": "é x"}),
            &json!({"q": "a&b", "n": 3, "none": null}),
        );
        assert_eq!(out.as_deref(), Ok("/a/team%2Fweb/b/%C3%A9%20x?q=a%26b&n=3"));
        assert!(target("/a/{one}", &json!({}), &json!({})).is_err());
        assert!(target("/a/{one}", &json!({"one": ".."}), &json!({})).is_err());
    }
}
