//! What tests of the whole platform begin with: a component with a bit of everything, and what people do with it.

use std::collections::BTreeMap;
use tow_testkit::{Person, TestPlatform};

/// A folder's documents.
pub(crate) type Folder = [(&'static str, &'static str); 3];

/// A service of two replicas, each with a container that must have completed first, and a worker beside it.
macro_rules! folder {
    ($version:literal, $web:literal, $mail:literal) => {
        [
            (
                "score.yaml",
                concat!(
                    "apiVersion: score.dev/v1b1\n",
                    "metadata:\n  name: web\n",
                    "service:\n  ports:\n    http:\n      port: 8080\n",
                    "containers:\n",
                    "  migrate:\n    image: .\n    command: [\"./migrate\"]\n",
                    "    variables:\n      TOW_FAKE: exits-after=10ms code=0\n",
                    "    before:\n      main:\n        ready: complete\n",
                    "  main:\n    image: .\n    variables:\n      VERSION: \"",
                    $version,
                    "\"\n      TOW_FAKE: ",
                    $web,
                    "\n",
                ),
            ),
            (
                "mail.yaml",
                concat!(
                    "apiVersion: score.dev/v1b1\n",
                    "metadata:\n  name: mail\n",
                    "containers:\n  main:\n    image: .\n    variables:\n      VERSION: \"",
                    $version,
                    "\"\n      TOW_FAKE: ",
                    $mail,
                    "\n",
                ),
            ),
            (
                "tow.yaml",
                concat!(
                    "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: web\n",
                    "spec:\n  component: web\n  workloads:\n    web:\n      replicas: 2\n",
                ),
            ),
        ]
    };
}

/// Its first release.
pub(crate) const FOLDER_ONE: Folder = folder!("1", "ready-after=20ms", "ready-after=0ms");
/// Its second.
pub(crate) const FOLDER_TWO: Folder = folder!("2", "ready-after=20ms", "ready-after=0ms");
/// One whose worker never gets ready.
pub(crate) const FOLDER_UNREADY: Folder = folder!("3", "ready-after=20ms", "never-ready");

/// A folder whose web is taken over in another way; lines of its own level in `tow.yaml`.
pub(crate) fn taking_over(of: &Folder, how: &str) -> Folder {
    let mut folder = *of;
    folder[2].1 = format!("{}{how}", folder[2].1).leak();
    folder
}

/// An environment in which a release is watched for half a minute.
pub(crate) async fn declare_watched(platform: &TestPlatform) {
    let text = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata:\n  name: development\nspec:\n  \
                tier: development\n  runtime: local\n  bake: {for: 30s, window: 5s}\n";
    platform.admin().declare(text).await.expect("an administrator declares environments");
}

/// A service, a job that ends well only at its second try's end, and a workload with a schedule; commands before and
/// after the switch.
pub(crate) const FOLDER_RUNS: [(&str, &str); 4] = [
    (
        "score.yaml",
        concat!(
            "apiVersion: score.dev/v1b1\nmetadata:\n  name: web\n",
            "service:\n  ports:\n    http:\n      port: 8080\n",
            "containers:\n  main:\n    image: .\n    variables:\n      TOW_FAKE: ready-after=20ms\n",
        ),
    ),
    (
        "sum.yaml",
        concat!(
            "apiVersion: score.dev/v1b1\nmetadata:\n  name: sum\n",
            "containers:\n  main:\n    image: .\n    variables:\n",
            "      TOW_FAKE: exits-after=30ms code=3\n",
        ),
    ),
    (
        "tick.yaml",
        concat!(
            "apiVersion: score.dev/v1b1\nmetadata:\n  name: tick\n",
            "containers:\n  main:\n    image: .\n    variables:\n",
            "      TOW_FAKE: exits-after=30ms code=0\n",
        ),
    ),
    (
        "tow.yaml",
        concat!(
            "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: web\n",
            "spec:\n  component: web\n  workloads:\n",
            "    sum: {kind: job, retries: 1}\n",
            "    tick:\n      kind: cron\n      schedule: 0 * * * *\n      timezone: Europe/Berlin\n",
            "      release: [./migrate, up]\n      postDeploy: [./warm]\n",
        ),
    ),
];

/// A service that sleeps when nobody asks for anything.
pub(crate) const FOLDER_SLEEPS: [(&str, &str); 2] = [
    (
        "score.yaml",
        concat!(
            "apiVersion: score.dev/v1b1\nmetadata:\n  name: web\n",
            "service:\n  ports:\n    http:\n      port: 8080\n",
            "containers:\n  main:\n    image: .\n    variables:\n      TOW_FAKE: ready-after=20ms\n",
        ),
    ),
    (
        "tow.yaml",
        concat!(
            "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: web\n",
            "spec:\n  component: web\n  workloads:\n    web:\n      scale: {min: 0, idle: 30s}\n",
        ),
    ),
];

pub(crate) const DEVELOPMENT: &str = "development";

/// The developer whose component it is.
pub(crate) fn ann(platform: &TestPlatform) -> Person {
    platform.developer("ann", &["quay"])
}

pub(crate) fn map<V: Clone>(entries: &[(&str, V)]) -> BTreeMap<String, V> {
    entries.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect()
}

/// An environment of tier staging.
pub(crate) async fn declare_staging(platform: &TestPlatform) {
    let text = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata:\n  name: staging\nspec:\n  \
                tier: staging\n  runtime: local\n";
    platform.admin().declare(text).await.expect("an administrator declares environments");
}

/// The releases of all who are routed to.
pub(crate) fn releases_served(platform: &TestPlatform) -> Vec<i64> {
    let routes = platform.world().routes().routes;
    routes.iter().flat_map(|route| &route.targets).map(|target| target.release).collect()
}
