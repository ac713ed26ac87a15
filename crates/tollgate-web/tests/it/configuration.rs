//! Configuration as it is read and written, and the presets.

use std::time::Duration;

use tollgate_web::{OverloadLimits, Preset, ServerConfig};

#[test]
fn a_configuration_is_read_with_units_and_defaults() {
    let config: ServerConfig = toml::from_str(
        "header_timeout = \"1m 30s\"\ndrain_timeout = \"0\"\nhttp2 = false\n\
         trusted_proxies = [\"10.0.0.0/8\", \"::1/128\"]\n\
         [tls]\ncertificate_path = \"cert.pem\"\nkey_path = \"key.pem\"\n",
    )
    .unwrap();
    assert_eq!(config.header_timeout, Duration::from_secs(90));
    assert_eq!(config.drain_timeout, Duration::ZERO);
    assert!(!config.http2);
    assert!(config.trusted_proxies.contains("10.1.2.3".parse().unwrap()));
    assert_eq!(
        config.tls.as_ref().unwrap().key_path.to_str(),
        Some("key.pem")
    );
    let defaults = ServerConfig::default();
    assert_eq!(config.idle_timeout, defaults.idle_timeout);
    config.validate().unwrap();
    let limits: OverloadLimits = toml::from_str("queue_wait = \"5ms\"").unwrap();
    assert_eq!(limits.queue_wait, Duration::from_millis(5));
    assert_eq!(limits.queue_max, OverloadLimits::default().queue_max);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let check = |text: &str, expected: &str| {
        let error = toml::from_str::<ServerConfig>(text).unwrap_err();
        let message = error.message();
        assert!(message.contains(expected), "{text}: {message}");
    };
    check("header_timeuot = \"5s\"", "unknown field `header_timeuot`");
    check("header_timeout = 5", "invalid type: integer `5`");
    check("header_timeout = \"5\"", "\"5\" is no duration");
    check("header_timeout = \"5 lightyears\"", "is no duration");
    check("header_timeout = \"-5s\"", "is no duration");
    check("connections_max = -1", "invalid value");
    check("connections_max = \"many\"", "invalid type");
    check("trusted_proxies = [\"10.0.0.0/33\"]", "invalid");
    check(
        "[tls]\ncertificate_path = \"c\"",
        "missing field `key_path`",
    );
    check("[tls]\ncert = \"c\"", "unknown field `cert`");
    assert!(toml::from_str::<OverloadLimits>("in_flight = 1").is_err());
}

#[test]
fn what_is_written_is_read_again() {
    for preset in Preset::ALL {
        let written = toml::to_string(&preset.server_config()).unwrap();
        let read: ServerConfig = toml::from_str(&written).unwrap();
        assert_eq!(
            format!("{read:?}"),
            format!("{:?}", preset.server_config()),
            "{written}"
        );
        let written = toml::to_string(&preset.overload_limits()).unwrap();
        let read: OverloadLimits = toml::from_str(&written).unwrap();
        assert_eq!(read, preset.overload_limits());
    }
}

#[test]
fn presets_have_names_and_hold_together() {
    for preset in Preset::ALL {
        assert_eq!(preset.as_str().parse(), Ok(preset));
        let json = serde_json::to_string(&preset).unwrap();
        assert_eq!(json, format!("\"{preset}\""));
        assert_eq!(serde_json::from_str::<Preset>(&json).unwrap(), preset);
        preset.server_config().validate().unwrap();
        let limits = preset.overload_limits();
        assert!(limits.in_flight_max > 0 && limits.queue_max > 0);
    }
    for unknown in ["", "Balanced", "fast"] {
        assert!(unknown.parse::<Preset>().is_err(), "{unknown}");
    }
    let [throughput, balanced, latency, resource] = Preset::ALL.map(Preset::overload_limits);
    assert!(throughput.in_flight_max > balanced.in_flight_max);
    assert!(latency.queue_wait < balanced.queue_wait);
    assert!(resource.in_flight_max < latency.in_flight_max);
    assert_eq!(Preset::default(), Preset::Balanced);
}
