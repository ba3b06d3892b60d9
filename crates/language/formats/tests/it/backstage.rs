//! What clients of the Backstage catalog write, as our queries: the rules of its own parsers, case by case.

use serde_json::{Value, json};
use tow_formats::backstage::{
    Place, parse_filters, parse_order_field, parse_order_param, parse_place, parse_predicate,
    place_text,
};
use tow_formats::query_text;
use tow_model::query::{Cursor, Filter, Order, Sorted};

fn filters(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
    match parse_filters(&texts) {
        Ok(filter) => query_text(&filter),
        Err(error) => format!("error: {error}"),
    }
}

fn predicate(value: Value) -> String {
    match parse_predicate(&value) {
        Ok(filter) => query_text(&filter),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn filter_strings_mean_what_they_mean_there() {
    for (texts, means) in [
        (vec![], "*"),
        (vec![", ,"], "*"),
        (vec!["kind=Component"], "kind=component"),
        (vec![" kind = a=b "], "kind=a=b"),
        (vec!["spec.type="], "spec.type=\"\""),
        (vec!["spec.type"], "has:spec.type"),
        (vec!["kind=a,kind=b,spec.x"], "kind=a,b has:spec.x"),
        (vec!["a=b,a"], "\"a\"=b"),
        (vec!["a,a"], "has:\"a\""),
        (vec!["kind=a", "kind=b,spec.type=c"], "(kind=a or (kind=b spec.type=c))"),
        (vec!["relations.ownedBy=group:default/a"], "relations.ownedby=group:default/a"),
        (
            vec!["=a"],
            "error: Invalid filter, '=a' is not a valid statement (expected a string on the form a=b or a= or a)",
        ),
    ] {
        assert_eq!(filters(&texts), means, "{texts:?}");
    }
}

#[test]
fn predicates_mean_what_they_mean_there() {
    for (value, means) in [
        (json!({}), "*"),
        (json!({ "kind": "API", "spec.n": 1.0, "spec.b": true }), "kind=api spec.n=1 spec.b=true"),
        (json!({ "$all": [] }), "*"),
        (json!({ "$any": [] }), "-*"),
        (json!({ "$not": { "kind": "a" } }), "-kind=a"),
        (
            json!({ "$any": [{ "kind": "a" }, { "$all": [{ "spec.x": { "$exists": true } }] }] }),
            "(kind=a or has:spec.x)",
        ),
        (json!({ "spec.x": { "$exists": false } }), "-has:spec.x"),
        (json!({ "spec.x": { "$in": [] } }), "-*"),
        (json!({ "spec.x": { "$in": ["B", 2, "a"] } }), "spec.x=2,a,b"),
        (json!({ "spec.x": { "$exists": true, "$in": ["a"] } }), "has:spec.x"),
        (json!({ "spec.x": { "$hasPrefix": "A%" } }), "spec.x^=a%"),
        (json!({ "metadata.tags": { "$contains": "Java" } }), "metadata.tags=java"),
        (json!({ "relations": { "$contains": { "type": "ownedBy" } } }), "has:relations.ownedby"),
        (
            json!({ "Relations": { "$contains": { "TYPE": "ownedBy", "targetref": { "$in": ["group:default/B", "a"] } } } }),
            "relations.ownedby=a,group:default/b",
        ),
    ] {
        assert_eq!(predicate(value.clone()), means, "{value}");
    }
    for (value, why) in [
        (json!("x"), "Query must be an object"),
        (json!([]), "Query must be an object"),
        (json!({ "$not": "x" }), "top-level primitive values are not supported"),
        (json!({ "$all": [], "kind": "a" }), "Unrecognized key(s)"),
        (json!({ "$foo": [] }), "Invalid at \"$foo\""),
        (json!({ "$all": {} }), "Expected array"),
        (json!({ "kind": null }), "expected a primitive value"),
        (json!({ "kind": ["a"] }), "expected a primitive value"),
        (json!({ "kind": { "$not": "a" } }), "expected a primitive value"),
        (json!({ "kind": { "$in": [["a"]] } }), "expected a primitive value"),
        (
            json!({ "spec": { "$contains": { "type": "a" } } }),
            "Object form of $contains is not supported for field \"spec\"",
        ),
        (json!({ "spec": { "$contains": [] } }), "Unsupported $contains target"),
        (json!({ "relations": { "$contains": { "targetRef": "a" } } }), "requires a \"type\""),
        (
            json!({ "relations": { "$contains": { "type": "a", "x": "a" } } }),
            "Unsupported key \"x\"",
        ),
        (json!({ "relations": { "$contains": { "type": "a", "Type": "a" } } }), "Duplicate key"),
        (
            json!({ "relations": { "$contains": { "type": "a", "targetRef": { "$in": [] } } } }),
            "Empty \"$in\"",
        ),
        (
            json!({ "relations": { "$contains": { "type": "a", "targetRef": 1 } } }),
            "Unsupported value in $contains",
        ),
    ] {
        let told = predicate(value.clone());
        assert!(told.starts_with("error: ") && told.contains(why), "{value}: {told}");
    }
    let mut deep = json!({ "kind": "a" });
    for _ in 0..100 {
        deep = json!({ "$not": deep });
    }
    assert!(predicate(deep).contains("too deep"));
}

#[test]
fn orders_are_read_in_both_forms() {
    assert_eq!(parse_order_field("metadata.Name,desc"), Ok(Order::by("metadata.name").down()));
    assert_eq!(parse_order_field("metadata.name,asc,x"), Ok(Order::by("metadata.name")));
    assert_eq!(parse_order_field("metadata.name"), Ok(Order::by("metadata.name")));
    assert!(parse_order_field("metadata.name,down").unwrap_err().contains("asc or desc"));
    assert_eq!(parse_order_param("asc:kind"), Ok(Order::by("kind")));
    for wrong in ["kind", "up:kind", "asc:"] {
        assert!(
            parse_order_param(wrong).unwrap_err().contains("Invalid order parameter"),
            "{wrong}"
        );
    }
}

#[test]
fn a_place_is_read_back_with_everything_that_was_asked() {
    for long in [true, false] {
        let values: Vec<String> = (0..3000).map(|n| format!("component:default/c{n}")).collect();
        let place = Place {
            filter: Filter::any_of("ref", values.iter().map(String::as_str)),
            orders: vec![Order::by("metadata.annotations.x y/z").down()],
            cursor: Cursor { back: true, values: vec![Some(Sorted::Text("é".into()))], id: 3 },
            total: long,
            long,
        };
        let text = place_text(&place);
        assert_eq!(parse_place(&text), Ok(place));
        for broken in ["", "x", "e30=", &text[4..]] {
            assert!(parse_place(broken).unwrap_err().starts_with("Malformed cursor"), "{broken}");
        }
    }
}
