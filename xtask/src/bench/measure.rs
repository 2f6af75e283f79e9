//! What a process costs: wall time, CPU time and memory, from Linux's `/proc` (proc(5)).
//!
//! A process counts with all of its descendants: `fh push` starts Nix, nginx has workers.

use std::fs;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::interrupt;
use crate::process::Running;

/// CPU time and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// User and system time, in seconds.
    pub(super) cpu: f64,
    /// The largest resident memory seen, in bytes.
    pub(super) peak_memory: u64,
}

impl Cost {
    /// What a process that goes on costs while something is done. Its peak is that of its life.
    pub(super) fn during<T>(pid: u32, run: impl FnOnce() -> Result<T>) -> Result<(T, Self)> {
        let before = so_far(pid);
        let done = run()?;
        let after = so_far(pid);
        let cpu = (after.cpu - before.cpu).max(0.0);
        Ok((done, Self { cpu, ..after }))
    }
}

/// A program that ran to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Seconds from start to end.
    pub(super) wall: f64,
    pub(super) cost: Cost,
}

/// How often memory is looked at. What is larger for a shorter time is still seen if it is in the
/// main process, whose peak the kernel keeps.
const SAMPLE_EVERY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Runs `command` to its end, which has to be a good one; its output goes to the file `log`.
pub(super) fn run(command: &mut Command, log: &std::path::Path) -> Result<Measured> {
    let file = fs::File::create(log)?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let begin = Instant::now();
    let mut child = Running::start(command)?;
    let number = child.0.id();
    let process = i32::try_from(number)
        .ok()
        .and_then(Pid::from_raw)
        .context("a process number that is none")?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let mut peak_memory = 0;
    while !has_ended(&process)? {
        peak_memory = peak_memory.max(memory(number));
        interrupt::check()?;
    }
    let wall = begin.elapsed().as_secs_f64();
    // It was not waited for yet: its CPU time can still be read.
    let cpu = cpu(number).unwrap_or_default();
    let status = child.wait()?;
    ensure!(
        status.success(),
        "{status}:\n{}",
        fs::read_to_string(log).unwrap_or_default()
    );
    Ok(Measured {
        wall,
        cost: Cost { cpu, peak_memory },
    })
}

/// Waits until the process has ended, and not longer than it is time to look at its memory.
fn has_ended(process: &OwnedFd) -> Result<bool> {
    let mut events = [PollFd::new(process, PollFlags::IN)];
    match poll(&mut events, Some(&SAMPLE_EVERY)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Runs a short program to its end, however that is, with its output thrown away; how long it took.
pub(super) fn wall_of(command: &mut Command) -> Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begin = Instant::now();
    let mut child = Running::start(command)?;
    child.0.wait()?;
    let wall = begin.elapsed();
    interrupt::check()?;
    Ok(wall)
}

/// The CPU time of all children that were waited for, in seconds. Its steps are of 10 ms, its sum is exact.
pub(super) fn cpu_of_children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let ticks = ticks(&text, 13..15).context("/proc/self/stat is not as proc(5) says")?;
    Ok(from_ticks(ticks))
}

/// What a process that still runs has cost so far, with its descendants.
pub(super) fn so_far(pid: u32) -> Cost {
    let tree = tree(pid);
    Cost {
        cpu: tree.iter().filter_map(|pid| cpu(*pid)).sum(),
        peak_memory: tree.iter().map(|pid| status_field(*pid, "VmHWM")).sum(),
    }
}

/// What a process holds of its own now: not what it has mapped of files.
pub(super) fn anonymous(pid: u32) -> u64 {
    status_field(pid, "RssAnon")
}

/// The peak of the process itself, or what all of the tree hold now, whichever is more.
fn memory(pid: u32) -> u64 {
    let now: u64 = tree(pid)
        .iter()
        .map(|pid| status_field(*pid, "VmRSS"))
        .sum();
    now.max(status_field(pid, "VmHWM"))
}

/// A process and all its descendants.
fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut index = 0;
    while let Some(pid) = all.get(index) {
        if let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) {
            for thread in threads.flatten() {
                let children = fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                all.extend(
                    children
                        .split_whitespace()
                        .filter_map(|word| word.parse::<u32>().ok()),
                );
            }
        }
        index += 1;
    }
    all
}

/// A field of `/proc/PID/status` that is given in kB, in bytes.
fn status_field(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

/// The CPU time of a process and of those children that it has waited for, in seconds.
fn cpu(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(from_ticks(ticks(&text, 11..15)?))
}

fn from_ticks(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// The sum of some of `utime`, `stime`, `cutime` and `cstime`: the fields 14 to 17, or 11 to 14 where
/// those up to the second, which is the program's name in parentheses and may hold anything, are left out.
fn ticks(stat: &str, fields: Range<usize>) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let all: Vec<&str> = rest.split_whitespace().collect();
    all.get(fields)?
        .iter()
        .map(|field| field.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1 0 5 6";
        assert_eq!(ticks(stat, 11..15), Some(127));
        assert_eq!(ticks(stat, 13..15), Some(7));
        assert_eq!(ticks("nothing", 11..15), None);
    }

    #[test]
    fn a_child_that_burns_time_is_seen_to_do_so() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]);
        let measured = run(&mut command, log.path()).unwrap();
        assert!(measured.cost.cpu > 0.02, "{measured:?}");
        assert!(measured.wall >= measured.cost.cpu / 2.0, "{measured:?}");
        assert!(measured.cost.peak_memory > 100_000, "{measured:?}");
        assert!(run(Command::new("/bin/sh").args(["-c", "exit 3"]), log.path()).is_err());
    }
}
