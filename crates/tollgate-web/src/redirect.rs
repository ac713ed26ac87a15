//! Sends clients of plain HTTP to HTTPS: a handler for a listener of its own.

use http::header::LOCATION;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};

use crate::host::asked_host;
use crate::{Handler, RequestBody, RequestContext, ResponseBody, error_response};

const HTTPS_PORT: u16 = 443;

/// Answers 308 with the same path on `https`, for hosts that are ours.
///
/// # Security
/// A host that is not on the list gets 421 and no redirect: whoever makes a victim send a `Host` of
/// their choice, or fills a cache between, sends nobody elsewhere. A token that a client has sent
/// in plain text has been seen by whoever listened; the redirect does not undo that.
///
/// ```no_run
/// use tollgate_web::{HttpsRedirect, Server, ServerConfig};
/// # async fn run(metrics: tollgate_web::HttpMetrics) -> Result<(), Box<dyn std::error::Error>> {
/// let redirect = HttpsRedirect::new(["auth.example.com"], 443)?;
/// let plain = Server::bind(ServerConfig::default(), &["[::]:80".parse()?], metrics)?;
/// plain.run(redirect, std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpsRedirect {
    /// Lower-case, without ports.
    hosts: Vec<String>,
    port: u16,
}

/// A host to redirect to is no host's name or address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to redirect to `{0}`: it is no host's name or address")]
pub struct HostError(String);

impl HttpsRedirect {
    /// Redirects requests for these hosts, named without ports, to this port of theirs.
    ///
    /// # Errors
    /// When one of them is no host's name or address.
    pub fn new<S: AsRef<str>>(
        hosts: impl IntoIterator<Item = S>,
        port: u16,
    ) -> Result<Self, HostError> {
        let hosts = hosts.into_iter().map(|host| {
            let host = host.as_ref();
            let parsed = host.parse::<Authority>().ok();
            match parsed.filter(|parsed| !host.is_empty() && parsed.host() == host) {
                Some(_) => Ok(host.to_ascii_lowercase()),
                None => Err(HostError(host.to_owned())),
            }
        });
        Ok(Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            port,
        })
    }

    fn redirect<B>(&self, request: &Request<B>) -> Result<HeaderValue, StatusCode> {
        let asked = asked_host(request).ok().flatten();
        let asked = asked.and_then(|asked| asked.parse::<Authority>().ok());
        let asked = asked.ok_or(StatusCode::BAD_REQUEST)?;
        let is_asked = |ours: &&String| ours.eq_ignore_ascii_case(asked.host());
        // The name is written as it was configured, never as the client spelt it.
        let host = self.hosts.iter().find(is_asked);
        let host = host.ok_or(StatusCode::MISDIRECTED_REQUEST)?;
        let path = request.uri().path_and_query();
        let path = path.map_or("/", |path| path.as_str());
        if !path.starts_with('/') {
            return Err(StatusCode::BAD_REQUEST);
        }
        let location = match self.port {
            HTTPS_PORT => format!("https://{host}{path}"),
            port => format!("https://{host}:{port}{path}"),
        };
        HeaderValue::try_from(location).map_err(|_| StatusCode::BAD_REQUEST)
    }
}

impl Handler for HttpsRedirect {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        _: &mut RequestContext,
    ) -> Response<ResponseBody> {
        match self.redirect(&request) {
            Ok(location) => {
                let mut response = Response::new(ResponseBody::empty());
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Err(status) => error_response(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn redirected(port: u16, target: &str, hosts: &[&str]) -> Result<String, u16> {
        let redirect = HttpsRedirect::new(["example.com", "Www.Example.com", "[::1]"], port);
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let location = redirect.unwrap().redirect(&request.body(()).unwrap());
        let location = location.map(|location| location.to_str().unwrap().to_owned());
        location.map_err(|status| status.as_u16())
    }

    #[test]
    fn our_hosts_are_redirected() {
        let check = |port, target, host, expected: &str| {
            let found = redirected(port, target, &[host]);
            assert_eq!(found.as_deref(), Ok(expected), "{target} {host}");
        };
        check(443, "/", "example.com", "https://example.com/");
        check(
            443,
            "/a/b?c=d&e",
            "example.com",
            "https://example.com/a/b?c=d&e",
        );
        check(443, "/a", "EXAMPLE.com:80", "https://example.com/a");
        check(
            8443,
            "/a",
            "www.example.com:8080",
            "https://www.example.com:8443/a",
        );
        check(443, "/a", "[::1]:80", "https://[::1]/a");
        check(
            443,
            "//evil.example/",
            "example.com",
            "https://example.com//evil.example/",
        );
        check(
            443,
            "http://example.com/a",
            "example.com",
            "https://example.com/a",
        );
    }

    #[test]
    fn others_are_not() {
        let check = |target, hosts: &[&str], expected| {
            assert_eq!(
                redirected(443, target, hosts),
                Err(expected),
                "{target} {hosts:?}"
            );
        };
        check("/", &["evil.example"], 421);
        check("/", &["example.com.evil.example"], 421);
        check("/", &["evilexample.com"], 421);
        check("/", &["example.com."], 421);
        check("http://evil.example/", &["evil.example"], 421);
        check("/", &[], 400);
        check("http://example.com/", &["evil.example"], 400);
        check("http://evil.example/", &["example.com"], 400);
        check("/", &["example.com", "example.com"], 400);
        check("/", &["evil@example.com"], 400);
        check("/", &["example.com/evil"], 400);
        check("/", &[""], 400);
        check("*", &["example.com"], 400);
    }

    #[test]
    fn hosts_are_hosts() {
        let check = |host: &str| {
            assert_eq!(
                HttpsRedirect::new([host], 443).unwrap_err(),
                HostError(host.to_owned())
            );
        };
        check("");
        check("example.com:443");
        check("a@example.com");
        check("example.com/");
        check("exa mple.com");
    }
}
