//! How clients of the Backstage catalog ask: filter strings, predicates, orders and cursors, as queries of ours.
//!
//! Sources: `parseEntityFilterParams`, `applyPredicateEntityFilterToQuery` and their schema in Backstage's catalog
//! backend. Errors are in the words that its clients know.

use crate::query_text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tow_model::query::{Cursor, Filter, Key, MOST_CONDITIONS, MOST_ORDERS, MOST_VALUES, Order};

/// `filter=` parameters: within one, conditions with commas between must all hold, and values of one key are a choice;
/// between several, one must hold. None that says anything: everything.
pub fn parse_filters(filters: &[String]) -> Result<Filter, String> {
    let mut any = Vec::new();
    for filter in filters {
        let mut all: Vec<(&str, Option<Vec<&str>>)> = Vec::new();
        for statement in filter.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (key, value) = match statement.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (statement, None),
            };
            if key.is_empty() {
                return Err(format!(
                    "Invalid filter, '{statement}' is not a valid statement (expected a string on the form a=b or a= or a)"
                ));
            }
            let known = all.iter().position(|(known, _)| *known == key);
            let at = known.unwrap_or_else(|| {
                all.push((key, None));
                all.len() - 1
            });
            if let Some(value) = value {
                all[at].1.get_or_insert_default().push(value);
            }
        }
        if all.is_empty() {
            continue;
        }
        let each = all.into_iter().map(|(key, values)| match values {
            None => Filter::exists(key),
            Some(values) => Filter::any_of(key, values),
        });
        any.push(Filter::All(each.collect()));
    }
    let filter = if any.is_empty() { Filter::everything() } else { Filter::Any(any) };
    bounded(filter)
}

/// A predicate, as in the body of a query: `{"kind": "api", "$not": {…}}` and so on.
pub fn parse_predicate(predicate: &Value) -> Result<Filter, String> {
    match predicate {
        Value::Object(_) => bounded(predicate_of(predicate, 0)?),
        _ => Err("Query must be an object".into()),
    }
}

fn bounded(filter: Filter) -> Result<Filter, String> {
    let conditions = filter.conditions();
    if conditions > MOST_CONDITIONS {
        return Err(format!(
            "Invalid query: it has {conditions} conditions, at most {MOST_CONDITIONS} are answered"
        ));
    }
    Ok(filter.simplified())
}

fn predicate_of(value: &Value, depth: usize) -> Result<Filter, String> {
    if depth > 40 {
        return Err("Invalid query: it goes too deep".into());
    }
    let Value::Object(members) = value else {
        return Err(format!(
            "Invalid filter predicate: top-level primitive values are not supported. Wrap the value in a field \
             expression, e.g. {{ \"kind\": {value} }}"
        ));
    };
    let operator = members.keys().find(|key| key.starts_with('$'));
    let Some(operator) = operator else {
        let each = members.iter().map(|(key, value)| condition(key, value));
        return Ok(Filter::All(each.collect::<Result<_, _>>()?));
    };
    if members.len() > 1 {
        let others: Vec<&String> = members.keys().filter(|key| *key != operator).collect();
        return Err(format!(
            "Invalid query: Validation error: Unrecognized key(s) in object beside '{operator}': {others:?}"
        ));
    }
    let inner = &members[operator];
    let each = || match inner {
        Value::Array(items) => {
            items.iter().map(|item| predicate_of(item, depth + 1)).collect::<Result<Vec<_>, _>>()
        }
        _ => Err(format!("Invalid query: Validation error: Expected array at \"{operator}\"")),
    };
    match operator.as_str() {
        "$all" => Ok(Filter::All(each()?)),
        "$any" => Ok(Filter::Any(each()?)),
        "$not" => Ok(predicate_of(inner, depth + 1)?.negated()),
        other => Err(format!("Invalid query: Validation error: Invalid at \"{other}\"")),
    }
}

/// What JavaScript's `String(…)` makes of it, where it is no object and no list.
fn primitive(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15);
            Some(whole.map_or_else(|| number.to_string(), |n| format!("{n:.0}")))
        }
        _ => None,
    }
}

fn condition(key: &str, value: &Value) -> Result<Filter, String> {
    let lower = key.to_lowercase();
    if let Some(value) = primitive(value) {
        return Ok(Filter::is(key, &value));
    }
    let wrong = || {
        format!(
            "Invalid filter predicate value for field \"{lower}\": expected a primitive value, $exists, $in, \
             $hasPrefix, or $contains operator, but got {value}"
        )
    };
    let Value::Object(members) = value else { return Err(wrong()) };
    // The first that is known counts, as the schema there has it.
    match (
        members.get("$exists"),
        members.get("$in"),
        members.get("$contains"),
        members.get("$hasPrefix"),
    ) {
        (Some(Value::Bool(true)), ..) => Ok(Filter::exists(key)),
        (Some(Value::Bool(false)), ..) => Ok(Filter::exists(key).negated()),
        (_, Some(Value::Array(values)), ..) => {
            let values: Option<Vec<String>> = values.iter().map(primitive).collect();
            let values = values.ok_or_else(wrong)?;
            if values.len() > MOST_VALUES {
                return Err(format!(
                    "Invalid query: $in of \"{lower}\" has more than {MOST_VALUES} values"
                ));
            }
            Ok(Filter::any_of(key, values.iter().map(String::as_str)))
        }
        (_, _, Some(target), _) => contains(key, &lower, target),
        (_, _, _, Some(Value::String(start))) => Ok(Filter::prefix(key, start)),
        _ => Err(wrong()),
    }
}

fn contains(key: &str, lower: &str, target: &Value) -> Result<Filter, String> {
    if let Some(value) = primitive(target) {
        return Ok(Filter::is(key, &value));
    }
    let Value::Object(members) = target else {
        return Err(format!("Unsupported $contains target for field \"{lower}\": {target}"));
    };
    if lower != "relations" {
        return Err(format!("Object form of $contains is not supported for field \"{lower}\""));
    }
    let (mut kind, mut targets) = (None, None);
    for (name, value) in members {
        match name.to_lowercase().as_str() {
            "type" if kind.is_none() => {
                kind = Some(value.as_str().ok_or(
                    "The $contains operator for \"relations\" requires a \"type\" string property",
                )?);
            }
            "targetref" if targets.is_none() => targets = Some(references(value)?),
            "type" | "targetref" => {
                return Err(format!("Duplicate key \"{name}\" in $contains for \"relations\""));
            }
            _ => {
                return Err(format!(
                    "Unsupported key \"{name}\" in $contains for \"relations\". Only \"type\" and \"targetRef\" are supported"
                ));
            }
        }
    }
    let kind = kind
        .filter(|kind| !kind.is_empty())
        .ok_or("The $contains operator for \"relations\" requires a \"type\" string property")?;
    let key = format!("relations.{kind}");
    Ok(match targets {
        Some(targets) => Filter::any_of(&key, targets.iter().map(String::as_str)),
        None => Filter::exists(&key),
    })
}

fn references(value: &Value) -> Result<Vec<String>, String> {
    if let Value::String(one) = value {
        return Ok(vec![one.clone()]);
    }
    let list = value.as_object().filter(|members| members.len() == 1);
    let list = list.and_then(|members| members.get("$in")).and_then(Value::as_array);
    let texts: Option<Vec<String>> =
        list.and_then(|items| items.iter().map(|item| item.as_str().map(String::from)).collect());
    match texts {
        Some(texts) if texts.is_empty() => {
            Err("Empty \"$in\" array for $contains on \"relations\" is not allowed".into())
        }
        Some(texts) => Ok(texts),
        None => Err(format!(
            "Unsupported value in $contains for \"relations\": expected a string or {{ \"$in\": [strings] }}, but got {value}"
        )),
    }
}

/// `orderField=FIELD,asc` or `orderField=FIELD`.
pub fn parse_order_field(text: &str) -> Result<Order, String> {
    let mut parts = text.split(',');
    let (field, direction) = (parts.next().unwrap_or_default(), parts.next());
    ordered(field, direction.unwrap_or("asc"))
}

/// `order=asc:FIELD`.
pub fn parse_order_param(text: &str) -> Result<Order, String> {
    let wrong =
        || format!("Invalid order parameter \"{text}\", expected \"<asc or desc>:<field name>\"");
    let (direction, field) = text.split_once(':').ok_or_else(wrong)?;
    if field.is_empty() || !matches!(direction, "asc" | "desc") {
        return Err(wrong());
    }
    ordered(field, direction)
}

/// A field with its direction.
pub fn ordered(field: &str, direction: &str) -> Result<Order, String> {
    if field.is_empty() || field.contains(',') {
        return Err(format!("Invalid order field \"{field}\""));
    }
    let descending = match direction {
        "asc" => false,
        "desc" => true,
        _ => return Err("Invalid order field order, must be asc or desc".into()),
    };
    Ok(Order { key: Key::new(field), descending })
}

/// Keys to order by: each once, no more than we answer.
pub fn distinct_orders(orders: Vec<Order>) -> Vec<Order> {
    let mut kept: Vec<Order> = Vec::new();
    for order in orders {
        if kept.len() < MOST_ORDERS && kept.iter().all(|known| known.key != order.key) {
            kept.push(order);
        }
    }
    kept
}

/// A place in a list, with everything that was asked for: what a client sends back is all it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What was asked for.
    pub filter: Filter,
    /// In which order.
    pub orders: Vec<Order>,
    /// From where.
    pub cursor: Cursor,
    /// Whether they are counted.
    pub total: bool,
    /// It is to come back in a body, because it may be too long for an address.
    pub long: bool,
}

/// A place as text. Clients look into it: one with `query` they send in a body.
pub fn place_text(place: &Place) -> String {
    let mut members = Map::new();
    let name = if place.long { "query" } else { "filter" };
    members.insert(name.into(), json!(query_text(&place.filter)));
    members.insert("order".into(), json!(crate::order_text(&place.orders)));
    members.insert("from".into(), json!(crate::cursor_text(&place.cursor, &place.orders)));
    members.insert("total".into(), json!(place.total));
    STANDARD.encode(Value::Object(members).to_string())
}

/// Reads a place.
pub fn parse_place(text: &str) -> Result<Place, String> {
    let wrong = || "Malformed cursor: it is none of ours".to_string();
    let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    let long = value.get("query").is_some();
    let word = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(wrong);
    let filter = word(if long { "query" } else { "filter" })?;
    let filter = crate::query::parse_long(filter).map_err(|_| wrong())?;
    let orders = crate::query::parse_paths(word("order")?).ok_or_else(wrong)?;
    let cursor = crate::parse_cursor(word("from")?, &orders).ok_or_else(wrong)?;
    let total = value.get("total").and_then(Value::as_bool).ok_or_else(wrong)?;
    Ok(Place { filter, orders, cursor, total, long })
}
