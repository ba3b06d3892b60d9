//! The two sets of adapters: the real ones on a data directory, and the fakes in memory.

use crate::{Layout, SystemClock, crossed::Crossed};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tow_names::Network;
use tow_ports::{
    AcmeSetting, Blobs, Builder, Certifier, Clock, Crossings, Edge, Images, Keys, Locations,
    Runtime, Sources, Web,
};
use tow_record::InstanceSpec;

/// Everything outside, behind its port.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port of its name")]
pub struct Adapters {
    pub runtime: Arc<dyn Runtime>,
    pub edge: Arc<dyn Edge>,
    pub builder: Arc<dyn Builder>,
    pub blobs: Arc<dyn Blobs>,
    pub images: Arc<dyn Images>,
    pub keys: Arc<dyn Keys>,
    pub clock: Arc<dyn Clock>,
    pub web: Arc<dyn Web>,
    pub locations: Arc<dyn Locations>,
    pub certifier: Arc<dyn Certifier>,
    /// Where certificates are ordered, if anywhere.
    pub acme: Option<AcmeSetting>,
    /// How the gateway is run, where it runs under the runtime.
    pub gateway: Option<InstanceSpec>,
}

/// What the real adapters need to know.
#[derive(Debug, Clone)]
pub struct Real {
    /// The data directory; its directories are there.
    pub layout: Layout,
    /// The copy of `tow` whose roles are run.
    pub tow: PathBuf,
    /// Addresses of the gateway, `https=` before one that speaks TLS; port 0 allowed.
    pub listen: Vec<String>,
    /// Proxies before the gateway that are believed what they say of their clients.
    pub trusted_proxies: Vec<Network>,
    /// The machine's name.
    pub node: String,
    /// What builds see of the environment.
    pub build_env: std::collections::BTreeMap<String, String>,
    /// Addresses, networks and hosts inside that the platform may ask all the same.
    pub allow_addresses: Vec<String>,
    /// Folders that locations of this machine lie in; anywhere where there are none.
    pub location_roots: Vec<PathBuf>,
    /// What git sees of the environment.
    pub git_env: std::collections::BTreeMap<String, String>,
    /// Where certificates are ordered, if anywhere.
    pub acme: Option<AcmeSetting>,
}

/// Processes of this machine, a gateway under the same runtime, builds as instances of it.
pub fn real(real: &Real, crossings: &Arc<dyn Crossings>) -> Result<Adapters, String> {
    let layout = &real.layout;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let say = |what: &str, why: &dyn std::fmt::Display| format!("{what}: {why}");
    let blobs: Arc<dyn Blobs> =
        Arc::new(tow_blobs::BlobDir::open(layout.blobs()).map_err(|e| say("blobs", &e))?);
    let keys = tow_secrets::KeyFile::open_or_create(&layout.keys()).map_err(|e| say("keys", &e))?;
    let runtime = tow_runtime_process::ProcessRuntime::new(tow_runtime_process::Config {
        dir: layout.instances(),
        volumes: layout.volumes(),
        hidden: layout.root().to_path_buf(),
        tow: real.tow.clone(),
        blobs: blobs.clone(),
        clock: clock.clone(),
        node: real.node.clone(),
    })
    .map_err(|e| say("runtime", &e))?;
    let runtime = tow_runtime_container::ContainerRuntime::new(tow_runtime_container::Config {
        inner: Arc::new(runtime),
        dir: layout.containers(),
        volumes: layout.volumes(),
        tow: real.tow.clone(),
        blobs: blobs.clone(),
        clock: clock.clone(),
    })
    .map_err(|e| say("runtime", &e))?;
    let runtime: Arc<dyn Runtime> = Arc::new(runtime);
    let builder = tow_build::ProcessBuilder::new(tow_build::Config {
        runtime: runtime.clone(),
        blobs: blobs.clone(),
        dir: layout.builds(),
        tow: real.tow.clone(),
        cache: layout.cache(),
        clock: clock.clone(),
        env: real.build_env.clone(),
        limits: tow_build::Limits::default(),
    });
    let allow =
        tow_http::Allow::parse(&real.allow_addresses).map_err(|e| say("--allow-address", &e))?;
    let web: Arc<dyn Web> = Arc::new(tow_http::HttpWeb::new(allow));
    let locations =
        locations(&web, &layout.cache(), layout.root(), &real.location_roots, &real.git_env);
    let edge: Arc<dyn Edge> = Arc::new(tow_gateway::EdgeClient::new(layout.gateway()));
    let gateway = tow_gateway::gateway_spec(&layout.gateway(), &real.tow, &real.listen);
    let gateway = tow_gateway::trusting(gateway, &real.trusted_proxies);
    Ok(crossed(
        Adapters {
            runtime,
            edge,
            builder: Arc::new(builder),
            images: Arc::new(tow_oci::OciImages::new(tow_oci::Config {
                dir: layout.cache().join("images"),
                env: real.build_env.clone(),
            })),
            blobs,
            keys: Arc::new(keys),
            clock,
            certifier: Arc::new(tow_acme::AcmeCertifier::new(web.clone())),
            acme: real.acme.clone(),
            web,
            locations,
            gateway: Some(gateway),
        },
        crossings,
    ))
}

/// Everything in memory, on a world that outlives what is composed on it. `clock` is the world's own.
pub fn fake(
    world: &Arc<tow_fake::World>,
    clock: Arc<dyn Clock>,
    crossings: &Arc<dyn Crossings>,
) -> Adapters {
    let blobs: Arc<dyn Blobs> = Arc::new(world.blobs());
    let web: Arc<dyn Web> = Arc::new(world.web());
    // Locations are read for real: there is nothing to pretend about reading.
    let cache = world.folder().to_path_buf();
    let path = ("PATH".to_string(), "/usr/local/bin:/usr/bin:/bin".to_string());
    let git_env = std::collections::BTreeMap::from([path]);
    crossed(
        Adapters {
            runtime: Arc::new(world.runtime()),
            edge: Arc::new(world.edge()),
            builder: Arc::new(world.builder(blobs.clone())),
            images: Arc::new(tow_fake::FakeImages),
            blobs,
            keys: Arc::new(tow_fake::FakeKeys::default()),
            clock,
            locations: locations(&web, &cache, &cache, &[], &git_env),
            // Certificates, too, are made and read for real.
            certifier: Arc::new(tow_acme::AcmeCertifier::new(web.clone())),
            acme: None,
            web,
            gateway: None,
        },
        crossings,
    )
}

/// Locations of folders, URLs and git repositories. `data` is the platform's own and read by none of them.
fn locations(
    web: &Arc<dyn Web>,
    cache: &Path,
    data: &Path,
    roots: &[PathBuf],
    git_env: &std::collections::BTreeMap<String, String>,
) -> Arc<dyn Locations> {
    let git = tow_git::GitSource::new(
        tow_git::Program::new(git_env.clone()),
        cache.join("git"),
        web.clone(),
        roots,
        data,
        tow_git::Limits::default(),
    );
    Arc::new(tow_location::Reader::new(Sources {
        file: Arc::new(tow_location::FileSource::new(roots, data)),
        url: Arc::new(tow_location::WebSource::new(web.clone())),
        git: Arc::new(git),
    }))
}

/// What of the host's environment git may see.
pub fn git_environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> std::collections::BTreeMap<String, String> {
    tow_git::inherited(variables)
}

/// What of the host's environment builds may see.
pub fn build_environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> std::collections::BTreeMap<String, String> {
    tow_build::inherited(variables)
}

fn crossed(adapters: Adapters, crossings: &Arc<dyn Crossings>) -> Adapters {
    Adapters {
        runtime: Arc::new(Crossed { inner: adapters.runtime, crossings: crossings.clone() }),
        edge: Arc::new(Crossed { inner: adapters.edge, crossings: crossings.clone() }),
        builder: Arc::new(Crossed { inner: adapters.builder, crossings: crossings.clone() }),
        web: Arc::new(Crossed { inner: adapters.web, crossings: crossings.clone() }),
        ..adapters
    }
}
