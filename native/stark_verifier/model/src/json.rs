//! JSON as every reader of a model's files takes it, in this crate and in Python (`esper/model/files/json_file.py`):
//! UTF-8 without a byte order mark, no name twice in an object, numbers that a double holds, at most 127 levels.
//! What one reader takes and another refuses, or takes otherwise, would be two models in one file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Parses `bytes` whole; the reason in words where they are no such JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|e| e.to_string())
}

/// A value none of whose objects names anything twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(entry)) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Strict(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut map = Map::new();
        while let Some((name, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if map.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("'{name}' stands twice in one object")));
            }
        }
        Ok(Strict(map.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn plain_json_is_read_as_ever() {
        let value = json!({"a": [1, -2, 2.5, null, true, "x\u{e9}"], "b": {"a": {}}, "c": u64::MAX});
        assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
    }

    #[test]
    fn what_others_would_read_otherwise_is_refused() {
        for text in [
            "\u{feff}{}",
            r#"{"a": 1, "a": 1}"#,
            r#"[{"b": {"c": 1, "c": 2}}]"#,
            "[NaN]",
            "[-Infinity]",
            "[1e999]",
            r#"["\ud800"]"#,
            "{} {}",
            "",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"[\"\xff\"]").is_err() && parse(b"\xff\xfe{\0}\0").is_err());
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(127).as_bytes()).is_ok() && parse(nested(128).as_bytes()).is_err());
        assert!(parse(b"-0").unwrap().as_u64().is_none());
    }
}
