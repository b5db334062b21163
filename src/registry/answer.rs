//! An answer of Confluent's API → what the registry has; `None`: it says that it has no such thing.
//!
//! A registry says that with an error code of its own beside HTTP's 404. Another 404 is of something else that listens
//! there, and says nothing of the id.

use serde::Deserialize;

use super::Fault;

/// No such subject, version, schema.
const ABSENT: [u32; 3] = [40401, 40402, 40403];
/// Of what a server says about itself, in bytes.
const LONGEST_MESSAGE: usize = 200;

/// What a registry has under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// An Avro schema, as JSON.
    Avro(String),
    /// No record can be read with it: why, for people. Goes on after `schema id 7 …`.
    Unusable(String),
}

/// The last version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Latest {
    pub id: u32,
    pub version: u32,
    pub schema: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaAnswer {
    schema: String,
    /// Left out for Avro.
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Registered {
    pub fn text(&self) -> &str {
        match self {
            Self::Avro(text) | Self::Unusable(text) => text,
        }
    }
}

/// Of `GET /schemas/ids/ID`.
pub fn registered(status: u16, body: &[u8]) -> Result<Option<Registered>, Fault> {
    let Some(SchemaAnswer { schema, schema_type, references }) = of(status, body)? else { return Ok(None) };
    let kind = schema_type.unwrap_or_else(|| "AVRO".into());
    Ok(Some(if kind != "AVRO" {
        Registered::Unusable(format!("is of type {kind}; fabric reads AVRO"))
    } else if references.is_empty() {
        Registered::Avro(schema)
    } else {
        let names: Vec<&str> = references.iter().map(|reference| reference.name.as_str()).collect();
        let names = names.join(", ");
        Registered::Unusable(format!(
            "refers to other schemas ({names}), which fabric does not follow; register it whole"
        ))
    }))
}

/// Of `GET /subjects/SUBJECT/versions/latest`.
pub fn latest(status: u16, body: &[u8]) -> Result<Option<Latest>, Fault> {
    of(status, body)
}

fn of<T: for<'d> Deserialize<'d>>(status: u16, body: &[u8]) -> Result<Option<T>, Fault> {
    let said = || serde_json::from_slice::<ErrorAnswer>(body).ok();
    match status {
        200..=299 => {
            let unusable = |error: serde_json::Error| Fault::Unusable(format!("{error}"));
            serde_json::from_slice(body).map(Some).map_err(unusable)
        }
        401 | 403 => Err(Fault::KeepsOut(status)),
        404 => match said() {
            Some(answer) if ABSENT.contains(&answer.error_code) => Ok(None),
            _ => Err(Fault::Unusable("HTTP 404, which is not of the API".into())),
        },
        _ => {
            let message = said().map(|answer| answer.message).unwrap_or_default();
            Err(Fault::Refuses { status, message: first_of(message) })
        }
    }
}

fn first_of(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(answer: Result<Option<Registered>, Fault>) -> String {
        match answer {
            Ok(Some(Registered::Avro(schema))) => format!("avro {schema}"),
            Ok(Some(Registered::Unusable(why))) => why,
            Ok(None) => "absent".into(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn a_schema_is_avro_that_stands_alone() {
        for (body, expected) in [
            (r#"{"schema":"\"long\""}"#, "avro \"long\""),
            (r#"{"schema":"\"long\"","schemaType":"AVRO","references":[]}"#, "avro \"long\""),
            (r#"{"schema":"{}","schemaType":"JSON"}"#, "is of type JSON; fabric reads AVRO"),
            (
                r#"{"schema":"{}","references":[{"name":"a.B","subject":"b","version":1}]}"#,
                "refers to other schemas (a.B), which fabric does not follow; register it whole",
            ),
        ] {
            assert_eq!(words(registered(200, body.as_bytes())), expected);
        }
    }

    #[test]
    fn only_a_registry_can_say_that_it_does_not_know_an_id() {
        for (status, body, expected) in [
            (404, r#"{"error_code":40403,"message":"Schema not found"}"#, "absent"),
            (404, "<html>nginx</html>", "HTTP 404, which is not of the API"),
            (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#, "HTTP 404, which is not of the API"),
            (200, "<html>welcome</html>", "does not answer as Confluent's API has it (expected value"),
            (200, r#"{"id":7}"#, "missing field `schema`"),
            (401, "", "does not let fabric in (HTTP 401)"),
            (503, "", "is in trouble (HTTP 503)"),
            (
                500,
                r#"{"error_code":50001,"message":"Error in the backend datastore"}"#,
                "HTTP 500: Error in the backend",
            ),
        ] {
            let said = words(registered(status, body.as_bytes()));
            assert!(said.contains(expected), "{status} {body}: {said}");
        }
    }

    #[test]
    fn the_last_version_of_a_subject_has_the_id_that_messages_carry() {
        let body = br#"{"subject":"payments-value","version":3,"id":41,"schema":"\"long\"","references":[]}"#;
        assert_eq!(latest(200, body), Ok(Some(Latest { id: 41, version: 3, schema: "\"long\"".into() })));
        assert_eq!(latest(404, br#"{"error_code":40401,"message":"Subject not found."}"#), Ok(None));
    }
}
