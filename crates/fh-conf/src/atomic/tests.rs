//! Tests of the atomic writer.
