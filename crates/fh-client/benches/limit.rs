//! The machine's own limit for a verified push: what has to be computed, by the library code that
//! computes it, and nothing else. No network, no disk writes, one thread.
//!
//! Every store path is packed as its NAR, hashed, compressed with the push's own compressor at its
//! default level (in the parts that a push makes), and decompressed again as a server has to. The CPU
//! time of each step is told apart; nothing is estimated. `cargo xtask bench push` runs this in turns
//! with the pushes themselves.
//!
//! The argument is the size of a part; store paths come from stdin, one a line. Prints one JSON
//! object: CPU seconds, and bytes.

use std::error::Error;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use fh_client::push::{Compressor, DEFAULT_COMPRESSION_LEVEL, frame_bound};
use fh_nix::{Hasher, NarReader};
use rustix::time::{ClockId, clock_gettime};
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, get_error_name};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// CPU time of each step, and how many bytes went in and came out.
#[derive(Default)]
struct Totals {
    pack: Duration,
    hash: Duration,
    compress: Duration,
    decompress: Duration,
    nar_bytes: u64,
    compressed_bytes: u64,
}

fn main() -> Result<()> {
    // `cargo bench` adds its own `--bench`.
    let part_size = std::env::args().skip(1).find(|word| word != "--bench");
    let part_size = part_size.ok_or("the size of a part is missing")?.parse()?;

    let mut bench = Bench::new(part_size)?;
    let mut totals = Totals::default();
    for path in io::stdin().lock().lines() {
        bench.nar(Path::new(&path?), &mut totals)?;
    }
    writeln!(
        io::stdout(),
        "{{\"pack\": {}, \"hash\": {}, \"compress\": {}, \"decompress\": {}, \
         \"nar_bytes\": {}, \"compressed_bytes\": {}}}",
        totals.pack.as_secs_f64(),
        totals.hash.as_secs_f64(),
        totals.compress.as_secs_f64(),
        totals.decompress.as_secs_f64(),
        totals.nar_bytes,
        totals.compressed_bytes,
    )?;
    Ok(())
}

/// What is kept from one part to the next, as a push keeps it.
struct Bench {
    /// Room for a part.
    content: Vec<u8>,
    frame: Vec<u8>,
    output: Vec<u8>,
    compressor: Compressor,
    decoder: DCtx<'static>,
}

impl Bench {
    fn new(part_size: usize) -> Result<Self> {
        let compressor = Compressor::new(DEFAULT_COMPRESSION_LEVEL);
        Ok(Self {
            content: vec![0; part_size],
            frame: vec![0; frame_bound(part_size)],
            output: vec![0; DCtx::out_size()],
            compressor: compressor.map_err(|error| error.0)?,
            decoder: DCtx::try_create().ok_or("zstd: out of memory")?,
        })
    }

    /// Takes one store path through all steps.
    fn nar(&mut self, path: &Path, totals: &mut Totals) -> Result<()> {
        let mut reader = NarReader::new(path)?;
        let mut hasher = Hasher::new();
        loop {
            let read = timed(&mut totals.pack, || {
                read_full(&mut reader, &mut self.content)
            })?;
            if read == 0 {
                break;
            }
            let part = &self.content[..read];
            timed(&mut totals.hash, || hasher.update(part));
            let (compressor, room) = (&mut self.compressor, &mut self.frame[..]);
            let length = timed(&mut totals.compress, || compressor.frame(part, room))
                .map_err(|error| error.0)?;
            let (decoder, output) = (&mut self.decoder, &mut self.output[..]);
            let frame = &self.frame[..length];
            let again = timed(&mut totals.decompress, || {
                decompress(decoder, frame, output)
            })?;
            if again != read as u64 {
                return Err("a frame does not decompress to what it was made of".into());
            }
            totals.nar_bytes += read as u64;
            totals.compressed_bytes += length as u64;
        }
        timed(&mut totals.hash, || std::hint::black_box(hasher.finish()));
        Ok(())
    }
}

/// Decompresses a frame through a buffer that is used again, as a server that only checks does.
fn decompress(decoder: &mut DCtx<'_>, frame: &[u8], output: &mut [u8]) -> Result<u64> {
    let mut input = InBuffer::around(frame);
    let mut total = 0;
    loop {
        let mut out = OutBuffer::around(&mut *output);
        let left = decoder
            .decompress_stream(&mut out, &mut input)
            .map_err(|code| format!("zstd: {}", get_error_name(code)))?;
        total += out.pos() as u64;
        if left == 0 {
            return Ok(total);
        }
    }
}

/// Reads until the buffer is full or the NAR has ended.
fn read_full(reader: &mut NarReader, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Adds the CPU time that this thread needs for the step to `total`.
fn timed<T>(total: &mut Duration, step: impl FnOnce() -> T) -> T {
    let begin = cpu_time();
    let result = step();
    *total += cpu_time().saturating_sub(begin);
    result
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}
