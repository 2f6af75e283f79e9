//! The machine's own limit for a push: `crates/fh-client/benches/limit.rs`, run as a program.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fh_testkit::nix::closure::Closure;
use serde_json::Value;

use super::setting::Setting;

/// The size of the parts that the server asks for where nothing else is configured.
const PART_SIZE: u64 = 8 << 20;

/// CPU seconds on one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limit {
    pub(super) pack: f64,
    pub(super) hash: f64,
    pub(super) compress: f64,
    pub(super) decompress: f64,
}

impl Limit {
    /// What a verified push needs at least: each byte compressed once, decompressed once, hashed once.
    pub(super) fn cpu_seconds(&self) -> f64 {
        self.hash + self.compress + self.decompress
    }
}

/// Computes all that a push of the closure has to compute.
pub(super) fn run(setting: &Setting, closure: &Closure) -> Result<Limit> {
    let mut child = Command::new(setting.limit()?)
        .arg(PART_SIZE.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start the benchmark of the limit")?;
    if let Some(mut stdin) = child.stdin.take() {
        for path in &closure.paths {
            writeln!(stdin, "{path}")?;
        }
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the benchmark of the limit: {}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let (limit, nar_bytes) = parse(&text).with_context(|| format!("no limit: {text}"))?;
    ensure!(
        nar_bytes == closure.nar_bytes,
        "the limit was measured on {nar_bytes} bytes instead of {}",
        closure.nar_bytes
    );
    Ok(limit)
}

fn parse(text: &str) -> Option<(Limit, u64)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let limit = Limit {
        pack: value["pack"].as_f64()?,
        hash: value["hash"].as_f64()?,
        compress: value["compress"].as_f64()?,
        decompress: value["decompress"].as_f64()?,
    };
    Some((limit, value["nar_bytes"].as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_leaves_the_packing_out() {
        let text = r#"{"pack": 0.25, "hash": 1, "compress": 4.5, "decompress": 1.5, "nar_bytes": 12, "compressed_bytes": 3}"#;
        let (limit, bytes) = parse(text).unwrap();
        assert!((limit.cpu_seconds() - 7.0).abs() < 1e-9);
        assert_eq!(bytes, 12);
        assert_eq!(parse("{}"), None);
    }
}
