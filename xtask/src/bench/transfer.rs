//! Pushing a closure: ours to `fh serve`, and the peer's, `nix copy` into nginx with DAV.

use std::path::Path;

use anyhow::Result;
use fh_testkit::nix::Home;
use fh_testkit::nix::closure::Closure;
use fh_testkit::proxy::{Counts, Plan, Proxy};

use super::fh::Installation;
use super::measure::{self, Cost};
use super::nginx::Nginx;
use super::report::{Row, Unit};
use super::scratch::bytes_below;
use super::setting::{Setting, ensure_complete};

/// The peer's name in tables.
const PEER: &str = "nix copy";

/// One push of one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    /// Seconds from start to end.
    pub(super) wall: f64,
    pub(super) client: Cost,
    pub(super) server: Cost,
    /// Bytes on the server's disk afterwards.
    pub(super) stored: u64,
    /// What passed the line between them, where there is one.
    pub(super) counts: Counts,
}

impl Transfer {
    /// One line for the progress.
    pub(super) fn text(&self) -> String {
        Unit::Seconds.text(self.wall)
    }

    /// CPU time of client and server, in seconds.
    pub(super) fn cpu(&self) -> f64 {
        self.client.cpu + self.server.cpu
    }
}

/// A cold push by this `fh` to a new server of it, over a line where there is one.
pub(super) fn push(
    setting: &Setting,
    fh: &Path,
    closure: &Closure,
    directory: &Path,
    line: Option<Plan>,
) -> Result<Transfer> {
    let installation = Installation::start(setting, fh, directory)?;
    let proxy = proxy(installation.server.port(), line)?;
    if let Some(proxy) = &proxy {
        installation.login(&proxy.url())?;
    }
    let passed = proxy.as_ref().map(Proxy::counts).unwrap_or_default();
    let (client, server) = Cost::during(installation.server.pid(), || {
        measure::run(&mut installation.push(closure), &directory.join("push.log"))
    })?;
    let counts = since(passed, proxy.as_ref());
    drop(proxy);
    installation.ensure_has(closure)?;
    let data = installation.data.clone();
    installation.server.stop()?;
    Ok(Transfer {
        wall: client.wall,
        client: client.cost,
        server,
        stored: bytes_below(&data)?,
        counts,
    })
}

/// The same by Nix alone, into a web server that stores files.
pub(super) fn nix_copy(
    setting: &Setting,
    closure: &Closure,
    directory: &Path,
    line: Option<Plan>,
) -> Result<Transfer> {
    let home = Home::at(&directory.join("home"))?;
    let nginx = Nginx::start(&setting.nginx, directory)?;
    let proxy = proxy(nginx.port(), line)?;
    let url = proxy.as_ref().map_or_else(|| nginx.url(), Proxy::url);
    let to = format!("{url}?compression=zstd");
    let mut command = setting.nix().command("nix", &home);
    command.args(["copy", "--to", &to, &closure.top]);
    let (client, server) = Cost::during(nginx.pid(), || {
        measure::run(&mut command, &directory.join("copy.log"))
    })?;
    let counts = since(Counts::default(), proxy.as_ref());
    drop(proxy);
    ensure_complete(closure, nginx.port(), "", None)?;
    let stored = bytes_below(nginx.storage())?;
    nginx.stop()?;
    Ok(Transfer {
        wall: client.wall,
        client: client.cost,
        server,
        stored,
        counts,
    })
}

fn proxy(port: u16, line: Option<Plan>) -> Result<Option<Proxy>> {
    let Some(plan) = line else { return Ok(None) };
    let server = ([127, 0, 0, 1], port).into();
    Ok(Some(Proxy::start(server, move |_| plan)?))
}

/// What passed after `before`.
fn since(before: Counts, proxy: Option<&Proxy>) -> Counts {
    let now = proxy.map(Proxy::counts).unwrap_or_default();
    Counts {
        connections: now.connections - before.connections,
        to_server: now.to_server - before.to_server,
        to_client: now.to_client - before.to_client,
        exchanges: now.exchanges - before.exchanges,
        faults: now.faults - before.faults,
    }
}

/// A row about both sides' pushes.
pub(super) fn row(
    key: &'static str,
    what: &str,
    unit: Unit,
    (ours, peer): (&[Transfer], &[Transfer]),
    value: fn(&Transfer) -> f64,
) -> Row {
    let values = |side: &[Transfer]| side.iter().map(value).collect();
    Row::new(key, what, unit, values(ours)).against(PEER, values(peer))
}
