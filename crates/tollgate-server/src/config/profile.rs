//! Profiles: presets that stand between the defaults and the file.

/// `(profile, key, TOML literal)` of every preset; *balanced* is the defaults.
const PRESETS: &[(&str, &str, &str)] = &[
    // Throughput: many connections, long queues, waits that fill the groups of a commit.
    ("high-throughput", "server.connections_max", "50000"),
    ("high-throughput", "overload.in_flight_max", "8000"),
    ("high-throughput", "overload.queue_max", "8000"),
    ("high-throughput", "overload.queue_wait", "\"500ms\""),
    ("high-throughput", "batch.records_max", "4000"),
    ("high-throughput", "batch.linger", "\"1ms\""),
    ("high-throughput", "cache.entries_max", "200000"),
    ("high-throughput", "cleanup.batch_max", "5000"),
    // Latency: refuse early rather than let anybody wait.
    ("low-latency", "server.request_timeout", "\"2s\""),
    ("low-latency", "overload.in_flight_max", "500"),
    ("low-latency", "overload.queue_max", "100"),
    ("low-latency", "overload.queue_wait", "\"10ms\""),
    ("low-latency", "batch.records_max", "200"),
    ("low-latency", "cache.entries_max", "100000"),
    ("low-latency", "cleanup.batch_max", "200"),
    // Resources: one thread, small tables, nothing that grows.
    ("low-resource", "server.threads", "1"),
    ("low-resource", "server.connections_max", "500"),
    ("low-resource", "server.header_bytes_max", "8192"),
    ("low-resource", "overload.in_flight_max", "64"),
    ("low-resource", "overload.queue_max", "64"),
    ("low-resource", "batch.records_max", "200"),
    ("low-resource", "cache.entries_max", "1000"),
    ("low-resource", "cleanup.batch_max", "200"),
    ("low-resource", "tokens.active_max", "100000"),
];

/// The names of the profiles.
pub(super) const NAMES: &[&str] = &["high-throughput", "balanced", "low-latency", "low-resource"];

/// What the profile `name` presets.
pub(super) fn presets(
    name: &str,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    PRESETS
        .iter()
        .copied()
        .filter(move |(profile, _, _)| *profile == name)
}

#[cfg(test)]
mod tests {
    use super::{NAMES, PRESETS};
    use crate::config::{document, keys, value::check};

    #[test]
    fn every_preset_is_a_value_that_its_key_takes() {
        for (profile, name, literal) in PRESETS {
            assert!(NAMES.contains(profile), "{profile}");
            let key = keys().find(|key| key.name == *name).expect(name);
            check(key, &document::literal(literal)).expect(name);
        }
    }

    /// What a table of the serving layer's presets changes of its defaults.
    fn changes(preset: &impl serde::Serialize, default: &impl serde::Serialize) -> toml::Table {
        let [preset, default] = [
            toml::Table::try_from(preset),
            toml::Table::try_from(default),
        ];
        let default = default.expect("defaults are a table");
        let preset = preset.expect("presets are a table");
        let changed = |(key, value): &(String, toml::Value)| default.get(key) != Some(value);
        preset.into_iter().filter(changed).collect()
    }

    #[test]
    fn listeners_are_preset_as_the_serving_layer_presets_them() {
        use tollgate_web::{OverloadLimits, Preset, ServerConfig};

        assert_eq!(NAMES, Preset::ALL.map(Preset::as_str));
        for preset in Preset::ALL {
            let check = |section: &str, expected: toml::Table| {
                let mine: toml::Table = super::presets(preset.as_str())
                    .filter_map(|(_, name, literal)| {
                        let key = name.strip_prefix(section)?;
                        let value = format!("value = {literal}").parse::<toml::Table>();
                        Some((key.to_owned(), value.expect(name).remove("value")?))
                    })
                    .collect();
                assert_eq!(mine, expected, "{preset} {section}");
            };
            let server = changes(&preset.server_config(), &ServerConfig::default());
            check("server.", server);
            let overload = changes(&preset.overload_limits(), &OverloadLimits::default());
            check("overload.", overload);
        }
    }
}
