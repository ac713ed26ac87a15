//! Attacks on HTTP/3 and QUIC by a client that keeps no rule, made with PyPI's aioquic.

use crate::attacks::{self, Attacks};

pub(crate) const ATTACKS: &[Attacks] = &[
    (
        &["FRAME_UNEXPECTED"],
        &[
            "data_before_head",
            "settings_on_a_request",
            "settings_after_head",
            "goaway_on_a_request",
            "max_push_id_on_a_request",
            "cancel_push_on_a_request",
            "push_promise_on_a_request",
            "settings_twice",
            "data_on_control",
            "head_on_control",
            "push_promise_on_control",
            "http2_frame_2_on_a_request",
            "http2_frame_2_after_head",
            "http2_frame_2_on_control",
            "http2_frame_6_on_a_request",
            "http2_frame_6_after_head",
            "http2_frame_6_on_control",
            "http2_frame_8_on_a_request",
            "http2_frame_8_after_head",
            "http2_frame_8_on_control",
            "http2_frame_9_on_a_request",
            "http2_frame_9_after_head",
            "http2_frame_9_on_control",
        ],
    ),
    (&["MISSING_SETTINGS"], &["no_settings"]),
    (&["ID_ERROR"], &["goaway_rises"]),
    (
        &["SETTINGS_ERROR"],
        &[
            "http2_setting_0",
            "http2_setting_2",
            "http2_setting_3",
            "http2_setting_4",
            "http2_setting_5",
            "setting_twice",
            "settings_cut",
        ],
    ),
    (
        &["EXCESSIVE_LOAD"],
        &[
            "settings_endless",
            "head_of_a_gigabyte",
            "unknown_frame_of_a_gigabyte",
            "ten_thousand_headers",
            "empty_data_flood",
            "unknown_frame_flood",
            "unknown_control_frame_flood",
            "streams_that_say_nothing",
        ],
    ),
    (
        &["CLOSED_CRITICAL_STREAM"],
        &["control_ends", "control_is_reset"],
    ),
    (
        &["STREAM_CREATION_ERROR"],
        &["two_controls", "two_qpack_encoders", "two_qpack_decoders"],
    ),
    (
        &["FRAME_ERROR"],
        &[
            "kind_alone",
            "head_cut",
            "head_shorter_than_told",
            "body_cut",
        ],
    ),
    (&["reset REQUEST_INCOMPLETE"], &["nothing_at_all"]),
    (
        &["reset MESSAGE_ERROR"],
        &[
            "upper_case",
            "empty_name",
            "space_in_name",
            "nul_in_value",
            "line_feed_in_value",
            "return_in_value",
            "pseudo_unknown",
            "no_method",
            "no_scheme",
            "no_path",
            "no_authority",
            "empty_path",
            "space_in_path",
            "invalid_utf8_in_path",
            "two_hosts",
        ],
    ),
    (
        &["400"],
        &[
            "body_longer_than_told",
            "body_shorter_than_told",
            "length_with_sign",
            "length_in_hexadecimal",
            "two_lengths",
            "no_length_at_all",
            "length_without_body",
            "connection_field",
            "transfer_encoding",
            "keep_alive_field",
            "upgrade_field",
            "te_gzip",
        ],
    ),
    (&["501"], &["connect_with_path"]),
    (&["413"], &["body_too_large"]),
    (
        &["431"],
        &["many_headers", "long_header", "static_table_bomb"],
    ),
    (
        &["QPACK_DECOMPRESSION_FAILED"],
        &[
            "dynamic_reference",
            "unknown_static_index",
            "endless_number",
            "block_cut",
            "bad_huffman",
            "empty_block",
        ],
    ),
    // Nothing of it stays, so it does not matter.
    (
        &["200"],
        &[
            "no_control",
            "data_after_trailers",
            "head_after_trailers",
            "trailer_bomb",
            "rapid_reset",
            "answers_refused",
            "one_way_stream_flood",
            "ping_flood",
            "connection_id_churn",
            "half_open_handshakes",
            "garbage",
            "corrupted_packets",
        ],
    ),
    // Each is given up alone; what is left is an idle connection.
    (&["NO_ERROR"], &["unread_answers"]),
    // Whoever says goodbye is let go, before or after the answer.
    (&["200", "NO_ERROR"], &["goaway_with_more"]),
    // Not used and not looked at: pushes, the dynamic table, streams of unknown kinds. The request
    // that comes along is answered.
    (
        &["200"],
        &[
            "max_push_id_falls",
            "cancel_of_no_push",
            "push_from_a_client",
            "unknown_streams",
            "qpack_streams_end",
            "goaway_cut",
            "max_push_id_with_more",
            "qpack_insertion",
            "qpack_table_too_large",
            "qpack_endless_number",
            "qpack_acknowledgement_of_nothing",
            "qpack_increment_of_nothing",
        ],
    ),
    // Malformed by RFC 9114 §4.3, and not noticed by the HTTP/3 implementation: the last one counts.
    (
        &["200", "404"],
        &["pseudo_after_others", "pseudo_of_answers", "pseudo_twice"],
    ),
];

#[test]
fn attacks_on_http3_are_answered_and_leave_nothing() {
    attacks::check("http3_attacks.py", ATTACKS);
}
