//! Which answers carry links.

use http::HeaderValue;
use tollgate_web::layers::EarlyHints;
use tower_layer::Layer;

use super::{ask, page, request};

const STYLE: &str = "</style.css>; rel=preload; as=style";
const FONT: &str = "</font.woff2>; rel=preload; as=font; crossorigin";

#[test]
fn pages_carry_the_links_and_nothing_else_does() {
    let check = |content_type: &'static [(&str, &str)], links: &[&str]| {
        let layer = EarlyHints::new([STYLE, FONT].map(HeaderValue::from_static));
        let answer = ask(
            layer.layer(page(content_type, "page")),
            request("GET", "/", &[]),
        );
        assert_eq!(answer.list("link"), links, "{content_type:?}");
    };
    check(
        &[("content-type", "text/html; charset=utf-8")],
        &[STYLE, FONT],
    );
    check(
        &[("content-type", "text/html"), ("link", "</own>")],
        &["</own>", STYLE, FONT],
    );
    check(&[("content-type", "application/json")], &[]);
    check(&[], &[]);
}
