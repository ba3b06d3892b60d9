//! Finding what is declared through every door: pages that are whole, facets, what is refused and where; and that a
//! token that may see little finds, counts and is told of no more, here and as Backstage's clients ask.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use serde_json::{Value, json};
use tow_testkit::{TestPlatform, TokenBody};

async fn shop() -> (TestPlatform, String) {
    let platform = TestPlatform::start().await;
    let mut text = String::new();
    for n in 0..9 {
        let (kind, owner) = (["service", "website", "library"][n % 3], ["quay", "lock"][n % 2]);
        let tags = if n % 4 == 0 { "  tags: [java]\n" } else { "" };
        text += &format!(
            "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: web-{n}\n{tags}\
             spec:\n  type: {kind}\n  lifecycle: production\n  owner: {owner}\n"
        );
    }
    text += "---\napiVersion: backstage.io/v1alpha1\nkind: System\nmetadata:\n  name: shop\n\
             spec:\n  owner: quay\n";
    platform.platform_team().declare(&text).await.unwrap();
    let token = platform.admin().token().await.unwrap();
    (platform, token)
}

async fn get(platform: &TestPlatform, token: &str, path: &str) -> Value {
    let answer = platform.http(Some(token), "GET", path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

fn names(page: &Value) -> Vec<String> {
    let name = |item: &Value| item["metadata"]["name"].as_str().unwrap_or_default().to_string();
    page["items"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn lists_are_filtered_ordered_counted_and_paged() {
    let (platform, token) = shop().await;
    let services = "/api/v1/objects/components?q=type%3Dservice&order=-name&total=true";
    let page = get(&platform, &token, services).await;
    assert_eq!(names(&page), ["web-6", "web-3", "web-0"]);
    assert_eq!(page["total"], 3);
    let first = &page["items"][0];
    assert_eq!(
        first["relations"],
        json!([{ "type": "ownedBy", "targetRef": "group:default/quay" }])
    );
    assert!(first["metadata"]["uid"].is_string() && first["status"]["createdAt"].is_string());

    let all = "/api/v1/objects?q=kind%3Dcomponent,system%20owner%3Dquay&order=kind,name&limit=4";
    let one = get(&platform, &token, all).await;
    assert_eq!(names(&one), ["web-0", "web-2", "web-4", "web-6"]);
    assert!(one.get("total").is_none() && one.get("previous").is_none());
    let two =
        get(&platform, &token, &format!("{all}&from={}", one["next"].as_str().unwrap())).await;
    assert_eq!(names(&two), ["web-8", "shop"]);
    assert!(two.get("next").is_none());
    let back = format!("{all}&from={}", two["previous"].as_str().unwrap());
    assert_eq!(names(&get(&platform, &token, &back).await), names(&one));

    let fields = "/api/v1/objects?q=system:shop&fields=kind,metadata.name,spec.nothing";
    let page = get(&platform, &token, fields).await;
    assert_eq!(page["items"], json!([{ "kind": "System", "metadata": { "name": "shop" } }]));
    let text = get(&platform, &token, "/api/v1/objects?q=%22web%207%22").await;
    assert_eq!(names(&text), ["web-7"]);
    platform.finish().await;
}

#[tokio::test]
async fn facets_count_what_passes() {
    let (platform, token) = shop().await;
    let asked = "/api/v1/facets?keys=type,tag,owner&q=kind%3Dcomponent%20owner%3Dquay&limit=2";
    let reply = get(&platform, &token, asked).await;
    assert_eq!(
        reply["facets"],
        json!([
            { "key": "type", "distinct": 3, "values": [
                { "value": "library", "count": 2 }, { "value": "service", "count": 2 },
            ] },
            { "key": "tag", "distinct": 1, "values": [{ "value": "java", "count": 3 }] },
            { "key": "owner", "distinct": 1, "values": [{ "value": "group:default/quay", "count": 5 }] },
        ])
    );
    // What is written is counted at once.
    platform
        .platform_team()
        .declare(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: more\n\
             spec:\n  type: worker\n  lifecycle: x\n  owner: quay\n",
        )
        .await
        .unwrap();
    let reply = get(&platform, &token, asked).await;
    assert_eq!(reply["facets"][0]["distinct"], 4);
    platform.finish().await;
}

#[tokio::test]
async fn what_can_not_be_read_is_told_with_its_place() {
    let (platform, token) = shop().await;
    for (path, code, detail) in [
        (
            "/api/v1/objects?q=lifecylce%3Dx",
            "query/syntax",
            "the query, column 1: lifecylce is not known",
        ),
        ("/api/v1/objects?q=(a", "query/syntax", "the query, column 1: this ( is not closed"),
        ("/api/v1/objects?order=nmae", "query/order", "the order, column 1: nmae is not known"),
        ("/api/v1/objects?from=x", "query/cursor", "from: it is no place in a list of this order"),
        ("/api/v1/objects?fields=a%5B0%5D", "query/field", "\"a[0]\": a list is selected whole"),
        ("/api/v1/facets?keys=", "query/order", "keys: 0 are named"),
        ("/api/v1/facets?keys=nmae", "query/order", "keys, column 1: nmae is not known"),
    ] {
        let answer = platform.http(Some(&token), "GET", path, None).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert_eq!(answer.body["code"], code, "{path}");
        assert_eq!(answer.body["detail"], detail, "{path}");
        assert!(answer.body["hint"].is_string(), "{path}");
    }
    // A page of another order is no page of this one.
    let page = get(&platform, &token, "/api/v1/objects?order=name&limit=1").await;
    let path = format!("/api/v1/objects?order=-name&from={}", page["next"].as_str().unwrap());
    let answer = platform.http(Some(&token), "GET", &path, None).await;
    assert_eq!((answer.status.as_u16(), &answer.body["code"]), (400, &json!("query/cursor")));
    let catalog = platform.http(Some(&token), "GET", "/catalog?q=(a", None).await;
    assert_eq!(catalog.status, 400);
    let catalog = platform.http(Some(&token), "GET", "/catalog?q=owner%3Dquay", None).await;
    assert_eq!(catalog.status, 200);
    platform.finish().await;
}

#[tokio::test]
async fn whoever_may_see_little_finds_and_counts_no_more() {
    let (platform, token) = shop().await;
    let only = Some(vec!["component:default/web-2".to_string()]);
    let asked = TokenBody { only, ..TokenBody::default() };
    let little = platform.admin().token_of(asked).await.unwrap().token.unwrap();
    for (path, items) in [
        ("/api/v1/objects?q=kind%3Dcomponent&total=true", "items"),
        ("/api/catalog/entities/by-query?filter=kind%3Dcomponent", "items"),
        ("/api/catalog/entities?filter=kind%3Dcomponent", ""),
    ] {
        let count = |page: &Value| {
            let list = if items.is_empty() { page } else { &page[items] };
            list.as_array().unwrap().len()
        };
        let (all, some) = (get(&platform, &token, path).await, get(&platform, &little, path).await);
        assert_eq!((count(&all), count(&some)), (9, 1), "{path}");
        for total in ["total", "totalItems"] {
            if all.get(total).is_some() {
                assert_eq!((&all[total], &some[total]), (&json!(9), &json!(1)), "{path}");
            }
        }
    }
    for path in ["/api/v1/facets?keys=tag", "/api/catalog/entity-facets?facet=metadata.tags"] {
        let all = get(&platform, &token, path).await.to_string();
        let some = get(&platform, &little, path).await.to_string();
        assert!(all.contains("java") && !some.contains("java"), "{path}: {some}");
    }
    for path in [
        "/api/v1/objects/component/default/web-0",
        "/api/catalog/entities/by-name/component/default/web-0",
        "/api/catalog/entities/by-name/component/default/web-0/ancestry",
    ] {
        get(&platform, &token, path).await;
        let answer = platform.http(Some(&little), "GET", path, None).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    let uid = get(&platform, &token, "/api/v1/objects/component/default/web-0").await;
    let uid = uid["metadata"]["uid"].as_str().unwrap().to_string();
    let path = format!("/api/catalog/entities/by-uid/{uid}");
    assert_eq!(platform.http(Some(&little), "GET", &path, None).await.status, 404);
    // As there, deleting what is not there, or not to be seen, is done without a word; and nothing is.
    assert_eq!(platform.http(Some(&little), "DELETE", &path, None).await.status, 204);
    get(&platform, &token, &path).await;
    let refs = json!({ "entityRefs": ["component:default/web-0", "component:default/web-2"] });
    let answer =
        platform.http(Some(&little), "POST", "/api/catalog/entities/by-refs", Some(&refs)).await;
    assert_eq!(answer.body["items"][0], Value::Null);
    assert_eq!(answer.body["items"][1]["metadata"]["name"], "web-2");
    for path in ["/api/catalog/locations", "/api/catalog/entities/by-uid/x"] {
        let body = json!({ "type": "url", "target": "https://catalog.invalid/x.yaml" });
        let method = if path.ends_with("locations") { "POST" } else { "GET" };
        let answer = platform.http(Some(&little), method, path, Some(&body)).await;
        assert!(matches!(answer.status.as_u16(), 403 | 404), "{path}: {}", answer.body);
    }
    platform.finish().await;
}
