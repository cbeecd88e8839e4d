//! `/api/v1/openapi.json`: what is served, for programs (OpenAPI 3.1).
//!
//! Each handler says what it takes and what it gives. What holds for all of them follows from the table of routes:
//! who may ask, and that every error is a [`Problem`].

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{self, Content, Ref, RefOr, Response, SecurityRequirement};
use utoipa::{Modify, OpenApi, ToSchema};

use super::devices::json;
use super::problem::Details;
use super::routes::{ENDPOINTS, Endpoint, Needs};
use super::{
    Problem, alerts, cookie, devices, events, health, history, image, nodes, oidc, reports, session, summary,
    version,
};
use crate::live;

/// Names of the ways to say who asks.
const TOKEN: &str = "token";
const SESSION: &str = "session";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "People Counter",
        description = "What engage serves: how many people each camera sees now, and how old that is. Unknown is \
                       `null`, never 0. Every `GET` answers `HEAD` too. Without access control nobody needs to say \
                       who they are.",
    ),
    paths(
        devices::list, devices::one, devices::delete, image::get, history::get, summary::get, alerts::list,
        reports::occupancy, live::open, events::get, session::get, session::post, session::delete, oidc::start,
        oidc::callback, nodes::list, version::get,
        health::healthz, health::readyz, health::metrics, get,
    ),
    components(schemas(Details, reports::Format)),
    tags(
        (name = "devices", description = "Cameras, counts and alerts"),
        (name = "stream", description = "The same as it changes"),
        (name = "session", description = "Who asks"),
        (name = "system", description = "The service itself"),
    ),
    modifiers(&Common)
)]
struct Description;

/// What the handlers need not say.
struct Common;

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Description::openapi().to_json().expect("the document has text keys"));

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "system", operation_id = "getDescription",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub async fn get() -> HttpResponse {
    json(DOCUMENT.clone())
}

impl Modify for Common {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let token = token.description(Some("One of `[[access.tokens]]`"));
        let description = "Set by `POST /api/v1/session`; with TLS `__Host-` stands before the name";
        let cookie = ApiKeyValue::with_description(cookie::SESSION.name, description);
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(TOKEN, SecurityScheme::Http(token.build()));
        components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        for endpoint in ENDPOINTS {
            if let Some(operation) = operation(document, endpoint) {
                complete(operation, endpoint);
            }
        }
    }
}

fn operation<'a>(document: &'a mut openapi::OpenApi, endpoint: &Endpoint) -> Option<&'a mut Operation> {
    let item = document.paths.paths.get_mut(endpoint.path)?;
    match endpoint.method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

/// Adds who may ask, what everybody may be answered, and what errors look like.
fn complete(operation: &mut Operation, endpoint: &Endpoint) {
    let mut add = |status: &str, description: String| {
        let free = operation.responses.responses.entry(status.to_owned());
        free.or_insert_with(|| Response::new(description).into());
    };
    add("421", "The service is not known by the name that the request gives as `Host`".to_owned());
    let refused = match endpoint.needs {
        Needs::Nothing => None,
        Needs::Role(role) => Some(format!("This takes the role {}", role.as_str())),
        Needs::Everything(role) => {
            Some(format!("This takes the role {}, and all devices in scope", role.as_str()))
        }
    };
    let secured = refused.is_some();
    let foreign = (endpoint.method != "GET").then(|| "A page of another origin asks".to_owned());
    if let Some(description) = refused.or(foreign) {
        add("403", description);
    }
    if secured {
        add("401", "Nobody knows who asks".to_owned());
        let none: [&str; 0] = [];
        let either = [TOKEN, SESSION].map(|scheme| SecurityRequirement::new(scheme, none));
        operation.security = Some(either.into());
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
            && response.content.is_empty()
        {
            let problem = Content::new(Some(Ref::from_schema_name(Details::name())));
            response.content.insert(Problem::CONTENT_TYPE.to_owned(), problem.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(&DOCUMENT).unwrap()
    }

    fn operations(document: &Value) -> impl Iterator<Item = (String, &str, &Value)> {
        document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
        })
    }

    #[test]
    fn it_describes_every_route_and_nothing_else() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let described: BTreeSet<_> =
            operations(&document).map(|(method, path, _)| (method, path.to_owned())).collect();
        let served: BTreeSet<_> =
            ENDPOINTS.iter().map(|endpoint| (endpoint.method.to_owned(), endpoint.path.to_owned())).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn an_operation_says_all_there_is_to_know() {
        let document = document();
        let mut names = BTreeSet::new();
        for (method, path, operation) in operations(&document) {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} is there twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.clone() {
                assert!(parameter["description"].is_string(), "{name}: {parameter}");
            }
            let in_path = parameters.filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let text = status == "503" && path == "/readyz";
                let expected = if text { "text/plain" } else { Problem::CONTENT_TYPE };
                assert!(response["content"][expected].is_object(), "{name}: {status} {response}");
            }
            let endpoint =
                ENDPOINTS.iter().find(|known| known.path == path && known.method == method).unwrap();
            let anybody = endpoint.needs == Needs::Nothing;
            assert_eq!(operation["security"].is_null(), anybody, "{name}");
            assert!(anybody || (responses.contains_key("401") && responses.contains_key("403")), "{name}");
        }
    }

    #[test]
    fn what_it_refers_to_is_there() {
        let document = document();
        let text = DOCUMENT.as_str();
        let references: BTreeSet<&str> =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
