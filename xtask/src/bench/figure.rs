//! One measured figure: its samples, what it is judged by, and what it stands beside.

use serde_json::{Value, json};

/// A figure.
pub(super) struct Figure {
    name: String,
    unit: &'static str,
    /// `median`, `p95`, `p99`, `most` or `least`.
    by: &'static str,
    value: f64,
    /// At most; at least, where it is judged by `least`.
    limit: f64,
    samples: Vec<f64>,
    peer: Option<(String, f64)>,
}

impl Figure {
    /// Judged by the median of its samples.
    pub(super) fn median(name: &str, unit: &'static str, limit: f64, samples: Vec<f64>) -> Self {
        let value = quantile(&samples, 0.5);
        Self { name: name.into(), unit, by: "median", value, limit, samples, peer: None }
    }

    /// Judged by what 95 of 100 samples do not exceed.
    pub(super) fn p95(name: &str, unit: &'static str, limit: f64, samples: Vec<f64>) -> Self {
        let value = quantile(&samples, 0.95);
        Self { name: name.into(), unit, by: "p95", value, limit, samples, peer: None }
    }

    /// Judged by what 99 of 100 samples do not exceed.
    pub(super) fn p99(name: &str, unit: &'static str, limit: f64, samples: Vec<f64>) -> Self {
        let value = quantile(&samples, 0.99);
        Self { name: name.into(), unit, by: "p99", value, limit, samples, peer: None }
    }

    /// Is to be at least so much.
    pub(super) fn least(name: &str, unit: &'static str, limit: f64, value: f64) -> Self {
        let samples = vec![value];
        Self { name: name.into(), unit, by: "least", value, limit, samples, peer: None }
    }

    /// Judged by its largest sample.
    pub(super) fn most(name: &str, unit: &'static str, limit: f64, samples: Vec<f64>) -> Self {
        let value = quantile(&samples, 1.0);
        Self { name: name.into(), unit, by: "most", value, limit, samples, peer: None }
    }

    /// Measured in the same run, to know the machine by.
    pub(super) fn beside(mut self, name: &str, samples: Vec<f64>) -> Self {
        self.peer = Some((name.into(), quantile(&samples, 0.5)));
        self
    }

    /// What it is judged by.
    pub(super) fn value(&self) -> f64 {
        self.value
    }

    fn holds(&self) -> bool {
        if self.by == "least" { self.value >= self.limit } else { self.value <= self.limit }
    }

    /// The samples; of very many only some quantiles.
    fn told(&self) -> Value {
        if self.samples.len() <= 1_000 {
            return json!(self.samples);
        }
        let at = |q| quantile(&self.samples, q);
        json!({ "count": self.samples.len(), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "most": at(1.0) })
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let peer = self.peer.as_ref().map(
            |(name, value)| json!({ "name": name, "value": value, "ratio": self.value / value }),
        );
        json!({
            "name": self.name,
            "unit": self.unit,
            "by": self.by,
            "value": self.value,
            "limit": self.limit,
            "holds": self.holds(),
            "samples": self.told(),
            "peer": peer,
        })
    }
}

/// The nearest-rank quantile; not a number where there are no samples.
pub(super) fn quantile(samples: &[f64], q: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// All of them in one table.
pub(super) fn print(figures: &[Figure]) {
    let row = |figure: &Figure| {
        let peer = figure.peer.as_ref().map_or_else(String::new, |(name, value)| {
            format!("{:.1} × {name} ({value:.1})", figure.value / value)
        });
        [
            figure.name.clone(),
            format!("{:.1} {}", figure.value, figure.unit),
            format!(
                "{} {} {}",
                if figure.by == "least" { "≥" } else { "≤" },
                figure.limit,
                figure.unit
            ),
            if figure.holds() { "holds".into() } else { "OVER".into() },
            format!("{} of {}", figure.by, figure.samples.len()),
            peer,
        ]
    };
    let head = ["what", "measured", "limit", "", "by", "beside"].map(str::to_string);
    let rows: Vec<[String; 6]> = [head].into_iter().chain(figures.iter().map(row)).collect();
    println!();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let padding = " ".repeat(width - cell.chars().count() + 2);
            line.push_str(cell);
            line.push_str(&padding);
        }
        println!("{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(quantile(&samples, 0.5), 10.0);
        assert_eq!(quantile(&samples, 0.95), 19.0);
        assert_eq!(quantile(&[7.0], 0.95), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
