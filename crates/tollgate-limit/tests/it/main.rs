//! Tests of the limiter from outside: tables, a naive model, and floods of keys.
