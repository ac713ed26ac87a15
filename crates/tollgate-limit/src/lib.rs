//! Token-bucket rate limiting: quotas, a pure decision and a bounded keyed limiter.
