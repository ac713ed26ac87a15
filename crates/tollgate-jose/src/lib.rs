//! JWS, JWK and JWK Set with a strict algorithm policy, on aws-lc-rs.
