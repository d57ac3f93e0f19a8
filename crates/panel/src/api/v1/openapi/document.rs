//! The document, made from operations and types, and compared with the one that is checked in.

use std::collections::BTreeSet;

use policy::role::Role;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{DOCUMENT, table};
use crate::api::v1::{dto::Problem, names, operations};

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let refused = json!({
        "description": "Refused: what is wrong, field by field (RFC 9457).",
        "content": { "application/problem+json": { "schema": problem } },
    });
    let mut paths: Map<String, Value> = Map::new();
    for told in table::all() {
        let roles = operations().find(|known| known.method == told.method && known.path == told.path);
        let roles: Vec<_> = roles.into_iter().flat_map(|known| known.act.roles()).map(Role::as_str).collect();
        let mut parameters: Vec<_> = told.path.split(['{', '}']).skip(1).step_by(2).map(in_path).collect();
        parameters.extend(
            told.query.iter().map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } })),
        );
        let mut answer = json!({ "description": "Done." });
        if let Some(make) = told.answers {
            let kind = if told.path == "/events" { "text/event-stream" } else { "application/json" };
            answer["content"] = json!({ kind: { "schema": make(&mut generator) } });
        }
        let mut operation = json!({
            "summary": told.summary,
            "description": format!("For {}.", roles.join(", ")),
            "operationId": format!("{} {}", told.method, told.path),
            "parameters": parameters,
            "responses": { told.status.to_string(): answer, "default": refused },
        });
        if let Some(make) = told.takes {
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": make(&mut generator) } } });
        }
        let path = paths.entry(told.path).or_insert_with(|| json!({}));
        path[told.method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Legation",
            "version": "1",
            "description": "The administration of an XMPP federation gateway. v1 only grows. A change may carry If-Match \
                            with the ETag that it is based on; lists are read on with `after` set to `next`.",
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn in_path(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

#[test]
fn the_document_that_is_checked_in_is_that_of_the_code() {
    let told = table::all();
    let told: BTreeSet<_> = told.iter().map(|told| (told.method, told.path)).collect();
    assert_eq!(told, names().collect(), "every operation is told of, and no other");
    let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
    if std::env::var("LEGATION_OPENAPI").is_ok_and(|word| word == "write") {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), &text).unwrap();
        return;
    }
    assert!(text == DOCUMENT, "write it anew: LEGATION_OPENAPI=write cargo test -p panel openapi");
}
