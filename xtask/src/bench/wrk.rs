//! wrk: requests over connections that stay, as many as a server answers.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fh_testkit::debian;

use super::setting::progress;
use crate::process::finish;

/// The program `wrk`, which asks for URLs as fast as it can.
pub(super) struct Wrk(PathBuf);

/// What every answer has to be. Others are quick, and would pass for a fast server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Answers with the status 200.
    Found,
    /// None: all is asked in vain.
    Absent,
}

/// What one run of wrk found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// The median, in seconds.
    pub(super) latency: f64,
    pub(super) requests_per_second: f64,
    /// How many were answered.
    pub(super) requests: f64,
}

impl Wrk {
    /// The machine's wrk; on Debian as root, it is installed. Or why there is none.
    pub(super) fn find() -> Result<std::result::Result<Self, String>> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |path: &OsStr| fh_testkit::find_program("wrk", path).map(Self);
        if let Some(wrk) = find(&path) {
            return Ok(Ok(wrk));
        }
        if debian::may_install().is_err() {
            return Ok(Err(
                "wrk is missing (on Debian, `apt-get install wrk`): narinfos were not measured"
                    .to_owned(),
            ));
        }
        progress("installing wrk with apt-get");
        debian::install(&["wrk"])?;
        Ok(Ok(
            find(&path).context("wrk was installed and is not in PATH")?
        ))
    }

    /// Asks for the paths in turn, for so many seconds.
    pub(super) fn run(
        &self,
        url: &str,
        script: &Path,
        connections: usize,
        seconds: u32,
        expected: Expected,
    ) -> Result<Load> {
        let mut command = Command::new(&self.0);
        command
            .args(["--threads", "1", "--latency"])
            .args(["--connections", &connections.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .arg("--script")
            .arg(script)
            .arg(url);
        let finished = finish(&mut command)?;
        ensure!(
            finished.status.success(),
            "wrk: {}\n{}{}",
            finished.status,
            finished.stdout,
            finished.stderr
        );
        parse(&finished.stdout, expected)
    }
}

/// Writes a script for wrk that asks for `paths` in turn, each with the same credentials. The requests
/// are put together before the clock starts.
pub(super) fn write_script(file: &Path, paths: &[String], authorization: &str) -> Result<()> {
    let mut text = format!(
        "wrk.headers[\"Authorization\"] = {}\nlocal paths = {{\n",
        lua(authorization)
    );
    for path in paths {
        let _ = writeln!(text, "  {},", lua(path));
    }
    text.push_str(
        "}\n\
         local requests = {}\n\
         local next = 0\n\
         function init(arguments)\n\
         \x20 for index, path in ipairs(paths) do\n\
         \x20   requests[index] = wrk.format(\"GET\", path)\n\
         \x20 end\n\
         end\n\
         function request()\n\
         \x20 next = next % #requests + 1\n\
         \x20 return requests[next]\n\
         end\n",
    );
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// A string literal of Lua.
fn lua(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Reads what wrk 4 prints. Other answers than were expected, and connections that broke, are an error.
fn parse(text: &str, expected: Expected) -> Result<Load> {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(key))
            .map(str::trim)
    };
    let refused: f64 = match value("Non-2xx or 3xx responses:") {
        None => 0.0,
        Some(count) => count.parse()?,
    };
    let as_expected = match expected {
        Expected::Found => refused == 0.0,
        Expected::Absent => Some(refused) == requests(text),
    };
    ensure!(
        as_expected && value("Socket errors:").is_none(),
        "wrk met other answers than it should have ({expected:?}):\n{text}"
    );
    let read = || {
        Some(Load {
            latency: time(value("50%")?)?,
            requests_per_second: value("Requests/sec:")?.parse().ok()?,
            requests: requests(text)?,
        })
    };
    read().with_context(|| format!("wrk printed something else than wrk 4 does:\n{text}"))
}

/// `59710 requests in 1.00s, 49.26MB read`.
fn requests(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A time as wrk writes it, in seconds.
fn time(text: &str) -> Option<f64> {
    let units = [
        ("us", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by wrk 4.1.0.
    const PRINTED: &str = "\
Running 1s test @ http://127.0.0.1:8080
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   261.14us  127.88us   4.70ms   94.32%
    Req/Sec    60.02k     4.71k   65.85k    80.00%
  Latency Distribution
     50%  241.00us
     75%  283.00us
     90%  350.00us
     99%    1.02ms
  59710 requests in 1.00s, 49.26MB read
Requests/sec:  59672.12
Transfer/sec:     49.23MB
";

    #[test]
    fn the_median_and_the_rate_are_read() {
        let load = parse(PRINTED, Expected::Found).unwrap();
        assert!((load.latency - 241e-6).abs() < 1e-12);
        assert!((load.requests_per_second - 59672.12).abs() < 1e-9);
        assert!((load.requests - 59710.0).abs() < 1e-9);
    }

    #[test]
    fn errors_do_not_pass_for_answers() {
        for line in [
            "  Non-2xx or 3xx responses: 12\n",
            "  Socket errors: connect 0, read 1, write 0, timeout 0\n",
        ] {
            assert!(parse(&format!("{PRINTED}{line}"), Expected::Found).is_err());
            assert!(parse(&format!("{PRINTED}{line}"), Expected::Absent).is_err());
        }
        assert!(parse("", Expected::Found).is_err());
        assert!(parse(PRINTED, Expected::Absent).is_err());
        let all = format!("{PRINTED}  Non-2xx or 3xx responses: 59710\n");
        assert!(parse(&all, Expected::Absent).is_ok());
    }

    #[test]
    fn times_have_units() {
        let near = |text: &str, seconds: f64| (time(text).unwrap() - seconds).abs() < 1e-12;
        assert!(near("91.00us", 91e-6));
        assert!(near("1.02ms", 1.02e-3));
        assert!(near("1.50s", 1.5));
        assert!(near("2.00m", 120.0));
        assert_eq!(time("fast"), None);
    }

    #[test]
    fn strings_of_lua_are_quoted() {
        assert_eq!(lua("/a\"b\\"), "\"/a\\\"b\\\\\"");
    }
}
