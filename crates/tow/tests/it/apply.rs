//! Declaring through the front door: sources own what they declare, prune shows and takes what is named no more, rights
//! are asked on both sides, and a large apply goes on where it stopped.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use tow_api::Nothing;
use tow_api::object::apply::{Apply, Body, Document, Reply, Verdict};
use tow_api::object::delete::DeleteObject;
use tow_api::object::get::{GetObject, Path};
use tow_names::{EntityRef, Namespace};
use tow_platform::AppError;
use tow_testkit::{Fault, Person, TestPlatform, Watch};

fn component(name: &str, owner: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\n\
         spec:\n  type: service\n  lifecycle: production\n  owner: {owner}\n"
    )
}

fn all(texts: &[String]) -> Vec<Document> {
    vec![Document::new("all.yaml", texts.join("---\n"))]
}

/// What is asked beside the documents.
#[derive(Default, Clone, Copy)]
struct How {
    source: &'static str,
    prune: bool,
    dry_run: bool,
    take: bool,
}

async fn apply(person: &Person, texts: &[String], how: How) -> Result<Reply, AppError> {
    let source = (!how.source.is_empty()).then(|| how.source.to_string());
    let body = Body {
        source,
        prune: how.prune,
        dry_run: how.dry_run,
        take: how.take,
        ..Body::of(all(texts))
    };
    person.call::<Apply>(Nothing {}, Nothing {}, body).await
}

fn verdicts(reply: &Reply) -> Vec<(String, Verdict)> {
    reply
        .objects
        .iter()
        .map(|line| (line.entity.rsplit('/').next().unwrap().to_string(), line.verdict))
        .collect()
}

fn code(error: &AppError) -> String {
    error.problem().code
}

fn rules(error: &AppError) -> Vec<(String, String)> {
    let place = |v: &tow_record::Violation| {
        v.source.as_ref().map_or(String::new(), |s| format!("{}:{}:{}", s.file, s.line, s.col))
    };
    error.problem().violations.iter().map(|v| (v.code.clone(), place(v))).collect()
}

async fn there(person: &Person, name: &str) -> bool {
    let path = Path { kind: "component".into(), namespace: "default".into(), name: name.into() };
    person.call::<GetObject>(path, Nothing {}, Nothing {}).await.is_ok()
}

#[tokio::test]
async fn a_source_owns_what_it_declares() {
    let platform = TestPlatform::start().await;
    let team = platform.platform_team();
    let [a, b, c] = ["a", "b", "c"].map(|name| component(name, "crew"));
    let shop = How { source: "shop", ..How::default() };
    let made = apply(&team, &[a.clone(), b.clone()], shop).await.unwrap();
    let word = |name: &str, verdict| (name.to_string(), verdict);
    assert_eq!(verdicts(&made), [word("a", Verdict::Created), word("b", Verdict::Created)]);
    let again = apply(&team, &[a.clone(), b.clone()], shop).await.unwrap();
    assert!(verdicts(&again).iter().all(|(_, verdict)| *verdict == Verdict::Unchanged));

    // Without --prune nothing goes; a dry run shows what would; then it goes.
    let pruned = How { prune: true, ..shop };
    let kept = apply(&team, &[a.clone(), c.clone()], shop).await.unwrap();
    assert_eq!(verdicts(&kept), [word("a", Verdict::Unchanged), word("c", Verdict::Created)]);
    let shown =
        apply(&team, &[a.clone(), c.clone()], How { dry_run: true, ..pruned }).await.unwrap();
    assert_eq!(verdicts(&shown)[1], word("b", Verdict::Removed));
    assert!(there(&team, "b").await, "a dry run changes nothing");
    apply(&team, &[a.clone(), c.clone()], pruned).await.unwrap();
    assert!(!there(&team, "b").await && there(&team, "c").await);

    // Another source is refused by name and line, and takes over only when it says so.
    let other = How { source: "store", ..How::default() };
    let refused = apply(&team, &[b.clone(), a.clone()], other).await.unwrap_err();
    assert_eq!(code(&refused), "apply/claimed");
    assert_eq!(rules(&refused), [("apply/claimed".into(), "all.yaml:13:9".into())]);
    assert!(!there(&team, "b").await, "all of it is refused");
    apply(&team, std::slice::from_ref(&a), How { take: true, ..other }).await.unwrap();
    let last = apply(&team, std::slice::from_ref(&c), pruned).await.unwrap();
    assert_eq!(verdicts(&last), [word("c", Verdict::Unchanged)], "a belongs to another one now");
    // Nor is it corrected by hand: the next apply of its source would undo that in silence.
    let refused = apply(&team, &[component("a", "quay")], How::default()).await.unwrap_err();
    assert_eq!(code(&refused), "apply/claimed");
    let gone = apply(&team, &[b], How { prune: true, ..other }).await.unwrap();
    assert_eq!(verdicts(&gone), [word("a", Verdict::Removed), word("b", Verdict::Created)]);
    let nameless = apply(&team, &[c], How { prune: true, ..How::default() }).await.unwrap_err();
    assert_eq!(code(&nameless), "input/missing");
    platform.finish().await;
}

#[tokio::test]
async fn power_is_not_declared_by_those_it_would_be_given_to() {
    let platform = TestPlatform::start().await;
    let team = platform.platform_team();
    apply(&team, &[component("mine", "crew"), component("theirs", "quay")], How::default())
        .await
        .unwrap();
    let ann = platform.developer("ann", &["crew"]);
    let delivery = |name: &str, of: &str| {
        format!(
            "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: {name}\n\
             spec:\n  component: {of}\n  build:\n    command: make\n"
        )
    };
    // A delivery is found by its name: what it says of its component gives no right over another one.
    let refused = apply(&ann, &[delivery("theirs", "mine")], How::default()).await.unwrap_err();
    assert_eq!(code(&refused), "access/forbidden");
    let refused = apply(&team, &[delivery("theirs", "mine")], How::default()).await.unwrap_err();
    assert_eq!(rules(&refused)[0].0, "delivery/component");
    apply(&ann, &[delivery("mine", "mine")], How::default()).await.unwrap();
    // Together with its component it is the component's owner's at once.
    apply(&ann, &[component("new", "crew"), delivery("new", "new")], How::default()).await.unwrap();

    // Both sides of a change of owner.
    for owner in ["quay", "user:default/bob"] {
        let refused = apply(&ann, &[component("mine", owner)], How::default()).await.unwrap_err();
        assert_eq!(code(&refused), "access/forbidden", "given away to {owner}");
        let to = if owner == "quay" { "group:quay" } else { "user:bob" };
        let told = format!(
            "the owner would change from group:crew to {to}, and you are not of the latter"
        );
        assert_eq!(refused.to_string(), told);
        assert_eq!(rules(&refused)[0].1, "all.yaml:8:10", "the line of the owner");
        assert!(refused.problem().next.is_empty(), "what it is now is not what is refused");
    }
    let many: Vec<String> = (0..30).map(|at| component(&format!("m{at}"), "quay")).collect();
    let refused = apply(&ann, &many, How::default()).await.unwrap_err();
    assert_eq!(code(&refused), "access/forbidden");
    assert_eq!(rules(&refused).len(), 20, "all are collected, some are shown");
    assert!(refused.to_string().ends_with("(and 29 more)"), "{refused}");
    let refused = apply(&ann, &[component("theirs", "crew")], How::default()).await.unwrap_err();
    assert_eq!(code(&refused), "access/forbidden", "taken");
    // Membership, roles, places that are read from.
    for text in [
        "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: quay}\nspec: {type: team, children: [], members: [ann]}\n",
        "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: ann}\nspec: {memberOf: [quay]}\n",
        "apiVersion: towpath.dev/v1\nkind: RoleBinding\nmetadata: {name: up}\nspec: {role: platform, subjects: ['user:ann']}\n",
        "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: l}\nspec: {type: file, target: /etc}\n",
        "apiVersion: towpath.dev/v1\nkind: ServiceAccount\nmetadata: {name: bot}\nspec: {owner: crew, memberOf: [quay]}\n",
    ] {
        let refused = apply(&ann, &[text.into()], How::default()).await.unwrap_err();
        assert_eq!(code(&refused), "access/forbidden", "{text}");
    }
    // Administrators are made by administrators.
    let admins = "apiVersion: towpath.dev/v1\nkind: RoleBinding\nmetadata: {name: a}\nspec: {role: admin, subjects: ['user:eve']}\n";
    let refused = apply(&team, &[admins.into()], How::default()).await.unwrap_err();
    assert_eq!(code(&refused), "access/forbidden");
    apply(&platform.admin(), &[admins.into()], How::default()).await.unwrap();
    platform.finish().await;
}

#[tokio::test]
async fn an_environment_has_no_namespace() {
    let platform = TestPlatform::start().await;
    let text = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata:\n  name: development\n  namespace: ops\nspec:\n  tier: development\n  runtime: local\n";
    let refused = apply(&platform.admin(), &[text.into()], How::default()).await.unwrap_err();
    assert_eq!(rules(&refused), [("object/not-namespaced".into(), "all.yaml:5:14".into())]);
    platform.finish().await;
}

#[tokio::test]
async fn more_than_fits_one_commit_is_written_in_pieces_and_goes_on_where_it_stopped() {
    let platform = TestPlatform::start().await;
    let team = platform.platform_team();
    let many: Vec<String> = (0..1_200).map(|n| component(&format!("c{n:04}"), "crew")).collect();
    let before = platform.store().head().await.unwrap();
    // A part of it is there already, as after a crash between two commits.
    apply(&team, &many[..500], How { source: "many", ..How::default() }).await.unwrap();
    let reply = apply(&team, &many, How { source: "many", ..How::default() }).await.unwrap();
    let created = reply.objects.iter().filter(|o| o.verdict == Verdict::Created).count();
    assert_eq!((reply.objects.len(), created), (1_200, 700));
    assert_eq!(platform.store().head().await.unwrap() - before, 1_200, "an event each, and once");
    // One that is wrong keeps all of them out.
    let mut wrong: Vec<String> = (0..700).map(|n| component(&format!("d{n:04}"), "crew")).collect();
    wrong.push(component("x", "crew").replace("owner: crew", "ownr: crew"));
    let refused = apply(&team, &wrong, How::default()).await.unwrap_err();
    assert_eq!(code(&refused), "input/invalid");
    assert!(!there(&team, "d0000").await);
    // And all but one go again.
    let gone = apply(&team, &many[..1], How { source: "many", prune: true, ..How::default() });
    let gone = gone.await.unwrap();
    let removed = gone.objects.iter().filter(|o| o.verdict == Verdict::Removed).count();
    assert_eq!(removed, 1_199);
    platform.finish().await;
}

/// A component whose deployment is stopped, first of many in the order in which they go.
async fn at_rest() -> TestPlatform {
    use crate::given::{DEVELOPMENT, FOLDER_ONE, ann};
    let platform = TestPlatform::start().await;
    let mut all: Vec<String> = (0..1_200).map(|n| component(&format!("x{n:04}"), "crew")).collect();
    all.push(component("web", "quay"));
    let team = platform.platform_team();
    apply(&team, &all, How { source: "s", ..How::default() }).await.unwrap();
    let ann = ann(&platform);
    ann.deploy(DEVELOPMENT, &FOLDER_ONE, "one").await.unwrap();
    platform.settle().await;
    ann.change("web", DEVELOPMENT, tow_api::plan::create::ChangeRequest::Stop).await.unwrap();
    platform.settle().await;
    assert_eq!(placements(&platform).await.len(), 1);
    platform
}

async fn placements(platform: &TestPlatform) -> Vec<String> {
    let rows = platform.store().list::<tow_record::Placement>(tow_store::Find::default()).await;
    rows.unwrap().iter().map(|row| row.value.place.to_string()).collect()
}

#[tokio::test]
async fn whoever_dies_between_two_pieces_leaves_no_placement_without_its_component() {
    let given = at_rest().await;
    let image = given.image();
    given.finish().await;
    let counted = Watch::new(Fault::None);
    let platform = TestPlatform::revive(&image, counted.clone()).await;
    let composed = counted.crossed();
    platform.kill();
    let prune = How { source: "s", prune: true, ..How::default() };
    let stays = [component("x1199", "crew")];
    // Before and after the commit of each of the three pieces.
    for crossing in 1..=6 {
        let watch = Watch::new(Fault::DieAt(composed + crossing));
        let platform = TestPlatform::revive(&image, watch.clone()).await;
        let team = platform.platform_team();
        let died = tokio::select! {
            biased;
            () = watch.died() => true,
            _ = apply(&team, &stays, prune) => false,
        };
        assert!(died, "{crossing}");
        let left = watch.images().pop().unwrap();
        platform.kill();
        let platform = TestPlatform::revive(&left, Watch::new(Fault::None)).await;
        let team = platform.platform_team();
        let there = there(&team, "web").await;
        assert_eq!(there, crossing == 1, "web goes with the first piece");
        assert_eq!(placements(&platform).await.len(), usize::from(there), "{crossing}");
        let gone = apply(&team, &stays, prune).await.unwrap();
        let removed = gone.objects.iter().filter(|o| o.verdict == Verdict::Removed).count();
        assert_eq!(removed, [1_200, 700, 700, 200, 200, 0][crossing - 1], "{crossing}");
        assert_eq!(placements(&platform).await, [""; 0], "{crossing}");
        platform.finish().await;
    }
}

#[tokio::test]
async fn a_component_and_its_environment_go_together() {
    use crate::given::{FOLDER_ONE, ann, declare_staging};
    let platform = TestPlatform::start().await;
    declare_staging(&platform).await;
    let staging = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata:\n  name: staging\nspec:\n  \
                   tier: staging\n  runtime: local\n";
    let admin = platform.admin();
    let (source, stays) =
        (How { source: "s", take: true, ..How::default() }, component("b", "crew"));
    let all = [component("web", "quay"), staging.into(), stays.clone()];
    apply(&admin, &all, source).await.unwrap();
    ann(&platform).deploy("staging", &FOLDER_ONE, "one").await.unwrap();
    platform.settle().await;
    let stop = tow_api::plan::create::ChangeRequest::Stop;
    ann(&platform).change("web", "staging", stop).await.unwrap();
    platform.settle().await;
    assert_eq!(placements(&platform).await.len(), 1);
    let gone = apply(&admin, &[stays], How { prune: true, ..source }).await.unwrap();
    let removed = gone.objects.iter().filter(|o| o.verdict == Verdict::Removed).count();
    assert_eq!((removed, placements(&platform).await.len()), (2, 0));
    platform.finish().await;
}

#[tokio::test]
async fn a_plan_is_of_the_very_object_it_was_made_from() {
    use crate::given::{DEVELOPMENT, FOLDER_ONE, FOLDER_TWO, ann};
    let platform = TestPlatform::start().await;
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_ONE, "one").await.unwrap();
    platform.settle().await;
    let person = platform.admin();
    let entity = EntityRef::parse("web", Some("component"), &Namespace::default()).unwrap();
    let row = platform.store().object(&entity).await.unwrap().unwrap();
    let mut manifest = serde_json::to_value(&row.manifest).unwrap();

    // A new title changes nothing that was planned.
    let plan = person.plan_deploy(DEVELOPMENT, &FOLDER_TWO, "two").await.unwrap();
    manifest["metadata"]["title"] = "Web".into();
    apply(&person, &[manifest.to_string()], How::default()).await.unwrap();
    person.apply(&plan.id).await.unwrap();
    platform.settle().await;

    // Another lifecycle does.
    let plan = person.plan_deploy(DEVELOPMENT, &FOLDER_ONE, "three").await.unwrap();
    manifest["spec"]["lifecycle"] = "deprecated".into();
    apply(&person, &[manifest.to_string()], How::default()).await.unwrap();
    let stale = person.apply(&plan.id).await.unwrap_err();
    assert_eq!(code(&stale), "plan/stale");
    platform.finish().await;
}

#[tokio::test]
async fn what_runs_is_not_pruned() {
    use crate::given::{DEVELOPMENT, FOLDER_ONE, ann};
    let platform = TestPlatform::start().await;
    let team = platform.platform_team();
    let web = component("web", "quay");
    apply(&team, &[web, component("b", "crew")], How { source: "s", ..How::default() })
        .await
        .unwrap();
    let _ = ann(&platform);
    team.deploy(DEVELOPMENT, &FOLDER_ONE, "one").await.unwrap();
    platform.settle().await;
    let prune = How { source: "s", prune: true, ..How::default() };
    let refused = apply(&team, &[component("b", "crew")], prune).await.unwrap_err();
    assert_eq!(code(&refused), "object/in-use");
    let path = Path { kind: "component".into(), namespace: "default".into(), name: "web".into() };
    let refused = team.call::<DeleteObject>(path, Nothing {}, Nothing {}).await.unwrap_err();
    assert_eq!(code(&refused), "object/in-use");
    platform.finish().await;
}

/// The reference's examples are not decoration: one of each kind, applied together, is there afterwards.
#[tokio::test]
async fn the_example_of_every_kind_is_applied() {
    let platform = TestPlatform::start().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut documents = Vec::new();
    for kind in tow_model::Kind::ALL {
        let mut name = String::new();
        for c in kind.as_str().replace("API", "Api").chars() {
            if c.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        let name = format!("{name}.yaml");
        let text =
            std::fs::read_to_string(folder.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        documents.push(Document::new(name, text));
    }
    let body = Body::of(documents);
    let reply = platform.admin().call::<Apply>(Nothing {}, Nothing {}, body).await.unwrap();
    assert_eq!(reply.objects.len(), tow_model::Kind::ALL.len());
    platform.finish().await;
}
