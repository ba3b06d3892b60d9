//! What a plain (unquoted) YAML scalar means: the core schema of YAML 1.2, and stricter where a reader could be misled.
//!
//! `no`, `on`, `yes`, `12:30`, `1_000` and dates are texts, as in YAML 1.2. A number with a leading zero (`012`) is a
//! text too: the core schema reads it as 12, older readers as 10.

use serde_json::Number;

/// A plain scalar, read.
#[derive(Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text,
    /// A number that JSON can't hold as it is: infinite, not a number, or more digits than survive.
    Unwieldy,
}

/// Reads a plain scalar.
pub(crate) fn read(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Unwieldy,
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Scalar::Unwieldy;
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return match digits {
                "" => Scalar::Text,
                d if !d.chars().all(|c| c.is_digit(radix)) => Scalar::Text,
                d => u64::from_str_radix(d, radix)
                    .map_or(Scalar::Unwieldy, |n| Scalar::Number(n.into())),
            };
        }
    }
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if unsigned.is_empty() {
        return Scalar::Text;
    }
    if digits(unsigned) {
        return if unsigned.len() > 1 && unsigned.starts_with('0') {
            Scalar::Text
        } else if text.starts_with('-') {
            text.parse::<i64>().map_or(Scalar::Unwieldy, |n| Scalar::Number(n.into()))
        } else {
            unsigned.parse::<u64>().map_or(Scalar::Unwieldy, |n| Scalar::Number(n.into()))
        };
    }
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let number = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && !(whole.len() > 1 && whole.starts_with('0'))
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['-', '+']).unwrap_or(e);
            !e.is_empty() && digits(e)
        });
    if !number {
        return Scalar::Text;
    }
    text.parse::<f64>()
        .ok()
        .filter(|n| n.is_finite())
        .and_then(Number::from_f64)
        .map_or(Scalar::Unwieldy, Scalar::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_yaml_1_2_calls_so_is_no_text() {
        for text in [
            "no",
            "on",
            "yes",
            "off",
            "y",
            "n",
            "012",
            "-012",
            "00",
            "12:30",
            "1_000",
            "0x",
            "0o8",
            "1e",
            "e1",
            ".",
            "+",
            "-",
            "2026-01-02",
            "1.2.3",
            "00.5",
            "+.e3",
            "nan",
            "inf",
            "0b1",
        ] {
            assert_eq!(read(text), Scalar::Text, "{text}");
        }
        for text in ["", "~", "null"] {
            assert_eq!(read(text), Scalar::Null, "{text}");
        }
        for text in
            [".inf", "-.inf", ".nan", "1e999", "99999999999999999999", "0xfffffffffffffffff"]
        {
            assert_eq!(read(text), Scalar::Unwieldy, "{text}");
        }
        for (text, number) in
            [("0", 0), ("12", 12), ("+7", 7), ("-3", -3), ("0o14", 12), ("0xC", 12)]
        {
            assert_eq!(read(text), Scalar::Number(number.into()), "{text}");
        }
        for (text, number) in
            [("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("0.10", 0.1)]
        {
            assert_eq!(read(text), Scalar::Number(Number::from_f64(number).unwrap()), "{text}");
        }
    }
}
