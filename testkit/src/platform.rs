//! The real platform on the fakes, in a directory of its own, moved by hand.

use crate::{Fault, Image, Person, Watch};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use tow_fake::{FakeClock, World};
use tow_names::{Duration, Timestamp};
use tow_platform::{
    Adapters, App, ComposeError, Composed, Platform, ReconcileError, ServerConfig, Ticked,
};
use tow_ports::{Clock as _, Crossings};
use tow_record::{Delivery, Instance, Operation, Role, RouteSet, Run, StepRow, Webhook};
use tow_store::{Find, Location, Store};

/// More looks than any test needs; a platform that does not come to rest is a failure.
const LOOKS: usize = 5_000;
/// Changes of the world by itself, without any of the platform, that are waited for: a program that ends again and
/// again never stops changing.
const QUIET: usize = 8;

/// A platform for one test. Ended by [`TestPlatform::finish`], which proves that nothing is left over, or by
/// [`TestPlatform::kill`].
pub struct TestPlatform {
    world: Arc<World>,
    clock: Arc<FakeClock>,
    watch: Arc<Watch>,
    platform: Option<Platform>,
    dir: Arc<tempfile::TempDir>,
    /// Where the store is instead of in the directory.
    database: Option<Arc<tow_postgres::Database>>,
}

impl std::fmt::Debug for TestPlatform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestPlatform").field("world", &self.world).finish_non_exhaustive()
    }
}

fn directory() -> Arc<tempfile::TempDir> {
    // In memory where there is such a place: a store is synced at every commit.
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    Arc::new(made.or_else(|_| tempfile::tempdir()).expect("a temporary directory"))
}

impl TestPlatform {
    /// An empty one.
    pub async fn start() -> Self {
        Self::start_watched(Watch::new(Fault::None)).await
    }

    /// An empty one, watched.
    pub async fn start_watched(watch: Arc<Watch>) -> Self {
        let clock = FakeClock::new();
        let world = World::new(clock.clone()).expect("a temporary directory for a world");
        let mut this =
            Self { world, clock, watch, platform: None, dir: directory(), database: None };
        this.compose().await.expect("an empty platform is composed");
        this
    }

    /// An empty one that is not composed yet: see [`Self::compose`].
    pub fn unborn(watch: Arc<Watch>) -> Self {
        let clock = FakeClock::new();
        let world = World::new(clock.clone()).expect("a temporary directory for a world");
        Self { world, clock, watch, platform: None, dir: directory(), database: None }
    }

    /// An empty one that is not composed yet and keeps its store in a Postgres database of its own. `Err`: why there is
    /// none on this machine, for `not run: WHY`.
    pub fn on_postgres(watch: Arc<Watch>) -> Result<Self, String> {
        let mut this = Self::unborn(watch);
        this.database = Some(Arc::new(tow_postgres::database()?));
        Ok(this)
    }

    /// What a death at this moment leaves: the same store and the same world, and nobody in charge.
    #[must_use]
    pub fn died(mut self, watch: Arc<Watch>) -> Self {
        self.platform = None;
        self.watch = watch;
        self
    }

    /// What an image was of, not composed yet.
    pub fn dead(image: &Image, watch: Arc<Watch>) -> Self {
        let dir = directory();
        let (world, clock) = image.lay_out(dir.path());
        Self { world, clock, watch, platform: None, dir, database: None }
    }

    /// A platform on what an image was of.
    pub async fn revive(image: &Image, watch: Arc<Watch>) -> Self {
        let mut this = Self::dead(image, watch);
        this.compose().await.expect("a platform is composed on what is left of one");
        this
    }

    /// Composes the platform; whoever was in charge before is dead.
    pub async fn compose(&mut self) -> Result<(), ComposeError> {
        let (dir, world) = (self.dir.path().to_path_buf(), self.world.clone());
        self.watch.body(dir, world, self.clock.clone());
        let platform = self.another().await?;
        self.watch.eyes(platform.store().clone());
        self.platform = Some(platform);
        Ok(())
    }

    /// Another platform on the same store and world, which takes over; this one goes on and is to be refused.
    pub async fn another(&self) -> Result<Platform, ComposeError> {
        self.another_with(|_| {}).await
    }

    /// The same, on adapters of which some are others.
    pub async fn another_with(
        &self,
        change: impl FnOnce(&mut Adapters),
    ) -> Result<Platform, ComposeError> {
        let crossings: Arc<dyn Crossings> = self.watch.clone();
        let mut adapters = tow_platform::fake(&self.world, self.clock.clone(), &crossings);
        change(&mut adapters);
        let composed = Composed {
            store: self.location(),
            crossings,
            force: true,
            // Of a database nobody is proven dead: all of a test's platforms go by one name.
            holder: Some("the test".into()),
            doors: ServerConfig::default(),
        };
        tow_platform::compose(composed, adapters).await
    }

    /// Kills it and composes it anew.
    #[must_use]
    pub async fn restart(mut self) -> Self {
        self.platform = None;
        self.compose().await.expect("a platform is composed again");
        self
    }

    /// Where the store is.
    pub fn location(&self) -> Location {
        match &self.database {
            None => Location::File(self.store_file()),
            Some(database) => Location::parse(&database.url()).expect("a test's own URL"),
        }
    }

    /// The store's file.
    pub fn store_file(&self) -> PathBuf {
        self.dir.path().join("tow.db")
    }

    /// What the fakes stand on.
    pub const fn world(&self) -> &Arc<World> {
        &self.world
    }
    /// The time.
    pub const fn clock(&self) -> &Arc<FakeClock> {
        &self.clock
    }
    /// Who watches.
    pub const fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }
    /// What was composed.
    pub fn platform(&self) -> &Platform {
        self.platform.as_ref().expect("it is composed and was not ended")
    }
    /// The use-cases.
    pub fn app(&self) -> &App {
        &self.platform().app
    }
    /// The store.
    pub fn store(&self) -> &Store {
        self.platform().store()
    }

    /// An administrator.
    pub fn admin(&self) -> Person {
        Person::new(self.app(), "user:default/root", Role::Admin, &[])
    }
    /// Of the platform team.
    pub fn platform_team(&self) -> Person {
        Person::new(self.app(), "user:default/pat", Role::Platform, &[])
    }
    /// A developer in these groups.
    pub fn developer(&self, name: &str, groups: &[&str]) -> Person {
        Person::new(self.app(), &format!("user:default/{name}"), Role::Developer, groups)
    }
    /// A developer in no group.
    pub fn outsider(&self) -> Person {
        Person::new(self.app(), "user:default/olga", Role::Developer, &[])
    }
    /// Who only looks.
    pub fn viewer(&self) -> Person {
        Person::new(self.app(), "user:default/vic", Role::Viewer, &[])
    }

    /// One look of the controllers. Where a port did not answer, it is to be asked again soon.
    pub async fn tick(&self) -> Result<Ticked, ReconcileError> {
        self.look().await.map(|(ticked, _)| ticked)
    }

    /// Did it fail, too?
    async fn look(&self) -> Result<(Ticked, bool), ReconcileError> {
        let soon = self.clock.now().plus(Duration::from_millis(500));
        match self.platform().reconciler.tick().await {
            Ok(ticked) => Ok((ticked, false)),
            Err(ReconcileError::Moved(_)) => Ok((Ticked { progressed: true, until: soon }, false)),
            Err(ReconcileError::Port(_)) => Ok((Ticked { progressed: false, until: soon }, true)),
            Err(lost) => Err(lost),
        }
    }

    /// Looks until there is nothing to do now. Time stands still.
    pub async fn act(&self) -> Timestamp {
        for _ in 0..LOOKS {
            let ticked = self.tick().await.expect("this platform is in charge");
            if !ticked.progressed {
                return ticked.until;
            }
        }
        panic!("it never had done everything: {:#?}", self.world.snapshot())
    }

    /// Lets so much time pass, acting whenever something happens in it.
    pub async fn pass(&self, time: Duration) {
        let end = self.clock.now().plus(time);
        for _ in 0..LOOKS {
            let until = self.act().await;
            if self.clock.now() >= end {
                return;
            }
            self.clock.advance_to(self.next(until).min(end));
        }
        panic!("time never passed");
    }

    /// Acts and lets time pass until nothing is under way and nothing will happen by itself.
    pub async fn settle(&self) {
        let mut quiet = 0;
        for _ in 0..LOOKS {
            let (ticked, failed) = self.look().await.expect("this platform is in charge");
            if ticked.progressed {
                quiet = 0;
                continue;
            }
            let at_rest = self.open_operations().await.is_empty()
                && self.open_runs().await.is_empty()
                && self.waiting().await == 0;
            if !failed && at_rest {
                quiet += 1;
                if self.world.next_change().is_none() || quiet > QUIET {
                    return;
                }
            }
            self.clock.advance_to(self.next(ticked.until));
        }
        let open = self.open_operations().await;
        panic!("it never came to rest: {open:#?}\n{:#?}", self.world.snapshot());
    }

    fn next(&self, until: Timestamp) -> Timestamp {
        let now = self.clock.now();
        let world = self.world.next_change().filter(|at| *at > now);
        let until = if until > now { until } else { now.plus(Duration::from_millis(10)) };
        world.map_or(until, |world| world.min(until))
    }

    /// How many deliveries are still to be tried, of webhooks that are carried to.
    async fn waiting(&self) -> usize {
        let open = || Find { open: Some(true), ..Find::default() };
        let hooks = self.store().list::<Webhook>(open()).await.expect("the store is readable");
        if hooks.is_empty() {
            return 0;
        }
        let rows = self.store().list::<Delivery>(open()).await.expect("the store is readable");
        let carried = |row: &&tow_store::Row<Delivery>| {
            hooks.iter().any(|hook| hook.value.id == row.value.webhook)
        };
        rows.iter().filter(carried).count()
    }

    /// Runs that have not ended.
    pub async fn open_runs(&self) -> Vec<Run> {
        let open = Find { open: Some(true), ..Find::default() };
        let rows = self.store().list::<Run>(open).await.expect("the store is readable");
        rows.into_iter().map(|row| row.value).collect()
    }

    async fn open_operations(&self) -> Vec<Operation> {
        let open = Find { open: Some(true), ..Find::default() };
        let rows = self.store().list::<Operation>(open).await.expect("the store is readable");
        rows.into_iter().map(|row| row.value).collect()
    }

    /// Store and world as one comparable value.
    pub async fn canonical(&self) -> serde_json::Value {
        let dump = self.store().dump().await.expect("the store is readable");
        tow_store::canonical(dump, self.world.snapshot())
    }

    /// What a death at this moment would leave.
    pub fn image(&self) -> Image {
        let at = (self.watch.crossed(), "at rest".to_string());
        Image::of(self.dir.path(), &self.world, &self.clock, at)
    }

    /// What of a platform at rest does not hold: nothing, if all is well.
    pub async fn leftovers(&self) -> Vec<String> {
        let mut found = self.watch.broken();
        let store = self.store();
        let rows = store.list::<Instance>(Find::default()).await.expect("readable");
        let rows: BTreeSet<String> = rows.iter().map(|row| row.value.id.to_string()).collect();
        let seen = self.world.instances();
        let processes: BTreeSet<String> = seen.iter().map(|seen| seen.id.to_string()).collect();
        if rows != processes {
            found.push(format!("at rest: rows {rows:?} are not processes {processes:?}"));
        }
        for run in self.open_runs().await {
            found.push(format!("at rest: {} of {} is {}", run.id, run.place, run.state));
        }
        for operation in self.open_operations().await {
            found.push(format!("at rest: {} of {} is open", operation.id, operation.place));
        }
        let open = Find { open: Some(true), ..Find::default() };
        for step in store.list::<StepRow>(open).await.expect("readable") {
            found.push(format!("at rest: a step is open: {:?}", step.value));
        }
        let served = self.world.routes();
        let stored = store.get::<RouteSet>("routes").await.expect("readable");
        if stored.as_ref().is_some_and(|stored| stored.value.routes != served.routes) {
            found.push(format!("at rest: {stored:#?} is not what is served: {served:#?}"));
        }
        let ready: BTreeSet<String> =
            seen.iter().filter(|seen| seen.ready).map(|seen| seen.id.to_string()).collect();
        for target in served.routes.iter().flat_map(|route| &route.targets) {
            if !ready.contains(&target.instance) {
                found.push(format!("at rest: {} is routed to and not ready", target.instance));
            }
        }
        found
    }

    /// Settles and proves that nothing is left over.
    pub async fn finish(mut self) {
        self.settle().await;
        let found = self.leftovers().await;
        assert!(found.is_empty(), "left over:\n{}", found.join("\n"));
        if let Some(platform) = self.platform.take() {
            platform.close().await;
        }
        self.watch.rest();
    }

    /// As `kill -9` would.
    pub fn kill(mut self) {
        self.platform = None;
        self.watch.rest();
    }
}

impl Drop for TestPlatform {
    fn drop(&mut self) {
        let forgotten = self.platform.is_some() && !std::thread::panicking();
        assert!(
            !forgotten,
            "a test ends its platform by finish(), which proves it clean, or kill()"
        );
    }
}
