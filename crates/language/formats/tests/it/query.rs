//! The text form of queries: what it means, what it refuses and where, and that what is written is read back.

use proptest::prelude::*;
use tow_formats::{parse_order, parse_query, query_text};
use tow_model::query::Filter;

fn said(text: &str) -> String {
    match parse_query(text) {
        Ok(filter) => query_text(&filter),
        Err(error) => error.to_string(),
    }
}

#[test]
fn short_words_stand_for_paths_and_references() {
    for (text, means) in [
        ("", "*"),
        ("  ", "*"),
        ("*", "*"),
        ("-*", "-*"),
        ("kind=Component", "kind=component"),
        ("type=service,website", "spec.type=service,website"),
        ("owner=group:default/quay", "relations.ownedby=group:default/quay"),
        ("owner=Quay", "relations.ownedby=group:default/quay"),
        ("owner=user:ann", "relations.ownedby=user:default/ann"),
        ("system!=shop/store", "-relations.partof=system:shop/store"),
        ("dependsOn=resource:db", "relations.dependson=resource:default/db"),
        ("has:owner", "has:relations.ownedby"),
        ("tag:java", "metadata.tags=java"),
        ("tag:java,\"a b\"", "metadata.tags=\"a b\",java"),
        ("label:Team=a", "metadata.labels.team=a"),
        ("annotation:example.org/id", "has:metadata.annotations.example.org/id"),
        ("annotation:example.org/id=1", "metadata.annotations.example.org/id=1"),
        ("spec.system=*", "has:spec.system"),
        ("spec.system=\"*\"", "spec.system=\"*\""),
        ("name^=Pay", "metadata.name^=pay"),
        ("title~=\"front end\"", "metadata.title~=\"front end\""),
        ("component:Web", "ref=component:default/web"),
        ("group:ops/a", "ref=group:ops/a"),
        ("\"spec.a b\"=1", "\"spec.a b\"=1"),
        ("has:\"spec.a b\"", "has:\"spec.a b\""),
        ("url=a=b", "column 1: url is not known; expected a path, as in spec.url or metadata.url"),
        ("spec.url=a=b", "spec.url=a=b"),
        ("pay web", "\"pay\" \"web\""),
        ("\"pay web\"", "\"pay web\""),
        ("!deprecated", "-\"deprecated\""),
        ("not deprecated", "-\"deprecated\""),
        ("--a", "\"a\""),
        ("a or b c", "(\"a\" or (\"b\" \"c\"))"),
        ("a and b or c", "((\"a\" \"b\") or \"c\")"),
        ("(a or b) c", "(\"a\" or \"b\") \"c\""),
        ("a OR (b or c)", "(\"a\" or \"b\" or \"c\")"),
        ("-(a b)", "-(\"a\" \"b\")"),
        ("a a", "\"a\""),
        ("\"or\"", "\"or\""),
        (
            "kind=component type=service owner=quay tag:java !deprecated -spec.lifecycle=production name^=pay (a or b)",
            "kind=component spec.type=service relations.ownedby=group:default/quay metadata.tags=java \
             -\"deprecated\" -spec.lifecycle=production metadata.name^=pay (\"a\" or \"b\")",
        ),
    ] {
        assert_eq!(said(text), means, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_column() {
    for (text, column, message) in [
        ("(a", 1, "this ( is not closed"),
        ("a)", 2, "this ) closes nothing"),
        ("é \"a", 3, "this \" is not closed"),
        ("\"a\\b\"", 3, "\\ stands before \" or \\"),
        ("kind=", 6, "a value is missing"),
        ("kind=a,", 8, "a value is missing"),
        ("a or", 5, "something is missing here"),
        ("()", 2, ") stands alone"),
        ("=a", 1, "= stands alone"),
        ("- a", 1, "- and ! stand before something"),
        ("lifecylce=x", 1, "lifecylce is not known"),
        ("a, b", 2, "commas stand between the values of a condition"),
        ("http://x", 1, "http: is not known"),
        ("ok owner=a/b/c", 10, "\"a/b/c\" is not a reference"),
        (
            "group:",
            1,
            "\"group:\" is not a entity reference: expected [kind:][namespace/]name, no part empty",
        ),
        ("has:", 1, "has: wants a key"),
    ] {
        let error = parse_query(text).expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.starts_with(message), "{text}: {error}");
    }
    assert!(parse_query("lifecylce=x").unwrap_err().expected.starts_with("lifecycle"));
    assert_eq!(parse_query(&"(".repeat(100)).unwrap_err().message, "the query goes too deep");
    let many = "a".to_string() + &" or a=1".replace("a=", "spec.a=").repeat(300);
    assert!(parse_query(&many).unwrap_err().message.contains("too many"));
}

#[test]
fn orders_are_keys_with_their_direction() {
    let orders = parse_order("name, -updated,spec.type").unwrap();
    let said: Vec<(String, bool)> =
        orders.iter().map(|order| (order.key.to_string(), order.descending)).collect();
    assert_eq!(
        said,
        [("metadata.name".into(), false), ("updated".into(), true), ("spec.type".into(), false)]
    );
    for (text, column) in [("", 1), ("name,", 6), ("name,-", 6), ("nmae", 1), ("name,name", 6)] {
        assert_eq!(parse_order(text).unwrap_err().column, column, "{text}");
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    let key = || {
        prop_oneof!["[a-z.]{1,12}", "\\PC{1,8}", Just("kind".to_string()), Just("spec.type".into())]
    };
    let value = || prop_oneof!["[a-z:/*]{0,8}", "\\PC{0,6}"];
    let leaf = prop_oneof![
        key().prop_map(|key| Filter::exists(&key)),
        (key(), prop::collection::vec(value(), 1..4))
            .prop_map(|(key, values)| Filter::any_of(&key, values.iter().map(String::as_str))),
        (key(), value()).prop_map(|(key, value)| Filter::prefix(&key, &value)),
        (key(), value()).prop_map(|(key, value)| Filter::contains([key.as_str()], &value)),
        value().prop_map(Filter::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Any),
            inner.prop_map(Filter::negated),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(filter in filter()) {
        let filter = filter.simplified();
        let text = query_text(&filter);
        let again = parse_query(&text);
        prop_assert_eq!(again, Ok(filter), "{}", text);
    }

    #[test]
    fn nothing_that_is_typed_breaks_the_reader(text in "[ab()\"',=!^~:*. \\\\-]{0,24}|\\PC{0,24}") {
        if let Err(error) = parse_query(&text) {
            prop_assert!(error.column <= text.chars().count() + 1);
        }
        let _ = parse_order(&text);
    }
}
