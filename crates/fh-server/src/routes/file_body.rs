//! A stretch of an object as the body of an answer.
//!
//! Bytes that the system has in memory are read where the answer is written: going to another thread for
//! them would cost more than reading them. For the others a blocking thread waits for the disk.
//!
//! Where the whole object is served its checksum is taken as the bytes go by, and the last chunk is
//! handed over only if it is right: a client that got all that was announced got what was stored. Else
//! the answer breaks off, and the object is marked as damaged before it does. A part is taken from a
//! file that was found good as a whole before, and is still the same.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use fh_persistence::database::nars::Nar;
use fh_persistence::storage::{BUFFER, Buffer, Buffers, OpenObject, RunningChecksum};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::integrity::{Damage, Integrity};

/// The bytes of an object, in chunks.
pub(super) struct FileBody {
    state: State,
    /// Bytes that were not handed over yet.
    left: u64,
    object: Arc<OpenObject>,
    watch: Watch,
}

/// What to do about damage.
#[derive(Clone)]
struct Watch {
    nar: Nar,
    integrity: Integrity,
}

enum State {
    /// The first chunk is here already.
    First(Bytes, Source),
    /// The next chunk is to be read.
    Next(Source),
    /// A blocking thread reads it.
    Reading(JoinHandle<(Result<Bytes, Damage>, Source)>),
    /// Something is wrong, which is being noted.
    Failing(JoinHandle<()>),
    Ended,
}

/// Where the next chunk begins.
struct Source {
    object: Arc<OpenObject>,
    offset: u64,
    left: u64,
    /// Of all bytes so far, where the whole object is served.
    sum: Option<RunningChecksum>,
    nar: Nar,
    buffers: Buffers,
}

impl Source {
    /// Reads the next chunk; the last one of a whole object only if all of it is right.
    fn read(&mut self) -> Result<Bytes, Damage> {
        let mut chunk = self.buffer();
        match self.object.read_exact_at(&mut chunk, self.offset) {
            Ok(()) => self.took(chunk),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Damage::Size {
                found: self.offset,
                stored: self.nar.file_size,
            }),
            Err(error) => Err(Damage::Unreadable(error)),
        }
    }

    /// As [`Self::read`], of what is in memory; none where nothing is.
    fn read_cached(&mut self) -> Option<Result<Bytes, Damage>> {
        let mut chunk = self.buffer();
        let read = self.object.read_cached_at(&mut chunk, self.offset);
        if read == 0 {
            return None;
        }
        chunk.truncate(read);
        Some(self.took(chunk))
    }

    fn buffer(&self) -> Buffer {
        let mut buffer = self.buffers.take();
        buffer.truncate(usize::try_from(self.left).map_or(BUFFER, |left| left.min(BUFFER)));
        buffer
    }

    fn took(&mut self, chunk: Buffer) -> Result<Bytes, Damage> {
        self.offset += chunk.len() as u64;
        self.left -= chunk.len() as u64;
        let good = match &mut self.sum {
            Some(sum) => {
                sum.update(&chunk);
                self.left > 0 || Some(sum.value()) == self.nar.checksum
            }
            // The file was good when it was opened, and nobody has touched it since.
            None => self.object.is_untouched().map_err(Damage::Unreadable)?,
        };
        if good {
            Ok(Bytes::from_owner(chunk))
        } else {
            Err(Damage::Altered)
        }
    }
}

impl FileBody {
    /// A body of the bytes from `start` to `end`. Blocks, and reads the first chunk: for most NARs
    /// that is all.
    pub(super) fn open(
        nar: Nar,
        object: Arc<OpenObject>,
        integrity: &Integrity,
        start: u64,
        end: u64,
    ) -> Result<Body, Damage> {
        let whole = start == 0 && end == nar.file_size && nar.checksum.is_some();
        let mut source = Source {
            object: Arc::clone(&object),
            offset: start,
            left: end - start,
            sum: whole.then(RunningChecksum::new),
            nar,
            buffers: integrity.buffers().clone(),
        };
        let first = source.read()?;
        if source.left == 0 {
            if whole {
                integrity.remember_good(&nar, &object);
            }
            return Ok(Body::from(first));
        }
        Ok(Body::new(Self {
            state: State::First(first, source),
            left: end - start,
            object,
            watch: Watch {
                nar,
                integrity: integrity.clone(),
            },
        }))
    }

    /// Hands over a chunk.
    fn hand_over(
        &mut self,
        chunk: Bytes,
        source: Source,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.left -= chunk.len() as u64;
        if source.left > 0 {
            self.state = State::Next(source);
        } else {
            if source.sum.is_some() {
                let Watch { nar, integrity } = &self.watch;
                integrity.remember_good(nar, &self.object);
            }
            self.state = State::Ended;
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn fail(&mut self, damage: Damage) {
        let Watch { nar, integrity } = self.watch.clone();
        let object = Arc::clone(&self.object);
        self.state = State::Failing(tokio::spawn(async move {
            integrity.report(nar, Some(object), damage).await;
        }));
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            match &mut self.state {
                State::Reading(reading) => {
                    let read = ready!(Pin::new(reading).poll(context));
                    match read {
                        Ok((Ok(chunk), source)) => return self.hand_over(chunk, source),
                        Ok((Err(damage), _)) => self.fail(damage),
                        Err(error) => {
                            self.state = State::Ended;
                            return Poll::Ready(Some(Err(io::Error::other(error))));
                        }
                    }
                }
                State::Failing(noted) => {
                    // Whether it could be noted or not, the log has it.
                    let _ = ready!(Pin::new(noted).poll(context));
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(io::Error::other("a stored NAR is damaged"))));
                }
                State::Ended => return Poll::Ready(None),
                State::First(..) | State::Next(_) => {}
            }
            match std::mem::replace(&mut self.state, State::Ended) {
                State::First(chunk, source) => return self.hand_over(chunk, source),
                State::Next(mut source) => {
                    match source.read_cached() {
                        Some(Ok(chunk)) => return self.hand_over(chunk, source),
                        Some(Err(damage)) => {
                            self.fail(damage);
                            continue;
                        }
                        None => {}
                    }
                    self.state = State::Reading(tokio::task::spawn_blocking(move || {
                        let read = source.read();
                        (read, source)
                    }));
                }
                state => self.state = state,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
