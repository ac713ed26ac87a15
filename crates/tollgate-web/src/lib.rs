//! The serving layer under an HTTP service: hardened listeners, bounds, overload control, health and metrics.
