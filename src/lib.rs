//! fh
