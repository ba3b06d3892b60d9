//! CPU and memory quantities as Score writes them.

/// The text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: expected {expected}")]
pub struct QuantityError {
    /// What was given.
    pub text: String,
    /// `cpu` or `memory`.
    pub what: &'static str,
    /// The rule, in words.
    pub expected: &'static str,
}

/// Thousandths of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(pub u64);

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(pub u64);

impl std::str::FromStr for Cpu {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let bad = || QuantityError {
            text: text.into(),
            what: "cpu quantity",
            expected: "cores as in \"0.5\" or \"2\", or thousandths as in \"250m\"",
        };
        let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit()) && !t.is_empty();
        if let Some(milli) = text.strip_suffix('m') {
            return if plain(milli) {
                milli.parse().map(Self).map_err(|_| bad())
            } else {
                Err(bad())
            };
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if !plain(whole) || !plain(fraction) {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let milli: u64 = format!("{fraction:0<3}")[..3].parse().map_err(|_| bad())?;
        whole.checked_mul(1000).and_then(|n| n.checked_add(milli)).map(Self).ok_or_else(bad)
    }
}

impl std::str::FromStr for Memory {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let bad = || QuantityError {
            text: text.into(),
            what: "memory quantity",
            expected: "bytes with an optional unit K, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi or Ei, as in \"128Mi\"",
        };
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor: f64 = match unit {
            "" => 1.0,
            "K" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "P" => 1e15,
            "E" => 1e18,
            "Ki" => 1024.0,
            "Mi" => 1024f64.powi(2),
            "Gi" => 1024f64.powi(3),
            "Ti" => 1024f64.powi(4),
            "Pi" => 1024f64.powi(5),
            "Ei" => 1024f64.powi(6),
            _ => return Err(bad()),
        };
        let number: f64 = number.parse().map_err(|_| bad())?;
        Ok(Self((number * factor) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!("250m".parse(), Ok(Cpu(250)));
        assert_eq!("1.5".parse(), Ok(Cpu(1500)));
        assert!("x".parse::<Cpu>().is_err());
        assert_eq!("128Mi".parse(), Ok(Memory(134_217_728)));
        assert!("12Q".parse::<Memory>().is_err());
    }
}
