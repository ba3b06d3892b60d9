//! How people and machines come in, and what their tokens are good for: cut down, withdrawn, bound anew; passwords and
//! those who guess them; the answer to «why not?».

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::given::{DEVELOPMENT, ann};
use serde_json::{Value, json};
use std::time::Duration as Patience;
use tow_api::access::password_set::{self, SetPassword};
use tow_api::access::sign_in_link::{self, CreateSignInLink};
use tow_api::access::why::{self, WhyAccess};
use tow_api::{Action, Nothing};
use tow_names::Duration;
use tow_record::Role;
use tow_testkit::{Person, TestPlatform, TokenBody};

const WORD: &str = "correct horse battery";

fn ours(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: towpath.dev/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec: {spec}\n")
}

fn catalog(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec: {spec}\n"
    )
}

fn component(name: &str, owner: &str, more: &str) -> String {
    let spec = format!("{{ type: service, lifecycle: production, owner: {owner}{more} }}");
    catalog("Component", name, &spec)
}

/// Somebody in no group.
async fn declares_user(platform: &TestPlatform, name: &str) {
    platform.admin().declare(&catalog("User", name, "{ memberOf: [] }")).await.unwrap();
}

async fn delete(platform: &TestPlatform, kind: &str, name: &str) {
    let path = tow_api::object::get::Path {
        kind: kind.into(),
        namespace: "default".into(),
        name: name.into(),
    };
    use tow_api::object::delete::DeleteObject;
    platform.admin().call::<DeleteObject>(path, Nothing {}, Nothing {}).await.unwrap();
}

/// Two teams, a harbour above one of them, some components.
async fn town(platform: &TestPlatform) {
    let root = platform.admin();
    for text in [
        catalog("Group", "quay", "{ type: team, parent: harbour, children: [], members: [ann] }"),
        catalog("Group", "harbour", "{ type: department, children: [] }"),
        catalog("Group", "lock", "{ type: team, children: [] }"),
        catalog("User", "ann", "{ memberOf: [] }"),
        catalog("User", "olga", "{ memberOf: [] }"),
        catalog("System", "shop", "{ owner: quay }"),
        component("web", "quay", ""),
        component("cart", "quay", ", system: shop"),
        component("crane", "harbour", ""),
        component("gate", "lock", ""),
        ours("ServiceAccount", "ci", "{ owner: quay, memberOf: [quay] }"),
    ] {
        root.declare(&text).await.unwrap();
    }
}

/// Which components a token sees.
async fn sees(platform: &TestPlatform, token: &str) -> Vec<String> {
    let answer = platform.http(Some(token), "GET", "/api/v1/objects/components", None).await;
    assert!(answer.status.is_success(), "{answer:?}");
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_string()).collect()
}

/// The status of a plan for a component.
async fn plans(platform: &TestPlatform, token: &str, component: &str) -> u16 {
    let body = json!({
        "component": component, "environment": DEVELOPMENT, "change": "config", "set": { "A": "1" },
    });
    let answer = platform.http(Some(token), "POST", "/api/v1/plans", Some(&body)).await;
    answer.status.as_u16()
}

async fn bound(platform: &TestPlatform, name: &str, role: Role, subject: &str) {
    let spec = format!("{{ role: {}, subjects: [\"{subject}\"] }}", role.as_str());
    platform.admin().declare(&ours("RoleBinding", name, &spec)).await.unwrap();
}

#[tokio::test]
async fn a_machine_is_what_it_is_bound_to_cut_by_its_token() {
    let platform = TestPlatform::start().await;
    town(&platform).await;
    let owner = ann(&platform);
    let for_ci = |role| TokenBody {
        owner: Some("serviceaccount:ci".into()),
        role: Some(role),
        actions: Some(vec![Action::Deploy]),
        only: Some(vec!["system:shop".into()]),
        expires_in: None,
    };
    let stranger = platform.outsider().token_of(for_ci(Role::Viewer)).await.unwrap_err();
    assert!(stranger.is("access/forbidden"), "only who answers for a machine: {stranger}");
    let more = owner.token_of(for_ci(Role::Platform)).await.unwrap_err();
    assert!(more.is("access/forbidden"), "no more than its maker's: {more}");

    let made = owner.token_of(for_ci(Role::Developer)).await.unwrap();
    assert_eq!(made.effective, Role::Viewer, "a machine without a binding only looks");
    let token = made.token.unwrap();
    assert_eq!(sees(&platform, &token).await, ["cart"], "a system is what is in it");
    assert_eq!(plans(&platform, &token, "cart").await, 403);
    bound(&platform, "machines", Role::Developer, "serviceaccount:ci").await;
    assert_eq!(plans(&platform, &token, "cart").await, 201, "the binding counts at once");
    assert_eq!(plans(&platform, &token, "web").await, 404, "what is cut off is not there");
    let whoami = platform.http(Some(&token), "GET", "/api/v1/whoami", None).await;
    assert_eq!(whoami.body["name"], "serviceaccount:default/ci");
    assert_eq!(whoami.body["limits"]["only"], json!(["system:default/shop"]));
    let own = platform.http(Some(&token), "GET", "/api/v1/tokens", None).await;
    assert_eq!(own.status.as_u16(), 403, "it is for deploying");

    let left = ours("ServiceAccount", "ci", "{ owner: quay }");
    platform.admin().declare(&left).await.unwrap();
    assert_eq!(plans(&platform, &token, "cart").await, 403, "out of the group");
    delete(&platform, "serviceaccount", "ci").await;
    let gone = platform.http(Some(&token), "GET", "/api/v1/whoami", None).await;
    assert_eq!(gone.status.as_u16(), 401, "a machine that is not declared does not act");
    platform.finish().await;
}

#[tokio::test]
async fn rights_follow_bindings_and_groups_and_not_the_token() {
    let platform = TestPlatform::start().await;
    town(&platform).await;
    let token = ann(&platform).token_of(TokenBody::default()).await.unwrap().token.unwrap();
    assert_eq!(plans(&platform, &token, "web").await, 201, "her group's");
    assert_eq!(plans(&platform, &token, "crane").await, 201, "the group's above hers");
    assert_eq!(plans(&platform, &token, "gate").await, 403, "another's");
    bound(&platform, "watchers", Role::Viewer, "group:harbour").await;
    assert_eq!(plans(&platform, &token, "web").await, 403, "bound to look, through two groups");
    bound(&platform, "team", Role::Platform, "user:ann").await;
    assert_eq!(plans(&platform, &token, "web").await, 201, "the greatest counts");
    assert_eq!(
        plans(&platform, &token, "gate").await,
        403,
        "but no more than the token was made for"
    );
    platform.finish().await;
}

#[tokio::test]
async fn nobody_makes_themselves_an_administrator() {
    let platform = TestPlatform::start().await;
    town(&platform).await;
    let pat = platform.platform_team();
    let admin = "{ role: admin, subjects: [\"user:pat\"] }";
    let refused = pat.declare(&ours("RoleBinding", "mine", admin)).await.unwrap_err();
    assert!(refused.is("access/forbidden"), "{refused}");
    platform.admin().declare(&ours("RoleBinding", "root", admin)).await.unwrap();
    let lesser = "{ role: platform, subjects: [\"user:pat\"] }";
    let refused = pat.declare(&ours("RoleBinding", "root", lesser)).await.unwrap_err();
    assert!(refused.is("access/forbidden"), "nor ends one's being such: {refused}");
    let group = "{ role: admin, subjects: [\"group:quay\"] }";
    let refused = platform.admin().declare(&ours("RoleBinding", "all", group)).await.unwrap_err();
    assert!(refused.is("input/invalid"), "membership is governed, so no group is admin: {refused}");
    platform.finish().await;
}

#[tokio::test]
async fn a_token_hands_on_no_more_than_it_holds() {
    let platform = TestPlatform::start().await;
    town(&platform).await;
    let owner = ann(&platform);
    let cut = TokenBody {
        actions: Some(vec![Action::Deploy, Action::OwnTokens]),
        only: Some(vec!["system:shop".into()]),
        ..TokenBody::default()
    };
    let token = owner.token_of(cut).await.unwrap().token.unwrap();
    let ask = async |body: Value| {
        platform.http(Some(&token), "POST", "/api/v1/tokens", Some(&body)).await
    };
    for wider in
        [json!({ "note": "x", "actions": ["declare"] }), json!({ "note": "x", "only": ["web"] })]
    {
        let answer = ask(wider.clone()).await;
        assert!([403, 404].contains(&answer.status.as_u16()), "{wider}: {answer:?}");
    }
    let narrower = ask(json!({ "note": "x", "only": ["cart"] })).await;
    assert_eq!(narrower.status.as_u16(), 201, "{narrower:?}");
    let same = ask(json!({ "note": "x" })).await;
    let same = same.body["token"].as_str().unwrap().to_string();
    assert_eq!(sees(&platform, &same).await, ["cart"], "what nothing is said of is inherited");
    let link = platform.http(Some(&token), "POST", "/api/v1/sign-in-links", Some(&json!({}))).await;
    assert_eq!(link.body["code"], "access/cut-token", "a session would be whole");

    for (body, why) in [
        (
            TokenBody {
                expires_in: Some(Duration::from_secs(366 * 24 * 3600)),
                ..TokenBody::default()
            },
            "a year",
        ),
        (TokenBody { only: Some(vec!["group:quay".into()]), ..TokenBody::default() }, "no owner"),
    ] {
        let refused = owner.token_of(body).await.unwrap_err();
        assert!(refused.is("input/invalid"), "{why}: {refused}");
    }
    let nowhere = TokenBody { only: Some(vec!["nowhere".into()]), ..TokenBody::default() };
    assert!(owner.token_of(nowhere).await.unwrap_err().is("object/not-found"));
    platform.finish().await;
}

#[tokio::test]
async fn a_withdrawn_token_ends_what_it_had_opened() {
    let platform = TestPlatform::start().await;
    platform.admin().bind().await.unwrap();
    let made = platform.admin().token_of(TokenBody::default()).await.unwrap();
    let mut stream = platform.open(&made.token.unwrap(), "/api/v1/events/stream?after=0").await;
    assert!(stream.status.is_success());
    assert!(stream.next().await.is_some_and(|piece| !piece.is_empty()));
    let path = tow_api::access::token_delete::Path { token: made.id };
    use tow_api::access::token_delete::DeleteToken;
    platform.admin().call::<DeleteToken>(path, Nothing {}, Nothing {}).await.unwrap();
    // What was on its way may still come; then it ends.
    let ended = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Patience::from_secs(30), ended).await.expect("the stream ends");
    platform.finish().await;
}

#[tokio::test]
async fn whoever_leaves_the_catalog_holds_nothing_any_more() {
    let platform = TestPlatform::start().await;
    town(&platform).await;
    let (app, owner, root) = (platform.app(), ann(&platform), platform.admin());
    let token = owner.token_of(TokenBody::default()).await.unwrap().token.unwrap();
    assert_eq!(sets(&root, Some("ann"), None, WORD).await, Ok(0));
    let session = app.sign_in("ann", WORD, None, "").await.unwrap();
    let link = async || {
        let body = sign_in_link::Body { user: Some("ann".into()), invite: false };
        let made = root.call::<CreateSignInLink>(Nothing {}, Nothing {}, body).await;
        made.unwrap().path.unwrap().split_once("token=").unwrap().1.to_string()
    };
    let (first, second) = (link().await, link().await);
    assert!(app.redeem_sign_in(&first, None, "").await.is_ok());
    let whoami = async |token: &str| {
        platform.http(Some(token), "GET", "/api/v1/whoami", None).await.status.as_u16()
    };
    assert_eq!((whoami(&token).await, whoami(&session.token).await), (200, 200));
    let local = app.issue_local_token("user:default/admin").await.unwrap();
    let list = async || {
        let asked = tow_api::access::token_list::Query { purpose: None, owner: Some("all".into()) };
        use tow_api::access::token_list::ListTokens;
        let reply = root.call::<ListTokens>(Nothing {}, asked, Nothing {}).await.unwrap();
        let of = |token: tow_api::access::token_list::TokenView| (token.owner, token.role);
        reply.items.into_iter().map(of).collect::<std::collections::BTreeSet<_>>()
    };
    let admin = ("user:default/admin".to_string(), Role::Admin);
    let both = [admin.clone(), ("user:default/ann".to_string(), Role::Developer)];
    assert_eq!(list().await, both.into(), "her session is hers, whatever it could be");

    delete(&platform, "user", "ann").await;
    let ended = async |why: &str| {
        assert_eq!((whoami(&token).await, whoami(&session.token).await), (401, 401), "{why}");
        let password = app.sign_in("ann", WORD, None, "").await.unwrap_err();
        assert!(password.is("access/wrong-password"), "{why}: {password}");
        let link = app.redeem_sign_in(&second, None, "").await.unwrap_err();
        assert!(link.is("access/link-used"), "{why}: {link}");
        assert_eq!(app.invitation(&second).await.unwrap(), None, "{why}");
    };
    ended("she is gone, though the group still names her").await;
    assert_eq!(list().await, [admin].into());
    assert_eq!(whoami(&local).await, 200, "the machine's owner is in no catalog");
    // The next of that name is somebody else.
    platform.clock().advance(Duration::from_secs(120));
    declares_user(&platform, "ann").await;
    ended("another of the same name").await;
    assert_eq!(sets(&root, Some("ann"), None, WORD).await, Ok(2));
    assert!(app.sign_in("ann", WORD, None, "").await.is_ok());
    platform.finish().await;
}

async fn sets(
    who: &Person,
    user: Option<&str>,
    current: Option<&str>,
    word: &str,
) -> Result<u32, String> {
    let body = password_set::Body {
        user: user.map(Into::into),
        password: word.into(),
        current: current.map(Into::into),
    };
    let reply = who.call::<SetPassword>(Nothing {}, Nothing {}, body).await;
    reply.map(|reply| reply.ended).map_err(|error| error.problem().code)
}

#[tokio::test]
async fn passwords_are_set_by_whoever_knows_them_and_end_sessions() {
    let platform = TestPlatform::start().await;
    let (app, owner) = (platform.app(), ann(&platform));
    let code = |result: Result<tow_platform::Session, tow_platform::AppError>| {
        result.map(|session| session.actor.name).map_err(|error| error.problem().code)
    };
    declares_user(&platform, "ann").await;
    assert_eq!(sets(&owner, None, None, "short").await, Err("access/password".into()));
    assert_eq!(sets(&owner, None, None, WORD).await, Ok(0));
    let session = app.sign_in("Ann", WORD, None, "req-1").await.unwrap();
    assert_eq!(session.actor.name, "user:default/ann");
    assert!(app.authenticate(&session.token).await.is_ok());
    let other = "another horse battery";
    assert_eq!(sets(&owner, None, None, other).await, Err("access/wrong-password".into()));
    assert_eq!(sets(&owner, None, Some("wrong"), other).await, Err("access/wrong-password".into()));
    assert_eq!(sets(&owner, None, Some(WORD), other).await, Ok(1));
    assert!(app.authenticate(&session.token).await.is_err(), "signed out by it");
    assert_eq!(code(app.sign_in("ann", WORD, None, "").await), Err("access/wrong-password".into()));
    assert_eq!(code(app.sign_in("ann", other, None, "").await), Ok("user:default/ann".into()));
    let bob = Some("user:default/bob");
    assert_eq!(sets(&owner, bob, None, WORD).await, Err("access/forbidden".into()));
    let unknown = sets(&platform.admin(), bob, None, WORD).await;
    assert_eq!(unknown, Err("object/not-found".into()), "a slip makes nobody");
    declares_user(&platform, "bob").await;
    assert_eq!(sets(&platform.admin(), bob, None, WORD).await, Ok(0));
    assert_eq!(code(app.sign_in("bob", WORD, None, "").await), Ok("user:default/bob".into()));
    // Nothing of a password is in the store but the hash.
    let dump = platform.store().dump().await.unwrap().to_string();
    assert!(!dump.contains(WORD) && !dump.contains(other) && dump.contains("$argon2id$"));
    platform.finish().await;
}

#[tokio::test]
async fn an_invitation_is_used_up_by_the_password_alone() {
    let platform = TestPlatform::start().await;
    let app = platform.app();
    let body = sign_in_link::Body { user: Some("bob".into()), invite: true };
    let invite = async |who: &Person| {
        who.call::<CreateSignInLink>(Nothing {}, Nothing {}, body.clone()).await
    };
    assert!(invite(&platform.platform_team()).await.unwrap_err().is("access/forbidden"));
    let unknown = invite(&platform.admin()).await.unwrap_err();
    assert!(unknown.is("object/not-found"), "a slip makes nobody: {unknown}");
    assert!(unknown.problem().hint.unwrap().contains("tow user add bob"));
    declares_user(&platform, "bob").await;
    let path = invite(&platform.admin()).await.unwrap().path.unwrap();
    let secret = path.split("token=").nth(1).unwrap();
    let invitation = app.invitation(secret).await.unwrap().unwrap();
    assert_eq!((invitation.user.as_str(), invitation.invites), ("user:default/bob", true));
    for (password, why) in [(None, "none"), (Some("short"), "too short")] {
        let refused = app.redeem_sign_in(secret, password, "").await.unwrap_err();
        assert!(refused.is("access/password"), "{why}: {refused}");
    }
    let session = app.redeem_sign_in(secret, Some(WORD), "").await.unwrap();
    assert_eq!(session.actor.role, Role::Developer);
    assert!(app.redeem_sign_in(secret, Some(WORD), "").await.unwrap_err().is("access/link-used"));
    assert_eq!(app.invitation(secret).await.unwrap(), None);
    assert!(app.sign_in("bob", WORD, None, "").await.is_ok());
    platform.finish().await;
}

#[tokio::test]
async fn whoever_guesses_waits_longer_each_time_and_nobody_is_locked_out() {
    let platform = TestPlatform::start().await;
    let (app, clock) = (platform.app(), platform.clock());
    declares_user(&platform, "ann").await;
    assert_eq!(sets(&platform.admin(), Some("ann"), None, WORD).await, Ok(0));
    let token = ann(&platform).token_of(TokenBody::default()).await.unwrap().token.unwrap();
    let local = app.issue_local_token("user:default/admin").await.unwrap();
    let guess = async |name: &str, word: &str| {
        let from = Some("203.0.113.7");
        app.sign_in(name, word, from, "req-guess").await.map(|_| ()).map_err(|e| e.problem())
    };
    // An unknown name and a wrong password are told apart by nothing.
    let known = guess("ann", "wrong").await.unwrap_err();
    let unknown = guess("nobody-at-all", "wrong").await.unwrap_err();
    assert_eq!(known, unknown);
    for _ in 0..4 {
        assert_eq!(guess("ann", "wrong").await.unwrap_err().code, "access/wrong-password");
    }
    let waits = guess("ann", WORD).await.unwrap_err();
    assert_eq!((waits.status, waits.code.as_str()), (429, "access/too-many-tries"));
    assert_eq!(waits.retry_after, Some(2), "a second, begun");
    // Meanwhile everything else works: her token, and the administrator at the machine.
    assert!(app.authenticate(&token).await.is_ok() && app.authenticate(&local).await.is_ok());
    clock.advance(Duration::from_secs(2));
    assert_eq!(guess("ann", "wrong").await.unwrap_err().code, "access/wrong-password");
    clock.advance(Duration::from_secs(1));
    assert_eq!(guess("ann", "wrong").await.unwrap_err().status, 429, "twice as long now");
    clock.advance(Duration::from_secs(2));
    assert_eq!(guess("ann", WORD).await, Ok(()));
    assert_eq!(guess("ann", "wrong").await.unwrap_err().status, 403, "success forgot it");

    let log = platform.store().events(Some(0), 1000, None).await.unwrap();
    let told: Vec<_> = log.iter().filter(|event| event.kind == "sign-in.refused").collect();
    // The first of ann, of the address and of a name nobody has; and ann's first after she came in.
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(!json!(told).to_string().contains("nobody-at-all"), "what was typed may be a password");
    platform.finish().await;
}

#[tokio::test]
async fn one_address_waits_whatever_names_it_tries() {
    let platform = TestPlatform::start().await;
    let app = platform.app();
    let guess = async |at: usize, from: &str| {
        app.sign_in(&format!("name-{at}"), "wrong", Some(from), "")
            .await
            .unwrap_err()
            .problem()
            .status
    };
    for at in 0..20 {
        assert_eq!(guess(at, "203.0.113.7").await, 403, "{at}");
    }
    assert_eq!(guess(20, "203.0.113.7").await, 429);
    assert_eq!(guess(20, "203.0.113.8").await, 403, "another address");
    // A day later all of it is forgotten and, bit by bit, gone.
    platform.clock().advance(Duration::from_secs(25 * 3600));
    for at in 0..5 {
        assert_eq!(guess(100 + at, "203.0.113.9").await, 403);
    }
    let kept = platform.store().list::<tow_record::SignInFailures>(tow_store::Find::default());
    let kept = kept.await.unwrap();
    assert!(kept.len() < 12, "{} are kept", kept.len());
    platform.finish().await;
}

#[tokio::test]
async fn why_tells_the_whole_way() {
    let platform = TestPlatform::start().await;
    town(&platform).await;
    bound(&platform, "harbourers", Role::Platform, "group:harbour").await;
    let ask = async |who: &Person, actor: Option<&str>, action, object: &str| {
        let query = why::Query { actor: actor.map(Into::into), action, object: object.into() };
        who.call::<WhyAccess>(Nothing {}, query, Nothing {}).await
    };
    let pat = platform.platform_team();
    let yes = ask(&pat, Some("ann"), Action::Govern, "platform").await.unwrap();
    assert!(yes.allowed);
    assert_eq!(yes.rule, "role.everywhere");
    assert!(
        yes.reasons[0].contains("rolebinding:default/harbourers")
            && yes.reasons[0]
                .contains("user:default/ann → group:default/quay → group:default/harbour"),
        "{yes:?}"
    );
    let no = ask(&pat, Some("olga"), Action::Deploy, "gate").await.unwrap();
    assert!(!no.allowed);
    assert_eq!(no.rule, "owner.not-a-member");
    assert_eq!(no.ask.as_deref(), Some("tow describe group lock"));
    assert!(no.who.unwrap().contains("group:default/lock"));
    let gate = ask(&pat, Some("olga"), Action::Declare, "group:quay").await.unwrap();
    assert!(!gate.allowed && gate.reasons[0].contains("takes govern"), "{gate:?}");

    for actor in ["olgaa", "serviceaccount:nothing"] {
        let unknown = ask(&pat, Some(actor), Action::Deploy, "gate").await.unwrap_err();
        assert!(unknown.is("object/not-found"), "{unknown}");
        assert!(unknown.to_string().contains("is not in the catalog"), "{unknown}");
    }

    let olga = platform.outsider();
    assert!(ask(&olga, Some("me"), Action::Deploy, "gate").await.is_ok(), "of oneself");
    let refused = ask(&olga, Some("ann"), Action::Deploy, "gate").await.unwrap_err();
    assert!(refused.is("access/forbidden"), "of others: {refused}");
    assert!(ask(&olga, None, Action::Read, "nowhere").await.unwrap_err().is("object/not-found"));
    platform.finish().await;
}
