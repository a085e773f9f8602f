//! The codec over a plain host: what is accepted, what is refused and where, and what memory follows.
//!
//! That texts and positions are those of the specification is tested from Python, on all schemas of the chain.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::vec::Drain;

use esper_codec::{Failure, Look, Make, Record, Refusal, Rejected, Schema, Unfit, decode, encode};

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// Remembers the largest block that this thread asked for.
struct Watched;

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Plain {
    Unsigned(u64),
    Signed(i64),
    Bytes(Vec<u8>),
    List(Vec<Plain>),
}

/// Builds plain values; a record whose first field is 13 is refused.
struct Host;

impl Make<()> for Host {
    type Value = Plain;
    type Error = &'static str;

    fn unsigned(&mut self, value: u64) -> Result<Plain, Self::Error> {
        Ok(Plain::Unsigned(value))
    }

    fn signed(&mut self, value: i64) -> Result<Plain, Self::Error> {
        Ok(Plain::Signed(value))
    }

    fn wide(&mut self, bytes: &[u8]) -> Result<Plain, Self::Error> {
        self.bytes(bytes)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Plain, Self::Error> {
        Ok(Plain::Bytes(bytes.to_vec()))
    }

    fn list(&mut self, elements: Drain<'_, Plain>) -> Result<Plain, Self::Error> {
        Ok(Plain::List(elements.collect()))
    }

    fn record(&mut self, _: &Record<()>, fields: Drain<'_, Plain>) -> Result<Plain, Rejected<Self::Error>> {
        let fields: Vec<_> = fields.collect();
        match fields.first() {
            Some(Plain::Unsigned(13)) => Err(Rejected::Refused("no 13".into(), "cause")),
            Some(Plain::Unsigned(14)) => Err(Rejected::Broken("broken")),
            _ => Ok(Plain::List(fields)),
        }
    }
}

impl Look<()> for Host {
    type Value = Plain;
    type Error = &'static str;

    fn unsigned(&self, value: &Plain) -> Result<Option<u64>, Unfit<Self::Error>> {
        match value {
            Plain::Unsigned(value) => Ok(Some(*value)),
            Plain::Signed(_) => Ok(None),
            _ => Err(Unfit::Broken("no integer")),
        }
    }

    fn signed(&self, value: &Plain) -> Result<Option<i64>, Unfit<Self::Error>> {
        match value {
            Plain::Signed(value) => Ok(Some(*value)),
            Plain::Unsigned(value) => Ok(i64::try_from(*value).ok()),
            _ => Err(Unfit::Broken("no integer")),
        }
    }

    fn wide(&self, value: &Plain, size: usize, out: &mut Vec<u8>) -> Result<bool, Unfit<Self::Error>> {
        let bytes = self.bytes(value)?;
        out.extend_from_slice(bytes);
        Ok(bytes.len() == size)
    }

    fn bytes<'v>(&self, value: &'v Plain) -> Result<&'v [u8], Unfit<Self::Error>> {
        match value {
            Plain::Bytes(bytes) => Ok(bytes),
            _ => Err(Unfit::Broken("no bytes")),
        }
    }

    fn length(&self, value: &Plain) -> Result<usize, Unfit<Self::Error>> {
        match value {
            Plain::List(elements) => Ok(elements.len()),
            _ => Err(Unfit::Broken("no list")),
        }
    }

    fn element(&self, value: &Plain, place: usize) -> Result<Plain, Unfit<Self::Error>> {
        match value {
            Plain::List(elements) => Ok(elements[place].clone()),
            _ => Err(Unfit::Broken("no list")),
        }
    }

    fn field(&self, _: &Record<()>, value: &Plain, place: usize) -> Result<Plain, Unfit<Self::Error>> {
        self.element(value, place)
    }

    fn shown(&self, value: &Plain) -> Result<String, Unfit<Self::Error>> {
        Ok(format!("{value:?}"))
    }
}

fn record(version: Option<u16>, fields: Vec<(&str, Schema<()>)>) -> Schema<()> {
    let fields = fields.into_iter().map(|(name, schema)| (name.into(), Arc::new(schema))).collect();
    Schema::Record(Record { build: (), version, fields })
}

fn list(element: Schema<()>, limit: usize) -> Schema<()> {
    Schema::Array { element: Arc::new(element), limit }
}

fn sample() -> Schema<()> {
    record(
        Some(7),
        vec![
            ("number", Schema::Unsigned { bits: 64 }),
            ("delta", Schema::Signed),
            ("name", Schema::FixedBytes { size: 2 }),
            ("wide", Schema::WideUnsigned { size: 3 }),
            ("text", Schema::VarBytes { limit: 1 << 17 }),
            ("pairs", list(Schema::UnsignedPair { bits: 9 }, 1 << 17)),
        ],
    )
}

fn refused(schema: &Schema<()>, data: &[u8]) -> Refusal {
    match decode(schema, data, "value", &mut Host) {
        Err(Failure::Refused(refusal, None)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn written(schema: &Schema<()>, value: &Plain) -> Result<Vec<u8>, Unfit<&'static str>> {
    let mut out = Vec::new();
    encode(schema, value, &Host, &mut out).map(|()| out)
}

#[test]
fn integers_and_lengths_of_every_width_come_back() {
    let pair = Plain::List(vec![Plain::Unsigned(511), Plain::Unsigned(0)]);
    for bits in 0..u64::BITS {
        for number in [(1 << bits) - 1, 1 << bits, u64::MAX >> bits] {
            for size in [0, 255, 256, 65_535, 65_536] {
                let value = Plain::List(vec![
                    Plain::Unsigned(number),
                    Plain::Signed((number >> 2) as i64 * if bits & 1 == 0 { 1 } else { -1 }),
                    Plain::Bytes(vec![1, 2]),
                    Plain::Bytes(vec![0, 1, 2]),
                    Plain::Bytes(vec![9; if bits == 9 { size } else { 0 }]),
                    Plain::List(vec![pair.clone(); if bits == 8 { size } else { 0 }]),
                ]);
                let bytes = written(&sample(), &value).unwrap();
                assert_eq!(decode(&sample(), &bytes, "value", &mut Host).unwrap(), value);
            }
        }
    }
}

#[test]
fn heads_are_those_of_message_pack() {
    let number = Schema::Unsigned { bits: 64 };
    for (value, bytes) in [
        (0x7F, &[0x7F][..]),
        (0x80, &[0xCC, 0x80]),
        (0x100, &[0xCD, 1, 0]),
        (0x1_0000, &[0xCE, 0, 1, 0, 0]),
        (0x1_0000_0000, &[0xCF, 0, 0, 0, 1, 0, 0, 0, 0]),
    ] {
        assert_eq!(written(&number, &Plain::Unsigned(value)).unwrap(), bytes);
    }
    for (value, coded) in [(0, 0), (-1, 1), (1, 2), (-2, 3), (1 - (1 << 62), u64::MAX / 2 - 2)] {
        let bytes = written(&number, &Plain::Unsigned(coded)).unwrap();
        assert_eq!(written(&Schema::Signed, &Plain::Signed(value)).unwrap(), bytes);
    }
    assert_eq!(
        written(&list(number, 99), &Plain::List(vec![Plain::Unsigned(5); 16])).unwrap()[..3],
        [0xDC, 0, 16]
    );
}

#[test]
fn refusals_name_field_reason_and_place() {
    let pairs = record(Some(1), vec![("pairs", list(Schema::UnsignedPair { bits: 8 }, 9))]);
    let refusal = refused(&pairs, &[0x92, 1, 0x92, 0x92, 0, 0, 0x92, 5, 0xFF]);
    assert_eq!(refusal.what, "value.pairs[1][1]: byte 0xff starts no unsigned integer");
    assert_eq!(refusal.position, 8);
    for (data, reason, position) in [
        (&[][..], "value: needs 1 bytes, 0 are left", 0),
        (&[0x80], "value: byte 0x80 starts no array", 0),
        (&[0x93], "value: 3 elements, must be 2", 0),
        (&[0x92, 0xCC, 1], "value.version: 1 is not in its shortest form", 2),
        (&[0x92, 2], "value: version 2, this node knows 1", 0),
        (&[0x92, 1, 0x9A], "value.pairs: 10 elements, at most 0 possible", 2),
        (&[0x92, 1, 0x91, 0x93], "value.pairs[0]: 3 elements, must be 2", 3),
        (&[0x92, 1, 0x91, 0x92, 0xCD, 1, 0], "value.pairs[0][0]: 256 does not fit 8 unsigned bits", 4),
        (&[0x92, 1, 0x90, 0], "value: 1 bytes left over", 3),
    ] {
        assert_eq!(refused(&pairs, data), Refusal { what: reason.into(), position });
    }
    for (schema, data, reason) in [
        (Schema::FixedBytes { size: 2 }, &[0xC4, 1, 0][..], "value: 1 bytes, must be 2"),
        (Schema::VarBytes { limit: 2 }, &[0xC4, 3], "value: 3 bytes, at most 2 allowed"),
        (Schema::VarBytes { limit: 9 }, &[0xC4, 3, 0], "value: needs 3 bytes, 1 are left"),
        (Schema::VarBytes { limit: 9 }, &[0xC5, 0, 3], "value: 3 is not in its shortest form"),
        (Schema::WideUnsigned { size: 2 }, &[0xA0], "value: byte 0xa0 starts no byte string"),
        (
            Schema::Signed,
            &[0xCF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            "value: -4611686018427387904 is outside (-2^62, 2^62)",
        ),
    ] {
        assert_eq!(refused(&schema, data).what, reason);
    }
}

#[test]
fn what_the_host_says_of_a_record_is_told_apart() {
    let schema = list(record(None, vec![("number", Schema::Unsigned { bits: 8 })]), 9);
    assert!(decode(&schema, &[0x91, 0x91, 12], "value", &mut Host).is_ok());
    let Err(Failure::Refused(refusal, cause)) = decode(&schema, &[0x91, 0x91, 13], "value", &mut Host) else {
        panic!("accepted")
    };
    assert_eq!((refusal.what.as_str(), refusal.position), ("value[0]: no 13", 1));
    assert_eq!(cause, Some("cause"));
    assert!(matches!(decode(&schema, &[0x91, 0x91, 14], "value", &mut Host), Err(Failure::Broken("broken"))));
}

#[test]
fn values_outside_the_schema_are_not_written() {
    let bytes = |size| Plain::Bytes(vec![0; size]);
    let pair = |count| Plain::List(vec![Plain::Unsigned(1); count]);
    for (schema, value, reason) in [
        (Schema::Unsigned { bits: 8 }, Plain::Unsigned(256), "Unsigned(256) does not fit 8 unsigned bits"),
        (Schema::Signed, Plain::Signed(1 << 62), "Signed(4611686018427387904) is outside (-2^62, 2^62)"),
        (Schema::Signed, Plain::Signed(-(1 << 62)), "Signed(-4611686018427387904) is outside (-2^62, 2^62)"),
        (Schema::FixedBytes { size: 2 }, bytes(3), "3 bytes given, must be 2"),
        (Schema::WideUnsigned { size: 2 }, bytes(3), "Bytes([0, 0, 0]) does not fit 2 unsigned bytes"),
        (Schema::VarBytes { limit: 2 }, bytes(3), "3 bytes given, at most 2 allowed"),
        (Schema::UnsignedPair { bits: 8 }, pair(3), "3 elements given, must be 2"),
        (list(Schema::Signed, 1), pair(2), "2 elements given, at most 1 allowed"),
    ] {
        let named = record(None, vec![("name", schema)]);
        let found = written(&named, &Plain::List(vec![value])).unwrap_err();
        assert_eq!(found, Unfit::Outside(format!("name: {reason}")));
    }
    assert_eq!(written(&Schema::Signed, &bytes(1)), Err(Unfit::Broken("no integer")));
}

#[test]
fn a_declared_length_asks_for_no_memory() {
    let deep = list(list(Schema::VarBytes { limit: usize::MAX }, usize::MAX), usize::MAX);
    // A long message, so that the count is possible by its bytes alone.
    let mut data = vec![0xDD, 0, 0x0F, 0, 0];
    data.resize(1 << 20, 0xC1);
    for start in [
        &[0xDD, 0xFF, 0xFF, 0xFF, 0xFF][..],
        &[0xDD, 0, 0x0F, 0, 0],
        &[0x91, 0xDD, 0, 0x0F, 0, 0],
        &[0x91, 0x91, 0xC6, 0xFF, 0xFF, 0xFF, 0xFF],
    ] {
        data[..start.len()].copy_from_slice(start);
        LARGEST.set(0);
        assert!(decode(&deep, &data, "value", &mut Host).is_err());
        assert!(LARGEST.get() < 1024, "{} bytes at once for {start:02x?}", LARGEST.get());
    }
}
