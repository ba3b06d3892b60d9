//! The patterns of our schemas in words, for people.

use tow_model::kinds::workload::{
    ANNOTATION_PATTERN, CPU_PATTERN, HEADER_PATTERN, ID_PATTERN, MEMORY_PATTERN, MODE_PATTERN,
    NAME_PATTERN, TYPE_PATTERN, VARIABLE_PATTERN,
};

const RULES: [(&str, &str); 14] = [
    (
        NAME_PATTERN,
        "2 to 63 lower-case letters, digits or '-', beginning and ending with a letter or digit",
    ),
    (TYPE_PATTERN, "2 to 63 letters, digits or '-', beginning and ending with a letter or digit"),
    (ID_PATTERN, "2 to 63 lower-case letters, digits or '-', in labels joined by '.'"),
    (
        ANNOTATION_PATTERN,
        "an optional host name and '/', then 2 to 63 letters, digits, '.', '_' or '-', beginning and ending with a letter or digit",
    ),
    (MODE_PATTERN, "three octal digits, as in \"0644\""),
    (
        MEMORY_PATTERN,
        "bytes with an optional unit K, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi or Ei, as in \"128Mi\"",
    ),
    (CPU_PATTERN, "cores as in \"0.5\" or \"2\", or thousandths as in \"250m\""),
    (HEADER_PATTERN, "letters, digits, '-' or '_'"),
    ("^[A-Za-z0-9-]+$", "letters, digits or '-'"),
    (VARIABLE_PATTERN, "a name without '='"),
    (
        "^([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$",
        "1 to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit",
    ),
    (
        "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        "1 to 63 lower-case letters, digits or '-', beginning and ending with a letter or digit",
    ),
    (DURATION_PATTERN, "a number with a unit (us, ms, s, m, h, d), as in \"30s\" or \"1h30m\""),
    (
        "^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
        "a user, or user:group, by name or number, as in \"1000:1000\"",
    ),
];

/// That of a length of time.
const DURATION_PATTERN: &str = "^([0-9]{1,7}(us|ms|s|m|h|d)){1,6}$";

/// Is a length of time wanted here?
pub(crate) fn is_duration(schema: &serde_json::Value) -> bool {
    schema["pattern"].as_str() == Some(DURATION_PATTERN)
}

/// What a pattern asks for.
pub(crate) fn rule(pattern: &str) -> Option<&'static str> {
    RULES.iter().find(|(p, _)| *p == pattern).map(|(_, words)| *words)
}

/// The one of `known` that was probably meant.
pub(crate) fn meant<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if written.chars().count() > 64 {
        return None;
    }
    let lower = written.to_lowercase();
    let limit = 1 + lower.chars().count() / 4;
    known
        .iter()
        .map(|word| {
            let known = word.to_lowercase();
            let begun = lower.len() >= 3 && known.starts_with(&lower);
            (if begun { 1 } else { strsim::damerau_levenshtein(&lower, &known) }, *word)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

/// `a, b, c`, or the first twenty and how many more.
pub(crate) fn list(words: &[&str]) -> String {
    let shown = words.iter().take(20).copied().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(20) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn patterns(schema: &Value, out: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::String(pattern)) = members.get("pattern") {
                    out.push(pattern.clone());
                }
                members.values().for_each(|member| patterns(member, out));
            }
            Value::Array(items) => items.iter().for_each(|item| patterns(item, out)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_has_words() {
        for kind in tow_model::Kind::ALL.iter().map(|k| k.as_str()).chain(["score"]) {
            let mut found = Vec::new();
            patterns(&crate::schema(kind).unwrap(), &mut found);
            assert!(!found.is_empty(), "{kind}");
            for pattern in found {
                assert!(rule(&pattern).is_some(), "{kind}: {pattern}");
            }
        }
    }

    #[test]
    fn near_misses_are_meant() {
        assert_eq!(meant("prot", &["port", "protocol", "targetPort"]), Some("port"));
        assert_eq!(meant("conatiners", &["containers", "service"]), Some("containers"));
        assert_eq!(meant("zzz", &["port"]), None);
    }
}
