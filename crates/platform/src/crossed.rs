//! Ports that tell of each crossing: before the effect, and after it before anybody learns of it.

use async_trait::async_trait;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tow_names::{Duration, Id, Timestamp};
use tow_ports::{
    Answer, Builder, Crossings, Edge, ExecSession, ExecSpec, Fetched, LogQuery, PortError,
    RequestQuery, Requests, Runtime, Web, WebError, WebLimits, When,
};
use tow_record::{
    BuildSpec, CertificateSet, Executes, InstanceSpec, LogLine, ObservedBuild, ObservedEdge,
    ObservedInstance, RouteAck, RouteSet, RuntimeFacts,
};

/// Aborts the process at the k-th crossing, counted from 1: the binary's side of the crash tests.
#[derive(Debug)]
pub struct AbortAt {
    k: u64,
    seen: AtomicU64,
}

impl AbortAt {
    /// At the `k`-th.
    pub const fn new(k: u64) -> Self {
        Self { k, seen: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Crossings for AbortAt {
    async fn cross(&self, _: &'static str, _: When) {
        if self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.k {
            std::process::abort();
        }
    }
}

/// Writes a line for each crossing, `POINT WHEN`, so that it is known how many there are and which.
#[derive(Debug)]
pub struct CountIn {
    file: std::fs::File,
}

impl CountIn {
    /// Appends to this file, made where it is not there.
    pub fn open(path: &std::path::Path) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file })
    }
}

#[async_trait]
impl Crossings for CountIn {
    async fn cross(&self, point: &'static str, when: When) {
        use std::io::Write as _;
        // One write, so that lines of two threads do not mix. One that is lost is a crossing not tried.
        let _ = (&self.file).write_all(format!("{point} {when:?}\n").as_bytes());
    }
}

/// A port whose effects are crossings. Questions are none: asking changes nothing.
pub(crate) struct Crossed<P: ?Sized> {
    pub(crate) inner: Arc<P>,
    pub(crate) crossings: Arc<dyn Crossings>,
}

impl<P: ?Sized> Crossed<P> {
    async fn around<T, E>(
        &self,
        point: &'static str,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.crossings.cross(point, When::Before).await;
        let answer = effect.await;
        self.crossings.cross(point, When::After).await;
        answer
    }
}

#[async_trait]
impl Runtime for Crossed<dyn Runtime> {
    fn node(&self) -> String {
        self.inner.node()
    }
    // Nothing is done by it that would have to be made whole.
    async fn fence(&self, epoch: i64) -> Result<(), PortError> {
        self.inner.fence(epoch).await
    }
    async fn facts(&self, runtime: &Executes) -> Result<RuntimeFacts, PortError> {
        self.inner.facts(runtime).await
    }
    // A command that somebody runs is no step of anything: there is nothing to make whole after it.
    async fn exec(&self, epoch: i64, id: &Id, spec: ExecSpec) -> Result<ExecSession, PortError> {
        self.inner.exec(epoch, id, spec).await
    }
    async fn observe(&self) -> Result<Vec<ObservedInstance>, PortError> {
        self.inner.observe().await
    }
    async fn start(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        self.around("runtime.start", self.inner.start(epoch, spec)).await
    }
    async fn renew(&self, epoch: i64, spec: &InstanceSpec) -> Result<(), PortError> {
        // Asked in each look and nearly always without effect: no crossing.
        self.inner.renew(epoch, spec).await
    }
    async fn stop(&self, epoch: i64, id: &Id, grace: Duration) -> Result<(), PortError> {
        self.around("runtime.stop", self.inner.stop(epoch, id, grace)).await
    }
    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError> {
        self.around("runtime.remove", self.inner.remove(epoch, id)).await
    }
    async fn logs(
        &self,
        id: &Id,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, PortError> {
        self.inner.logs(id, query).await
    }
    async fn free_ports(&self, count: usize, taken: &[u16]) -> Result<Vec<u16>, PortError> {
        self.inner.free_ports(count, taken).await
    }
    async fn changed(&self) {
        self.inner.changed().await;
    }
}

#[async_trait]
impl Edge for Crossed<dyn Edge> {
    async fn apply(&self, set: &RouteSet) -> Result<RouteAck, PortError> {
        self.around("edge.apply", self.inner.apply(set)).await
    }
    async fn certify(&self, set: &CertificateSet) -> Result<(), PortError> {
        self.around("edge.certify", self.inner.certify(set)).await
    }
    async fn observe(&self) -> Result<ObservedEdge, PortError> {
        self.inner.observe().await
    }
    async fn requests(&self, query: RequestQuery) -> Result<Requests, PortError> {
        self.inner.requests(query).await
    }
    async fn changed(&self) {
        self.inner.changed().await;
    }
}

#[async_trait]
impl Builder for Crossed<dyn Builder> {
    async fn start(
        &self,
        epoch: i64,
        id: &Id,
        spec: &BuildSpec,
        secrets: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.around("builder.start", self.inner.start(epoch, id, spec, secrets, now)).await
    }
    async fn inspect(&self, spec: &BuildSpec) -> Result<tow_record::Found, PortError> {
        self.inner.inspect(spec).await
    }
    async fn cancel(&self, epoch: i64, id: &Id, why: &str) -> Result<(), PortError> {
        self.around("builder.cancel", self.inner.cancel(epoch, id, why)).await
    }
    async fn observe(&self, id: &Id) -> Result<ObservedBuild, PortError> {
        self.inner.observe(id).await
    }
    async fn remove(&self, epoch: i64, id: &Id) -> Result<(), PortError> {
        self.around("builder.remove", self.inner.remove(epoch, id)).await
    }
    async fn log(&self, id: &Id, tail: usize) -> Result<Vec<LogLine>, PortError> {
        self.inner.log(id, tail).await
    }
    async fn list(&self) -> Result<Vec<Id>, PortError> {
        self.inner.list().await
    }
}

#[async_trait]
impl Web for Crossed<dyn Web> {
    fn check(&self, url: &str) -> Result<(), WebError> {
        self.inner.check(url)
    }
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<std::net::SocketAddr>, WebError> {
        self.inner.resolve(host, port).await
    }
    async fn get(
        &self,
        url: &str,
        etag: Option<&str>,
        limits: WebLimits,
    ) -> Result<Fetched, WebError> {
        self.inner.get(url, etag, limits).await
    }
    async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: bytes::Bytes,
        limits: WebLimits,
    ) -> Result<Answer, WebError> {
        self.around("web.post", self.inner.post(url, headers, body, limits)).await
    }
}
