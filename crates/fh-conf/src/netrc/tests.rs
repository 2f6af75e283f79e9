//! Tests of the netrc editor.
