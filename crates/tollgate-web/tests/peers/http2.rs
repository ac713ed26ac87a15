//! Attacks on HTTP/2 by a client that keeps no rule, made with PyPI's hyperframe and hpack.

use crate::attacks::{self, Attacks};

pub(crate) const ATTACKS: &[Attacks] = &[
    // Whoever floods us with what costs us work is sent away. Where much is left unread, the reset
    // may overtake the farewell.
    (
        &["GOAWAY ENHANCE_YOUR_CALM", "closed"],
        &[
            "rapid_reset",
            "made_you_reset",
            "empty_data_flood",
            "padded_data_flood",
            "header_bomb",
            "many_headers",
        ],
    ),
    // Nothing of it stays, so it does not matter.
    (
        &["200"],
        &[
            "settings_flood",
            "ping_flood",
            "window_update_flood",
            "priority_flood",
            "unknown_frame_flood",
            "no_settings",
            "pseudo_field_in_trailers",
        ],
    ),
    // Nothing more is taken from clients that do not read.
    (&["stopped"], &["settings_unread", "ping_unread"]),
    (
        &["closed"],
        &["unread_streams", "unread_socket", "bad_preface"],
    ),
    (&["431"], &["long_header"]),
    (&["413"], &["body_too_large"]),
    (
        &["GOAWAY PROTOCOL_ERROR", "closed"],
        &["continuation_flood"],
    ),
    // What comes behind the frame that was one too many may be judged by itself.
    (
        &[
            "GOAWAY ENHANCE_YOUR_CALM",
            "GOAWAY PROTOCOL_ERROR",
            "closed",
        ],
        &["empty_continuation_flood"],
    ),
    (
        &["GOAWAY PROTOCOL_ERROR"],
        &[
            "hpack_unknown_index",
            "hpack_table_too_large",
            "hpack_endless_number",
            "hpack_truncated",
            "settings_on_a_stream",
            "settings_cut",
            "settings_ack_with_payload",
            "settings_window_too_large",
            "settings_frame_size_too_small",
            "settings_bad_push",
            "ping_cut",
            "ping_on_a_stream",
            "goaway_on_a_stream",
            "connection_window_zero",
            "window_cut",
            "push_from_a_client",
            "continuation_alone",
            "head_interrupted",
            "head_interrupted_by_another",
            "continuation_of_another",
            "padding_too_long",
            "even_stream",
            "stream_zero",
            "data_on_stream_zero",
            "data_on_idle_stream",
            "reset_of_idle_stream",
            "reset_cut",
            "window_of_idle_stream",
            "stream_used_again",
            "stream_decreasing",
            "data_after_the_end",
            "stream_window_zero",
            "priority_cut",
            "upper_case",
            "empty_name",
            "space_in_name",
            "colon_in_name",
            "nul_in_value",
            "line_feed_in_value",
            "return_in_value",
            "pseudo_unknown",
            "invalid_utf8_in_path",
        ],
    ),
    (
        &["GOAWAY FRAME_SIZE_ERROR", "closed"],
        &["huge_frame", "huge_header_frame"],
    ),
    (
        &["GOAWAY FLOW_CONTROL_ERROR", "closed"],
        &[
            "settings_window_overflows_streams",
            "connection_window_overflow",
        ],
    ),
    (
        &[
            "GOAWAY FLOW_CONTROL_ERROR",
            "RST_STREAM FLOW_CONTROL_ERROR",
            "closed",
        ],
        &["flow_control_ignored"],
    ),
    (
        &["RST_STREAM FLOW_CONTROL_ERROR"],
        &["stream_window_overflow"],
    ),
    (
        &["RST_STREAM PROTOCOL_ERROR"],
        &[
            "priority_of_itself",
            "head_depends_on_itself",
            "trailers_that_do_not_end",
            "pseudo_after_others",
            "pseudo_of_answers",
            "pseudo_twice",
            "no_method",
            "no_scheme",
            "no_path",
            "empty_path",
            "space_in_path",
            "connection_field",
            "transfer_encoding",
            "keep_alive_field",
            "upgrade_field",
            "te_gzip",
            "connect_with_path",
            "body_longer_than_told",
            "body_shorter_than_told",
            "length_with_sign",
            "length_in_hexadecimal",
            "two_lengths",
            "no_length_at_all",
            "length_without_body",
        ],
    ),
    (&["400"], &["two_hosts", "authority_with_user"]),
];

#[test]
fn attacks_on_http2_are_answered_and_leave_nothing() {
    attacks::check("http2_attacks.py", ATTACKS);
}
