//! A place in an ordered list as a text that nobody needs to understand: given with a page, and back for the next one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tow_model::query::{Cursor, Order, Sorted};

/// A cursor of a list in this order, as text.
pub fn cursor_text(cursor: &Cursor, orders: &[Order]) -> String {
    let values: Vec<Value> = cursor
        .values
        .iter()
        .map(|value| match value {
            Some(Sorted::Text(text)) => json!(text),
            Some(Sorted::Number(number)) => json!(number),
            None => Value::Null,
        })
        .collect();
    let place = json!([order_text(orders), cursor.back, values, cursor.id]);
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// Reads a cursor; none where it is none, or one of a list in another order.
pub fn parse_cursor(text: &str, orders: &[Order]) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok()?;
    let place: Value = serde_json::from_slice(&bytes).ok()?;
    if place.get(0)?.as_str()? != order_text(orders) {
        return None;
    }
    let values = place.get(2)?.as_array()?;
    let values: Option<Vec<Option<Sorted>>> = values
        .iter()
        .map(|value| match value {
            Value::Null => Some(None),
            Value::String(text) => Some(Some(Sorted::Text(text.clone()))),
            Value::Number(number) => Some(Some(Sorted::Number(number.as_i64()?))),
            _ => None,
        })
        .collect();
    let values = values.filter(|values| values.len() == orders.len())?;
    let fits = orders.iter().zip(&values).all(|(order, value)| {
        let number = matches!(order.key.as_str(), "created" | "updated");
        value.as_ref().is_none_or(|value| matches!(value, Sorted::Number(_)) == number)
    });
    let (back, id) = (place.get(1)?.as_bool()?, place.get(3)?.as_i64()?);
    fits.then_some(Cursor { back, values, id })
}

/// An order as text: what [`crate::parse_order`] reads, with whole paths.
pub fn order_text(orders: &[Order]) -> String {
    let each = orders.iter().map(|order| {
        let mark = if order.descending { "-" } else { "" };
        format!("{mark}{}", order.key)
    });
    each.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_in_its_own_order_alone() {
        let orders = [Order::by("spec.type").down(), Order::by("created")];
        let values = vec![Some(Sorted::Text("\"é".into())), Some(Sorted::Number(-3))];
        let cursor = Cursor { back: true, values, id: 7 };
        let text = cursor_text(&cursor, &orders);
        assert_eq!(parse_cursor(&text, &orders), Some(cursor));
        assert_eq!(parse_cursor(&text, &[Order::by("spec.type"), Order::by("created")]), None);
        for broken in ["", "x", "W10", &text[1..], &format!("{text}A")] {
            assert_eq!(parse_cursor(broken, &orders), None, "{broken}");
        }
        // Somebody put a text where a time belongs.
        let odd = Cursor { back: false, values: vec![None, Some(Sorted::Text("x".into()))], id: 1 };
        assert_eq!(parse_cursor(&cursor_text(&odd, &orders), &orders), None);
    }
}
