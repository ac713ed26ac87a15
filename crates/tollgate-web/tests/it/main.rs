//! Tests of the serving layer from outside, over raw sockets where bytes matter.

mod bounds;
mod support;
