//! MessagePack as far as the chain has it: unsigned integers, byte strings and arrays of them.

/// One element, with the bytes that it was read from.
pub struct Item<'a> {
    pub span: &'a [u8],
    value: Value<'a>,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Array(Vec<Item<'a>>),
}

impl<'a> Item<'a> {
    pub fn number(&self) -> u64 {
        let Value::Number(number) = self.value else { panic!("no integer: {:x?}", self.span) };
        number
    }

    pub fn bytes(&self) -> &'a [u8] {
        let Value::Bytes(bytes) = self.value else { panic!("no byte string: {:x?}", self.span) };
        bytes
    }

    pub fn sized<const N: usize>(&self) -> [u8; N] {
        self.bytes().try_into().expect("a byte string of this size")
    }

    pub fn items(&self) -> &[Item<'a>] {
        let Value::Array(items) = &self.value else { panic!("no array: {:x?}", self.span) };
        items
    }

    /// As `items`, of a fixed number.
    pub fn record<const N: usize>(&self) -> &[Item<'a>; N] {
        self.items().try_into().unwrap_or_else(|_| panic!("not {N} elements: {:x?}", self.span))
    }
}

/// The one element that `data` is.
pub fn read(data: &[u8]) -> Item<'_> {
    let mut left = data;
    let item = next(&mut left);
    assert!(left.is_empty(), "{} bytes left over", left.len());
    item
}

fn take<'a>(left: &mut &'a [u8], size: usize) -> &'a [u8] {
    left.split_off(..size).expect("more bytes")
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn next<'a>(left: &mut &'a [u8]) -> Item<'a> {
    let before = *left;
    let head = take(left, 1)[0];
    let wide = |left: &mut &'a [u8], size: usize| big_endian(take(left, size));
    let value = match head {
        0x00..=0x7f => Value::Number(u64::from(head)),
        0xcc..=0xcf => Value::Number(wide(left, 1 << (head - 0xcc))),
        0xc4..=0xc6 => {
            let size = usize::try_from(wide(left, 1 << (head - 0xc4))).unwrap();
            Value::Bytes(take(left, size))
        }
        0x90..=0x9f => Value::Array((0..head & 15).map(|_| next(left)).collect()),
        0xdc => Value::Array((0..wide(left, 2)).map(|_| next(left)).collect()),
        _ => panic!("{head:#x} starts nothing that the chain has"),
    };
    Item { span: &before[..before.len() - left.len()], value }
}

/// The shortest form of an integer.
pub fn number(value: u64) -> Vec<u8> {
    let wide = value.to_be_bytes();
    match value {
        0..0x80 => vec![wide[7]],
        0x80..0x100 => vec![0xcc, wide[7]],
        0x100..0x1_0000 => [&[0xcd], &wide[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[0xce], &wide[4..]].concat(),
        _ => [&[0xcf], &wide[..]].concat(),
    }
}

/// A byte string of less than 2^16 bytes.
pub fn bytes(value: &[u8]) -> Vec<u8> {
    let size = u16::try_from(value.len()).unwrap().to_be_bytes();
    let head: &[u8] = if size[0] == 0 { &[0xc4] } else { &[0xc5, size[0]] };
    [head, &size[1..], value].concat()
}

/// An array of elements that are written already.
pub fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let head = match elements.len() {
        count @ 0..16 => vec![0x90 | count as u8],
        count => [&[0xdc], &u16::try_from(count).unwrap().to_be_bytes()[..]].concat(),
    };
    [head, elements.concat()].concat()
}
