//! Parameters and bodies as Backstage takes them: repeated parameters, unknown ones refused, bodies whose unknown
//! members are not.

use super::answer::{Asked, Refused};
use crate::decode;
use axum::extract::{FromRequestParts as _, Query, RawPathParams};
use serde_json::{Map, Value};

/// The parameters of an address.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; one that is not among `known` is refused.
    pub(super) fn read(asked: &Asked, known: &[&str]) -> Result<Self, Refused> {
        let read: Query<Vec<(String, String)>> = Query::try_from_uri(asked.request.uri())
            .map_err(|error| Refused::input(error.body_text()))?;
        let mut all = Vec::with_capacity(read.0.len());
        for (name, value) in read.0 {
            // `filter[0]=…` is one of several.
            let plain = name.split_once('[').map_or(name.as_str(), |(plain, _)| plain);
            if !known.contains(&plain) {
                return Err(Refused::input(format!("Unknown query parameter '{plain}'")));
            }
            if value.is_empty() && matches!(plain, "filter" | "facet" | "cursor" | "after") {
                return Err(Refused::input(format!(
                    "Empty value found for query parameter '{plain}'"
                )));
            }
            all.push((plain.to_string(), value));
        }
        Ok(Self(all))
    }

    /// All values of one that may be repeated.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.clone()).collect()
    }

    /// The last value.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number of at least `least`.
    pub(super) fn number(&self, name: &str, least: u32) -> Result<Option<u32>, Refused> {
        let Some(text) = self.one(name) else { return Ok(None) };
        let number: i64 = text
            .parse()
            .map_err(|_| Refused::input(format!("request/query/{name} must be integer")))?;
        if number < i64::from(least) {
            let why = format!("Invalid {name}, must be {least} or more");
            return Err(Refused::input(why));
        }
        Ok(Some(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Lists with commas between, of one that may be repeated.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let all = self.all(name);
        all.iter().flat_map(|text| text.split(',')).map(|part| part.trim().to_string()).collect()
    }

    /// `include` or `exclude`.
    pub(super) fn total(&self) -> Result<bool, Refused> {
        total(self.one("totalItems"))
    }
}

/// `include` where nothing is said.
pub(super) fn total(word: Option<&str>) -> Result<bool, Refused> {
    match word {
        None | Some("include") => Ok(true),
        Some("exclude") => Ok(false),
        Some(other) => Err(Refused::input(format!(
            "Invalid totalItems parameter \"{other}\", expected one of: include, exclude"
        ))),
    }
}

/// The values of the path, in order.
pub(super) async fn path<const N: usize>(asked: &mut Asked) -> Result<[String; N], Refused> {
    let request = std::mem::take(&mut asked.request);
    let (mut parts, body) = request.into_parts();
    let params = RawPathParams::from_request_parts(&mut parts, &()).await;
    asked.request = axum::extract::Request::from_parts(parts, body);
    let params = params.map_err(|error| Refused::input(error.body_text()))?;
    let values: Vec<String> = params.iter().map(|(_, value)| value.to_string()).collect();
    values.try_into().map_err(|_| Refused::input("the path has not as many parts as it should"))
}

/// A JSON object; nothing counts as an empty one.
pub(super) async fn body(asked: &mut Asked) -> Result<Map<String, Value>, Refused> {
    let request = std::mem::take(&mut asked.request);
    let (parts, body) = request.into_parts();
    let value: Value = decode::body(&parts.headers, body).await?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Refused::input("request/body must be object")),
    }
}

/// A member of a body as a text.
pub(super) fn text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refused::input(format!("request/body/{name} must be string"))),
    }
}

/// A text that must be there.
pub(super) fn needed(body: &Map<String, Value>, name: &str) -> Result<String, Refused> {
    text(body, name)?
        .ok_or_else(|| Refused::input(format!("request/body must have required property '{name}'")))
}

/// A member of a body as a list of texts.
pub(super) fn texts(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refused> {
    let wrong = || Refused::input(format!("request/body/{name} must be array of strings"));
    match body.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(String::from).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// A member of a body as a whole number.
pub(super) fn number(body: &Map<String, Value>, name: &str) -> Result<Option<u32>, Refused> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(u32::try_from(number).unwrap_or(u32::MAX))),
            None => Err(Refused::input(format!("request/body/{name} must be integer and >= 0"))),
        },
    }
}
