//! Many at once say what one by one says.

use crate::place;
use crate::store::{Thing, batch, thing, told};
use std::collections::BTreeMap;
use tow_model::{Kind, Manifest, Metadata, Spec};
use tow_names::{Digest, EntityRef, Id, Name, Namespace, Place, Timestamp};
use tow_record::{Deployment, Placement, Reason, Record, Release, State};
use tow_store::{Batch, Places};

fn component(name: &str) -> EntityRef {
    EntityRef::parse(name, Some("component"), &Namespace::default()).unwrap()
}

fn at(name: &str, environment: &str) -> Place {
    Place::new(component(name), &Name::new(environment).unwrap())
}

fn of(name: Option<&str>, environment: Option<&str>) -> Places {
    Places {
        component: name.map(component),
        environment: environment.map(|e| Name::new(e).unwrap()),
    }
}

pub(crate) async fn records_by_id_and_by_place(place: place::Place) {
    let store = place.open().await;
    let mut all = Batch::new();
    for n in 0..230 {
        all.create(&thing(&format!("t{n:03}"), "s", n));
    }
    store.commit(all).await.unwrap();
    let ids = || (0..230).map(|n| format!("t{n:03}")).chain(["t000".into(), "nobody".into()]);
    let found = store.get_many::<Thing>(ids()).await.unwrap();
    assert_eq!(found.len(), 230);
    assert!(found.iter().all(|(id, row)| row.value.id == *id && row.version == 1));
    assert!(store.get_many::<Thing>([]).await.unwrap().is_empty());

    // One after the other, so that they are made one after the other.
    let places = [
        at("web", "dev_1"),
        at("web", "devx1"),
        at("web2", "dev_1"),
        at("web", "production"),
        at("team/web", "dev_1"),
    ];
    for (n, place) in places.iter().enumerate() {
        let new = thing(&format!("p{n}"), &place.to_string(), 1);
        let make = |b: &mut Batch| {
            b.event(told("thing.made", "s"));
            b.create(&new);
        };
        store.commit(batch(make)).await.unwrap();
    }
    let latest = async |of: Places, limit| {
        let rows = store.latest::<Thing>(&of, limit).await.unwrap();
        rows.into_iter().map(|row| row.value.id).collect::<Vec<_>>()
    };
    assert_eq!(latest(of(None, None), 2).await, ["p4", "p3"], "made last first");
    assert_eq!(latest(of(Some("web"), None), 10).await, ["p3", "p1", "p0"]);
    assert_eq!(latest(of(None, Some("dev_1")), 10).await, ["p4", "p2", "p0"]);
    assert_eq!(latest(of(None, Some("dev_1")), 2).await, ["p4", "p2"]);
    assert_eq!(latest(of(Some("web"), Some("dev_1")), 10).await, ["p0"]);
}

pub(crate) async fn places_together_are_what_each_is_alone(place: place::Place) {
    let store = place.open().await;
    let mut all = Batch::new();
    let tier = serde_json::json!({ "tier": "development", "runtime": "local" });
    let spec = Spec::Environment(serde_json::from_value(tier).unwrap());
    let metadata = Metadata::named(Name::new("development").unwrap());
    let environment = Manifest::new(Kind::Environment, metadata, spec);
    all.create_object(&environment, "u", Timestamp(1), "ann");
    for (name, number) in [("web", 2), ("api", 1), ("new", 0)] {
        let place = at(name, "development");
        let mut placement = Placement::empty(place.clone());
        placement.deployment = number;
        placement.next_deployment = number + 1;
        all.create(&placement);
        for n in 1..=number {
            all.create(&Release {
                component: place.component.clone(),
                number: n,
                workloads: BTreeMap::new(),
                delivery: Default::default(),
                source: None,
                artifact: None,
                commit: None,
                content: Digest::of(b"x"),
                created_by: "ann".into(),
                created_at: Timestamp(1),
            });
            all.create(&Deployment {
                place: place.clone(),
                number: n,
                release: n,
                config: 0,
                variables: BTreeMap::new(),
                runtime: tow_record::Executes::default(),
                replicas: BTreeMap::new(),
                salt: 0,
                reason: Reason::Deploy,
                created_by: "ann".into(),
                created_at: Timestamp(n),
                plan: Id::fresh("plan"),
                operation: Id::fresh("op"),
                state: State::Live,
                outcome: None,
            });
        }
    }
    // An environment that is not there.
    all.create(&Placement::empty(at("web", "gone")));
    store.commit(all).await.unwrap();
    let text = |facts: &tow_store::PlaceFacts| format!("{facts:?}");
    let together = store.places(&Places::default()).await.unwrap();
    let names: Vec<String> = together.iter().map(|f| f.placement.value.place.to_string()).collect();
    assert_eq!(
        names,
        [
            "component:default/api@development",
            "component:default/new@development",
            "component:default/web@development",
            "component:default/web@gone",
        ]
    );
    for facts in &together {
        let alone = store.place(&facts.placement.value.place).await.unwrap();
        assert_eq!(text(facts), text(&alone));
    }
    assert_eq!(together[2].current.as_ref().unwrap().1.id(), "component:default/web/2");
    assert!(together[3].environment.is_none());
    let web = store.places(&of(Some("web"), Some("development"))).await.unwrap();
    assert_eq!(web.len(), 1);
}

on_each!(records_by_id_and_by_place, places_together_are_what_each_is_alone);
