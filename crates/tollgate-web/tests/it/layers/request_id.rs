//! Who names a request.

use http::Response;
use tollgate_web::layers::RequestIds;
use tollgate_web::{RequestId, Scheme};
use tower_layer::Layer;

use super::{Answer, Asked, answering, ask, info, request};

/// Answers with the ids that the service sees: in the extensions and in the header.
fn answer(layer: RequestIds, request: Asked) -> Answer {
    let service = answering(|request: &Asked| {
        let given = request.extensions().get::<RequestId>().unwrap();
        let header = request.headers()["x-request-id"].to_str().unwrap();
        Response::new(format!("{given} {header}").into())
    });
    ask(layer.layer(service), request)
}

fn check(layer: RequestIds, sent: &str, taken_over: bool) {
    let answer = answer(layer, request("GET", "/", &[("x-request-id", sent)]));
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(answer.text(), format!("{id} {id}"), "{sent}");
    assert_eq!(id == sent, taken_over, "{sent} became {id}");
}

#[test]
fn strangers_name_no_request() {
    check(RequestIds::new(), "mine", false);
}

#[test]
fn a_sane_id_is_taken_over_where_that_is_wanted() {
    let layer = RequestIds::accept_from_anyone();
    check(layer, "mine", true);
    check(layer, "7b0e9f2e-8f5c-4c0e-9f2e-8f5c4c0e9f2e", true);
    check(layer, &"x".repeat(47), true);
    for insane in ["", "a b", "a\"b", "a,b", &"x".repeat(48)] {
        check(layer, insane, false);
    }
}

#[test]
fn the_servers_id_stands_unless_the_clients_is_wanted() {
    let mut asked = request("GET", "/", &[("x-request-id", "mine")]);
    let info = info("192.0.2.1", Scheme::Http);
    let id = info.request_id().to_string();
    asked.extensions_mut().insert(info);
    let check = |layer: RequestIds, id: &str| {
        let answer = answer(layer, asked.clone());
        assert_eq!(answer.header("x-request-id"), Some(id));
    };
    check(RequestIds::new(), &id);
    check(RequestIds::accept_from_anyone(), "mine");
}

#[test]
fn ids_differ() {
    let ids = [(); 2].map(|()| answer(RequestIds::new(), request("GET", "/", &[])).body);
    assert_ne!(ids[0], ids[1]);
}
