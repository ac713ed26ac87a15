//! What is measured, and what it must reach.

use super::Measured;
use super::load::Report;
use super::spread::Spread;

/// What the bare server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Baseline {
    Hello,
    Form,
}

impl Baseline {
    pub(crate) const ALL: [Self; 2] = [Self::Hello, Self::Form];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hello => "`GET` → hello",
            Self::Form => "form `POST` → JSON",
        }
    }
}

/// A client of the server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    EdDsa,
    Es256,
    Rs256,
    Opaque,
}

impl Client {
    pub(crate) const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Opaque];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::EdDsa => "bench-eddsa",
            Self::Es256 => "bench-es256",
            Self::Rs256 => "bench-rs256",
            Self::Opaque => "bench-opaque",
        }
    }

    /// The options of `client create` that make it.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::EdDsa => &["--token-format", "jwt", "--signing-alg", "EdDSA"],
            Self::Es256 => &["--token-format", "jwt", "--signing-alg", "ES256"],
            Self::Rs256 => &["--token-format", "jwt", "--signing-alg", "RS256"],
            Self::Opaque => &["--token-format", "opaque"],
        }
    }
}

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// As `tollgate-load` calls it.
    pub(crate) scenario: &'static str,
    pub(crate) client: Client,
    /// The baseline and the share of it that must be reached.
    pub(crate) wanted: Option<(Baseline, f64)>,
}

const fn row(
    name: &'static str,
    scenario: &'static str,
    client: Client,
    baseline: Baseline,
    share: f64,
) -> Row {
    Row {
        name,
        scenario,
        client,
        wanted: Some((baseline, share)),
    }
}

/// Every line of the table.
pub(crate) const ROWS: &[Row] = &[
    row(
        "`GET /health`",
        "health",
        Client::Opaque,
        Baseline::Hello,
        0.9,
    ),
    row(
        "token, JWT EdDSA",
        "token-jwt",
        Client::EdDsa,
        Baseline::Form,
        0.42,
    ),
    row(
        "token, JWT ES256",
        "token-jwt",
        Client::Es256,
        Baseline::Form,
        0.27,
    ),
    Row {
        name: "token, JWT RS256",
        scenario: "token-jwt",
        client: Client::Rs256,
        wanted: None,
    },
    row(
        "token, opaque, durable",
        "token-opaque",
        Client::Opaque,
        Baseline::Form,
        0.50,
    ),
    row(
        "one-time token: issue, durable",
        "ott-issue",
        Client::Opaque,
        Baseline::Form,
        0.48,
    ),
    row(
        "one-time token: redeem, durable",
        "ott-redeem",
        Client::Opaque,
        Baseline::Form,
        0.48,
    ),
    row(
        "introspect opaque",
        "introspect-opaque",
        Client::Opaque,
        Baseline::Form,
        0.75,
    ),
    row(
        "validate JWT EdDSA",
        "validate-jwt",
        Client::EdDsa,
        Baseline::Form,
        0.17,
    ),
    row(
        "validate JWT ES256",
        "validate-jwt",
        Client::Es256,
        Baseline::Form,
        0.125,
    ),
    row(
        "validate JWT, cached",
        "validate-cached",
        Client::EdDsa,
        Baseline::Form,
        0.75,
    ),
    row(
        "revoke opaque, durable",
        "revoke",
        Client::Opaque,
        Baseline::Form,
        0.48,
    ),
];

/// The repetitions of a row or of a baseline.
#[derive(Default)]
pub(crate) struct Samples {
    per_second: Vec<f64>,
    ratio: Vec<f64>,
    cpu_us: Vec<f64>,
    cpu_ratio: Vec<f64>,
    load_busy: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Samples {
    /// Adds one repetition, with its baseline measured beside it.
    pub(crate) fn add(&mut self, report: &Report, beside: Option<&Report>) {
        self.per_second.push(report.per_second);
        self.cpu_us.push(report.server_cpu_us);
        self.load_busy.push(report.load_busy);
        if let Some(beside) = beside {
            self.ratio.push(report.per_second / beside.per_second);
            self.cpu_ratio
                .push(beside.server_cpu_us / report.server_cpu_us);
        }
    }

    /// Adds a run at a fixed rate.
    pub(crate) fn add_latency(&mut self, report: &Report) {
        self.p99_ms.push(report.p99_us / 1e3);
    }

    /// The whole of them.
    pub(crate) fn measured(self) -> Measured {
        let some = |list: Vec<f64>| (!list.is_empty()).then(|| Spread::of(list));
        Measured {
            per_second: Spread::of(self.per_second),
            ratio: some(self.ratio),
            cpu_us: Spread::of(self.cpu_us),
            cpu_ratio: some(self.cpu_ratio),
            load_busy: Spread::of(self.load_busy).greatest,
            p99_ms: Spread::of(self.p99_ms),
        }
    }
}
