//! Pushing a closure: ours to `fh serve`, and the peer's, `nix copy` into nginx with DAV.

use std::path::Path;

use anyhow::Result;
use fh_testkit::nix::Home;
use fh_testkit::nix::closure::Closure;
use fh_testkit::proxy::{Counts, Plan, Proxy};

use super::fh::Installation;
use super::measure::{self, Cost};
use super::nginx::Nginx;
use super::report::{Peer, Row, Target, Unit};
use super::scratch::bytes_below;
use super::setting::{Setting, ensure_complete};

/// The peer's name in tables.
pub(super) const PEER: &str = "nix copy";

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
    let before = measure::so_far(installation.server.pid());
    let client = measure::run(&mut installation.push(closure), &directory.join("push.log"))?;
    let after = measure::so_far(installation.server.pid());
    let counts = since(passed, proxy.as_ref());
    drop(proxy);
    installation.ensure_has(closure)?;
    let data = installation.data.clone();
    installation.server.stop()?;
    Ok(Transfer {
        wall: client.wall.as_secs_f64(),
        client: client.cost,
        server: Cost::between(before, after),
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
    let before = measure::so_far(nginx.pid());
    let mut command = setting.nix().command("nix", &home);
    command.args([
        "copy",
        "--to",
        &format!("{url}?compression=zstd"),
        &closure.top,
    ]);
    let client = measure::run(&mut command, &directory.join("copy.log"))?;
    let after = measure::so_far(nginx.pid());
    let counts = since(Counts::default(), proxy.as_ref());
    drop(proxy);
    ensure_complete(closure, nginx.port(), "", None)?;
    let stored = bytes_below(nginx.storage())?;
    nginx.stop()?;
    Ok(Transfer {
        wall: client.wall.as_secs_f64(),
        client: client.cost,
        server: Cost::between(before, after),
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
        turns: now.turns - before.turns,
        faults: now.faults - before.faults,
    }
}

/// A row about both sides' pushes.
pub(super) fn row(
    key: &'static str,
    what: &str,
    unit: Unit,
    target: Option<Target>,
    (ours, peer): (&[Transfer], &[Transfer]),
    value: impl Fn(&Transfer) -> f64,
) -> Row {
    Row {
        key,
        what: what.to_owned(),
        unit,
        fh: ours.iter().map(&value).collect(),
        peer: Some(Peer {
            name: PEER.to_owned(),
            samples: peer.iter().map(&value).collect(),
        }),
        target,
    }
}
