//! Judges a document by its kind's schema and says what is wrong in words for people. Says each fault once.

use crate::schema::{self, Compiled};
use crate::tree::{Data, Node};
use crate::words;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;
use tow_model::{Invalid, pointer};

/// Everything the schema has against this document; `text` is what it was read from.
pub(crate) fn judge(compiled: &Compiled, node: &Node, value: &Value, text: &str) -> Vec<Invalid> {
    let judge = Judge { schema: &compiled.schema, node, value, text };
    let mut out: Vec<Invalid> = Vec::new();
    for error in compiled.validator.iter_errors(value) {
        for invalid in judge.say(&error) {
            // A name that is too short breaks its pattern as well; once is enough.
            let said = |other: &Invalid| {
                other.pointer == invalid.pointer
                    && other.spot == invalid.spot
                    && other.code == invalid.code
            };
            if invalid.code != "schema/format" && invalid.code != "schema/name"
                || !out.iter().any(said)
            {
                out.push(invalid);
            }
        }
        if out.len() > crate::MAX_VIOLATIONS {
            break;
        }
    }
    out
}

struct Judge<'a> {
    schema: &'a Value,
    node: &'a Node,
    value: &'a Value,
    text: &'a str,
}

impl Judge<'_> {
    fn say(&self, error: &jsonschema::ValidationError<'_>) -> Vec<Invalid> {
        let at = error.instance_path().as_str().to_string();
        let here = schema::at(self.schema, &at);
        let name = label(&at);
        let is_text = self.value.pointer(&at).is_some_and(Value::is_string);
        match error.kind() {
            // Its type is refused already.
            Kind::Enum { .. } | Kind::Constant { .. } if !is_text => Vec::new(),
            Kind::AdditionalProperties { unexpected } => {
                let few = unexpected.iter().take(crate::MAX_VIOLATIONS + 1);
                few.map(|field| self.unknown(&at, here, field)).collect()
            }
            Kind::Required { property } => {
                let field = property.as_str().unwrap_or_default();
                vec![self.missing(&at, field)]
            }
            Kind::Type { kind } => vec![self.wrong_type(at, kind)],
            Kind::Pattern { pattern } => {
                let expected = words::rule(pattern)
                    .map_or_else(|| format!("text of the pattern {pattern}"), str::to_string);
                let found = found(self.value.pointer(&at).unwrap_or(&Value::Null));
                vec![Invalid::new(
                    at,
                    "schema/format",
                    format!("{found} is not valid for {name}"),
                    expected,
                )]
            }
            Kind::MinLength { .. } | Kind::MaxLength { .. } => {
                let expected = here["pattern"]
                    .as_str()
                    .and_then(words::rule)
                    .map_or_else(|| length(here), str::to_string);
                let found = found(self.value.pointer(&at).unwrap_or(&Value::Null));
                vec![Invalid::new(
                    at,
                    "schema/format",
                    format!("{found} is not valid for {name}"),
                    expected,
                )]
            }
            Kind::Minimum { .. } | Kind::Maximum { .. } => {
                let expected = format!("a number from {} to {}", here["minimum"], here["maximum"]);
                let found = found(self.value.pointer(&at).unwrap_or(&Value::Null));
                vec![Invalid::new(
                    at,
                    "schema/range",
                    format!("{found} is out of range for {name}"),
                    expected,
                )]
            }
            Kind::MinProperties { .. } => vec![Invalid::new(
                at,
                "schema/empty",
                format!("{name} is empty"),
                "at least one entry",
            )],
            Kind::PropertyNames { error } => {
                let key = error.instance().as_str().unwrap_or_default();
                let rule = here["propertyNames"]["pattern"].as_str().and_then(words::rule);
                let message = format!("{key:?} is not a valid key of {name}");
                vec![
                    Invalid::new(
                        pointer(&at, key),
                        "schema/name",
                        message,
                        rule.unwrap_or("another key"),
                    )
                    .at_key(),
                ]
            }
            Kind::Enum { options } => {
                let options: Vec<&str> =
                    options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                vec![self.choice(at, &options)]
            }
            Kind::Constant { expected_value } => {
                let options: Vec<&str> = expected_value.as_str().into_iter().collect();
                vec![self.choice(at, &options)]
            }
            // Exactly one of, at least one of: the model's own rules say those better.
            Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. } | Kind::AnyOf { .. } => {
                Vec::new()
            }
            _ => vec![Invalid::new(
                at,
                "schema/other",
                error.to_string(),
                "what the kind's schema says",
            )],
        }
    }

    fn unknown(&self, at: &str, here: &Value, field: &str) -> Invalid {
        let mut known: Vec<&str> =
            here["properties"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
        known.sort_unstable();
        let path = pointer(at, field);
        let expected = format!("one of {}", words::list(&known));
        let invalid = Invalid::new(
            path,
            "schema/unknown-field",
            format!("unknown field `{field}`{}", of(at)),
            expected,
        )
        .at_key();
        let listed = ["/files/", "/volumes/"].iter().any(|part| at.contains(part));
        if field == "target" && listed && at.starts_with("/containers/") {
            return invalid.hint("in a map the key is the target: take the field out");
        }
        match words::meant(field, &known) {
            Some(word) => invalid.hint(format!("did you mean `{word}`?")),
            None => invalid,
        }
    }

    fn missing(&self, at: &str, field: &str) -> Invalid {
        let about = schema::at(self.schema, &pointer(at, field));
        let expected = match about["description"].as_str().map(first_sentence) {
            Some(words) if !words.is_empty() => format!("{field}: {words}"),
            _ => format!("a field {field}"),
        };
        Invalid::new(
            at,
            "schema/missing-field",
            format!("`{field}` is missing{}", of(at)),
            expected,
        )
    }

    fn choice(&self, at: String, options: &[&str]) -> Invalid {
        let value = self.value.pointer(&at).unwrap_or(&Value::Null);
        let message = format!("{} is not valid for {}", found(value), label(&at));
        let expected = match options {
            [one] => (*one).to_string(),
            many => format!("one of {}", words::list(many)),
        };
        let meant = value.as_str().and_then(|text| words::meant(text, options));
        let invalid = Invalid::new(at, "schema/choice", message, expected);
        match meant {
            Some(word) => invalid.hint(format!("did you mean `{word}`?")),
            None => invalid,
        }
    }

    fn wrong_type(&self, at: String, kind: &TypeKind) -> Invalid {
        let wanted = match kind {
            TypeKind::Single(one) => one.to_string(),
            TypeKind::Multiple(_) => schema::at(self.schema, &at)["type"].to_string(),
        };
        let words = match wanted.as_str() {
            "string" => "a text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "array" => "a list",
            "object" => "a map of keys and values",
            other => other,
        };
        let value = self.value.pointer(&at).unwrap_or(&Value::Null);
        let (_, node) = self.node.find(&at);
        let raw = self.text.get(node.span.start..node.span.end).unwrap_or("");
        let hint = match (wanted.as_str(), value) {
            // In quotes it would be no length of time either: it lacks a unit.
            ("string", Value::Number(count))
                if words::is_duration(schema::at(self.schema, &at)) =>
            {
                count.is_u64().then(|| format!("say the unit: {raw}s"))
            }
            ("string", Value::Number(_) | Value::Bool(_)) => {
                Some(format!("write it in quotes: \"{raw}\""))
            }
            ("integer" | "number", Value::String(text)) if text.parse::<f64>().is_ok() => {
                Some(format!("write it without quotes: {text}"))
            }
            ("boolean", Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" => Some("YAML 1.2 says true".to_string()),
                "no" | "off" | "n" => Some("YAML 1.2 says false".to_string()),
                _ => None,
            },
            ("object" | "array", Value::Null) if matches!(node.data, Data::Null) => {
                Some("give it a value or take the key out".to_string())
            }
            _ => None,
        };
        let message = format!("{} is {}, not {words}", label(&at), found(value));
        let invalid = Invalid::new(at, "schema/type", message, words);
        match hint {
            Some(hint) => invalid.hint(hint),
            None => invalid,
        }
    }
}

/// What stands there, in words: `the number 8080`.
pub(crate) fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(b) => format!("the word {b}"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(text) => {
            let short: String = text.chars().take(60).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            format!("the text {short:?}{more}")
        }
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a map".into(),
    }
}

/// The last part of a pointer, as a person would name the field.
fn label(at: &str) -> String {
    let mut tokens = at.rsplit('/').filter(|t| !t.is_empty());
    let last = tokens.next().map(|t| t.replace("~1", "/").replace("~0", "~"));
    match last {
        None => "the document".into(),
        Some(index) if index.bytes().all(|b| b.is_ascii_digit()) => {
            let list = tokens.next().unwrap_or("the list");
            format!("item {index} of {list}")
        }
        Some(name) => format!("`{name}`"),
    }
}

fn of(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!(" in {}", label(at)) }
}

fn length(schema: &Value) -> String {
    match (schema["minLength"].as_u64(), schema["maxLength"].as_u64()) {
        (Some(1), None) => "a text that is not empty".into(),
        (Some(min), None) => format!("at least {min} characters"),
        (None, Some(max)) => format!("at most {max} characters"),
        (Some(min), Some(max)) => format!("{min} to {max} characters"),
        (None, None) => "a text".into(),
    }
}

fn first_sentence(text: &str) -> String {
    let line = text.split("\n\n").next().unwrap_or("").replace('\n', " ");
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    line.get(..end).unwrap_or("").trim_end_matches('.').to_string()
}
