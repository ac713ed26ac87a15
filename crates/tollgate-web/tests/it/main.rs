//! Tests of the serving layer from outside, over raw sockets where bytes matter.
