//! What a process costs: wall time, CPU time and memory, from Linux's `/proc` (proc(5)).
//!
//! A process counts with all of its descendants: `fh push` starts Nix, nginx has workers.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::interrupt;
use crate::process::Running;

/// CPU time and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// User and system time.
    pub(super) cpu: Duration,
    /// The largest resident memory seen, in bytes.
    pub(super) peak_memory: u64,
}

/// A program that ran to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) wall: Duration,
    pub(super) cost: Cost,
}

/// How often memory is looked at. What is larger for a shorter time is still seen if it is in the
/// main process, whose peak the kernel keeps.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

/// Runs `command` to its end, which has to be a good one; its output goes to the file `log`.
pub(super) fn run(command: &mut Command, log: &std::path::Path) -> Result<Measured> {
    let file = fs::File::create(log)?;
    command
        .stdin(std::process::Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let begin = Instant::now();
    let mut child = Running::start(command)?;
    let number = child.0.id();
    let pid = i32::try_from(number)
        .ok()
        .and_then(Pid::from_raw)
        .context("a process number that is none")?;
    let mut peak_memory = 0;
    // NOWAIT leaves the ended process in place, and its CPU time readable.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        peak_memory = peak_memory.max(memory(number));
        interrupt::check()?;
        std::thread::sleep(SAMPLE_EVERY);
    }
    let wall = begin.elapsed();
    let cpu = stat(number).map(|stat| stat.cpu).unwrap_or_default();
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

/// What a process that still runs has cost so far, with its descendants.
pub(super) fn so_far(pid: u32) -> Cost {
    let tree = tree(pid);
    Cost {
        cpu: tree
            .iter()
            .filter_map(|pid| stat(*pid))
            .map(|stat| stat.cpu)
            .sum(),
        peak_memory: tree.iter().map(|pid| status_field(*pid, "VmHWM")).sum(),
    }
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

/// What `/proc/PID/stat` says.
struct Stat {
    /// Of the process and of those children that it has waited for.
    cpu: Duration,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = cpu_ticks(&text)?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Stat {
        cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64),
    })
}

/// `utime`, `stime`, `cutime` and `cstime`: the fields 14 to 17, where the second is the program's
/// name in parentheses and may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    fields
        .get(11..15)?
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
        assert_eq!(cpu_ticks(stat), Some(127));
        assert_eq!(cpu_ticks("nothing"), None);
    }

    #[test]
    fn a_child_that_burns_time_is_seen_to_do_so() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]);
        let measured = run(&mut command, log.path()).unwrap();
        assert!(
            measured.cost.cpu > Duration::from_millis(20),
            "{measured:?}"
        );
        assert!(measured.wall >= measured.cost.cpu / 2, "{measured:?}");
        assert!(measured.cost.peak_memory > 100_000, "{measured:?}");
        assert!(run(Command::new("/bin/sh").args(["-c", "exit 3"]), log.path()).is_err());
    }
}
