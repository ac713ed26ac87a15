//! A resource server on actix-web: the same answers as the `resource_server` example on axum.
//!
//! ```text
//! RS_ISSUER=http://127.0.0.1:8080 RS_AUDIENCE=https://orders.example \
//! RS_REQUIRE_SCOPE=orders:read RS_LISTEN=127.0.0.1:3000 cargo run
//! ```

mod token;

use std::{env, io};

use actix_web::{App, HttpResponse, HttpServer, Responder, get, web};
use serde_json::json;
use tollgate_verify::Verifier;
use tollgate_verify::web::{Authenticated, RequireToken};

use crate::token::{Gate, Token};

#[actix_web::main]
async fn main() -> io::Result<()> {
    let issuer = required("RS_ISSUER")?;
    let audience = required("RS_AUDIENCE")?;
    let listen = env::var("RS_LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let scope = env::var("RS_REQUIRE_SCOPE").unwrap_or_default();
    let verifier = Verifier::builder()
        .issuer(&issuer)
        .audience(&audience)
        .build()
        .map_err(io::Error::other)?;
    let gate = Gate::new(RequireToken::new(verifier).realm("resource server"), &scope);
    let server = HttpServer::new(move || App::new().configure(|config| routes(config, &gate)));
    let server = server.bind(listen)?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}

fn routes(config: &mut web::ServiceConfig, gate: &Gate) {
    config
        .app_data(web::Data::new(gate.clone()))
        .service(health)
        .service(protected)
        .service(whoami);
}

#[get("/health")]
async fn health() -> impl Responder {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

#[get("/protected")]
async fn protected(token: Token<{ token::SCOPED }>) -> impl Responder {
    HttpResponse::Ok().json(json!({"sub": token.subject(), "scope": scope_of(&token)}))
}

#[get("/whoami")]
async fn whoami(token: Token) -> impl Responder {
    HttpResponse::Ok().json(json!({
        "iss": token.issuer(),
        "sub": token.subject(),
        "client_id": token.client_id(),
        "aud": token.audiences().collect::<Vec<_>>(),
        "scope": scope_of(&token),
        "exp": token.expires_at(),
    }))
}

fn scope_of(token: &Authenticated) -> String {
    token.scopes().collect::<Vec<_>>().join(" ")
}

fn required(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("{name} is not set")))
}

#[cfg(test)]
mod tests;
