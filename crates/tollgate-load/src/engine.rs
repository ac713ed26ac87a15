//! The loop: every connection asks, every answer is checked and timed.

use crate::connection::{Asked, Connection, Progress};
use crate::cpu;
use crate::error::LoadError;
use crate::pace::{Due, Pace};
use crate::progress::Told;
use crate::response::Response;
use crate::scenario::{Probe, Scenario, Target};
use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long no answer may come before the run is given up.
const STALL: Duration = Duration::from_secs(15);
/// The longest that the event queue is waited for.
const TICK: Duration = Duration::from_millis(100);
/// What is shorter is no token: ours have 38 characters and more.
const TOKEN_BYTES_MIN: usize = 30;
/// The event queue counts in milliseconds; closer to a due time than this, it is polled.
const SPIN: Duration = Duration::from_millis(2);

/// What a run is to be.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Requests a second on a fixed schedule; none: as fast as answers come.
    pub(crate) rate: Option<f64>,
    /// The process whose processor time is counted.
    pub(crate) pid: Option<u32>,
    /// Whether to poll for answers without ever going to sleep.
    pub(crate) spin: bool,
    /// What is done, for people who wait.
    pub(crate) label: &'static str,
}

/// What a run found.
pub(crate) struct Outcome {
    /// Right answers within the measured time.
    pub(crate) right: u64,
    /// Wrong answers of the whole run, by what was wrong.
    pub(crate) wrong: BTreeMap<String, u64>,
    /// The first wrong answer, shortened.
    pub(crate) example: Option<String>,
    pub(crate) elapsed: Duration,
    /// Nanoseconds.
    pub(crate) latency: Histogram<u64>,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) own_cpu: Option<Duration>,
}

/// A moment of the run, with the processor times at that moment.
struct Mark {
    at: Instant,
    server: Option<Duration>,
    own: Option<Duration>,
}

impl Mark {
    fn now(pid: Option<u32>) -> Self {
        let own = cpu::used(std::process::id());
        Self {
            at: Instant::now(),
            server: pid.and_then(cpu::used),
            own,
        }
    }
}

struct Engine<'a> {
    plan: &'a Plan,
    scenario: &'a mut dyn Scenario,
    poll: Poll,
    connections: Vec<Connection>,
    /// Connections that wait for a request to be due.
    idle: Vec<usize>,
    under_way: usize,
    pace: Pace,
    /// When the measured time begins.
    from: Instant,
    /// When no further request is due.
    over: Instant,
    begin: Option<Mark>,
    end: Option<Mark>,
    right: u64,
    /// Right answers of the whole run.
    answered: u64,
    wrong: BTreeMap<String, u64>,
    example: Option<String>,
    latency: Histogram<u64>,
    /// Turns of the measured time in which nothing had come.
    waited: Duration,
}

/// Runs `scenario` as `plan` says.
///
/// # Errors
/// When the server cannot be reached or stalls.
pub(crate) fn run(plan: &Plan, scenario: &mut dyn Scenario) -> Result<Outcome, LoadError> {
    let mut engine = Engine::new(plan, scenario)?;
    engine.turn()?;
    Ok(engine.finish())
}

/// Asks every probe once and returns how many were not answered as they should.
///
/// # Errors
/// When the server cannot be reached or stalls.
pub(crate) fn probe(target: &Target, probes: &[Probe]) -> Result<u64, LoadError> {
    let plan = Plan {
        address: target.address,
        connections: 1,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(60),
        rate: None,
        pid: None,
        spin: false,
        label: "asking afterwards",
    };
    let outcome = run(&plan, &mut Probing { probes, next: 0 })?;
    Ok(outcome.wrong.values().sum())
}

struct Probing<'a> {
    probes: &'a [Probe],
    next: usize,
}

impl Scenario for Probing<'_> {
    fn request(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let tag = self.next;
        out.extend_from_slice(&self.probes.get(tag)?.request);
        self.next += 1;
        Some(tag)
    }

    fn check(&mut self, tag: usize, response: &Response<'_>) -> bool {
        self.probes
            .get(tag)
            .is_some_and(|probe| probe.expect.holds(response))
    }
}

impl<'a> Engine<'a> {
    fn new(plan: &'a Plan, scenario: &'a mut dyn Scenario) -> Result<Self, LoadError> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(plan.connections);
        for index in 0..plan.connections {
            connections.push(open(plan, &poll, index)?);
        }
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3)
            .map_err(|error| LoadError::Usage(error.to_string()))?;
        let start = Instant::now();
        Ok(Self {
            plan,
            scenario,
            poll,
            idle: (0..connections.len()).collect(),
            connections,
            under_way: 0,
            pace: Pace::new(plan.rate, start),
            from: start + plan.warm_up,
            over: start + plan.warm_up + plan.duration,
            begin: None,
            end: None,
            right: 0,
            answered: 0,
            wrong: BTreeMap::new(),
            example: None,
            latency,
            waited: Duration::ZERO,
        })
    }

    fn turn(&mut self) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(self.plan.connections.max(1));
        let start = Instant::now();
        let mut progress = start;
        let mut turned = start;
        let mut shown = Told::new(self.plan.label, start);
        loop {
            let now = Instant::now();
            if events.is_empty() && self.begin.is_some() && self.end.is_none() {
                self.waited += now - turned;
            }
            turned = now;
            self.mark(now);
            shown.show(now, || self.so_far(now.duration_since(start)));
            self.start_due(now)?;
            if self.end.is_some() && self.under_way == 0 {
                return Ok(());
            }
            if now.duration_since(progress) > STALL && self.under_way > 0 {
                return Err(LoadError::Stalled(STALL.as_secs()));
            }
            match self.poll.poll(&mut events, Some(self.wait(now))) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            if !events.is_empty() {
                progress = now;
            }
            for event in &events {
                self.advance(event.token().0)?;
            }
        }
    }

    fn so_far(&self, run: Duration) -> String {
        let wrong: u64 = self.wrong.values().sum();
        let (run, right) = (run.as_secs(), self.answered);
        format!("{run} s, {right} right answers, {wrong} wrong")
    }

    /// Begins and ends the measured time.
    fn mark(&mut self, now: Instant) {
        if self.begin.is_none() && now >= self.from {
            self.begin = Some(Mark::now(self.plan.pid));
        }
        // On a schedule all that was due belongs to the run, however late it is answered: else a
        // stall at its end would not be seen.
        let owes = self.plan.rate.is_some() && (self.under_way > 0 || self.due(now).is_some());
        if self.end.is_none() && now >= self.over && !owes {
            self.end = Some(Mark::now(self.plan.pid));
        }
    }

    /// Since when the next request is due, if one is.
    fn due(&self, now: Instant) -> Option<Instant> {
        match self.pace.next(now) {
            Due::Since(since) if since < self.over => Some(since),
            _ => None,
        }
    }

    fn start_due(&mut self, now: Instant) -> Result<(), LoadError> {
        while let Some(since) = self.due(now) {
            let Some(index) = self.idle.pop() else {
                return Ok(());
            };
            self.start(index, since)?;
        }
        Ok(())
    }

    fn wait(&self, now: Instant) -> Duration {
        match self.pace.next(now) {
            Due::At(due) if !self.idle.is_empty() => {
                let left = due.duration_since(now);
                if left < SPIN {
                    Duration::ZERO
                } else {
                    (left / 2).min(TICK)
                }
            }
            _ if self.plan.spin => Duration::ZERO,
            _ => TICK,
        }
    }

    fn start(&mut self, index: usize, since: Instant) -> Result<(), LoadError> {
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(());
        };
        let Some(tag) = self.scenario.request(connection.compose()) else {
            self.over = self.over.min(since);
            return Ok(());
        };
        connection.asked = Some(Asked { tag, since });
        self.under_way += 1;
        self.pace.started();
        if connection.flush().is_err() {
            self.replace(index)?;
        }
        Ok(())
    }

    fn advance(&mut self, index: usize) -> Result<(), LoadError> {
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(());
        };
        let Some(asked) = connection.asked else {
            return Ok(());
        };
        if connection.flush().is_err() {
            return self.replace(index);
        }
        let scenario = &mut *self.scenario;
        let judged = connection.receive(|response| {
            if scenario.check(asked.tag, response) {
                Ok(())
            } else {
                Err(describe(response))
            }
        });
        match judged {
            Progress::Pending => return Ok(()),
            Progress::Broken => return self.replace(index),
            Progress::Answered(verdict) => {
                connection.asked = None;
                self.under_way -= 1;
                let now = Instant::now();
                self.count(verdict, asked.since, now);
                match self.due(now) {
                    Some(since) => self.start(index, since)?,
                    None => self.idle.push(index),
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, verdict: Result<(), (String, String)>, since: Instant, now: Instant) {
        match verdict {
            Ok(()) if self.is_measured(since) => {
                self.answered += 1;
                self.right += 1;
                let nanoseconds = now.duration_since(since).as_nanos();
                self.latency
                    .saturating_record(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
            }
            Ok(()) => self.answered += 1,
            Err((reason, example)) => {
                *self.wrong.entry(reason).or_default() += 1;
                self.example.get_or_insert(example);
            }
        }
    }

    /// Whether an answer that comes now belongs to the measured time.
    fn is_measured(&self, since: Instant) -> bool {
        let begun = match self.plan.rate {
            Some(_) => since >= self.from,
            None => self.begin.is_some(),
        };
        begun && self.end.is_none()
    }

    /// Counts a lost answer and connects again.
    fn replace(&mut self, index: usize) -> Result<(), LoadError> {
        *self
            .wrong
            .entry("connection closed".to_owned())
            .or_default() += 1;
        self.under_way -= 1;
        let fresh = open(self.plan, &self.poll, index)?;
        if let Some(connection) = self.connections.get_mut(index) {
            *connection = fresh;
        }
        self.idle.push(index);
        Ok(())
    }

    fn finish(self) -> Outcome {
        let end = self.end.unwrap_or_else(|| Mark::now(self.plan.pid));
        let begin = self.begin.unwrap_or_else(|| Mark::now(self.plan.pid));
        // Asleep it costs nothing; awake, it is no work.
        let idle = if self.plan.spin {
            self.waited
        } else {
            Duration::ZERO
        };
        let spent = |begin: Option<Duration>, end: Option<Duration>| Some(end? - begin?);
        Outcome {
            right: self.right,
            wrong: self.wrong,
            example: self.example,
            elapsed: end.at.saturating_duration_since(begin.at),
            latency: self.latency,
            server_cpu: spent(begin.server, end.server),
            own_cpu: spent(begin.own, end.own).map(|own| own.saturating_sub(idle)),
        }
    }
}

fn open(plan: &Plan, poll: &Poll, index: usize) -> Result<Connection, LoadError> {
    Connection::open(plan.address, poll.registry(), Token(index)).map_err(|source| {
        LoadError::Unreachable {
            address: plan.address.to_string(),
            source,
        }
    })
}

/// The kind of a wrong answer, and its first bytes.
fn describe(response: &Response<'_>) -> (String, String) {
    let start = response
        .body
        .get(..response.body.len().min(300))
        .unwrap_or_default();
    let body = String::from_utf8_lossy(start);
    (
        format!("status {}", response.status),
        format!("{} {}", response.status, without_tokens(&body)),
    )
}

/// The text with dots in place of whatever may be a token or a secret: no word is as long.
fn without_tokens(text: &str) -> String {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "-_.~+/".contains(c);
    let mut shown = String::new();
    for piece in text.split_inclusive(|c| !in_token(c)) {
        let token = piece.trim_end_matches(|c| !in_token(c));
        if token.len() < TOKEN_BYTES_MIN {
            shown.push_str(piece);
        } else {
            shown.push('…');
            shown.push_str(piece.get(token.len()..).unwrap_or_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_shown() {
        let check = |text: &str, expected: &str| assert_eq!(without_tokens(text), expected);
        check(
            r#"{"error":"invalid_request","error_description":"no such grant"}"#,
            r#"{"error":"invalid_request","error_description":"no such grant"}"#,
        );
        check(
            r#"{"access_token":"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwIn0","expires_in":3600}"#,
            r#"{"access_token":"…","expires_in":3600}"#,
        );
        check("tgat_0123456789abcdefghijklmnop", "…");
        check("", "");
    }
}
