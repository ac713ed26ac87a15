//! What is done in Redis in one step.

use std::time::Duration;

use redis::Cmd;

use super::keys::{Namespace, encode, prefix_message, tag_message};
use crate::cache::clock::millis_of;
use crate::cache::second_level::{FILL_WITHIN, SharedEntry, SharedTicket};

/// A load: refused when an invalidation overtook it.
pub(super) const LOADED: &str = "loaded";
/// A write to the source: refused likewise, and itself an invalidation.
pub(super) const WRITTEN: &str = "written";
/// A value that counts whatever is under way, and is an invalidation.
pub(super) const SET: &str = "set";

/// The longest life that is asked for. A server refuses what does not fit its clock.
const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long a key's generation is kept: longer than any load may take that still fills.
const GENERATION_TTL: Duration = FILL_WITHIN.saturating_mul(2);

/// Keys: value, the key's generation, the generation, tags. Arguments: the key, its life in ms,
/// the value, the kind, the generations that it was read under, a new generation, its life in ms,
/// the channel.
const PUT: &str = r"
if ARGV[4] ~= 'set' then
  if ARGV[6] == '' or (redis.call('GET', KEYS[2]) or '') ~= ARGV[5]
    or (redis.call('GET', KEYS[3]) or '') ~= ARGV[6] then return 0 end
end
if ARGV[4] ~= 'loaded' then
  redis.call('SET', KEYS[2], ARGV[7], 'PX', ARGV[8])
  redis.call('PUBLISH', ARGV[9], 'k' .. ARGV[1])
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
if #KEYS > 3 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for i = 4, #KEYS do
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
    redis.call('ZADD', KEYS[i], now + ARGV[2], ARGV[1])
    if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) then
      redis.call('PEXPIRE', KEYS[i], ARGV[2])
    end
  end
end
return 1";

/// Keys: value and generation of each key. Arguments: a new generation, its life, the channel,
/// the keys.
const REMOVE_KEYS: &str = r"
local removed = 0
for i = 1, #KEYS, 2 do
  removed = removed + redis.call('UNLINK', KEYS[i])
  redis.call('SET', KEYS[i + 1], ARGV[1], 'PX', ARGV[2])
  redis.call('PUBLISH', ARGV[3], 'k' .. ARGV[4 + (i - 1) / 2])
end
return removed";

/// Keys: the tag, the generation. Arguments: a new generation, the channel, the message, what
/// values' names begin with.
const REMOVE_TAG: &str = r"
local removed = 0
redis.call('SET', KEYS[2], ARGV[1])
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  removed = removed + redis.call('UNLINK', ARGV[4] .. key)
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return removed";

/// Key: the generation. Arguments: a new one, the channel, the message.
const ANNOUNCE: &str = r"
redis.call('SET', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])";

/// Key: the counter. Arguments: what to add, its life in ms. The sum as text, since numbers of
/// scripts are not exact.
const ADD: &str = r"
if ARGV[1] == '0' then return redis.call('GET', KEYS[1]) or '0' end
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'table' and sum.err then return false end
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])";

fn script(text: &str, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(keys.len()).arg(keys);
    command
}

fn life_millis(ttl: Duration) -> u64 {
    millis_of(ttl.min(TTL_MAX)).max(1)
}

pub(super) fn put(
    names: &Namespace,
    key: &str,
    entry: &SharedEntry,
    kind: &str,
    ticket: Option<&SharedTicket>,
) -> Cmd {
    let mut keys = vec![
        names.value(key),
        names.key_generation(key),
        names.generation(),
    ];
    keys.extend(entry.tags.iter().map(|tag| names.tag(*tag)));
    let mut command = script(PUT, &keys);
    command.arg(key).arg(life_millis(entry.ttl));
    command.arg(encode(entry)).arg(kind);
    match ticket {
        Some(ticket) => command
            .arg(&*ticket.key_generation)
            .arg(&*ticket.generation),
        None => command.arg("").arg(""),
    };
    command.arg(names.unique()).arg(millis_of(GENERATION_TTL));
    command.arg(names.channel());
    command
}

pub(super) fn remove_keys(names: &Namespace, keys: &[String]) -> Cmd {
    let pairs = keys
        .iter()
        .flat_map(|key| [names.value(key), names.key_generation(key)]);
    let mut command = script(REMOVE_KEYS, &pairs.collect::<Vec<_>>());
    command.arg(names.unique()).arg(millis_of(GENERATION_TTL));
    command.arg(names.channel()).arg(keys);
    command
}

pub(super) fn remove_tag(names: &Namespace, tag: u64) -> Cmd {
    let mut command = script(REMOVE_TAG, &[names.tag(tag), names.generation()]);
    command.arg(names.unique()).arg(names.channel());
    command.arg(tag_message(tag)).arg(names.value(""));
    command
}

/// That all keys with `prefix` went.
pub(super) fn announce(names: &Namespace, prefix: &str) -> Cmd {
    let mut command = script(ANNOUNCE, &[names.generation()]);
    command.arg(names.unique()).arg(names.channel());
    command.arg(prefix_message(prefix));
    command
}

pub(super) fn add(names: &Namespace, key: &str, by: i64, ttl: Duration) -> Cmd {
    let mut command = script(ADD, &[names.counter(key)]);
    command.arg(by).arg(life_millis(ttl));
    command
}

/// Gives a server that has none its first generation.
pub(super) fn seed(names: &Namespace) -> Cmd {
    let mut command = redis::cmd("SET");
    command
        .arg(names.generation())
        .arg(names.unique())
        .arg("NX");
    command
}
